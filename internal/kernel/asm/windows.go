package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func (v isa) windows() {
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
