package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// products writes the tiles of the matrix product. rows×vectors accumulators stay
// in registers over the whole sum; every step loads a row of b and multiplies it by
// one broadcast element of each row of a.
func (v isa) products() {
	tallest := v.tallest()
	for _, sumFirst := range []bool{false, true} {
		for vectors := 1; vectors <= 2; vectors++ {
			for rows := 1; rows <= tallest; rows++ {
				v.product(rows, vectors, sumFirst, v.wide)
			}
			if v.wide {
				continue
			}
			for rows := 1; rows <= edgeRows; rows++ {
				v.product(rows, vectors, sumFirst, true)
			}
		}
	}
}

// tallest is how many rows of two vectors fit into the registers, beside two columns
// and a broadcast element.
func (v isa) tallest() int {
	if v.wide {
		return 14
	}
	return 6
}

// edgeRows is how many rows are left when two registers hold masks.
const edgeRows = 4

// product writes one tile function. masked ones take any number of columns, the
// others whole vectors.
func (v isa) product(rows, vectors int, sumFirst, masked bool) {
	order, edge := "Rows", ""
	if sumFirst {
		order = "Cols"
	}
	if masked && !v.wide {
		edge = "Edge"
	}
	TEXT(fmt.Sprintf("multiply%s%dx%d%s%s", order, rows, vectors, edge, v.name), NOSPLIT,
		"func(a, b, c *float32, lda, ldb, ldc, k, cols, add int)")
	a, b, c := pointer("a"), pointer("b"), pointer("c")
	lda, ldb, ldc := scaled("lda"), scaled("ldb"), scaled("ldc")
	k := pointer("k")

	acc := func(i, j int) reg.VecPhysical { return v.r(i*vectors + j) }
	next := rows * vectors
	columns := make([]reg.VecPhysical, vectors)
	for j := range columns {
		columns[j] = v.r(next)
		next++
	}
	masks := make([]mask, vectors)
	if masked {
		next = v.columnMasks(masks, next)
	}
	// One register may be enough for the broadcast: renaming keeps them apart.
	spare := []reg.VecPhysical{v.r(next)}
	if next+1 < v.registers {
		spare = append(spare, v.r(next+1))
	}
	for i := range rows {
		for j := range vectors {
			v.zero(acc(i, j))
		}
	}

	// The lines of c are on their way while the sum goes on.
	line := GP64()
	MOVQ(c, line)
	for i := range rows {
		for j := range vectors * v.bytes() / 64 {
			PREFETCHT0(Mem{Base: line, Disp: 64 * j})
		}
		if vectors*v.bytes() < 64 {
			PREFETCHT0(Mem{Base: line})
		}
		if i+1 < rows {
			ADDQ(ldc, line)
		}
	}

	bases := []reg.GPVirtual{a}
	if !sumFirst {
		// Row i is at bases[i/3] + (i mod 3)·lda.
		for i := 3; i < rows; i += 3 {
			base := GP64()
			LEAQ(Mem{Base: bases[len(bases)-1], Index: lda, Scale: 2}, base)
			ADDQ(lda, base)
			bases = append(bases, base)
		}
	}
	element := func(i, u int) Mem {
		if sumFirst {
			return Mem{Base: a, Disp: 4 * i}
		}
		m := Mem{Base: bases[i/3], Disp: 4 * u}
		if i%3 > 0 {
			m.Index, m.Scale = lda, uint8(i%3)
		}
		return m
	}
	step := func(u int) {
		for j := range vectors {
			v.load(Mem{Base: b, Disp: j * v.bytes()}, columns[j], masks[j])
		}
		ADDQ(ldb, b)
		for i := range rows {
			if vectors == 1 && v.wide && !v.pairs {
				VFMADD231PS_BCST(element(i, u), columns[0], acc(i, 0))
				continue
			}
			x := spare[i%len(spare)]
			VBROADCASTSS(element(i, u), x)
			for j := range vectors {
				if v.pairs {
					VDPBF16PS(x, columns[j], acc(i, j))
				} else {
					VFMADD231PS(x, columns[j], acc(i, j))
				}
			}
		}
		if sumFirst {
			ADDQ(lda, a)
		}
	}
	advance := func(steps int) {
		if !sumFirst {
			for _, base := range bases {
				ADDQ(I8(int8(4*steps)), base)
			}
		}
	}
	loop("steps4", k, 4, func() {
		for u := range 4 {
			step(u)
		}
		advance(4)
	})
	loop("steps1", k, 1, func() {
		step(0)
		advance(1)
	})

	added := pointer("add")
	TESTQ(added, added)
	JZ(LabelRef("write"))
	for _, adding := range []bool{true, false} {
		if !adding {
			Label("write")
		}
		for i := range rows {
			for j := range vectors {
				m := Mem{Base: c, Disp: j * v.bytes()}
				if adding {
					v.load(m, columns[0], masks[j])
					VADDPS(columns[0], acc(i, j), acc(i, j))
				}
				v.store(acc(i, j), m, masks[j])
			}
			if i+1 < rows {
				ADDQ(ldc, c)
			}
		}
		VZEROUPPER()
		RET()
	}
}

// columnMasks makes the masks of the vectors that together have cols columns.
func (v isa) columnMasks(masks []mask, next int) int {
	cols := pointer("cols")
	if v.wide {
		ones := GP64()
		MOVQ(I32(-1), ones)
		BZHIQ(cols, ones, ones)
		for j := range masks {
			k := []reg.Register{reg.K1, reg.K2}[j]
			if j > 0 {
				SHRQ(I8(16), ones)
			}
			KMOVW(ones.As32(), k)
			masks[j] = mask{on: true, k: k}
		}
		return next
	}
	for j := range masks {
		n, bound := GP64(), GP64()
		MOVQ(cols, n)
		if j > 0 {
			SUBQ(I8(8), n)
		}
		// Clamped to [0, 8].
		XORQ(bound, bound)
		CMPQ(n, bound)
		CMOVQLT(bound, n)
		MOVQ(I32(8), bound)
		CMPQ(n, bound)
		CMOVQGT(bound, n)
		masks[j] = v.tail(n, next)
		next++
	}
	return next
}
