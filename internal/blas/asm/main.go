// Command asm writes the assembly of package blas: one file of functions for AVX-512,
// one for AVX2 with FMA, and their Go declarations.
//
//	cd internal/blas/asm && ./generate.sh
//
// It is a module of its own, so that the generator is no dependency of the program.
// What each function computes is said by the portable Go function of that name.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

var (
	isaName = flag.String("isa", "avx512", "avx512 or avx2")
	tables  = flag.String("tables", "", "Go file for the table of tile functions")
)

func main() {
	flag.Parse()
	ConstraintExpr("amd64,!purego")
	v := isa{name: "AVX512", wide: true, lanes: 8, rows: 14, powerRows: 12, layerRows: 8}
	if *isaName == "avx2" {
		v = isa{name: "AVX2", lanes: 4, rows: 6, powerRows: 4, layerRows: 4}
	}
	for rows := 1; rows <= v.rows; rows++ {
		v.tile(rows)
	}
	powers := v.powerTable()
	for rows := 1; rows <= v.powerRows; rows++ {
		v.power(rows, powers)
	}
	v.layer()
	v.transpose()
	v.exponential()
	v.weigh()
	v.rectify()
	v.gate()
	v.scaleRows()
	v.gather()
	v.squares()
	v.symmetricRows()
	v.rotations()
	v.chase()
	v.sturm()
	if err := os.WriteFile(*tables, v.table(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	Generate()
}

// isa writes the same function for either vector width.
type isa struct {
	name  string
	wide  bool // 512 bits
	lanes int  // numbers of a vector
	rows  int  // of the tallest tile
	// powerRows is the same of the tiles of powers, which need more registers.
	powerRows int
	layerRows int // of a tile of a layer
}

var zmm = []reg.VecPhysical{reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31}
var ymm = []reg.VecPhysical{reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15}
var xmm = []reg.VecPhysical{reg.X0, reg.X1, reg.X2, reg.X3, reg.X4, reg.X5, reg.X6, reg.X7, reg.X8, reg.X9, reg.X10, reg.X11, reg.X12, reg.X13, reg.X14, reg.X15}

func (v isa) r(i int) reg.VecPhysical {
	if v.wide {
		return zmm[i]
	}
	return ymm[i]
}

func (v isa) bytes() int { return 8 * v.lanes }

func (v isa) zero(r reg.VecPhysical) {
	if v.wide {
		VPXORQ(r, r, r)
		return
	}
	VXORPD(r, r, r)
}

func pointer(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	return r
}

func (v isa) broadcast(name string, r reg.VecPhysical) {
	p, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSD(p.Addr, r)
}

// loop repeats body while the counter is at least step, and takes step from it.
func loop(label string, counter reg.GPVirtual, step int, body func()) {
	Label(label)
	CMPQ(counter, I32(int32(step)))
	JLT(LabelRef(label + "_end"))
	body()
	SUBQ(I32(int32(step)), counter)
	JMP(LabelRef(label))
	Label(label + "_end")
}

// tile writes c = alpha·a·b + beta·c, c not being read if beta is 0: the rows of a are
// step apart in each of k lines that are lda apart, the two vectors of b lie side by side
// in lines ldb apart.
func (v isa) tile(rows int) {
	TEXT(fmt.Sprintf("tile%d%s", rows, v.name), NOSPLIT, "func(a, b, c *float64, step, lda, ldb, ldc, k int, alpha, beta float64)")
	c, ldc, line, deep := pointer("c"), pointer("ldc"), GP64(), pointer("k")
	SHLQ(U8(3), ldc)
	CMPQ(deep, I8(64)) // c of a shallow product is near, or soon is
	JLT(LabelRef("near"))
	MOVQ(c, line)
	for range rows {
		PREFETCHT0(Mem{Base: line})
		PREFETCHT0(Mem{Base: line, Disp: 2*v.bytes() - 8})
		ADDQ(ldc, line)
	}
	Label("near")
	v.sum(rows)
	acc := func(i, j int) reg.VecPhysical { return v.r(2*i + j) }
	b0, b1, spare := v.r(2*rows), v.r(2*rows+1), v.r(2*rows+2)
	v.broadcast("alpha", b0)
	v.broadcast("beta", b1)
	keep := GP64()
	p, err := Param("beta").Resolve()
	if err != nil {
		panic(err)
	}
	MOVQ(p.Addr, keep)
	write := func(each func(m Mem, acc reg.VecPhysical)) {
		for i := range rows {
			for j := range 2 {
				each(Mem{Base: c, Disp: j * v.bytes()}, acc(i, j))
			}
			if i+1 < rows {
				ADDQ(ldc, c)
			}
		}
		VZEROUPPER()
		RET()
	}
	SHLQ(U8(1), keep) // without its sign
	JEQ(LabelRef("overwrite"))
	write(func(m Mem, acc reg.VecPhysical) {
		VMULPD(m, b1, spare)
		VFMADD231PD(b0, acc, spare)
		VMOVUPD(spare, m)
	})
	Label("overwrite")
	write(func(m Mem, acc reg.VecPhysical) {
		VMULPD(b0, acc, acc)
		VMOVUPD(acc, m)
	})
}

// sum adds up a tile of a·b in the first registers, two a row; four more are used.
func (v isa) sum(rows int) {
	a, b, k := pointer("a"), pointer("b"), pointer("k")
	step, lda, ldb := pointer("step"), pointer("lda"), pointer("ldb")
	for _, ld := range []reg.GPVirtual{step, lda, ldb} {
		SHLQ(U8(3), ld)
	}
	// Seven rows are reached from a, seven from a pointer of their own.
	half := strided(a, step, min(rows, 7))
	bases := []reg.GPVirtual{a}
	if rows > 7 {
		second := GP64()
		IMUL3Q(I8(7), step, second)
		ADDQ(a, second)
		bases = append(bases, second)
	}
	b0, b1 := v.r(2*rows), v.r(2*rows+1)
	spare := []reg.VecPhysical{v.r(2*rows + 2), v.r(2*rows + 3)}
	for i := range 2 * rows {
		v.zero(v.r(i))
	}
	multiply := func() {
		VMOVUPD(Mem{Base: b}, b0)
		VMOVUPD(Mem{Base: b, Disp: v.bytes()}, b1)
		ADDQ(ldb, b)
		for i := range rows {
			x := spare[i%2]
			m := half[i%7]
			m.Base = bases[i/7]
			VBROADCASTSD(m, x)
			VFMADD231PD(x, b0, v.r(2*i))
			VFMADD231PD(x, b1, v.r(2*i+1))
		}
		for _, base := range bases {
			ADDQ(lda, base)
		}
	}
	for _, unroll := range []int{4, 1} {
		loop(fmt.Sprintf("steps%d", unroll), k, unroll, func() {
			for range unroll {
				multiply()
			}
		})
	}
}

// strided returns the places of n ≤ 8 lines, step bytes apart, from base on.
func strided(base, step reg.GPVirtual, n int) []Mem {
	times := func(k int8) reg.GPVirtual {
		r := GP64()
		IMUL3Q(I8(k), step, r)
		return r
	}
	at := []Mem{{Base: base}, {Base: base, Index: step, Scale: 1}, {Base: base, Index: step, Scale: 2}}
	if n > 3 {
		three := times(3)
		at = append(at, Mem{Base: base, Index: three, Scale: 1}, Mem{Base: base, Index: step, Scale: 4})
		if n > 5 {
			at = append(at, Mem{Base: base, Index: times(5), Scale: 1}, Mem{Base: base, Index: three, Scale: 2})
		}
		if n > 7 {
			at = append(at, Mem{Base: base, Index: times(7), Scale: 1})
		}
	}
	return at[:n]
}

// transpose writes lanes lines of n numbers, n a multiple of the vector, as n lines of
// lanes numbers.
func (v isa) transpose() {
	TEXT("transpose"+v.name, NOSPLIT, "func(from *float64, ldf int, to *float64, ldt, n int)")
	from, to, ldf, ldt, n := pointer("from"), pointer("to"), pointer("ldf"), pointer("ldt"), pointer("n")
	SHLQ(U8(3), ldf)
	SHLQ(U8(3), ldt)
	in, out := strided(from, ldf, v.lanes), strided(to, ldt, v.lanes)
	x := func(i int) reg.VecPhysical { return v.r(i) }
	t := func(i int) reg.VecPhysical { return v.r(v.lanes + i) }
	down := GP64()
	MOVQ(ldt, down)
	SHLQ(U8(uint8(map[int]int{8: 3, 4: 2}[v.lanes])), down)
	loop("blocks", n, v.lanes, func() {
		for i, m := range in {
			VMOVUPD(m, x(i))
		}
		for i := 0; i < v.lanes; i += 2 { // even columns of two lines, odd columns of them
			VUNPCKLPD(x(i+1), x(i), t(i))
			VUNPCKHPD(x(i+1), x(i), t(i+1))
		}
		for odd := range 2 { // columns are halves or quarters of these
			if !v.wide {
				VPERM2F128(U8(0x20), t(odd+2), t(odd), x(odd))
				VPERM2F128(U8(0x31), t(odd+2), t(odd), x(odd+2))
				continue
			}
			a, b, c, d := t(odd), t(odd+2), t(odd+4), t(odd+6)
			low0, high0, low1, high1 := x(odd), x(odd+2), x(odd+4), x(odd+6)
			VSHUFF64X2(U8(0x44), b, a, low0)
			VSHUFF64X2(U8(0xee), b, a, high0)
			VSHUFF64X2(U8(0x44), d, c, low1)
			VSHUFF64X2(U8(0xee), d, c, high1)
			VSHUFF64X2(U8(0x88), low1, low0, a)
			VSHUFF64X2(U8(0xdd), low1, low0, b)
			VSHUFF64X2(U8(0x88), high1, high0, c)
			VSHUFF64X2(U8(0xdd), high1, high0, d)
		}
		for i, m := range out {
			if v.wide {
				VMOVUPD(t(i), m)
			} else {
				VMOVUPD(x(i), m)
			}
		}
		ADDQ(I8(int8(v.bytes())), from)
		ADDQ(down, to)
	})
	VZEROUPPER()
	RET()
}

// weigh writes a[i,j] *= own[i] + weights[j] for four rows of a, n a multiple of the
// vector, the sums of the rows to out, and adds those of the columns to sums.
func (v isa) weigh() {
	TEXT("weigh"+v.name, NOSPLIT, "func(a *float64, lda, n int, weights, own, sums, out *float64)")
	a, lda, n, weights, own, sums, out := pointer("a"), pointer("lda"), pointer("n"), pointer("weights"), pointer("own"), pointer("sums"), pointer("out")
	SHLQ(U8(3), lda)
	rows := strided(a, lda, 4)
	ws, ys, x := v.r(8), v.r(9), []reg.VecPhysical{v.r(10), v.r(11), v.r(12), v.r(13)}
	for i := range 4 {
		VBROADCASTSD(Mem{Base: own, Disp: 8 * i}, v.r(i))
		v.zero(v.r(4 + i))
	}
	loop("columns", n, v.lanes, func() {
		VMOVUPD(Mem{Base: weights}, ws)
		VMOVUPD(Mem{Base: sums}, ys)
		for i, m := range rows {
			VADDPD(ws, v.r(i), x[i])
			VMULPD(m, x[i], x[i])
			VMOVUPD(x[i], m)
			VADDPD(x[i], v.r(4+i), v.r(4+i))
			VADDPD(x[i], ys, ys)
		}
		VMOVUPD(ys, Mem{Base: sums})
		for _, p := range []reg.GPVirtual{a, weights, sums} {
			ADDQ(I32(int32(v.bytes())), p)
		}
	})
	for i := range 4 {
		v.across(4+i, 14)
		VMOVSD(xmm[4+i], Mem{Base: out, Disp: 8 * i})
	}
	VZEROUPPER()
	RET()
}

// across adds up the elements of a register in its first one; spare is another.
func (v isa) across(r, spare int) {
	if v.wide {
		VEXTRACTF64X4(U8(1), zmm[r], ymm[spare])
		VADDPD(ymm[spare], ymm[r], ymm[r])
	}
	VEXTRACTF128(U8(1), ymm[r], xmm[spare])
	VADDPD(xmm[spare], xmm[r], xmm[r])
	VUNPCKHPD(xmm[r], xmm[r], xmm[spare])
	VADDSD(xmm[spare], xmm[r], xmm[r])
}

// exponential writes values = e^(values − top), n a multiple of two vectors, and
// returns their sum. Below −708 it is 0.
//
// x is a multiple of ln 2 and a rest: whole ones, and a polynomial of degree 13, or, with
// a table of 2^(i/8) in a register, eighths, and one of degree 7.
func (v isa) exponential() {
	const ln2, ln2High = math.Ln2, 6.93145751953125e-1
	terms := []float64{1}
	for i := 1; i <= 13; i++ {
		terms = append(terms, terms[i-1]/float64(i))
	}
	parts := 1.0 // of ln 2
	if v.wide {
		parts = 8
		// The term of degree 8 in those of lower degree (Chebyshev), to 2e-18.
		square := math.Pow(ln2/(2*parts), 2)
		terms[6] += terms[8] * 2 * square
		terms[4] -= terms[8] * 1.25 * square * square
		terms[2] += terms[8] * 0.25 * square * square * square
		terms = terms[:8]
	}
	constants := []float64{-708, math.Log2E, 3 << 51 / parts, ln2High, 1.42860682030941723212e-6}
	table, line := v.lines("exponential")
	put := func(x float64) Mem { return line(func(int) float64 { return x }) }
	var cs, ts []Mem
	for _, c := range constants {
		cs = append(cs, put(c))
	}
	for _, t := range terms {
		ts = append(ts, put(t))
	}
	powers := line(func(i int) float64 { return math.Exp2(float64(i) / parts) })
	TEXT("expSum"+v.name, NOSPLIT, "func(values *float64, n int, top float64) float64")
	p, n := pointer("values"), pointer("n")
	base := GP64()
	LEAQ(table, base)
	address := func(m Mem) Mem { return Mem{Base: base, Disp: m.Disp} }
	top, low, magic, log2e := v.r(8), v.r(9), v.r(10), v.r(11)
	sum, last := []reg.VecPhysical{v.r(12), v.r(13)}, v.r(14) // last: 0, or the powers
	v.zero(last)
	if v.wide {
		VMOVUPD(address(powers), last)
	}
	v.broadcast("top", top)
	VMOVUPD(address(cs[0]), low)
	VMOVUPD(address(cs[1]), log2e)
	VMOVUPD(address(cs[2]), magic)
	v.zero(sum[0])
	v.zero(sum[1])
	loop("vectors", n, 2*v.lanes, func() {
		x := []reg.VecPhysical{v.r(0), v.r(1)}
		t := []reg.VecPhysical{v.r(2), v.r(3)}
		y := []reg.VecPhysical{v.r(4), v.r(5)}
		keep := []reg.VecPhysical{v.r(6), v.r(7)} // or the multiples of ln 2
		ks := []reg.Register{reg.K1, reg.K2}
		each := func(f func(u int)) {
			f(0)
			f(1)
		}
		each(func(u int) {
			multiple := y[u]
			VMOVUPD(Mem{Base: p, Disp: u * v.bytes()}, x[u])
			VSUBPD(top, x[u], x[u])
			if v.wide {
				VCMPPD(U8(5), low, x[u], ks[u]) // not below; a NaN is not
				multiple = keep[u]
			} else {
				VCMPPD(U8(5), low, x[u], keep[u])
			}
			VMAXPD(x[u], low, x[u])
			VMOVUPD(magic, t[u])
			VFMADD231PD(log2e, x[u], t[u]) // the nearest multiple, in the low bits
			VSUBPD(magic, t[u], multiple)
			VFNMADD231PD(address(cs[3]), multiple, x[u])
			VFNMADD231PD(address(cs[4]), multiple, x[u])
			VMOVUPD(address(ts[len(ts)-1]), y[u])
		})
		for i := len(ts) - 2; i >= 1; i-- {
			each(func(u int) { VFMADD213PD(address(ts[i]), x[u], y[u]) })
		}
		each(func(u int) {
			if v.wide {
				VMULPD(x[u], y[u], y[u])
				VPERMPD(last, t[u], t[u]) // by the low three bits
				VFMADD213PD(t[u], t[u], y[u])
				VSCALEFPD_Z(keep[u], y[u], ks[u], y[u])
			} else {
				VFMADD213PD(address(ts[0]), x[u], y[u])
				VPSLLQ(U8(52), t[u], t[u])
				VPADDQ(t[u], y[u], y[u])
				VFMADD231PD(last, x[u], y[u]) // the exponent of a NaN may have gone wrong
				VANDPD(keep[u], y[u], y[u])
			}
			VADDPD(y[u], sum[u], sum[u])
			VMOVUPD(y[u], Mem{Base: p, Disp: u * v.bytes()})
		})
		ADDQ(I32(int32(2*v.bytes())), p)
	})
	VADDPD(sum[1], sum[0], sum[0])
	v.across(12, 0)
	Store(xmm[12], ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// lines begins a table of constants; line adds a vector to it.
func (v isa) lines(name string) (table Mem, line func(x func(lane int) float64) Mem) {
	table = GLOBL(name+v.name, RODATA|NOPTR)
	at := 0
	return table, func(x func(lane int) float64) Mem {
		m := table
		m.Disp += 8 * at
		for i := range v.lanes {
			DATA(8*at, U64(math.Float64bits(x(i))))
			at++
		}
		return m
	}
}

// symmetricRows writes one pass over four rows of a: out[i] = Σ_j a[i,j]·x[j] and
// y[j] += Σ_i s[i]·a[i,j], n a multiple of the vector.
func (v isa) symmetricRows() {
	TEXT("symmetricRows"+v.name, NOSPLIT, "func(a *float64, lda, n int, x, y, s, out *float64)")
	a, lda, n, x, y, s, out := pointer("a"), pointer("lda"), pointer("n"), pointer("x"), pointer("y"), pointer("s"), pointer("out")
	SHLQ(U8(3), lda)
	rows := []reg.GPVirtual{a}
	for i := 1; i < 4; i++ {
		r := GP64()
		MOVQ(rows[i-1], r)
		ADDQ(lda, r)
		rows = append(rows, r)
	}
	scale := []reg.VecPhysical{v.r(0), v.r(1), v.r(2), v.r(3)}
	sum := []reg.VecPhysical{v.r(4), v.r(5), v.r(6), v.r(7)}
	xs, ys, as := v.r(8), v.r(9), []reg.VecPhysical{v.r(10), v.r(11), v.r(12), v.r(13)}
	for i := range 4 {
		VBROADCASTSD(Mem{Base: s, Disp: 8 * i}, scale[i])
		v.zero(sum[i])
	}
	loop("columns", n, v.lanes, func() {
		VMOVUPD(Mem{Base: x}, xs)
		VMOVUPD(Mem{Base: y}, ys)
		for i := range 4 {
			VMOVUPD(Mem{Base: rows[i]}, as[i])
			VFMADD231PD(as[i], xs, sum[i])
			VFMADD231PD(as[i], scale[i], ys)
		}
		VMOVUPD(ys, Mem{Base: y})
		for _, p := range append([]reg.GPVirtual{x, y}, rows...) {
			ADDQ(I32(int32(v.bytes())), p)
		}
	})
	for i := range 4 {
		v.across(4+i, 14)
		VMOVSD(xmm[4+i], Mem{Base: out, Disp: 8 * i})
	}
	VZEROUPPER()
	RET()
}

// rotations turns four vectors of columns through n rotations of neighbouring rows, from
// the row at z downwards: see rotate.
func (v isa) rotations() {
	TEXT("rotate"+v.name, NOSPLIT, "func(z *float64, ld, n int, cs *float64)")
	z, ld, n, cs := pointer("z"), pointer("ld"), pointer("n"), pointer("cs")
	SHLQ(U8(3), ld)
	c, s := v.r(12), v.r(13)
	at := func(j int) Mem { return Mem{Base: z, Disp: j * v.bytes()} }
	for j := range 4 {
		VMOVUPD(at(j), v.r(j))
	}
	below := GP64()
	loop("rows", n, 1, func() {
		VBROADCASTSD(Mem{Base: cs}, c)
		VBROADCASTSD(Mem{Base: cs, Disp: 8}, s)
		MOVQ(z, below)
		SUBQ(ld, below)
		for j := range 4 {
			row, turned, held := v.r(4+j), v.r(8+j), v.r(j)
			VMOVUPD(Mem{Base: below, Disp: j * v.bytes()}, row)
			VMULPD(held, c, turned)
			VFMADD231PD(row, s, turned)
			VMOVUPD(turned, at(j))
			VMULPD(held, s, held)
			VFMSUB231PD(row, c, held)
		}
		MOVQ(below, z)
		ADDQ(I8(16), cs)
	})
	for j := range 4 {
		VMOVUPD(v.r(j), at(j))
	}
	VZEROUPPER()
	RET()
}

// table returns Go source that finds the functions of tiles by their rows.
func (v isa) table() []byte {
	var b bytes.Buffer
	fmt.Fprint(&b, "// Code generated by command asm. DO NOT EDIT.\n\n//go:build amd64 && !purego\n\npackage blas\n")
	for _, t := range []struct {
		name, kind string
		rows       int
	}{{"tile", "tileFunc", v.rows}, {"power", "powerFunc", v.powerRows}} {
		fmt.Fprintf(&b, "\nvar %ss%s = [%d]%s{\n\t", t.name, v.name, t.rows+1, t.kind)
		for i := 1; i <= t.rows; i++ {
			if i > 1 {
				fmt.Fprint(&b, ", ")
			}
			fmt.Fprintf(&b, "%d: %s%d%s", i, t.name, i, v.name)
		}
		fmt.Fprint(&b, ",\n}\n")
	}
	return b.Bytes()
}
