package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// reductions writes the sums over rows. Columns are taken a few vectors at a time,
// whose sums stay in registers while the rows go by.
func (v isa) reductions() {
	v.sumRows()
	v.moments()
	v.gradSums(false)
	v.gradSums(true)
	v.maskSums()
}

// strips goes through the columns: body is written for u vectors, for one and for
// the rest, and is called with all column pointers at the first of them. The
// pointers are moved on after each.
func (v isa) strips(cols reg64, unroll int, rest mask, move []reg64, body func(label string, vectors int, k mask)) {
	strip := func(label string, vectors int) {
		loop(label, cols, vectors*v.lanes, func() {
			body(label, vectors, all)
			for _, p := range move {
				ADDQ(I32(int32(vectors*v.bytes())), p)
			}
		})
	}
	strip(fmt.Sprintf("wide%d", unroll), unroll)
	strip("wide1", 1)
	TESTQ(cols, cols)
	JZ(LabelRef("finished"))
	body("rest", 1, rest)
	Label("finished")
	VZEROUPPER()
	RET()
}

func (v isa) sumRows() {
	TEXT("sumRows"+v.name, NOSPLIT, "func(sum, x *float32, ldx, rows, cols int)")
	sum, x, ldx, rows, cols := pointer("sum"), pointer("x"), scaled("ldx"), pointer("rows"), pointer("cols")
	rest := v.restMask(cols, 15)
	v.strips(cols, 8, rest, []reg64{sum, x}, func(label string, vectors int, k mask) {
		for u := range vectors {
			v.zero(v.r(u))
		}
		p, n := GP64(), GP64()
		MOVQ(x, p)
		MOVQ(rows, n)
		loop(label+"_rows", n, 1, func() {
			for u := range vectors {
				m := Mem{Base: p, Disp: u * v.bytes()}
				if k.on {
					v.load(m, v.r(8+u), k)
					VADDPS(v.r(8+u), v.r(u), v.r(u))
				} else {
					VADDPS(m, v.r(u), v.r(u))
				}
			}
			ADDQ(ldx, p)
		})
		for u := range vectors {
			v.store(v.r(u), Mem{Base: sum, Disp: u * v.bytes()}, k)
		}
	})
}

func (v isa) moments() {
	TEXT("moments"+v.name, NOSPLIT, "func(mean, squares, x *float32, ldx, rows, cols int)")
	mean, squares, x, ldx, rows, cols := pointer("mean"), pointer("squares"), pointer("x"), scaled("ldx"), pointer("rows"), pointer("cols")
	rest := v.restMask(cols, 15)
	inverse := v.r(14)
	one := GP64()
	MOVQ(U32(0x3f800000), one)
	VMOVD(one.As32(), xmm[13])
	VCVTSI2SSQ(rows, xmm[12], xmm[12])
	VDIVSS(xmm[12], xmm[13], xmm[13])
	VBROADCASTSS(xmm[13], inverse)
	v.strips(cols, 4, rest, []reg64{mean, squares, x}, func(label string, vectors int, k mask) {
		for u := range 2 * vectors {
			v.zero(v.r(u))
		}
		p, n := GP64(), GP64()
		MOVQ(x, p)
		MOVQ(rows, n)
		loop(label+"_sum", n, 1, func() {
			for u := range vectors {
				v.load(Mem{Base: p, Disp: u * v.bytes()}, v.r(8+u), k)
				VADDPS(v.r(8+u), v.r(u), v.r(u))
			}
			ADDQ(ldx, p)
		})
		for u := range vectors {
			VMULPS(inverse, v.r(u), v.r(u))
			v.store(v.r(u), Mem{Base: mean, Disp: u * v.bytes()}, k)
		}
		MOVQ(x, p)
		MOVQ(rows, n)
		loop(label+"_square", n, 1, func() {
			for u := range vectors {
				v.load(Mem{Base: p, Disp: u * v.bytes()}, v.r(8+u), k)
				VSUBPS(v.r(u), v.r(8+u), v.r(8+u))
				VFMADD231PS(v.r(8+u), v.r(8+u), v.r(vectors+u))
			}
			ADDQ(ldx, p)
		})
		for u := range vectors {
			v.store(v.r(vectors+u), Mem{Base: squares, Disp: u * v.bytes()}, k)
		}
	})
}

// maskSums goes down a few columns, as moments does: its operands are in the caches.
func (v isa) maskSums() {
	TEXT("maskSums"+v.name, NOSPLIT, "func(sum, product, x, dy, mask *float32, ld, rows, cols int, mean *float32)")
	sum, product, x, dy, gate := pointer("sum"), pointer("product"), pointer("x"), pointer("dy"), pointer("mask")
	ld, rows, cols, mean := scaled("ld"), pointer("rows"), pointer("cols"), pointer("mean")
	rest := v.restMask(cols, 15)
	zero, d, g := v.r(14), v.r(13), v.r(12)
	v.zero(zero)
	v.strips(cols, 4, rest, []reg64{sum, product, mean, x, dy, gate}, func(label string, vectors int, k mask) {
		for u := range vectors {
			v.zero(v.r(u))
			v.zero(v.r(4 + u))
			v.load(Mem{Base: mean, Disp: u * v.bytes()}, v.r(8+u), k)
		}
		at, n := GP64(), GP64()
		XORQ(at, at)
		MOVQ(rows, n)
		loop(label+"_rows", n, 1, func() {
			for u := range vectors {
				mem := func(base reg64) Mem { return Mem{Base: base, Index: at, Scale: 1, Disp: u * v.bytes()} }
				v.load(mem(dy), g, k)
				v.load(mem(gate), d, k)
				v.gate(d, zero, g)
				v.store(g, mem(dy), k)
				v.load(mem(x), d, k)
				VSUBPS(v.r(8+u), d, d)
				VADDPS(g, v.r(u), v.r(u))
				VFMADD231PS(d, g, v.r(4+u))
			}
			ADDQ(ld, at)
		})
		for u := range vectors {
			v.store(v.r(u), Mem{Base: sum, Disp: u * v.bytes()}, k)
			v.store(v.r(4+u), Mem{Base: product, Disp: u * v.bytes()}, k)
		}
	})
}

// gradSums goes along the rows, so that memory is read in its order, and keeps the
// sums in the first-level cache.
func (v isa) gradSums(masked bool) {
	name := "gradSums" + v.name
	if masked {
		name = "gradSumsMasked" + v.name
	}
	TEXT(name, NOSPLIT, "func(sum, product, x, dy, mask *float32, ld, rows, cols int, mean *float32)")
	sum, product, x, dy, gate := pointer("sum"), pointer("product"), pointer("x"), pointer("dy"), pointer("mask")
	ld, rows, mean := scaled("ld"), pointer("rows"), pointer("mean")
	cols, width := GP64(), GP64()
	Load(Param("cols"), cols)
	MOVQ(cols, width)
	ANDQ(I32(int32(-v.lanes)), width)
	SHLQ(I8(2), width)
	rest := v.restMask(cols, 15)
	zero := v.r(14)
	v.zero(zero)
	at := GP64()
	v.columns("clear", cols, at, 1, rest, func(u int, k mask) {
		v.store(zero, Mem{Base: sum, Index: at, Scale: 1}, k)
		v.store(zero, Mem{Base: product, Index: at, Scale: 1}, k)
	})
	third := GP64()
	LEAQ(Mem{Base: ld, Index: ld, Scale: 2}, third)
	move := []reg64{sum, product, mean, x, dy}
	if masked {
		move = append(move, gate)
	}
	pass := func(label string, count int) {
		body := func(k mask) {
			s, p, m := v.r(0), v.r(1), v.r(2)
			v.load(Mem{Base: sum}, s, k)
			v.load(Mem{Base: product}, p, k)
			v.load(Mem{Base: mean}, m, k)
			for u := range count {
				d, g := v.r(3+2*u), v.r(4+2*u)
				mem := func(base reg64) Mem {
					switch u {
					case 0:
						return Mem{Base: base}
					case 3:
						return Mem{Base: base, Index: third, Scale: 1}
					}
					return Mem{Base: base, Index: ld, Scale: uint8(u)}
				}
				v.load(mem(dy), g, k)
				if masked {
					v.load(mem(gate), d, k)
					v.gate(d, zero, g)
				}
				v.load(mem(x), d, k)
				VSUBPS(m, d, d)
				VADDPS(g, s, s)
				VFMADD231PS(d, g, p)
			}
			v.store(s, Mem{Base: sum}, k)
			v.store(p, Mem{Base: product}, k)
		}
		loop(label, rows, count, func() {
			left := GP64()
			Load(Param("cols"), left)
			loop(label+"_cols", left, v.lanes, func() {
				body(all)
				for _, p := range move {
					ADDQ(I32(int32(v.bytes())), p)
				}
			})
			TESTQ(left, left)
			JZ(LabelRef(label + "_next"))
			body(rest)
			Label(label + "_next")
			for i, p := range move {
				SUBQ(width, p)
				if i >= 3 {
					if count == 4 {
						LEAQ(Mem{Base: p, Index: ld, Scale: 4}, p)
					} else {
						ADDQ(ld, p)
					}
				}
			}
		})
	}
	// Four rows at a time save loads and stores of sums, but are four streams: worth it
	// only where the sums take up most of the first-level cache.
	CMPQ(cols, I32(512))
	JLE(LabelRef("one"))
	pass("four", 4)
	pass("one", 1)
	VZEROUPPER()
	RET()
}
