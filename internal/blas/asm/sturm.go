package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sturm counts the eigenvalues of a tridiagonal matrix below each of a few numbers: the
// changes of sign between the determinants of its leading squares, which are brought
// back to about 1 every six rows.
func (v isa) sturm() {
	const steps = 6 // a multiple of the three registers that take turns
	vectors := 2
	if v.wide {
		vectors = 4
	}
	TEXT("sturm"+v.name, NOSPLIT, "func(d, squares *float64, n int, x *float64, below *int)")
	d, e, n, x, below := pointer("d"), pointer("squares"), pointer("n"), pointer("x"), pointer("below")
	next := 0
	take := func() reg.VecPhysical {
		next++
		return v.r(next - 1)
	}
	each := func(f func(u int)) {
		for u := range vectors {
			f(u)
		}
	}
	p := make([][]reg.VecPhysical, vectors) // the last two determinants and the next one
	at, count, spare := make([]reg.VecPhysical, vectors), make([]reg.VecPhysical, vectors), make([]reg.VecPhysical, vectors)
	each(func(u int) {
		p[u] = []reg.VecPhysical{take(), take(), take()}
		at[u], count[u], spare[u] = take(), take(), take()
	})
	diagonal, beside, exponent, inverse := take(), take(), take(), take()
	constant := func(bits uint64, to reg.VecPhysical, low reg.VecPhysical) {
		r := GP64()
		MOVQ(U64(bits), r)
		VMOVQ(r, low)
		VPBROADCASTQ(low, to)
	}
	low := func(r reg.VecPhysical) reg.VecPhysical { return r.AsX().(reg.VecPhysical) }
	constant(0x3ff0000000000000, p[0][1], low(p[0][1])) // 1
	each(func(u int) {
		v.zero(p[u][0])
		v.zero(count[u])
		if u > 0 {
			VMOVUPD(p[0][1], p[u][1])
		}
		VMOVUPD(Mem{Base: x, Disp: u * v.bytes()}, at[u])
	})
	constant(0x7ff0000000000000, exponent, low(exponent))
	constant(0x7fe0000000000000, inverse, low(inverse))
	and, xor := func(a, b, c reg.VecPhysical) { VPAND(a, b, c) }, func(a, b, c reg.VecPhysical) { VPXOR(a, b, c) }
	if v.wide {
		and, xor = func(a, b, c reg.VecPhysical) { VPANDQ(a, b, c) }, func(a, b, c reg.VecPhysical) { VPXORQ(a, b, c) }
	}
	loop("rows", n, steps, func() {
		for s := range steps {
			VBROADCASTSD(Mem{Base: d, Disp: 8 * s}, diagonal)
			VBROADCASTSD(Mem{Base: e, Disp: 8 * s}, beside)
			old, last, new := s%3, (s+1)%3, (s+2)%3
			each(func(u int) { VSUBPD(at[u], diagonal, p[u][new]) })
			each(func(u int) { VMULPD(p[u][last], p[u][new], p[u][new]) })
			each(func(u int) { VFNMADD231PD(p[u][old], beside, p[u][new]) })
			each(func(u int) { xor(p[u][last], p[u][new], spare[u]) })
			each(func(u int) { VPSRLQ(U8(63), spare[u], spare[u]) })
			each(func(u int) { VPADDQ(spare[u], count[u], count[u]) })
		}
		each(func(u int) {
			and(exponent, p[u][0], spare[u])
			and(exponent, p[u][1], p[u][2])
			VMAXPD(spare[u], p[u][2], spare[u])
			VPSUBQ(spare[u], inverse, spare[u])
			VMULPD(spare[u], p[u][0], p[u][0])
			VMULPD(spare[u], p[u][1], p[u][1])
		})
		ADDQ(I8(8*steps), d)
		ADDQ(I8(8*steps), e)
	})
	each(func(u int) { VMOVUPD(count[u], Mem{Base: below, Disp: u * v.bytes()}) })
	VZEROUPPER()
	RET()
}
