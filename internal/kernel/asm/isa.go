package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa writes the same function for either vector width.
type isa struct {
	name      string
	wide      bool // 512 bits and mask registers
	pairs     bool // words are two bfloat16 numbers
	lanes     int  // floats of a vector
	registers int
}

// r returns vector register i.
func (v isa) r(i int) reg.VecPhysical {
	if v.wide {
		return zmm[i]
	}
	return ymm[i]
}

var zmm = []reg.VecPhysical{reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31}
var ymm = []reg.VecPhysical{reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15}
var xmm = []reg.VecPhysical{reg.X0, reg.X1, reg.X2, reg.X3, reg.X4, reg.X5, reg.X6, reg.X7, reg.X8, reg.X9, reg.X10, reg.X11, reg.X12, reg.X13, reg.X14, reg.X15}

// bytes is the size of a vector.
func (v isa) bytes() int { return 4 * v.lanes }

func (v isa) zero(r reg.VecPhysical) {
	if v.wide {
		VPXORD(r, r, r)
		return
	}
	VXORPS(r, r, r)
}

// mask is which lanes of a vector exist: all, or those of a mask register, which is
// K1 or, without mask registers, a vector of ones and zeros.
type mask struct {
	on  bool
	k   reg.Register
	vec reg.VecPhysical
}

var all = mask{}

// tail makes the mask of the first n lanes, n < lanes in a register that it
// destroys. Without mask registers it is held in the vector register last.
func (v isa) tail(n reg.GPVirtual, last int) mask {
	if v.wide {
		ones := GP64()
		MOVQ(I32(-1), ones)
		BZHIQ(n, ones, ones)
		KMOVW(ones.As32(), reg.K1)
		return mask{on: true, k: reg.K1}
	}
	table := GP64()
	LEAQ(lanes, table)
	NEGQ(n)
	VMOVUPS(Mem{Base: table, Disp: 32, Index: n, Scale: 4}, v.r(last))
	return mask{on: true, vec: v.r(last)}
}

var lanes Mem

// maskTable is eight ones and eight zeros.
func maskTable() {
	lanes = GLOBL("lanes", RODATA|NOPTR)
	for i := range 16 {
		ones := uint32(0xffffffff)
		if i >= 8 {
			ones = 0
		}
		DATA(4*i, U32(ones))
	}
}

func (v isa) load(m Mem, dst reg.VecPhysical, k mask) {
	switch {
	case !k.on:
		VMOVUPS(m, dst)
	case v.wide:
		VMOVUPS_Z(m, k.k, dst)
	default:
		VMASKMOVPS(m, k.vec, dst)
	}
}

func (v isa) store(src reg.VecPhysical, m Mem, k mask) {
	switch {
	case !k.on:
		VMOVUPS(src, m)
	case v.wide:
		VMOVUPS(src, k.k, m)
	default:
		VMASKMOVPS(src, k.vec, m)
	}
}

// scaled loads an int parameter and turns floats to bytes.
func scaled(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	SHLQ(I8(2), r)
	return r
}

// broadcast fills a vector with a float parameter.
func (v isa) broadcast(name string, r reg.VecPhysical) {
	p, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(p.Addr, r)
}

func pointer(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	return r
}

// loop repeats body while the counter is above 0, and takes step from it each time;
// it is left when less than step remains.
func loop(label string, counter reg.GPVirtual, step int, body func()) {
	Label(label)
	CMPQ(counter, I32(int32(step)))
	JLT(LabelRef(label + "_end"))
	body()
	SUBQ(I32(int32(step)), counter)
	JMP(LabelRef(label))
	Label(label + "_end")
}

type reg64 = reg.GPVirtual
