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
	TEXT("normals"+name, NOSPLIT, "func(to *float64, blocks int, deviation float64, state *[4][8]uint64, constants *[39]uint64)")
	g.constants = Mem{Base: Load(Param("constants"), GP64())}
	state, start, blocks := Mem{Base: Load(Param("state"), GP64())}, Load(Param("to"), GP64()), Load(Param("blocks"), GP64())
	deviation := g.new()
	p, err := Param("deviation").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSD(p.Addr, deviation)

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
}

// The places of the constants: see package stream.
const (
	one = iota
	two
	threeHalves
	offset
	mantissa
	root
	magic
	bias
	log2
	sign
	logarithm // of 15 coefficients
	cosine    = logarithm + 15
	sine      = cosine + 7 // of 7
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

// constant returns one of the table in every lane.
func (g generator) constant(i int) reg.VecVirtual {
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

// random returns the next bits of xoshiro256++ of state s.
func (g generator) random(s []reg.VecVirtual) reg.VecVirtual {
	bits, t := g.new(), g.new()
	VPADDQ(s[0], s[3], bits)
	g.rotate(23, bits)
	VPADDQ(s[0], bits, bits)
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

// polynomial evaluates that of every by-th coefficient from first up to last.
func (g generator) polynomial(first, last, by int, x reg.VecVirtual) reg.VecVirtual {
	y := g.constant(last)
	for i := last - by; i >= first; i -= by {
		if g.wide {
			VFMADD213PD_BCST(g.constants.Offset(8*i), x, y)
		} else {
			VFMADD213PD(g.constant(i), x, y)
		}
	}
	return y
}

// pair returns normal numbers, two a lane.
func (g generator) pair(s []reg.VecVirtual) (along, across reg.VecVirtual) {
	u, e, f, radius := g.new(), g.new(), g.new(), g.new()
	VSUBPD(g.uniform(g.random(s)), g.constant(two), u)
	VPADDQ(g.constant(offset), u, u)
	VPSRLQ(U8(52), u, e)
	g.or(g.constant(magic), e, e)
	VSUBPD(g.constant(bias), e, e)
	g.and(g.constant(mantissa), u, f)
	VPADDQ(g.constant(root), f, f)
	VSUBPD(g.constant(one), f, f)
	VMULPD(g.constant(log2), e, radius)
	square := g.new()
	VMULPD(f, f, square)
	even, odd := g.polynomial(logarithm, cosine-1, 2, square), g.polynomial(logarithm+1, cosine-2, 2, square)
	VFMADD231PD(odd, f, even)
	VFMADD231PD(even, f, radius)
	VSQRTPD(radius, radius)

	bits, v, w := g.random(s), g.new(), g.new()
	VSUBPD(g.constant(threeHalves), g.uniform(bits), v)
	VPSLLQ(U8(52), bits, bits)
	if !g.wide {
		g.and(g.constant(sign), bits, bits)
	}
	VMULPD(v, v, w)
	along, across = g.polynomial(cosine, sine-1, 1, w), g.polynomial(sine, sine+6, 1, w)
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
