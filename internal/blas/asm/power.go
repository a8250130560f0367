package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// powerConstants are those of 2^x: x is the nearest multiple of 1, or with a table of
// 2^(i/16) that of 1/16 below it, and a rest, of which it takes a polynomial.
type powerConstants struct {
	table              Mem
	magic, least, most Mem
	exact              [2]Mem
	terms              []Mem // from degree 0
}

func (v isa) powerTable() powerConstants {
	terms := []float64{1}
	for i := 1; i <= 13; i++ {
		terms = append(terms, terms[i-1]*math.Ln2/float64(i))
	}
	parts := 1.0
	if v.wide {
		parts = 16
		terms = economised(economised(terms[:9], 1/parts), 1/parts) // to 7e-18
	}
	table, line := v.lines("power")
	c := powerConstants{table: table}
	at := 0
	if v.wide {
		for half := range 2 {
			c.exact[half] = line(func(i int) float64 { return math.Exp2(float64(8*half+i) / parts) })
		}
		at = 128
	}
	put := func(x float64) Mem {
		if !v.wide {
			return line(func(int) float64 { return x })
		}
		// Instructions repeat single numbers themselves, wherever these lie: vectors of
		// the table may lie across cache lines.
		m := table.Offset(at)
		DATA(at, U64(math.Float64bits(x)))
		at += 8
		return m
	}
	c.magic, c.least, c.most = put(3<<51/parts), put(-1021), put(1021)
	for _, t := range terms {
		c.terms = append(c.terms, put(t))
	}
	return c
}

// economised puts the last term of a polynomial on 0 to width in its others (Chebyshev).
func economised(terms []float64, width float64) []float64 {
	last := len(terms) - 1
	before, t := []float64{1}, []float64{-1, 2} // Chebyshev's polynomials of 2x − 1
	for len(t) <= last {
		next := make([]float64, len(t)+1)
		for i, c := range t {
			next[i] -= 2 * c
			next[i+1] += 4 * c
		}
		for i, c := range before {
			next[i] -= c
		}
		before, t = t, next
	}
	for i := range last {
		terms[i] -= terms[last] * t[i] / t[last] * math.Pow(width, float64(last-i))
	}
	return terms[:last]
}

// power writes tiles below each other of c = 2^(a·b), 0 below 2^−1021, the operands as in
// tile, and adds the columns of c to sums.
func (v isa) power(rows int, constants powerConstants) {
	TEXT(fmt.Sprintf("power%d%s", rows, v.name), NOSPLIT, "func(a, b, c, sums *float64, step, lda, ldb, ldc, k, tiles int)")
	Label("tile")
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
	zero, exact := v.r(last-2), []reg.VecPhysical{v.r(last - 2), v.r(last - 3)} // either is needed
	t, multiple, y, keep := v.r(2*rows), v.r(2*rows+1), v.r(2*rows+2), v.r(2*rows+3)
	rest, magic := multiple, keep
	for j := range 2 {
		VMOVUPD(Mem{Base: sums, Disp: j * v.bytes()}, total[j])
	}
	terms := constants.terms
	if v.wide {
		VMOVUPD(at(constants.exact[0]), exact[0])
		VMOVUPD(at(constants.exact[1]), exact[1])
		VBROADCASTSD(at(constants.magic), magic)
	} else {
		v.zero(zero)
	}
	for i := range rows {
		for j := range 2 {
			x := v.r(2*i + j)
			if v.wide {
				// What is smaller than normal numbers is slow, and 0 therefore; a NaN is not.
				VCMPPD_BCST(U8(5), at(constants.least), x, reg.K1)
				const sixteenths = 4<<4 | 8 | 1 // below, and no exception for what is not exact
				VADDPD_RD_SAE(magic, x, t)      // the multiple below, in the low bits
				VREDUCEPD(U8(sixteenths), x, rest)
				VBROADCASTSD(at(terms[len(terms)-1]), y)
				for d := len(terms) - 2; d >= 1; d-- {
					VFMADD213PD_BCST(at(terms[d]), rest, y)
				}
				VMULPD(rest, y, y)
				VPERMI2PD(exact[1], exact[0], t) // by the low four bits
				VFMADD213PD(t, t, y)
				VSCALEFPD_Z(x, y, reg.K1, y)
			} else {
				VCMPPD(U8(5), at(constants.least), x, keep)
				VMINPD(x, v.load(at(constants.most), t), x) // a NaN stays
				VMAXPD(x, v.load(at(constants.least), t), x)
				VADDPD(at(constants.magic), x, t)
				VSUBPD(at(constants.magic), t, multiple)
				VSUBPD(multiple, x, x)
				VMOVUPD(at(terms[len(terms)-1]), y)
				for d := len(terms) - 2; d >= 0; d-- {
					VFMADD213PD(at(terms[d]), x, y)
				}
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
	v.nextTile(rows, map[string]string{"a": "step", "c": "ldc"})
}

// load brings a vector to a register, which it returns.
func (v isa) load(m Mem, r reg.VecPhysical) reg.VecPhysical {
	VMOVUPD(m, r)
	return r
}
