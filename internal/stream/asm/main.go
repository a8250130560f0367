// Command asm writes the assembly of package stream, for AVX-512 and for AVX2 with FMA,
// and its Go declarations.
//
//	cd internal/stream/asm && ./generate.sh
//
// It is a module of its own, so that the generator is no dependency of the program.
// The portable function normals says what is computed; all give the same bits.
package main

import (
	"flag"
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

var isaName = flag.String("isa", "avx512", "avx512 or avx2")

func main() {
	flag.Parse()
	ConstraintExpr("amd64,!purego")
	g := generator{wide: *isaName == "avx512"}
	name := "AVX2"
	if g.wide {
		name = "AVX512"
	}
	TEXT("normals"+name, NOSPLIT, "func(to *float64, blocks int, deviation float64, state *[4][8]uint64, constants *[64]uint64)")
	g.constants = Mem{Base: Load(Param("constants"), GP64())}
	state, start, blocks := Mem{Base: Load(Param("state"), GP64())}, Load(Param("to"), GP64()), Load(Param("blocks"), GP64())
	deviation := g.new()
	p, err := Param("deviation").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSD(p.Addr, deviation)

	g.hold()

	// Blocks are of 128 bytes.
	const block = 128
	for at := 0; at < block/2; at += g.bytes() { // some lanes through all blocks, then others
		s := make([]reg.VecVirtual, 4)
		for i := range s {
			s[i] = g.new()
			g.move(state.Offset(64*i+at), s[i])
		}
		to, left := GP64(), GP64()
		MOVQ(start, to)
		MOVQ(blocks, left)
		next, done := fmt.Sprint("block", at), fmt.Sprint("done", at)
		Label(next)
		CMPQ(left, I8(0))
		JEQ(LabelRef(done))
		along, across := g.pair(s)
		for i, x := range []reg.VecVirtual{along, across} {
			m := Mem{Base: to, Disp: i*block/2 + at}
			VFMADD213PD(m, deviation, x)
			VMOVUPD(x, m)
		}
		ADDQ(I32(block), to)
		DECQ(left)
		JMP(LabelRef(next))
		Label(done)
		for i := range s {
			g.move(s[i], state.Offset(64*i+at))
		}
	}
	VZEROUPPER()
	RET()
	Generate()
}

// generator writes the same function for either vector width.
type generator struct {
	wide      bool
	constants Mem
	held      map[int]reg.VecVirtual // constants
	tables    [4]reg.VecVirtual      // the halves of either
}

// The places of the constants: see package stream.
const (
	one = iota
	two
	threeHalves
	minusOne
	offset
	mantissa
	root
	magic
	bias
	log2
	sign
	last
	logarithm
	cosine      = logarithm + 6
	sine        = cosine + 7
	reciprocals = sine + 7
	logarithms  = reciprocals + 16
)

func (g generator) bytes() int {
	if g.wide {
		return 64
	}
	return 32
}

func (g generator) new() reg.VecVirtual {
	if g.wide {
		return ZMM()
	}
	return YMM()
}

func (g generator) move(from, to Op) {
	if g.wide {
		VMOVDQU64(from, to)
		return
	}
	VMOVDQU(from, to)
}

// hold brings to registers as much as there is room for.
func (g *generator) hold() {
	if !g.wide {
		return
	}
	g.held = map[int]reg.VecVirtual{}
	for _, i := range []int{one, two, threeHalves, minusOne, offset, mantissa, root, sign} {
		g.held[i] = g.fresh(i)
	}
	for i := range g.tables {
		g.tables[i] = g.new()
		VMOVUPD(g.constants.Offset(8*(reciprocals+8*i)), g.tables[i])
	}
}

// constant returns one in every lane, for reading.
func (g generator) constant(i int) reg.VecVirtual {
	if r, ok := g.held[i]; ok {
		return r
	}
	return g.fresh(i)
}

// fresh returns one in every lane of a register of its own.
func (g generator) fresh(i int) reg.VecVirtual {
	r := g.new()
	VBROADCASTSD(g.constants.Offset(8*i), r)
	return r
}

func (g generator) xor(a, b, to Op) {
	if g.wide {
		VPXORQ(a, b, to)
		return
	}
	VPXOR(a, b, to)
}

func (g generator) or(a, b, to Op) {
	if g.wide {
		VPORQ(a, b, to)
		return
	}
	VPOR(a, b, to)
}

func (g generator) and(a, b, to Op) {
	if g.wide {
		VPANDQ(a, b, to)
		return
	}
	VPAND(a, b, to)
}

func (g generator) rotate(n uint8, r reg.VecVirtual) {
	if g.wide {
		VPROLQ(U8(n), r, r)
		return
	}
	high := g.new()
	VPSRLQ(U8(64-n), r, high)
	VPSLLQ(U8(n), r, r)
	VPOR(high, r, r)
}

// random returns the next bits of xoshiro256+ of state s.
func (g generator) random(s []reg.VecVirtual) reg.VecVirtual {
	bits, t := g.new(), g.new()
	VPADDQ(s[0], s[3], bits)
	VPSLLQ(U8(17), s[1], t)
	if g.wide {
		const xor = 0x96 // of all three
		g.xor(s[1], s[3], s[3])
		VPTERNLOGQ(U8(xor), s[0], s[2], s[1])
		VPTERNLOGQ(U8(xor), s[0], t, s[2])
		g.xor(s[3], s[0], s[0])
	} else {
		g.xor(s[0], s[2], s[2])
		g.xor(s[1], s[3], s[3])
		g.xor(s[2], s[1], s[1])
		g.xor(s[3], s[0], s[0])
		g.xor(t, s[2], s[2])
	}
	g.rotate(45, s[3])
	return bits
}

// uniform returns the top 52 bits as a number from 1 to 2.
func (g generator) uniform(bits reg.VecVirtual) reg.VecVirtual {
	u := g.new()
	VPSRLQ(U8(12), bits, u)
	g.or(g.constant(one), u, u)
	return u
}

// polynomial evaluates that of the coefficients from first to last.
func (g generator) polynomial(first, last int, x reg.VecVirtual) reg.VecVirtual {
	y := g.fresh(last)
	for i := last - 1; i >= first; i-- {
		if g.wide {
			VFMADD213PD_BCST(g.constants.Offset(8*i), x, y)
		} else {
			VFMADD213PD(g.constant(i), x, y)
		}
	}
	return y
}

// look returns what the tables have at places.
func (g generator) look(places reg.VecVirtual) (reciprocal, log reg.VecVirtual) {
	reciprocal, log = g.new(), g.new()
	if g.wide {
		for i, r := range []reg.VecVirtual{reciprocal, log} {
			VMOVDQA64(places, r)
			VPERMI2PD(g.tables[2*i+1], g.tables[2*i], r) // by the low four bits
		}
		return reciprocal, log
	}
	g.and(g.constant(last), places, places)
	for i, r := range []reg.VecVirtual{reciprocal, log} {
		all, table := g.new(), GP64()
		VPCMPEQQ(all, all, all)
		LEAQ(g.constants.Offset(8*(reciprocals+16*i)), table)
		VGATHERQPD(all, Mem{Base: table, Index: places, Scale: 8}, r)
	}
	return reciprocal, log
}

// pair returns normal numbers, two a lane.
func (g generator) pair(s []reg.VecVirtual) (along, across reg.VecVirtual) {
	u, e, m := g.new(), g.new(), g.new()
	VSUBPD(g.uniform(g.random(s)), g.constant(two), u)
	VPADDQ(g.constant(offset), u, u)
	if g.wide {
		VGETEXPPD(u, e)
	} else {
		VPSRLQ(U8(52), u, e)
		g.or(g.constant(magic), e, e)
		VSUBPD(g.constant(bias), e, e)
	}
	g.and(g.constant(mantissa), u, m)
	VPADDQ(g.constant(root), m, m)
	VPSRLQ(U8(48), u, u)
	f, radius := g.look(u)
	VFMADD213PD(g.constant(minusOne), m, f)
	if g.wide {
		VFMADD231PD_BCST(g.constants.Offset(8*log2), e, radius)
	} else {
		VFMADD231PD(g.constant(log2), e, radius)
	}
	VFMADD231PD(g.polynomial(logarithm, cosine-1, f), f, radius)
	VSQRTPD(radius, radius)

	bits, v, w := g.random(s), g.new(), g.new()
	VSUBPD(g.constant(threeHalves), g.uniform(bits), v)
	VPSLLQ(U8(52), bits, bits)
	if !g.wide {
		g.and(g.constant(sign), bits, bits)
	}
	VMULPD(v, v, w)
	along, across = g.polynomial(cosine, sine-1, w), g.polynomial(sine, reciprocals-1, w)
	VMULPD(v, across, across)
	VMULPD(radius, across, across)
	VMULPD(radius, along, along)
	if g.wide {
		VPTERNLOGQ(U8(0x78), g.constant(sign), bits, along) // along ^ (bits & sign)
	} else {
		g.xor(bits, along, along)
	}
	return along, across
}
