package main

import (
	"fmt"

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
		for _, vectors := range []int{2, 1} {
			loop(fmt.Sprintf("columns%d", vectors), left, vectors*v.lanes, func() {
				for u := range vectors {
					VMULPD(Mem{Base: from, Disp: u * v.bytes()}, v.r(0), v.r(1+u))
					VMOVUPD(v.r(1+u), Mem{Base: to, Disp: u * v.bytes()})
				}
				ADDQ(I32(int32(vectors*v.bytes())), from)
				ADDQ(I32(int32(vectors*v.bytes())), to)
			})
		}
	})
	VZEROUPPER()
	RET()
}

// squares writes of rows of n numbers the sums of their squares and of those of what lies
// between them and other rows, n a multiple of the vector.
func (v isa) squares() {
	TEXT("squares"+v.name, NOSPLIT, "func(rows, n int, a, b, squares, apart *float64)")
	rows, n, a, b, squares, apart := pointer("rows"), pointer("n"), pointer("a"), pointer("b"), pointer("squares"), pointer("apart")
	left := GP64()
	loop("rows", rows, 1, func() {
		v.zero(v.r(0))
		v.zero(v.r(1))
		MOVQ(n, left)
		loop("columns", left, v.lanes, func() {
			VMOVUPD(Mem{Base: a}, v.r(2))
			VSUBPD(Mem{Base: b}, v.r(2), v.r(3))
			VFMADD231PD(v.r(2), v.r(2), v.r(0))
			VFMADD231PD(v.r(3), v.r(3), v.r(1))
			ADDQ(I32(int32(v.bytes())), a)
			ADDQ(I32(int32(v.bytes())), b)
		})
		for i, to := range []reg.GPVirtual{squares, apart} {
			v.across(i, 4+i)
			VMOVSD(xmm[i], Mem{Base: to})
			ADDQ(I8(8), to)
		}
	})
	VZEROUPPER()
	RET()
}

// gather writes the rows of n numbers of a matrix that have the indices, n a multiple of
// the vector.
func (v isa) gather() {
	TEXT("gather"+v.name, NOSPLIT, "func(rows, n int, indices *int, from, to *float64)")
	rows, n, indices, from, to := pointer("rows"), pointer("n"), pointer("indices"), pointer("from"), pointer("to")
	SHLQ(U8(3), n)
	row, left := GP64(), GP64()
	find := func(m Mem) {
		MOVQ(m, row)
		IMULQ(n, row)
		ADDQ(from, row)
	}
	copies := func(name string) {
		loop(name, rows, 1, func() {
			if name == "ahead" {
				find(Mem{Base: indices, Disp: 8 * ahead})
				PREFETCHT0(Mem{Base: row})
				PREFETCHT0(Mem{Base: row, Disp: 64})
			}
			find(Mem{Base: indices})
			ADDQ(I8(8), indices)
			MOVQ(n, left)
			loop(name+"_columns", left, v.bytes(), func() {
				VMOVUPD(Mem{Base: row}, v.r(0))
				VMOVUPD(v.r(0), Mem{Base: to})
				ADDQ(I32(int32(v.bytes())), row)
				ADDQ(I32(int32(v.bytes())), to)
			})
		})
	}
	SUBQ(I8(ahead), rows)
	copies("ahead")
	ADDQ(I8(ahead), rows)
	copies("last")
	VZEROUPPER()
	RET()
}

// ahead is how many rows gather asks for before they are copied.
const ahead = 24
