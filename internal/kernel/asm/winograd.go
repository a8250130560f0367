package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// combine writes the products of one matrix with a column of vectors: in are the
// inputs, t free registers, c the constants; put takes the outputs in any order.
type combine func(v isa, in, t, c []reg.VecPhysical, put func(i int, r reg.VecPhysical))

// winograd writes the transforms of F(4×4,3×3) and F(2×2,3×3), for the three
// passes. Each is a matrix applied to the columns and then to the rows of a square
// of vectors.
func (v isa) winograd() {
	v.transform("winogradInput4", 6, 6, []float32{4, 5, 2}, func(v isa, d, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		four, five, two := c[0], c[1], c[2]
		VMOVAPS(d[4], t[0])
		VFMADD231PS(four, d[0], t[0])
		VFNMADD231PS(five, d[2], t[0])
		put(0, t[0])
		VMOVAPS(d[5], t[1])
		VFMADD231PS(four, d[1], t[1])
		VFNMADD231PS(five, d[3], t[1])
		put(5, t[1])
		VMOVAPS(d[4], t[2])
		VFNMADD231PS(four, d[2], t[2])
		VMOVAPS(d[3], t[3])
		VFNMADD231PS(four, d[1], t[3])
		VADDPS(t[3], t[2], t[4])
		put(1, t[4])
		VSUBPS(t[3], t[2], t[2])
		put(2, t[2])
		VSUBPS(d[2], d[4], t[5])
		VSUBPS(d[1], d[3], t[3])
		VMOVAPS(t[5], t[4])
		VFMADD231PS(two, t[3], t[4])
		put(3, t[4])
		VFNMADD231PS(two, t[3], t[5])
		put(4, t[5])
	})
	output := func(rows int) combine {
		return func(v isa, m, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
			two, four, eight := c[0], c[1], c[2]
			VADDPS(m[2], m[1], t[0])
			VSUBPS(m[2], m[1], t[1])
			VADDPS(m[4], m[3], t[2])
			VSUBPS(m[4], m[3], t[3])
			VADDPS(t[0], m[0], t[4])
			VADDPS(t[2], t[4], t[4])
			put(0, t[4])
			VMOVAPS(t[1], t[5])
			VFMADD231PS(two, t[3], t[5])
			put(1, t[5])
			if rows == 3 {
				VADDPS(m[5], t[0], t[0])
			}
			VFMADD231PS(four, t[2], t[0])
			put(2, t[0])
			if rows == 4 {
				VADDPS(m[5], t[1], t[1])
				VFMADD231PS(eight, t[3], t[1])
				put(3, t[1])
			}
		}
	}
	v.transform("winogradOutput4", 6, 4, []float32{2, 4, 8}, output(4))
	v.transform("winogradFilterGrad4", 6, 3, []float32{2, 4, 8}, output(3))
	v.transform("winogradFilter4", 3, 6, []float32{1. / 4, 1. / 6, 1. / 24, 1. / 12}, func(v isa, w, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		VMULPS(c[0], w[0], t[0])
		put(0, t[0])
		put(5, w[2])
		VADDPS(w[2], w[0], t[1])
		VMULPS(c[1], t[1], t[1])
		VMULPS(c[1], w[1], t[2])
		v.negateSumAndDifference(t[1], t[2], t[3], t[4], put)
		VMULPS(c[1], w[2], t[1])
		VFMADD231PS(c[2], w[0], t[1])
		VMULPS(c[3], w[1], t[2])
		VADDPS(t[2], t[1], t[3])
		put(3, t[3])
		VSUBPS(t[2], t[1], t[4])
		put(4, t[4])
	})
	v.transform("winogradGrad4", 4, 6, []float32{1. / 4, 1. / 6, 1. / 24, 1. / 12, 1. / 3}, func(v isa, g, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		VMULPS(c[0], g[0], t[0])
		put(0, t[0])
		put(5, g[3])
		VADDPS(g[2], g[0], t[1])
		VMULPS(c[1], t[1], t[1])
		VADDPS(g[3], g[1], t[2])
		VMULPS(c[1], t[2], t[2])
		v.negateSumAndDifference(t[1], t[2], t[3], t[4], put)
		VMULPS(c[1], g[2], t[1])
		VFMADD231PS(c[2], g[0], t[1])
		VMULPS(c[4], g[3], t[2])
		VFMADD231PS(c[3], g[1], t[2])
		VADDPS(t[2], t[1], t[3])
		put(3, t[3])
		VSUBPS(t[2], t[1], t[4])
		put(4, t[4])
	})

	v.transform("winogradInput2", 4, 4, nil, func(v isa, d, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		VSUBPS(d[2], d[0], t[0])
		put(0, t[0])
		VADDPS(d[2], d[1], t[1])
		put(1, t[1])
		VSUBPS(d[1], d[2], t[2])
		put(2, t[2])
		VSUBPS(d[3], d[1], t[3])
		put(3, t[3])
	})
	v.transform("winogradOutput2", 4, 2, nil, func(v isa, m, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		VADDPS(m[1], m[0], t[0])
		VADDPS(m[2], t[0], t[0])
		put(0, t[0])
		VSUBPS(m[2], m[1], t[1])
		VSUBPS(m[3], t[1], t[1])
		put(1, t[1])
	})
	v.transform("winogradFilterGrad2", 4, 3, nil, func(v isa, m, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		VADDPS(m[2], m[1], t[0])
		VADDPS(m[0], t[0], t[1])
		put(0, t[1])
		VSUBPS(m[2], m[1], t[2])
		put(1, t[2])
		VSUBPS(m[3], t[0], t[0])
		put(2, t[0])
	})
	v.transform("winogradFilter2", 3, 4, []float32{0.5}, func(v isa, w, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		put(0, w[0])
		put(3, w[2])
		VADDPS(w[2], w[0], t[0])
		VADDPS(w[1], t[0], t[1])
		VMULPS(c[0], t[1], t[1])
		put(1, t[1])
		VSUBPS(w[1], t[0], t[0])
		VMULPS(c[0], t[0], t[0])
		put(2, t[0])
	})
	v.transform("winogradGrad2", 2, 4, []float32{0.5}, func(v isa, g, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		put(0, g[0])
		put(3, g[1])
		VADDPS(g[1], g[0], t[0])
		VMULPS(c[0], t[0], t[0])
		put(1, t[0])
		VSUBPS(g[1], g[0], t[1])
		VMULPS(c[0], t[1], t[1])
		put(2, t[1])
	})
}

// negateSumAndDifference puts −(p+q) as output 1 and −(p−q) as output 2.
func (v isa) negateSumAndDifference(p, q, zero, out reg.VecPhysical, put func(int, reg.VecPhysical)) {
	v.zero(zero)
	VSUBPS(p, zero, out)
	VSUBPS(q, out, zero)
	put(1, zero)
	VADDPS(q, out, out)
	put(2, out)
}

// transform writes out[i,j] = Σ L[i,r]·in[r,s]·L[j,s] for a square of inputs srch
// and srcw floats apart and one of outputs dsth and dstw apart, of n channels each,
// n a multiple of 16.
func (v isa) transform(name string, inputs, outputs int, constants []float32, l combine) {
	TEXT(name+v.name, 0, "func(dst *float32, dsth, dstw int, src *float32, srch, srcw, n int)")
	dst, dsth, dstw := pointer("dst"), scaled("dsth"), scaled("dstw")
	src, srch, srcw, n := pointer("src"), scaled("srch"), scaled("srcw"), pointer("n")
	between := AllocLocal(outputs * inputs * v.bytes())
	var in, t, c []reg.VecPhysical
	for i := range inputs {
		in = append(in, v.r(i))
	}
	for i := range constants {
		c = append(c, v.r(v.registers-1-i))
	}
	for i := inputs; i < v.registers-len(constants); i++ {
		t = append(t, v.r(i))
	}
	bits := GP64()
	for i, x := range constants {
		MOVQ(U32(math.Float32bits(x)), bits)
		if v.wide {
			VPBROADCASTD(bits.As32(), c[i])
		} else {
			x := xmm[v.registers-1-i]
			VMOVD(bits.As32(), x)
			VBROADCASTSS(x, c[i])
		}
	}
	third, p, row := GP64(), GP64(), GP64()
	LEAQ(Mem{Base: srch, Index: srch, Scale: 2}, third)
	loop("channels", n, v.lanes, func() {
		MOVQ(src, p)
		for j := range inputs {
			MOVQ(p, row)
			for r := range inputs {
				m := Mem{Base: row}
				if r%3 > 0 {
					m.Index, m.Scale = srch, uint8(r%3)
				}
				VMOVUPS(m, in[r])
				if r == 2 && inputs > 3 {
					ADDQ(third, row)
				}
			}
			l(v, in, t, c, func(i int, r reg.VecPhysical) {
				VMOVUPS(r, between.Offset((i*inputs+j)*v.bytes()))
			})
			if j+1 < inputs {
				ADDQ(srcw, p)
			}
		}
		MOVQ(dst, p)
		for i := range outputs {
			for s := range inputs {
				VMOVUPS(between.Offset((i*inputs+s)*v.bytes()), in[s])
			}
			// Output j is dstw·j away; the farther ones are reached from p + 3·dstw.
			far := GP64()
			LEAQ(Mem{Base: p, Index: dstw, Scale: 2}, far)
			ADDQ(dstw, far)
			l(v, in, t, c, func(j int, r reg.VecPhysical) {
				m := Mem{Base: p}
				if j >= 3 {
					m.Base = far
				}
				if j%3 > 0 {
					m.Index, m.Scale = dstw, uint8(j%3)
				}
				VMOVUPS(r, m)
			})
			if i+1 < outputs {
				ADDQ(dsth, p)
			}
		}
		ADDQ(I32(int32(v.bytes())), src)
		ADDQ(I32(int32(v.bytes())), dst)
	})
	VZEROUPPER()
	RET()
}
