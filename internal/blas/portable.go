package blas

import (
	"math"
	"unsafe"
)

// The portable implementation: the meaning of every function of a machine.
var portableMachine = machine{
	name: "portable", rows: 4, cols: 4, tiles: []tileFunc{1: tile(1), 2: tile(2), 3: tile(3), 4: tile(4)}, powers: []powerFunc{1: power},
	rectified: rectified, gated: gated, layerRows: 1,
	transpose: transpose, lanes: 4, expSum: expSum, weigh: weigh, weighStep: 1, rectify: rectify, gate: gate, scaleRows: scaleRows, gather: gather, squares: squares, expStep: 1,
	symmetricRows: symmetricRows, symmetricStep: 1,
	rotate: rotate, rotateCols: 4,
	bandFrom:    math.MaxInt, // its loops gain nothing
	chaseSquare: chaseSquare, chaseDots: chaseDots, chaseBlock: chaseBlock,
	sturm: sturm, sturmAt: 4,
}

func tile(rows int) tileFunc {
	return func(pa, pb, pc *float64, step, lda, ldb, ldc, k int, alpha, beta float64) {
		a, b, c := view(pa, (rows-1)*step+(k-1)*lda+1), view(pb, (k-1)*ldb+4), view(pc, (rows-1)*ldc+4)
		for i := range rows {
			var s0, s1, s2, s3 float64
			for l := range k {
				x, v := a[i*step+l*lda], (*[4]float64)(b[l*ldb:])
				s0 += x * v[0]
				s1 += x * v[1]
				s2 += x * v[2]
				s3 += x * v[3]
			}
			out := (*[4]float64)(c[i*ldc:])
			if beta == 0 {
				*out = [4]float64{alpha * s0, alpha * s1, alpha * s2, alpha * s3}
				continue
			}
			out[0] = beta*out[0] + alpha*s0
			out[1] = beta*out[1] + alpha*s1
			out[2] = beta*out[2] + alpha*s2
			out[3] = beta*out[3] + alpha*s3
		}
	}
}

// power takes rows of four columns.
func power(pa, pb, pc, psums *float64, step, lda, ldb, ldc, k, tiles int) {
	sums := view(psums, 4)
	for i := range tiles {
		row := at(pc, i*ldc)
		tile(1)(at(pa, i*step), pb, row, step, lda, ldb, ldc, k, 1, 0)
		for j, x := range view(row, 4) {
			y := 0.0
			if !(x < -1021) { // a NaN stays
				y = math.Exp2(x)
			}
			*at(row, j) = y
			sums[j] += y
		}
	}
}

// rectified takes rows of four columns.
func rectified(a, b, c *float64, step, lda, ldb, ldc, k, tiles int) {
	for i := range tiles {
		row := at(c, i*ldc)
		tile(1)(at(a, i*step), b, row, step, lda, ldb, ldc, k, 1, 0)
		rectify(row, 4)
	}
}

// gated too.
func gated(a, b, by, c *float64, step, lda, ldb, ldc, k, tiles int) {
	for i := range tiles {
		row := at(c, i*ldc)
		tile(1)(at(a, i*step), b, row, step, lda, ldb, ldc, k, 1, 0)
		gate(row, at(by, i*ldc), 4)
	}
}

func transpose(pf *float64, ldf int, pt *float64, ldt, n int) {
	from, to := view(pf, 3*ldf+n), view(pt, (n-1)*ldt+4)
	f0, f1, f2, f3 := from[:n], from[ldf:][:n], from[2*ldf:][:n], from[3*ldf:][:n]
	for j := range n {
		*(*[4]float64)(to[j*ldt:]) = [4]float64{f0[j], f1[j], f2[j], f3[j]}
	}
}

// weigh multiplies a[i,j] by own[i] + weights[j] for four rows of a, [4,n], writes the sums
// of the rows to out, and adds those of the columns to sums.
func weigh(pa *float64, lda, n int, pweights, pown, psums, pout *float64) {
	own, out := view(pown, 4), view(pout, 4)
	for i := range 4 {
		out[i] = weighRow(view(at(pa, i*lda), n), view(pweights, n), own[i], view(psums, n))
	}
}

// weighRow does that for one row, and returns its sum.
func weighRow(row, weights []float64, own float64, sums []float64) (sum float64) {
	weights, sums = weights[:len(row)], sums[:len(row)]
	for j, v := range row {
		v *= own + weights[j]
		row[j] = v
		sum += v
		sums[j] += v
	}
	return sum
}

// rectify writes the larger of 0 and each of n values.
func rectify(p *float64, n int) {
	for i, v := range view(p, n) {
		if v < 0 { // a NaN stays
			*at(p, i) = 0
		}
	}
}

// gate writes 0 to those of n values the place of which has none above 0 in by.
func gate(p, by *float64, n int) {
	for i, v := range view(by, n) {
		if v <= 0 {
			*at(p, i) = 0
		}
	}
}

// scaleRows writes rows of n numbers times a weight each.
func scaleRows(rows, n int, pweights, pfrom, pto *float64) {
	for i, w := range view(pweights, rows) {
		to := view(at(pto, i*n), n)
		for k, v := range view(at(pfrom, i*n), n) {
			to[k] = w * v
		}
	}
}

// squares writes of rows of n numbers the sums of their squares and of those of what lies
// between them and other rows.
func squares(rows, n int, pa, pb, psquares, papart *float64) {
	for i := range rows {
		a, b := view(at(pa, i*n), n), view(at(pb, i*n), n)
		var square, apart float64
		for k, v := range a {
			away := v - b[k]
			square += v * v
			apart += away * away
		}
		*at(psquares, i), *at(papart, i) = square, apart
	}
}

// gather writes the rows of n numbers that have the indices.
func gather(rows, n int, pindices *int, from, to *float64) {
	for i, row := range unsafe.Slice(pindices, rows) {
		copy(view(at(to, i*n), n), view(at(from, row*n), n))
	}
}

// expSum replaces the n values by e^(value−top), 0 below e^−708, and returns their sum.
// No value exceeds top.
func expSum(p *float64, n int, top float64) (sum float64) {
	values := view(p, n)
	for i, v := range values {
		x := v - top
		e := 0.0
		if !(x < -708) { // a NaN stays
			e = math.Exp(x)
		}
		values[i] = e
		sum += e
	}
	return sum
}

// symmetricRows writes out[i] = Σ_j a[i,j]·x[j] for four rows of a, [4,n], and adds
// Σ_i s[i]·a[i,j] to y[j].
func symmetricRows(pa *float64, lda, n int, px, py, ps, pout *float64) {
	if n == 0 {
		clear(view(pout, 4))
		return
	}
	a, x, y, s, out := view(pa, 3*lda+n), view(px, n), view(py, n), view(ps, 4), view(pout, 4)
	a0, a1, a2, a3 := a[:n], a[lda:][:n], a[2*lda:][:n], a[3*lda:][:n]
	var s0, s1, s2, s3 float64
	for j, v := range x {
		s0 += a0[j] * v
		s1 += a1[j] * v
		s2 += a2[j] * v
		s3 += a3[j] * v
		y[j] += s[0]*a0[j] + s[1]*a1[j] + s[2]*a2[j] + s[3]*a3[j]
	}
	out[0], out[1], out[2], out[3] = s0, s1, s2, s3
}

// rotate turns rotateCols columns through n rotations: of the row at z and the one
// before it, z → c·z + s·p and p → c·p − s·z with the first pair (c, s) of cs; then of
// that one and the one before it with the next pair, and so on. Rows are ld apart.
func rotate(pz *float64, ld, n int, pcs *float64) {
	for i := range n {
		pair, z, p := view(at(pcs, 2*i), 2), view(at(pz, -i*ld), 4), view(at(pz, -(i+1)*ld), 4)
		c, s := pair[0], pair[1]
		for j, v := range z {
			z[j] = c*v + s*p[j]
			p[j] = c*p[j] - s*v
		}
	}
}

// chaseSquare writes d ← HdH, H = I − tau·v·vᵀ, for a symmetric d, [bandwidth,bandwidth]
// with rows ld apart. w, [bandwidth], is memory.
func chaseSquare(pd *float64, ld int, pv, pw *float64, tau float64) {
	d, v, w := view(pd, (bandwidth-1)*ld+bandwidth), (*[bandwidth]float64)(view(pv, bandwidth)), (*[bandwidth]float64)(view(pw, bandwidth))
	*w = [bandwidth]float64{}
	for i, x := range v {
		for j, e := range d[i*ld:][:bandwidth] {
			w[j] += x * e
		}
	}
	var dot float64
	for i, x := range v {
		dot += x * w[i]
	}
	for i, x := range v {
		w[i] = tau * (w[i] - tau*dot/2*x)
	}
	for i, x := range v {
		row := (*[bandwidth]float64)(d[i*ld:])
		for j := range row {
			row[j] -= x*w[j] + w[i]*v[j]
		}
	}
}

// chaseDots writes out = tau·b·v.
func chaseDots(pb *float64, ld int, pv, pout *float64, tau float64) {
	b, v, out := view(pb, (bandwidth-1)*ld+bandwidth), (*[bandwidth]float64)(view(pv, bandwidth)), view(pout, bandwidth)
	for i := range out {
		var sum float64
		for j, e := range (*[bandwidth]float64)(b[i*ld:]) {
			sum += e * v[j]
		}
		out[i] = tau * sum
	}
}

// chaseBlock writes b ← (I − tau·x·xᵀ)(b − w·vᵀ). y, [bandwidth], is memory.
func chaseBlock(pb *float64, ld int, pw, pv, px, py *float64, tau float64) {
	b, w, v := view(pb, (bandwidth-1)*ld+bandwidth), view(pw, bandwidth), (*[bandwidth]float64)(view(pv, bandwidth))
	x, y := view(px, bandwidth), (*[bandwidth]float64)(view(py, bandwidth))
	*y = [bandwidth]float64{}
	for i := range w {
		row := (*[bandwidth]float64)(b[i*ld:])
		for j := range row {
			row[j] -= w[i] * v[j]
			y[j] += x[i] * row[j]
		}
	}
	for i := range w {
		row, s := (*[bandwidth]float64)(b[i*ld:]), tau*x[i]
		for j := range row {
			row[j] -= s * y[j]
		}
	}
}

// sturm writes how many eigenvalues of a tridiagonal matrix lie below each of four numbers
// x: the changes of sign between the determinants of its leading squares, less x on the
// diagonal. squares[i] is the square of what stands beside d[i-1] and d[i]; n is a
// multiple of sturmRows, after which determinants are scaled.
func sturm(pd, psquares *float64, n int, px *float64, pbelow *int) {
	d, squares, below := view(pd, n), view(psquares, n), unsafe.Slice(pbelow, 4)
	x := (*[4]float64)(view(px, 4))
	last, now, count := [4]float64{}, [4]float64{1, 1, 1, 1}, [4]uint64{}
	for i := 0; i < n; i += sturmRows {
		for r := i; r < i+sturmRows; r++ {
			for u := range now {
				next := (d[r]-x[u])*now[u] - squares[r]*last[u]
				count[u] += (math.Float64bits(next) ^ math.Float64bits(now[u])) >> 63
				last[u], now[u] = now[u], next
			}
		}
		for u := range now {
			const exponent = 0x7ff << 52
			most := max(math.Float64bits(last[u])&exponent, math.Float64bits(now[u])&exponent)
			scale := math.Float64frombits(0x7fe<<52 - most)
			last[u] *= scale
			now[u] *= scale
		}
	}
	for u, c := range count {
		below[u] = int(c)
	}
}
