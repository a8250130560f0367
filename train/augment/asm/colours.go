package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const z = 0x80 // a shuffle's zero

// shuffle is a mask for both halves of a register.
func shuffle(name string, low, high [16]uint8) reg.VecVirtual {
	m := GLOBL(name, RODATA|NOPTR)
	for i, b := range append(low[:], high[:]...) {
		DATA(i, U8(b))
	}
	r := YMM()
	VMOVDQU(m, r)
	return r
}

// spreadBytes is a mask that takes bytes a and b of each of four pixels to the words of
// a 32-bit value; b is 0x80 for none. Pixels 0 to 3 lie in the lower half from byte 0
// on, pixels 4 to 7 in the upper half from byte 4 on.
func spreadBytes(name string, a, b uint8) reg.VecVirtual {
	var low, high [16]uint8
	for i := range uint8(4) {
		for k, v := range []uint8{a, b} {
			at := 4*i + 2*uint8(k)
			low[at], high[at], low[at+1], high[at+1] = z, z, z, z
			if v != z {
				low[at], high[at] = 3*i+v, 3*i+v+4
			}
		}
	}
	return shuffle(name, low, high)
}

// colours are what goes through a row of pixels, eight at a time.
type colours struct {
	pixels, n           reg.GPVirtual
	redGreen, blueGreen reg.VecVirtual // masks
	first, second, half reg.VecVirtual // weights of the luma
}

func newColours(name, signature string) colours {
	TEXT(name, NOSPLIT, signature)
	c := colours{pixels: pointer("pixels"), n: pointer("n")}
	c.redGreen, c.blueGreen = spreadBytes(name+"_rg", 0, 1), spreadBytes(name+"_bg", 2, 1)
	// The luma's weights are 19595, 2·19235 and 7471 in 2^16: those of 16 bits.
	word := func(suffix string, v uint32) reg.VecVirtual {
		m, r := GLOBL(name+suffix, RODATA|NOPTR), YMM()
		DATA(0, U32(v))
		VPBROADCASTD(m, r)
		return r
	}
	c.first, c.second, c.half = word("_first", 19235<<16|19595), word("_second", 19235<<16|7471), word("_half", 1<<15)
	return c
}

// each writes body for eight pixels and steps on; n is a multiple of eight.
func (c colours) each(body func(p, luma reg.VecVirtual)) {
	Label("pixels")
	p, luma, other := YMM(), YMM(), YMM()
	VMOVDQU(Mem{Base: c.pixels}, p.AsX())
	VINSERTI128(U8(1), Mem{Base: c.pixels, Disp: 8}, p, p)
	VPSHUFB(c.redGreen, p, luma)
	VPSHUFB(c.blueGreen, p, other)
	VPMADDWD(c.first, luma, luma)
	VPMADDWD(c.second, other, other)
	VPADDD(other, luma, luma)
	VPADDD(c.half, luma, luma)
	VPSRLD(U8(16), luma, luma)
	body(p, luma)
	ADDQ(Imm(24), c.pixels)
	SUBQ(Imm(8), c.n)
	JNZ(LabelRef("pixels"))
}

// store writes twelve bytes of each half.
func (c colours) store(v reg.VecVirtual) {
	for half := range 2 {
		at := 12 * half
		if half == 1 {
			VEXTRACTI128(U8(1), v, v.AsX())
		}
		VMOVQ(v.AsX(), Mem{Base: c.pixels, Disp: at})
		VPEXTRD(U8(2), v.AsX(), Mem{Base: c.pixels, Disp: at + 8})
	}
}

// lumaSum adds the lumas of all pixels.
func lumaSum() {
	c := newColours("lumaSumAVX2", "func(pixels *uint8, n int) int")
	sum, zero, t := YMM(), YMM(), YMM()
	VPXOR(sum, sum, sum)
	VPXOR(zero, zero, zero)
	c.each(func(_, luma reg.VecVirtual) { // to 64 bits in pairs
		VPUNPCKLDQ(zero, luma, t)
		VPUNPCKHDQ(zero, luma, luma)
		VPADDQ(t, sum, sum)
		VPADDQ(luma, sum, sum)
	})
	VEXTRACTI128(U8(1), sum, t.AsX())
	VPADDQ(t.AsX(), sum.AsX(), sum.AsX())
	a, b := GP64(), GP64()
	VMOVQ(sum.AsX(), a)
	VPEXTRQ(U8(1), sum.AsX(), b)
	ADDQ(b, a)
	VZEROUPPER()
	Store(a, ReturnIndex(0))
	RET()
}

// grayscale replaces all channels by the luma.
func grayscale() {
	c := newColours("grayscaleAVX2", "func(pixels *uint8, n int)")
	three := [16]uint8{0, 0, 0, 4, 4, 4, 8, 8, 8, 12, 12, 12, z, z, z, z}
	spread := shuffle("three", three, three)
	c.each(func(_, luma reg.VecVirtual) {
		VPSHUFB(spread, luma, luma)
		c.store(luma)
	})
	VZEROUPPER()
	RET()
}

// saturate adds to the luma the distance of each channel from it times a factor, in
// float32, product and sum rounded apart, and cuts off what is behind the point.
func saturate() {
	c := newColours("saturateAVX2", "func(pixels *uint8, n int, factor float32)")
	join := [16]uint8{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, z, z, z, z}
	order := shuffle("join", join, join)
	masks := [3]reg.VecVirtual{spreadBytes("red", 0, z), spreadBytes("green", 1, z), spreadBytes("blue", 2, z)}
	factor := YMM()
	a, err := Param("factor").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(a.Addr, factor)
	var out [3]reg.VecVirtual
	for i := range out {
		out[i] = YMM()
	}
	gray := YMM()
	c.each(func(p, luma reg.VecVirtual) {
		VCVTDQ2PS(luma, gray)
		for i := range out {
			VPSHUFB(masks[i], p, out[i])
			VPSUBD(luma, out[i], out[i])
			VCVTDQ2PS(out[i], out[i])
			VMULPS(factor, out[i], out[i])
			VADDPS(gray, out[i], out[i])
			VCVTTPS2DQ(out[i], out[i])
		}
		VPACKSSDW(out[1], out[0], out[0])
		VPACKSSDW(out[2], out[2], out[2])
		VPACKUSWB(out[2], out[0], out[0])
		VPSHUFB(order, out[0], out[0])
		c.store(out[0])
	})
	VZEROUPPER()
	RET()
}

// blendBytes moves bytes away from a gray by a factor, as saturate does.
func blendBytes() {
	TEXT("blendBytesAVX2", NOSPLIT, "func(bytes *uint8, n int, gray int32, factor float32)")
	at, n := pointer("bytes"), pointer("n")
	gray, grayFloat, factor := YMM(), YMM(), YMM()
	value := Load(Param("gray"), GP32())
	VMOVD(value, gray.AsX())
	VPBROADCASTD(gray.AsX(), gray)
	VCVTDQ2PS(gray, grayFloat)
	a, err := Param("factor").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(a.Addr, factor)
	order := packedOrder()
	columns(n, func(u int) {
		var v [4]reg.VecVirtual
		spare := YMM()
		for i := range u {
			v[i] = YMM()
			VPMOVZXBD(Mem{Base: at, Disp: 8 * i}, v[i])
			VPSUBD(gray, v[i], v[i])
			VCVTDQ2PS(v[i], v[i])
			VMULPS(factor, v[i], v[i])
			VADDPS(grayFloat, v[i], v[i])
			VCVTTPS2DQ(v[i], v[i])
		}
		if u == 4 {
			pack(v, order, Mem{Base: at})
		} else {
			packOne(v[0], spare, Mem{Base: at})
		}
		ADDQ(Imm(uint64(8*u)), at)
	})
	VZEROUPPER()
	RET()
}
