package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// columns goes through cols columns of one row: body is written for u vectors side
// by side, for one, and for the rest of less than a vector. at is the offset in
// bytes from the start of the row.
func (v isa) columns(label string, cols, at reg.GPVirtual, unroll int, rest mask, body func(u int, k mask)) {
	left := GP64()
	MOVQ(cols, left)
	XORQ(at, at)
	if unroll > 1 {
		loop(label+"_many", left, unroll*v.lanes, func() {
			for u := range unroll {
				body(u, all)
			}
			ADDQ(I32(int32(unroll*v.bytes())), at)
		})
	}
	loop(label+"_one", left, v.lanes, func() {
		body(0, all)
		ADDQ(I32(int32(v.bytes())), at)
	})
	TESTQ(left, left)
	JZ(LabelRef(label + "_done"))
	body(0, rest)
	Label(label + "_done")
}

// restMask returns the mask of the columns beyond whole vectors.
func (v isa) restMask(cols reg.GPVirtual, last int) mask {
	n := GP64()
	MOVQ(cols, n)
	ANDQ(I32(int32(v.lanes-1)), n)
	return v.tail(n, last)
}

func (v isa) rowPasses() {
	v.copyRows()
	v.prefetchRows()
	v.affineRows(false)
	v.affineRows(true)
	v.gradRows(false)
	v.gradRows(true)
}

func (v isa) copyRows() {
	TEXT("copyRows"+v.name, NOSPLIT, "func(dst *float32, ldd int, src *float32, lds, rows, cols int)")
	dst, src, ldd, lds := pointer("dst"), pointer("src"), scaled("ldd"), scaled("lds")
	rows, cols := pointer("rows"), pointer("cols")
	rest := v.restMask(cols, 15)
	at := GP64()
	loop("rows", rows, 1, func() {
		v.columns("cols", cols, at, 4, rest, func(u int, k mask) {
			v.load(Mem{Base: src, Index: at, Scale: 1, Disp: u * v.bytes()}, v.r(u), k)
			v.store(v.r(u), Mem{Base: dst, Index: at, Scale: 1, Disp: u * v.bytes()}, k)
		})
		ADDQ(ldd, dst)
		ADDQ(lds, src)
	})
	VZEROUPPER()
	RET()
}

// affineRows also writes joinRows, which adds a second operand with its own scale
// and shift.
func (v isa) affineRows(join bool) {
	name, signature := "affineRows", "func(dst *float32, ldd int, src *float32, lds, rows, cols int, scale, shift *float32, floor float32)"
	if join {
		name, signature = "joinRows", "func(dst *float32, ldd int, src *float32, lds int, res *float32, ldr, rows, cols int, scale, shift, rscale, rshift *float32, floor float32)"
	}
	TEXT(name+v.name, NOSPLIT, signature)
	dst, src := pointer("dst"), pointer("src")
	rows, cols := pointer("rows"), pointer("cols")
	scale, shift := pointer("scale"), pointer("shift")
	var res, rscale, rshift reg.GPVirtual
	if join {
		res, rscale, rshift = pointer("res"), pointer("rscale"), pointer("rshift")
	}
	floor := v.r(14)
	v.broadcast("floor", floor)
	rest := v.restMask(cols, 15)
	at := GP64()
	mem := func(base reg.GPVirtual, u int) Mem {
		return Mem{Base: base, Index: at, Scale: 1, Disp: u * v.bytes()}
	}
	unroll := 4
	loop("rows", rows, 1, func() {
		v.columns("cols", cols, at, unroll, rest, func(u int, k mask) {
			x, s, b := v.r(3*u), v.r(3*u+1), v.r(3*u+2)
			v.load(mem(src, u), x, k)
			v.load(mem(scale, u), s, k)
			v.load(mem(shift, u), b, k)
			VFMADD213PS(b, s, x)
			if join {
				v.load(mem(res, u), s, k)
				v.load(mem(rscale, u), b, k)
				VMULPS(b, s, s)
				v.load(mem(rshift, u), b, k)
				VADDPS(b, s, s)
				VADDPS(s, x, x)
			}
			VMAXPS(x, floor, x)
			v.store(x, mem(dst, u), k)
		})
		ADDQ(stride("ldd"), dst)
		ADDQ(stride("lds"), src)
		if join {
			ADDQ(stride("ldr"), res)
		}
	})
	VZEROUPPER()
	RET()
}

// stride loads a distance between rows in bytes, where no register is free to keep
// it.
func stride(name string) reg.GPVirtual { return scaled(name) }

func (v isa) gradRows(masked bool) {
	name := "gradRows" + v.name
	if masked {
		name = "gradRowsMasked" + v.name
	}
	TEXT(name, NOSPLIT, "func(dx, x, dy, mask *float32, ld, rows, cols int, mean, dyScale, xScale, shift *float32)")
	dx, x, dy, gate := pointer("dx"), pointer("x"), pointer("dy"), pointer("mask")
	rows, cols := pointer("rows"), pointer("cols")
	mean, dyScale, xScale, shift := pointer("mean"), pointer("dyScale"), pointer("xScale"), pointer("shift")
	rest := v.restMask(cols, 15)
	zero := v.r(14)
	v.zero(zero)
	at := GP64()
	mem := func(base reg.GPVirtual, u int) Mem {
		return Mem{Base: base, Index: at, Scale: 1, Disp: u * v.bytes()}
	}
	loop("rows", rows, 1, func() {
		v.columns("cols", cols, at, 2, rest, func(u int, k mask) {
			d, g, t := v.r(3*u), v.r(3*u+1), v.r(3*u+2)
			v.load(mem(x, u), d, k)
			v.load(mem(mean, u), t, k)
			VSUBPS(t, d, d)
			v.load(mem(dy, u), g, k)
			if masked {
				v.load(mem(gate, u), t, k)
				v.gate(t, zero, g)
			}
			v.load(mem(xScale, u), t, k)
			VMULPS(t, d, d)
			v.load(mem(shift, u), t, k)
			VADDPS(t, d, d)
			v.load(mem(dyScale, u), t, k)
			VFMADD231PS(t, g, d)
			v.store(d, mem(dx, u), k)
		})
		ld := stride("ld")
		ADDQ(ld, dx)
		ADDQ(ld, x)
		ADDQ(ld, dy)
		if masked {
			ADDQ(ld, gate)
		}
	})
	VZEROUPPER()
	RET()
}

// gate clears the lanes of g where t ≤ 0; a NaN in t lets g through. t is lost.
func (v isa) gate(t, zero, g reg.VecPhysical) {
	const notLessOrEqual = 6 // unordered: true for NaN
	if v.wide {
		VCMPPS(U8(notLessOrEqual), zero, t, reg.K2)
		VMOVAPS_Z(g, reg.K2, g)
		return
	}
	VCMPPS(U8(notLessOrEqual), zero, t, t)
	VANDPS(t, g, g)
}

// prefetchRows asks for the lines of a block of rows and waits for none.
func (v isa) prefetchRows() {
	TEXT("prefetchRows"+v.name, NOSPLIT, "func(src *float32, lds, rows, cols int)")
	src, lds, rows, cols := pointer("src"), scaled("lds"), pointer("rows"), scaled("cols")
	p, left := GP64(), GP64()
	loop("rows", rows, 1, func() {
		MOVQ(src, p)
		MOVQ(cols, left)
		Label("line")
		PREFETCHT1(Mem{Base: p})
		ADDQ(I8(64), p)
		SUBQ(I8(64), left)
		JG(LabelRef("line"))
		ADDQ(lds, src)
	})
	RET()
}
