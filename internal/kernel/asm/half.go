package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// half writes the functions of bfloat16 operands, two to a word of 32 bits.
func (v isa) half() {
	zip := GLOBL("zip", RODATA|NOPTR)
	for i := range 32 {
		DATA(2*i, U16(uint16(i/2+i%2*16)))
	}
	v.products()
	v.narrowRows(false)
	v.narrowRows(true)
	v.pairRows(false, zip)
	v.pairRows(true, zip)
	v.inputTransforms()
}

// The instructions of AVX512_BF16, which the Go assembler does not know. Source:
// Intel's instruction set reference; operands in its order reversed, as Go has them.

// VDPBF16PS adds to every lane of acc the products of the two numbers in the lanes
// of a and b, the odd ones first.
func VDPBF16PS(a, b, acc reg.VecPhysical) { evex(2, 0x52, acc, b, a) }

// VCVTNE2PS2BF16 rounds the lanes of lo and of hi to the lower and the upper half of
// dst.
func VCVTNE2PS2BF16(lo, hi, dst reg.VecPhysical) { evex(3, 0x72, dst, hi, lo) }

// VCVTNEPS2BF16 rounds the lanes of src to the lower half of dst.
func VCVTNEPS2BF16(src, dst reg.VecPhysical) { evex(2, 0x72, dst, zmm[0], src) }

// evex writes an instruction of the map 0F38 on three 512-bit registers, with the
// prefix F3 (2) or F2 (3). An unused second register is Z0.
func evex(prefix, opcode int, dst, second, rm reg.VecPhysical) {
	d, s, r := number(dst), number(second), number(rm)
	not := func(n, bit int) int { return ^n >> bit & 1 }
	word := func(bytes ...int) (w uint32) {
		for i, b := range bytes {
			w |= uint32(b) << (8 * i)
		}
		return w
	}
	Instruction(&ir.Instruction{Opcode: "LONG", Operands: []Op{U32(word(0x62,
		not(d, 3)<<7|not(r, 4)<<6|not(r, 3)<<5|not(d, 4)<<4|2,
		(^s&15)<<3|4|prefix,
		2<<5|not(s, 4)<<3))}})
	Instruction(&ir.Instruction{Opcode: "WORD", Operands: []Op{U16(word(opcode, 3<<6|d&7<<3|r&7))}})
}

func number(r reg.VecPhysical) int { return int(r.PhysicalIndex()) }

// halfColumns is columns for bfloat16 results: at is the offset in their row, half
// of that in a row of floats.
func (v isa) halfColumns(label string, cols, at reg.GPVirtual, unroll int, body func(u int, masked bool)) {
	left := GP64()
	MOVQ(cols, left)
	XORQ(at, at)
	loop(label+"_many", left, unroll*v.lanes, func() {
		for u := range unroll {
			body(u, false)
		}
		ADDQ(I32(int32(unroll*v.bytes()/2)), at)
	})
	loop(label+"_one", left, v.lanes, func() {
		body(0, false)
		ADDQ(I32(int32(v.bytes()/2)), at)
	})
	TESTQ(left, left)
	JZ(LabelRef(label + "_done"))
	body(0, true)
	Label(label + "_done")
}

// narrowRows rounds rows of floats, with affine after x·scale + shift and floor.
func (v isa) narrowRows(affine bool) {
	name, signature := "narrowRows", "func(dst *float32, ldd int, src *float32, lds, rows, cols int)"
	if affine {
		name, signature = "affineNarrowRows", "func(dst *float32, ldd int, src *float32, lds, rows, cols int, scale, shift *float32, floor float32)"
	}
	TEXT(name+v.name, NOSPLIT, signature)
	dst, src, ldd, lds := pointer("dst"), pointer("src"), pointer("ldd"), scaled("lds")
	SHLQ(I8(1), ldd)
	rows, cols := pointer("rows"), pointer("cols")
	var scale, shift reg.GPVirtual
	floor := v.r(14)
	if affine {
		scale, shift = pointer("scale"), pointer("shift")
		v.broadcast("floor", floor)
	}
	rest := v.restMask(cols, 15)
	at := GP64()
	loop("rows", rows, 1, func() {
		v.halfColumns("cols", cols, at, 4, func(u int, masked bool) {
			k := all
			if masked {
				k = rest
			}
			in := func(base reg.GPVirtual) Mem {
				return Mem{Base: base, Index: at, Scale: 2, Disp: u * v.bytes()}
			}
			x := v.r(3 * u)
			v.load(in(src), x, k)
			if affine {
				s, b := v.r(3*u+1), v.r(3*u+2)
				v.load(in(scale), s, k)
				v.load(in(shift), b, k)
				VFMADD213PS(b, s, x)
				VMAXPS(x, floor, x)
			}
			VCVTNEPS2BF16(x, x)
			out := Mem{Base: dst, Index: at, Scale: 1, Disp: u * v.bytes() / 2}
			if masked {
				VMOVDQU16(lowerHalf(x), rest.k, out)
			} else {
				VMOVDQU(lowerHalf(x), out)
			}
		})
		ADDQ(ldd, dst)
		ADDQ(lds, src)
	})
	VZEROUPPER()
	RET()
}

// pairRows rounds two rows to one of pairs; zip is the order that brings the lanes of
// two halves together.
func (v isa) pairRows(affine bool, zip Mem) {
	name, signature := "pairRows", "func(dst *float32, ldd int, lo, hi *float32, lds, rows, cols int)"
	if affine {
		name, signature = "affinePairRows", "func(dst *float32, ldd int, lo, hi *float32, lds, rows, cols int, scale, shift *float32, floor float32)"
	}
	TEXT(name+v.name, NOSPLIT, signature)
	dst, lo, hi := pointer("dst"), pointer("lo"), pointer("hi")
	ldd, lds := scaled("ldd"), scaled("lds")
	rows, cols := pointer("rows"), pointer("cols")
	var scale, shift reg.GPVirtual
	floor, order := v.r(30), v.r(31)
	if affine {
		scale, shift = pointer("scale"), pointer("shift")
		v.broadcast("floor", floor)
	}
	VMOVDQU16(zip, order)
	rest := v.restMask(cols, 15)
	at := GP64()
	loop("rows", rows, 1, func() {
		v.columns("cols", cols, at, 4, rest, func(u int, k mask) {
			in := func(base reg.GPVirtual) Mem {
				return Mem{Base: base, Index: at, Scale: 1, Disp: u * v.bytes()}
			}
			x, y := v.r(4*u), v.r(4*u+1)
			v.load(in(lo), x, k)
			v.load(in(hi), y, k)
			if affine {
				s, b := v.r(4*u+2), v.r(4*u+3)
				v.load(in(scale), s, k)
				v.load(in(shift), b, k)
				VFMADD213PS(b, s, x)
				VFMADD213PS(b, s, y)
				VMAXPS(x, floor, x)
				VMAXPS(y, floor, y)
			}
			VCVTNE2PS2BF16(x, y, x)
			VPERMW(x, order, x)
			v.store(x, in(dst), k)
		})
		ADDQ(ldd, dst)
		ADDQ(lds, lo)
		ADDQ(lds, hi)
	})
	VZEROUPPER()
	RET()
}

// lowerHalf returns the 256 bits at the bottom of a vector.
func lowerHalf(r reg.VecPhysical) reg.VecPhysical {
	return r.(interface{ AsY() reg.Register }).AsY().(reg.VecPhysical)
}
