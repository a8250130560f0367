package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// powerConstants are those of 2^x: x is a multiple of 1, or of 1/8 with a table of
// 2^(i/8), and a rest, of which it takes a polynomial.
type powerConstants struct {
	table                     Mem
	magic, least, most, exact Mem
	terms                     []Mem // from degree 0
}

func (v isa) powerTable() powerConstants {
	terms := []float64{1}
	for i := 1; i <= 13; i++ {
		terms = append(terms, terms[i-1]*math.Ln2/float64(i))
	}
	parts := 1.0
	if v.wide {
		parts = 8
		// The term of degree 8 in those of lower degree, as in exponential.
		square := math.Pow(1/(2*parts), 2)
		terms[6] += terms[8] * 2 * square
		terms[4] -= terms[8] * 1.25 * square * square
		terms[2] += terms[8] * 0.25 * square * square * square
		terms = terms[:8]
	}
	table, line := v.lines("power")
	put := func(x float64) Mem { return line(func(int) float64 { return x }) }
	c := powerConstants{table: table, magic: put(3 << 51 / parts), least: put(-1021), most: put(1021)}
	c.exact = line(func(i int) float64 { return math.Exp2(float64(i) / parts) })
	for _, t := range terms {
		c.terms = append(c.terms, put(t))
	}
	return c
}

// power writes c = 2^(a·b), 0 below 2^−1021, the operands as in tile, and adds the columns of c to sums.
func (v isa) power(rows int, constants powerConstants) {
	TEXT(fmt.Sprintf("power%d%s", rows, v.name), NOSPLIT, "func(a, b, c, sums *float64, step, lda, ldb, ldc, k int)")
	v.sum(rows)
	c, ldc, sums, base := pointer("c"), pointer("ldc"), pointer("sums"), GP64()
	SHLQ(U8(3), ldc)
	LEAQ(constants.table, base)
	at := func(m Mem) Mem { return Mem{Base: base, Disp: m.Disp} }
	last := 15 // register
	if v.wide {
		last = 31
	}
	total := []reg.VecPhysical{v.r(last), v.r(last - 1)}
	zero := v.r(last - 2)
	for j := range 2 {
		VMOVUPD(Mem{Base: sums, Disp: j * v.bytes()}, total[j])
	}
	if !v.wide {
		v.zero(zero)
	}
	for i := range rows {
		for j := range 2 {
			x := v.r(2*i + j)
			free := 2*rows + 3*j // two sums and six others are left of 32, or four of 16
			if !v.wide {
				free = 2 * rows
			}
			t, multiple, y := v.r(free), v.r(free+1), v.r(free+2)
			keep := v.r(2*rows + 3) // of 16
			if v.wide {             // not below, for what is smaller than normal numbers is slow; a NaN is not
				VCMPPD(U8(5), at(constants.least), x, reg.K1)
			} else {
				VCMPPD(U8(5), at(constants.least), x, keep)
				VMINPD(x, v.load(at(constants.most), t), x) // a NaN stays
				VMAXPD(x, v.load(at(constants.least), t), x)
			}
			VADDPD(at(constants.magic), x, t) // the nearest multiple, in the low bits
			VSUBPD(at(constants.magic), t, multiple)
			VSUBPD(multiple, x, x)
			terms := constants.terms
			VMOVUPD(at(terms[len(terms)-1]), y)
			for d := len(terms) - 2; d >= 1; d-- {
				VFMADD213PD(at(terms[d]), x, y)
			}
			if v.wide {
				VMULPD(x, y, y)
				VPERMPD(at(constants.exact), t, t) // by the low three bits
				VFMADD213PD(t, t, y)
				VSCALEFPD_Z(multiple, y, reg.K1, y)
			} else {
				VFMADD213PD(at(terms[0]), x, y)
				VPSLLQ(U8(52), t, t)
				VPADDQ(t, y, y)
				VFMADD231PD(zero, x, y) // the exponent of a NaN may have gone wrong
				VANDPD(keep, y, y)
			}
			VADDPD(y, total[j], total[j])
			VMOVUPD(y, Mem{Base: c, Disp: j * v.bytes()})
		}
		if i+1 < rows {
			ADDQ(ldc, c)
		}
	}
	for j := range 2 {
		VMOVUPD(total[j], Mem{Base: sums, Disp: j * v.bytes()})
	}
	VZEROUPPER()
	RET()
}

// load brings a vector to a register, which it returns.
func (v isa) load(m Mem, r reg.VecPhysical) reg.VecPhysical {
	VMOVUPD(m, r)
	return r
}
