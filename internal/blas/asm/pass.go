package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rectify writes the larger of 0 and each of n values, n a multiple of two vectors.
func (v isa) rectify() {
	TEXT("rectify"+v.name, NOSPLIT, "func(values *float64, n int)")
	values, n := pointer("values"), pointer("n")
	v.zero(v.r(2))
	loop("vectors", n, 2*v.lanes, func() {
		for u := range 2 {
			m := Mem{Base: values, Disp: u * v.bytes()}
			VMAXPD(m, v.r(2), v.r(u)) // a NaN stays
			VMOVUPD(v.r(u), m)
		}
		ADDQ(I32(int32(2*v.bytes())), values)
	})
	VZEROUPPER()
	RET()
}

// gate writes 0 to those of n values the place of which has none above 0 in by.
func (v isa) gate() {
	TEXT("gate"+v.name, NOSPLIT, "func(values, by *float64, n int)")
	values, by, n := pointer("values"), pointer("by"), pointer("n")
	v.zero(v.r(4))
	loop("vectors", n, 2*v.lanes, func() {
		for u := range 2 {
			const above = 6 // not up to, which a NaN is not
			m, at := Mem{Base: values, Disp: u * v.bytes()}, Mem{Base: by, Disp: u * v.bytes()}
			VMOVUPD(at, v.r(2+u))
			if v.wide {
				VCMPPD(U8(above), v.r(4), v.r(2+u), reg.K1)
				VMOVUPD_Z(m, reg.K1, v.r(u))
			} else {
				VCMPPD(U8(above), v.r(4), v.r(2+u), v.r(2+u))
				VANDPD(m, v.r(2+u), v.r(u))
			}
			VMOVUPD(v.r(u), m)
		}
		ADDQ(I32(int32(2*v.bytes())), values)
		ADDQ(I32(int32(2*v.bytes())), by)
	})
	VZEROUPPER()
	RET()
}

// scaleRows writes rows of n numbers times a weight each, n a multiple of the vector.
func (v isa) scaleRows() {
	TEXT("scaleRows"+v.name, NOSPLIT, "func(rows, n int, weights, from, to *float64)")
	rows, n, weights, from, to := pointer("rows"), pointer("n"), pointer("weights"), pointer("from"), pointer("to")
	left := GP64()
	loop("rows", rows, 1, func() {
		VBROADCASTSD(Mem{Base: weights}, v.r(0))
		ADDQ(I8(8), weights)
		MOVQ(n, left)
		loop("columns", left, v.lanes, func() {
			VMULPD(Mem{Base: from}, v.r(0), v.r(1))
			VMOVUPD(v.r(1), Mem{Base: to})
			ADDQ(I32(int32(v.bytes())), from)
			ADDQ(I32(int32(v.bytes())), to)
		})
	})
	VZEROUPPER()
	RET()
}
