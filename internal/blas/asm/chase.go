package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// band is the side of the blocks that the chase moves, bandwidth in package blas.
const band = 32

// chase writes the three functions by which a band is taken to a tridiagonal matrix.
func (v isa) chase() {
	v.chaseSquare()
	v.chaseDots()
	v.chaseBlock()
}

// column is the place of vector j of a row or of a vector.
func (v isa) column(p reg.GPVirtual, j int) Mem { return Mem{Base: p, Disp: j * v.bytes()} }

// held loads a vector of band numbers into registers from first on, if there are enough,
// and returns where its parts are.
func (v isa) held(p reg.GPVirtual, first int) []Op {
	var at []Op
	for j := range band / v.lanes {
		if !v.wide {
			at = append(at, v.column(p, j))
			continue
		}
		VMOVUPD(v.column(p, j), v.r(first+j))
		at = append(at, v.r(first+j))
	}
	return at
}

// combine leaves Σ_i x[i]·(row i of a) in registers 0 to band/lanes−1, and uses eight of
// them and two more.
func (v isa) combine(label string, a, ld, x reg.GPVirtual) {
	n := band / v.lanes
	sets := max(1, 8/n)
	for i := range sets * n {
		v.zero(v.r(i))
	}
	row, scale, count := GP64(), GP64(), GP64()
	MOVQ(a, row)
	MOVQ(x, scale)
	MOVQ(U32(band), count)
	loop(label, count, sets, func() {
		for u := range sets {
			factor := v.r(8 + u)
			VBROADCASTSD(Mem{Base: scale, Disp: 8 * u}, factor)
			for j := range n {
				VFMADD231PD(v.column(row, j), factor, v.r(u*n+j))
			}
			ADDQ(ld, row)
		}
		ADDQ(I8(int8(8*sets)), scale)
	})
	for u := 1; u < sets; u++ {
		for j := range n {
			VADDPD(v.r(u*n+j), v.r(j), v.r(j))
		}
	}
}

// subtract takes x[i]·s + y[i]·t from row i of a, s and t being where held has left them.
func (v isa) subtract(label string, a, ld, x, y reg.GPVirtual, s, t []Op) {
	const unroll = 2
	n := band / v.lanes
	row, xs, ys, count := GP64(), GP64(), GP64(), GP64()
	MOVQ(a, row)
	MOVQ(x, xs)
	MOVQ(y, ys)
	MOVQ(U32(band), count)
	first := 0 // register
	if v.wide {
		first = 2 * n
	}
	loop(label, count, unroll, func() {
		for u := range unroll {
			fx, fy := v.r(first+2*u), v.r(first+2*u+1)
			VBROADCASTSD(Mem{Base: xs, Disp: 8 * u}, fx)
			VBROADCASTSD(Mem{Base: ys, Disp: 8 * u}, fy)
			for j := range n {
				e := v.r(first + 4 + (u*n+j)%8)
				VMOVUPD(v.column(row, j), e)
				VFNMADD231PD(s[j], fx, e)
				VFNMADD231PD(t[j], fy, e)
				VMOVUPD(e, v.column(row, j))
			}
			ADDQ(ld, row)
		}
		ADDQ(I8(8*unroll), xs)
		ADDQ(I8(8*unroll), ys)
	})
}

// everywhere adds up the elements of a register in all of its own; spare is another.
func (v isa) everywhere(r, spare int) {
	v.across(r, spare)
	VBROADCASTSD(xmm[r], v.r(r))
}

// chaseSquare writes d ← HdH, H = I − tau·v·vᵀ, d symmetric; w is memory.
func (v isa) chaseSquare() {
	TEXT("chaseSquare"+v.name, NOSPLIT, "func(d *float64, ld int, v, w *float64, tau float64)")
	d, ld, x, w := pointer("d"), pointer("ld"), pointer("v"), pointer("w")
	SHLQ(U8(3), ld)
	n := band / v.lanes
	v.combine("product", d, ld, x)
	// w = tau·(p − tau/2·(p·v)·v)
	dot, half, tau := 10, 11, 12
	v.zero(v.r(dot))
	for j := range n {
		VFMADD231PD(v.column(x, j), v.r(j), v.r(dot))
	}
	v.everywhere(dot, half)
	v.broadcast("tau", v.r(tau))
	VMULPD(v.r(tau), v.r(dot), v.r(dot))
	minusHalf := GP64()
	MOVQ(U64(0xbfe0000000000000), minusHalf)
	VMOVQ(minusHalf, xmm[half])
	VBROADCASTSD(xmm[half], v.r(half))
	VMULPD(v.r(half), v.r(dot), v.r(dot))
	for j := range n {
		VFMADD231PD(v.column(x, j), v.r(dot), v.r(j))
		VMULPD(v.r(tau), v.r(j), v.r(j))
		VMOVUPD(v.r(j), v.column(w, j))
	}
	v.subtract("update", d, ld, x, w, v.held(w, 0), v.held(x, n))
	VZEROUPPER()
	RET()
}

// chaseDots writes out = tau·b·v.
func (v isa) chaseDots() {
	TEXT("chaseDots"+v.name, NOSPLIT, "func(b *float64, ld int, v, out *float64, tau float64)")
	b, ld, x, out := pointer("b"), pointer("ld"), pointer("v"), pointer("out")
	SHLQ(U8(3), ld)
	n := band / v.lanes
	rows := strided(b, ld, v.lanes)
	down := GP64()
	MOVQ(ld, down)
	SHLQ(U8(uint8(map[int]int{8: 3, 4: 2}[v.lanes])), down)
	tau := 15
	v.broadcast("tau", v.r(tau))
	var at []Op
	if v.wide {
		at = v.held(x, 16)
	}
	count := GP64()
	MOVQ(U32(band), count)
	a := func(i int) reg.VecPhysical { return v.r(i) }
	t := func(i int) reg.VecPhysical { return v.r(8 + i) }
	loop("rows", count, v.lanes, func() {
		for j := range n {
			var part Op = v.r(14)
			if v.wide {
				part = at[j]
			} else {
				VMOVUPD(v.column(x, j), v.r(14))
			}
			for i, m := range rows {
				m.Disp += j * v.bytes()
				if j == 0 {
					VMULPD(m, part.(reg.VecPhysical), a(i))
				} else {
					VFMADD231PD(m, part.(reg.VecPhysical), a(i))
				}
			}
		}
		// The sum of each register in an element of one.
		for i := 0; i < v.lanes; i += 2 {
			VUNPCKLPD(a(i+1), a(i), t(0))
			VUNPCKHPD(a(i+1), a(i), t(1))
			VADDPD(t(1), t(0), a(i/2))
		}
		if v.wide {
			for _, pair := range [][3]int{{0, 1, 0}, {2, 3, 1}, {0, 1, 0}} {
				VSHUFF64X2(U8(0x88), a(pair[1]), a(pair[0]), t(0))
				VSHUFF64X2(U8(0xdd), a(pair[1]), a(pair[0]), t(1))
				VADDPD(t(1), t(0), a(pair[2]))
			}
		} else {
			VPERM2F128(U8(0x20), a(1), a(0), t(0))
			VPERM2F128(U8(0x31), a(1), a(0), t(1))
			VADDPD(t(1), t(0), a(0))
		}
		VMULPD(v.r(tau), a(0), a(0))
		VMOVUPD(a(0), Mem{Base: out})
		ADDQ(I8(int8(v.bytes())), out)
		ADDQ(down, b)
	})
	VZEROUPPER()
	RET()
}

// chaseBlock writes b ← (I − tau·x·xᵀ)(b − w·vᵀ); y is memory.
func (v isa) chaseBlock() {
	TEXT("chaseBlock"+v.name, NOSPLIT, "func(b *float64, ld int, w, v, x, y *float64, tau float64)")
	b, ld, w, right, left, y := pointer("b"), pointer("ld"), pointer("w"), pointer("v"), pointer("x"), pointer("y")
	SHLQ(U8(3), ld)
	n := band / v.lanes
	v.combine("product", b, ld, left)
	// y = tau·(p − (x·w)·v)
	dot, spare, tau := 10, 11, 12
	v.zero(v.r(dot))
	for j := range n {
		VMOVUPD(v.column(left, j), v.r(spare))
		VFMADD231PD(v.column(w, j), v.r(spare), v.r(dot))
	}
	v.everywhere(dot, spare)
	v.broadcast("tau", v.r(tau))
	for j := range n {
		VFNMADD231PD(v.column(right, j), v.r(dot), v.r(j))
		VMULPD(v.r(tau), v.r(j), v.r(j))
		VMOVUPD(v.r(j), v.column(y, j))
	}
	v.subtract("update", b, ld, w, left, v.held(right, 0), v.held(y, n))
	VZEROUPPER()
	RET()
}
