package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// winogradStride writes the transforms of squares of 4×4 outputs of a 3×3 filter of
// stride 2: along an axis, of F(4, 2) and of four single products.
func (v isa) winogradStride() {
	const a, b = math.Sqrt2 / 2, math.Sqrt2 // the points of F(4, 2), with ∞
	points := []float32{2.5, 2, 0.5, a, b}
	pairs := func(d, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		VADDPS(d[4], d[0], t[0])
		VFNMADD231PS(c[0], d[2], t[0])
		put(4, t[0])
		for i := range 2 { // ±a, ±b
			square, point := c[1+i], c[3+i]
			VMOVAPS(d[3], t[0])
			VFNMADD231PS(square, d[1], t[0])
			VMOVAPS(d[2], t[1])
			VFNMADD231PS(square, d[0], t[1])
			VMOVAPS(t[0], t[2])
			VFMADD231PS(point, t[1], t[2])
			put(2*i, t[2])
			VFNMADD231PS(point, t[1], t[0])
			put(2*i+1, t[0])
		}
	}
	v.transform("winogradInputStride", 9, 9, points, func(v isa, d, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		for i := range 4 {
			put(5+i, d[2*i+1])
		}
		// Their registers are free now.
		pairs([]reg.VecPhysical{d[0], d[2], d[4], d[6], d[8]}, []reg.VecPhysical{d[1], d[3], d[5]}, c, put)
	})
	v.transform("winogradBackStride", 5, 9, points, func(v isa, d, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		for i := range 4 {
			put(5+i, d[i])
		}
		pairs(d, t, c, put)
	})

	// sums turns the products of ±a and ±b to their sums and differences, m[0] to m[3].
	sums := func(m, t []reg.VecPhysical) (sa, da, sb, db reg.VecPhysical) {
		VADDPS(m[1], m[0], t[0])
		VSUBPS(m[1], m[0], m[1])
		VADDPS(m[3], m[2], m[0])
		VSUBPS(m[3], m[2], m[3])
		return t[0], m[1], m[0], m[3]
	}
	powers := []float32{a, b, 0.5, 2, a / 2, 2 * b}
	v.transform("winogradOutputStride", 9, 4, powers, func(v isa, m, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		sa, da, sb, db := sums(m, t)
		VADDPS(sa, m[5], m[5])
		VADDPS(sb, m[5], m[5])
		put(0, m[5])
		VFMADD231PS(c[0], da, m[6])
		VFMADD231PS(c[1], db, m[6])
		put(1, m[6])
		VFMADD231PS(c[2], sa, m[7])
		VFMADD231PS(c[3], sb, m[7])
		put(2, m[7])
		VADDPS(m[4], m[8], m[8])
		VFMADD231PS(c[4], da, m[8])
		VFMADD231PS(c[5], db, m[8])
		put(3, m[8])
	})
	v.transform("winogradBackOutputStride", 9, 8, powers, func(v isa, m, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		for i := range 4 {
			put(2*i, m[5+i])
		}
		sa, da, sb, db := sums(m, t)
		VADDPS(sa, sb, m[5])
		put(1, m[5])
		VMULPS(c[0], da, m[6])
		VFMADD231PS(c[1], db, m[6])
		put(3, m[6])
		VMULPS(c[2], sa, m[7])
		VFMADD231PS(c[3], sb, m[7])
		put(5, m[7])
		VFMADD231PS(c[4], da, m[4])
		VFMADD231PS(c[5], db, m[4])
		put(7, m[4])
	})
	v.transform("winogradFilterStride", 3, 6, []float32{1. / 3, -1. / 3, b / 3, a / 3}, func(v isa, w, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		put(5, w[1])
		put(4, w[2])
		for i, point := range []reg.VecPhysical{c[2], c[3]} {
			VMULPS(point, w[0], t[0])
			VMULPS(c[1-i], w[2], t[1])
			VADDPS(t[0], t[1], t[2])
			put([]int{1, 2}[i], t[2])
			VSUBPS(t[0], t[1], t[1])
			put([]int{0, 3}[i], t[1])
		}
	})
	v.transform("winogradGradStride", 4, 9, []float32{0.5, 2, a, b}, func(v isa, d, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		for i := range 4 {
			put(5+i, d[i])
		}
		put(4, d[3])
		for i := range 2 {
			square, point := c[i], c[2+i]
			VMOVAPS(d[0], t[0])
			VFMADD231PS(square, d[2], t[0])
			VMOVAPS(d[1], t[1])
			VFMADD231PS(square, d[3], t[1])
			VMOVAPS(t[0], t[2])
			VFMADD231PS(point, t[1], t[2])
			put(2*i, t[2])
			VFNMADD231PS(point, t[1], t[0])
			put(2*i+1, t[0])
		}
	})
	v.transform("winogradFilterGradStride", 6, 3, []float32{1. / 3, b / 3, a / 3}, func(v isa, m, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		put(1, m[5])
		VADDPS(m[2], m[3], t[0])
		VSUBPS(m[0], t[0], t[0])
		VSUBPS(m[1], t[0], t[0])
		VFMADD231PS(c[0], t[0], m[4])
		put(2, m[4])
		VSUBPS(m[0], m[1], t[1])
		VMULPS(c[1], t[1], t[1])
		VSUBPS(m[3], m[2], t[2])
		VFMADD231PS(c[2], t[2], t[1])
		put(0, t[1])
	})
}
