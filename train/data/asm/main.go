// Command asm writes the assembly of package data, for AVX2, and its Go declarations.
//
//	cd train/data/asm && go run . -out ../avx2_amd64.s -stubs ../avx2_amd64.go -pkg data
//
// It is a module of its own, so that the generator is no dependency of the program.
// What each function computes is said by the portable Go function that it stands for;
// all are integer arithmetic and give the same bytes.
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	flag.Parse()
	ConstraintExpr("amd64,!purego")
	spread()
	toRGB()
	Generate()
}

func pointer(name string) reg.GPVirtual { return Load(Param(name), GP64()).(reg.GPVirtual) }

// words returns a register that holds a pair of 16-bit values throughout.
func words(name string, low, high int16) reg.VecVirtual {
	m := GLOBL(name, RODATA|NOPTR)
	DATA(0, U32(uint32(uint16(low))|uint32(uint16(high))<<16))
	r := YMM()
	VPBROADCASTD(m, r)
	return r
}

// spread interpolates chroma between two rows and across: sixteen sums of both rows
// give thirty-two values. The sample before the first and the one behind the last are
// read too.
func spread() {
	TEXT("spreadAVX2", NOSPLIT, "func(out, near, far *uint8, n int)")
	out, near, far, n := pointer("out"), pointer("near"), pointer("far"), pointer("n")
	eight, seven := words("eight", 8, 8), words("seven", 7, 7)
	sum := func(at int) reg.VecVirtual { // 3·near + far
		a, b := YMM(), YMM()
		VPMOVZXBW(Mem{Base: near, Disp: at}, a)
		VPMOVZXBW(Mem{Base: far, Disp: at}, b)
		VPADDW(a, b, b)
		VPADDW(a, a, a)
		VPADDW(a, b, b)
		return b
	}
	Label("spread")
	last, here, next := sum(-1), sum(0), sum(1)
	triple := YMM()
	VPADDW(here, here, triple)
	VPADDW(here, triple, triple)
	VPADDW(eight, last, last)
	VPADDW(triple, last, last)
	VPSRLW(U8(4), last, last)
	VPADDW(seven, next, next)
	VPADDW(triple, next, next)
	VPSRLW(U8(4), next, next)
	VPSLLW(U8(8), next, next)
	VPOR(next, last, last)
	VMOVDQU(last, Mem{Base: out})
	ADDQ(Imm(16), near)
	ADDQ(Imm(16), far)
	ADDQ(Imm(32), out)
	SUBQ(Imm(16), n)
	JNZ(LabelRef("spread"))
	VZEROUPPER()
	RET()
}

// toRGB turns sixteen pixels at a time into red, green and blue. In 16-bit fixed point
// 1.402 is 1 + 26345/2^16, 1.772 is 2 − 14942/2^16 and 0.71414 is 1 − 18734/2^16; the
// products of the first two are rounded by halving the upper half of twice the product,
// plus one.
func toRGB() {
	const z = 0x80
	bytes := func(name string, b ...uint8) reg.VecVirtual { // for both halves
		m := GLOBL(name, RODATA|NOPTR)
		for i := range 32 {
			v := uint8(z)
			if i%16 < len(b) {
				v = b[i%16]
			}
			DATA(i, U8(v))
		}
		r := YMM()
		VMOVDQU(m, r)
		return r
	}
	TEXT("toRGBAVX2", NOSPLIT, "func(dst, luma, cb, cr *uint8, n int)")
	dst, luma, cb, cr, n := pointer("dst"), pointer("luma"), pointer("cb"), pointer("cr"), pointer("n")
	// Red and green of eight pixels lie in one half of a register, blue in another.
	firstRG := bytes("firstRG", 0, 8, z, 1, 9, z, 2, 10, z, 3, 11, z, 4, 12, z, 5)
	firstB := bytes("firstB", z, z, 0, z, z, 1, z, z, 2, z, z, 3, z, z, 4, z)
	restRG := bytes("restRG", 13, z, 6, 14, z, 7, 15, z)
	restB := bytes("restB", z, 5, z, z, 6, z, z, 7)

	Label("pixels")
	y, b, r, t, u := YMM(), YMM(), YMM(), YMM(), YMM()
	middle := words("middle", 128, 128)
	VPMOVZXBW(Mem{Base: luma}, y)
	VPMOVZXBW(Mem{Base: cb}, b)
	VPMOVZXBW(Mem{Base: cr}, r)
	VPSUBW(middle, b, b)
	VPSUBW(middle, r, r)

	green := YMM()
	greens, half := words("greens", -22554, 18734), YMM()
	h := GLOBL("rounding", RODATA|NOPTR)
	DATA(0, U32(1<<15))
	VPBROADCASTD(h, half)
	VPUNPCKLWD(r, b, t)
	VPUNPCKHWD(r, b, u)
	for _, x := range []reg.VecVirtual{t, u} {
		VPMADDWD(greens, x, x)
		VPADDD(half, x, x)
		VPSRAD(U8(16), x, x)
	}
	VPACKSSDW(u, t, green)
	VPSUBW(r, green, green)
	VPADDW(y, green, green)

	one := words("one", 1, 1)
	product := func(v reg.VecVirtual, factor reg.VecVirtual) { // t = round(v·factor/2^16)
		VPADDW(v, v, t)
		VPMULHW(factor, t, t)
		VPADDW(one, t, t)
		VPSRAW(U8(1), t, t)
	}
	product(r, words("reds", 26345, 26345))
	VPADDW(t, r, r)
	VPADDW(y, r, r)
	product(b, words("blues", -14942, -14942))
	VPADDW(b, b, b)
	VPADDW(t, b, b)
	VPADDW(y, b, b)

	VPACKUSWB(green, r, r)
	VPACKUSWB(b, b, b)
	VPSHUFB(firstRG, r, t)
	VPSHUFB(firstB, b, u)
	VPOR(u, t, t)
	VPSHUFB(restRG, r, r)
	VPSHUFB(restB, b, b)
	VPOR(b, r, r)
	VMOVDQU(t.AsX(), Mem{Base: dst})
	VMOVQ(r.AsX(), Mem{Base: dst, Disp: 16})
	VEXTRACTI128(U8(1), t, Mem{Base: dst, Disp: 24})
	VEXTRACTI128(U8(1), r, r.AsX())
	VMOVQ(r.AsX(), Mem{Base: dst, Disp: 40})
	ADDQ(Imm(48), dst)
	for _, p := range []reg.GPVirtual{luma, cb, cr} {
		ADDQ(Imm(16), p)
	}
	SUBQ(Imm(16), n)
	JNZ(LabelRef("pixels"))
	VZEROUPPER()
	RET()
}
