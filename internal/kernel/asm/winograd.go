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
	const a, b = math.Sqrt2 / 2, math.Sqrt2 // the points; a² = ½, b² = 2, b = 2a
	v.inputTransforms()
	output := func(rows int) combine {
		return func(v isa, m, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
			VADDPS(m[2], m[1], t[0])
			VSUBPS(m[2], m[1], t[1])
			VADDPS(m[4], m[3], t[2])
			VSUBPS(m[4], m[3], t[3])
			VADDPS(t[0], m[0], m[1])
			VADDPS(t[2], m[1], m[1])
			put(0, m[1])
			VMULPS(c[0], t[1], m[2])
			VFMADD231PS(c[1], t[3], m[2])
			put(1, m[2])
			if rows == 3 {
				VFMADD231PS(c[2], t[0], m[5])
				VFMADD231PS(c[3], t[2], m[5])
				put(2, m[5])
				return
			}
			VMULPS(c[2], t[0], t[0])
			VFMADD231PS(c[3], t[2], t[0])
			put(2, t[0])
			VFMADD231PS(c[4], t[1], m[5])
			VFMADD231PS(c[5], t[3], m[5])
			put(3, m[5])
		}
	}
	v.transform("winogradOutput4", 6, 4, []float32{a, b, 0.5, 2, a / 2, 2 * b}, output(4))
	v.transform("winogradFilterGrad4", 6, 3, []float32{a, b, 0.5, 2}, output(3))
	// The rows of ±a are −⅔[1, ±a, ½, ±a/2], those of ±b are ⅙[1, ±b, 2, ±2b].
	scales := []float32{-2. / 3, -1. / 3, -b / 3, -a / 3, 1. / 6}
	filter := func(taps int) combine {
		return func(v isa, w, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
			put(0, w[0])
			put(5, w[taps-1])
			VMULPS(c[0], w[0], t[0])
			VFMADD231PS(c[1], w[2], t[0])
			VMULPS(c[2], w[1], t[1])
			VMULPS(c[4], w[0], t[2])
			VFNMADD231PS(c[1], w[2], t[2])
			VMULPS(c[3], w[1], t[3])
			if taps == 4 {
				VFMADD231PS(c[3], w[3], t[1])
				VFMADD231PS(c[2], w[3], t[3])
			}
			VADDPS(t[1], t[0], t[4])
			put(1, t[4])
			VSUBPS(t[1], t[0], t[0])
			put(2, t[0])
			VSUBPS(t[3], t[2], t[4])
			put(3, t[4])
			VADDPS(t[3], t[2], t[2])
			put(4, t[2])
		}
	}
	v.transform("winogradFilter4", 3, 6, scales, filter(3))
	v.transform("winogradGrad4", 4, 6, scales, filter(4))

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

// inputTransforms writes those of the input, in the bfloat16 set to pairs of channels.
func (v isa) inputTransforms() {
	const a, b = math.Sqrt2 / 2, math.Sqrt2
	v.transform("winogradInput4", 6, 6, []float32{2.5, 2, 0.5, a, b}, func(v isa, d, t, c []reg.VecPhysical, put func(int, reg.VecPhysical)) {
		for _, row := range []int{0, 5} {
			x := d[row%4:] // d0, d2 and d4, or d1, d3 and d5
			VADDPS(x[4], x[0], t[0])
			VFNMADD231PS(c[0], x[2], t[0])
			put(row, t[0])
		}
		for i := range 2 { // ±a, ±b
			square, point := c[1+i], c[3+i]
			even, odd, sum := t[2*i], t[2*i+1], t[4]
			VMOVAPS(d[4], even)
			VFNMADD231PS(square, d[2], even)
			VMOVAPS(d[3], odd)
			VFNMADD231PS(square, d[1], odd)
			VMOVAPS(even, sum)
			VFMADD231PS(point, odd, sum)
			put(1+2*i, sum)
			VFNMADD231PS(point, odd, even)
			put(2+2*i, even)
		}
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
}

// transform writes out[i,j] = Σ L[i,r]·in[r,s]·L[j,s] for a square of inputs srch
// and srcw floats apart and one of outputs dsth and dstw apart, of n channels each,
// n a multiple of 16. With pairs, the outputs are rounded to two channels a word.
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
				if r%3 == 2 && r+1 < inputs {
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
			// Output j is dstw·j away; the farther ones are reached from p + 3·dstw and
			// p + 6·dstw.
			bases := []reg64{p}
			for len(bases)*3 < outputs {
				far := GP64()
				LEAQ(Mem{Base: bases[len(bases)-1], Index: dstw, Scale: 2}, far)
				ADDQ(dstw, far)
				bases = append(bases, far)
			}
			l(v, in, t, c, func(j int, r reg.VecPhysical) {
				m := Mem{Base: bases[j/3]}
				if j%3 > 0 {
					m.Index, m.Scale = dstw, uint8(j%3)
				}
				if v.pairs {
					VCVTNEPS2BF16(r, t[len(t)-1])
					VMOVDQU64(lowerHalf(t[len(t)-1]), m)
					return
				}
				VMOVUPS(r, m)
			})
			if i+1 < outputs {
				ADDQ(dsth, p)
			}
		}
		ADDQ(I32(int32(v.bytes())), src)
		if v.pairs {
			ADDQ(I32(int32(v.bytes()/2)), dst)
		} else {
			ADDQ(I32(int32(v.bytes())), dst)
		}
	})
	VZEROUPPER()
	RET()
}
