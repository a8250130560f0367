package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func (v isa) windows() {
	v.windowGrad()
	TEXT("windowMax"+v.name, NOSPLIT, "func(y, x *float32, ldh, ldw, r, s, c int)")
	y, x, ldh, ldw, c := pointer("y"), pointer("x"), scaled("ldh"), scaled("ldw"), pointer("c")
	rest := v.restMask(c, 15)
	low := GP64()
	MOVQ(U32(math.Float32bits(float32(math.Inf(-1)))), low)
	VMOVD(low.As32(), xmm[14])
	VBROADCASTSS(xmm[14], v.r(14))
	v.strips(c, 4, rest, []reg64{y, x}, func(label string, vectors int, k mask) {
		for u := range vectors {
			VMOVAPS(v.r(14), v.r(u))
		}
		v.taps(label, x, ldh, ldw, func(pixel reg64) {
			for u := range vectors {
				v.load(Mem{Base: pixel, Disp: u * v.bytes()}, v.r(4+u), k)
				v.maxOrNaN(v.r(4+u), v.r(u), v.r(8+u))
			}
		})
		for u := range vectors {
			v.store(v.r(u), Mem{Base: y, Disp: u * v.bytes()}, k)
		}
	})
}

// windowGrad gives each gradient to the first pixel that equals the largest. It stops
// at a vector with a NaN and returns how many channels are left.
func (v isa) windowGrad() {
	TEXT("windowGrad"+v.name, NOSPLIT, "func(dx, x, dy *float32, ldh, ldw, r, s, c int) int")
	dx, x, dy, ldh, ldw, c := pointer("dx"), pointer("x"), pointer("dy"), scaled("ldh"), scaled("ldw"), pointer("c")
	rest := v.restMask(c, 15)
	high, value, grad, sum, t := v.r(0), v.r(1), v.r(2), v.r(3), v.r(4)
	const equal, unordered = 0, 3
	body := func(label string, k mask) {
		low := GP64()
		MOVQ(U32(math.Float32bits(float32(math.Inf(-1)))), low)
		VMOVD(low.As32(), xmm[0])
		VBROADCASTSS(xmm[0], high)
		bad := v.r(5)
		v.zero(bad)
		if v.wide {
			KXORW(reg.K3, reg.K3, reg.K3)
		}
		v.taps(label+"_max", x, ldh, ldw, func(pixel reg64) {
			v.load(Mem{Base: pixel}, value, k)
			if v.wide {
				VCMPPS(U8(unordered), value, value, reg.K2)
				KORW(reg.K2, reg.K3, reg.K3)
			} else {
				VCMPPS(U8(unordered), value, value, t)
				VORPS(t, bad, bad)
			}
			VMAXPS(value, high, high)
		})
		found := GP32()
		if v.wide {
			KMOVW(reg.K3, found)
		} else {
			VMOVMSKPS(bad, found)
		}
		TESTL(found, found)
		JNZ(LabelRef("nan"))
		// The gradient leaves with the first equal pixel.
		v.load(Mem{Base: dy}, grad, k)
		offset := GP64()
		MOVQ(dx, offset)
		SUBQ(x, offset)
		v.taps(label+"_put", x, ldh, ldw, func(pixel reg64) {
			to := GP64()
			LEAQ(Mem{Base: pixel, Index: offset, Scale: 1}, to)
			v.load(Mem{Base: pixel}, value, k)
			v.load(Mem{Base: to}, sum, k)
			if v.wide {
				VCMPPS(U8(equal), high, value, reg.K2)
				VADDPS(grad, sum, reg.K2, sum)
				VPXORD(grad, grad, reg.K2, grad)
			} else {
				VCMPPS(U8(equal), high, value, t)
				VANDPS(grad, t, value)
				VADDPS(value, sum, sum)
				VANDNPS(grad, t, grad)
			}
			v.store(sum, Mem{Base: to}, k)
		})
	}
	loop("vectors", c, v.lanes, func() {
		body("whole", all)
		for _, p := range []reg64{dx, x, dy} {
			ADDQ(I32(int32(v.bytes())), p)
		}
	})
	TESTQ(c, c)
	JZ(LabelRef("finished"))
	body("rest", rest)
	Label("finished")
	XORQ(c, c)
	Label("nan")
	VZEROUPPER()
	Store(c, ReturnIndex(0))
	RET()
}

// taps runs body for every one of the r×s pixels.
func (v isa) taps(label string, x, ldh, ldw reg64, body func(pixel reg64)) {
	row, pixel, r, s := GP64(), GP64(), GP64(), GP64()
	MOVQ(x, row)
	Load(Param("r"), r)
	loop(label+"_r", r, 1, func() {
		MOVQ(row, pixel)
		Load(Param("s"), s)
		loop(label+"_s", s, 1, func() {
			body(pixel)
			ADDQ(ldw, pixel)
		})
		ADDQ(ldh, row)
	})
}

// maxOrNaN writes best = max(best, x), where a NaN wins.
func (v isa) maxOrNaN(x, best, spare reg.VecPhysical) {
	const unordered = 3
	if v.wide {
		VCMPPS(U8(unordered), best, best, reg.K2)
		VMAXPS(x, best, spare)
		VMOVAPS(best, reg.K2, spare)
		VMOVAPS(spare, best)
		return
	}
	VMAXPS(x, best, spare)
	VCMPPS(U8(unordered), best, best, v.r(12))
	VBLENDVPS(v.r(12), best, spare, best)
}
