package blas

import "math"

// A large symmetric matrix is kept in square tiles, whose lines are tileLine apart so that
// they fall into all sets of the caches; tiles on the diagonal are whole, others lie above
// it.
const (
	tileSide = 112 // a multiple of the largest tiles' rows and columns
	tileLine = tileSide + 8
)

// fewTiles are a row that is not worth a second core.
const fewTiles = 3

// tiled is a symmetric matrix on its way to a band.
type tiled struct {
	*machine
	n, side int // numbers, tiles of a side
	data    []float64

	line int // of the matrices below, [·,side·tileSide], zeros beyond n
	// V of the last reflection, its W, and V again: what is yet to be taken from the tiles
	// is WᵀV + VᵀW.
	before []float64
	// V of this one, room for its W, V again, and the product of V and the matrix.
	now      []float64
	turned   []float64 // Vᵀ, [side·tileSide,bandwidth]
	products []float64 // of tiles and Vᵀ, [side·tileSide,bandwidth]
	t        []float64 // [bandwidth,bandwidth], the reflections together are I − VᵀTV
}

// newTiled returns the matrix of n×n numbers of which load writes those from a column up
// to another of row i, on the diagonal or to the right of it.
func (mach *machine) newTiled(n int, load func(i, from, to int, row []float64)) *tiled {
	side := (n + tileSide - 1) / tileSide
	line := side*tileSide + 8 // an odd number of lines of the cache
	m := &tiled{
		machine: mach, n: n, side: side, line: line,
		data:     make([]float64, side*(side+1)/2*tileSide*tileLine),
		before:   make([]float64, 4*bandwidth*line),
		now:      make([]float64, 4*bandwidth*line),
		turned:   make([]float64, side*tileSide*bandwidth),
		products: make([]float64, side*tileSide*bandwidth),
		t:        make([]float64, bandwidth*bandwidth),
	}
	parallel(side, side < fewTiles, func(i int, _ *scratch) {
		for j := i; j < side; j++ {
			tile := m.tile(i, j)
			for r := range min(tileSide, n-i*tileSide) {
				row := i*tileSide + r
				load(row, max(row, j*tileSide), min(n, (j+1)*tileSide), tile[r*tileLine+max(0, row-j*tileSide):])
			}
			if i == j {
				for r := range tileSide {
					for c := range r {
						tile[r*tileLine+c] = tile[c*tileLine+r]
					}
				}
			}
		}
	})
	return m
}

// tile returns tile (i, j), j ≥ i.
func (m *tiled) tile(i, j int) []float64 {
	const size = tileSide * tileLine
	return m.data[(i*m.side-i*(i-1)/2+j-i)*size:][:size]
}

// toBand returns a band with the eigenvalues of m, which is overwritten: A → QAQᵀ, Q the
// reflections that take bandwidth rows at a time to a triangle next to the diagonal
// block (Bischof, Lang and Sun, ACM TOMS 26, 2000). The first bandwidth rows of Q are
// those of the identity.
func (m *tiled) toBand() *band {
	b := newBand(m.n)
	for top := 0; top < m.n; top += bandwidth {
		rows := min(bandwidth, m.n-top)
		m.row(top, rows)
		for r := range rows {
			for c := r; c < rows; c++ {
				b.set(top+c, top+r, m.now[r*m.line+top+c])
			}
		}
		if top+bandwidth >= m.n {
			break
		}
		m.triangle(top, b)
		m.multiply(top + bandwidth)
		m.complete(top + bandwidth)
		m.before, m.now = m.now, m.before
	}
	return b
}

// row fetches rows of the matrix, from the diagonal on, as they are after the reflections
// so far.
func (m *tiled) row(top, rows int) {
	for r := range rows {
		to := m.now[r*m.line:][:m.line]
		clear(to[m.n:])
		clear(to[:top+r])
		i := (top + r) / tileSide
		for j := i; j < m.side; j++ {
			from := max(top+r, j*tileSide)
			copy(to[from:min(m.n, (j+1)*tileSide)], m.tile(i, j)[(top+r-i*tileSide)*tileLine+from-j*tileSide:])
		}
	}
	if top == 0 {
		return
	}
	w := operand{m.before[bandwidth*m.line+top:], 1, m.line}
	v := operand{m.before[top:], m.line, 1}
	product{m.machine, whole, rows, m.n - top, 2 * bandwidth, -1, 1, w, v, m.now[top:], m.line}.run()
	for r := range rows {
		clear(m.now[r*m.line+top:][:r])
	}
}

// group is how many rows are reflected one by one before the rest is reflected at once.
const group = 8

// triangle takes the rows fetched, to the right of the diagonal block, to a lower triangle,
// which goes to the band, and leaves the reflections in V and T.
func (m *tiled) triangle(top int, b *band) {
	left := top + bandwidth
	n := m.n - left
	steps := (n + 7) / 8 * 8
	r := m.now[left:]
	row := func(i int) []float64 { return r[i*m.line:][:steps] }
	var tau [bandwidth]float64
	var few [group * group]float64 // T of a group
	spare := make([]float64, steps)
	for first := 0; first < bandwidth; first += group {
		clear(few[:])
		for i := first; i < first+group; i++ {
			x, k := row(i), i-first
			var y, z [group]float64
			m.dots(row, first, k, x, spare, &y)
			for c := range k {
				for l := range c + 1 {
					z[c] -= y[l] * few[l*group+c]
				}
			}
			m.adds(row, first, k, x, &z)
			for c := range min(i, n) {
				b.set(left+c, top+i, x[c])
			}
			if i >= n {
				clear(x)
				continue
			}
			var beta float64
			beta, tau[i] = reflect(x, i)
			b.set(left+i, top+i, beta)
			m.dots(row, first, k, x, spare, &y)
			for c := range k {
				for l := c; l < k; l++ {
					few[c*group+k] -= tau[i] * few[c*group+l] * y[l]
				}
			}
			few[k*group+k] = tau[i]
		}
		if rest := bandwidth - first - group; rest > 0 {
			// rest −= (rest·Vᵀ·T)·V
			var y, z [bandwidth * group]float64
			v := operand{r[first*m.line:], m.line, 1}
			c := r[(first+group)*m.line:]
			product{m.machine, whole, rest, group, n, 1, 0, operand{c, m.line, 1}, v.transposed(), y[:], group}.run()
			for i := range rest {
				for c := range group {
					for l := range c + 1 {
						z[i*group+c] += y[i*group+l] * few[l*group+c]
					}
				}
			}
			product{m.machine, whole, rest, n, group, -1, 1, operand{z[:], group, 1}, v, c, m.line}.run()
		}
	}
	// T of all.
	gram := make([]float64, bandwidth*bandwidth)
	v := operand{r, m.line, 1}
	product{m.machine, whole, bandwidth, bandwidth, n, 1, 0, v, v.transposed(), gram, bandwidth}.run()
	clear(m.t)
	for i := range bandwidth {
		for c := range i {
			var sum float64
			for l := c; l < i; l++ {
				sum += m.t[c*bandwidth+l] * gram[l*bandwidth+i]
			}
			m.t[c*bandwidth+i] = -tau[i] * sum
		}
		m.t[i*bandwidth+i] = tau[i]
	}
	for i := range bandwidth {
		clear(m.now[i*m.line:][:left])
		copy(m.now[(2*bandwidth+i)*m.line:][:m.line], m.now[i*m.line:])
	}
	m.transposeAll(bandwidth, n, r, m.line, m.turned[left*bandwidth:], bandwidth)
	clear(m.turned[left/tileSide*tileSide*bandwidth : left*bandwidth])
}

// dots writes the products of x with k rows from first on.
func (m *tiled) dots(row func(int) []float64, first, k int, x, spare []float64, out *[group]float64) {
	var none [4]float64
	for i := 0; i < k; i += 4 {
		m.symmetricRows(&row(first + i)[0], m.line, len(x), &x[0], &spare[0], &none[0], &out[i])
	}
}

// adds adds k rows from first on, times s, to x.
func (m *tiled) adds(row func(int) []float64, first, k int, x []float64, s *[group]float64) {
	var out [4]float64
	for i := 0; i < k; i += 4 {
		m.symmetricRows(&row(first + i)[0], m.line, len(x), &x[0], &x[0], &s[i], &out[0])
	}
}

// reflect takes x to the reflection that clears it but for element i, whose value it
// returns; those before are not looked at and become 0.
func reflect(x []float64, i int) (left, tau float64) {
	first := x[i]
	clear(x[:i+1])
	rest := sumOfSquares(x[i+1:])
	if rest < 1e-280 {
		clear(x)
		return first, 0
	}
	left = -math.Copysign(math.Sqrt(first*first+rest), first)
	scale := 1 / (first - left)
	for j := range x[i+1:] {
		x[i+1+j] *= scale
	}
	x[i] = 1
	return left, (left - first) / left
}

// multiply brings the tiles from row and column left on up to date, and multiplies the
// matrix by the V of this reflection.
func (m *tiled) multiply(left int) {
	first := left / tileSide
	alone := m.side-first < fewTiles
	parallel(m.side-first, alone, func(task int, _ *scratch) { m.tileRow(first+task, left) })
	parallel(m.side-first, alone, func(task int, s *scratch) { m.tileColumn(m.side-1-task, first, left, s) })
}

// tileRow updates a row of tiles, and multiplies it by the V of this reflection.
func (m *tiled) tileRow(i, left int) {
	r0, r1 := max(0, left-i*tileSide), min(tileSide, m.n-i*tileSide)
	for j := i; j < m.side; j++ {
		tile := m.tile(i, j)
		c0, c1 := max(0, left-j*tileSide), min(tileSide, m.n-j*tileSide)
		if left > bandwidth {
			for c := c0 / m.cols * m.cols; c < c1; c += m.cols {
				v := &m.before[j*tileSide+c]
				m.overRows(r0, r1, func(r, rows int) {
					m.tiles[rows](&m.before[bandwidth*m.line+i*tileSide+r], v, &tile[r*tileLine+c],
						1, m.line, m.line, tileLine, 2*bandwidth, -1, 1)
				})
			}
		}
		beta := 1.0
		if j == i {
			beta = 0
		}
		for c := 0; c < bandwidth; c += m.cols {
			v := &m.turned[(j*tileSide+c0)*bandwidth+c]
			m.overRows(r0, r1, func(r, rows int) {
				m.tiles[rows](&tile[r*tileLine+c0], v, &m.products[(i*tileSide+r)*bandwidth+c],
					tileLine, 1, bandwidth, bandwidth, c1-c0, 1, beta)
			})
		}
	}
}

// overRows calls f for rows from r0 to r1, as many at a time as a tile of the machine has.
func (m *tiled) overRows(r0, r1 int, f func(r, rows int)) {
	n, base, extra := m.slivers(r1 - r0)
	for q := range n {
		rows := base
		if q < extra {
			rows++
		}
		f(r0, rows)
		r0 += rows
	}
}

// tileColumn multiplies V by the tiles above the diagonal of a column, and adds the
// products of the row of the same number.
func (m *tiled) tileColumn(j, first, left int, s *scratch) {
	out := m.now[3*bandwidth*m.line:]
	c1 := min(tileSide, m.n-j*tileSide)
	beta := 0.0
	for i := first; i < j; i++ {
		tile := m.tile(i, j)
		r0 := max(0, left-i*tileSide)
		for c := 0; c < c1; c += m.cols {
			m.overRows(0, bandwidth, func(r, rows int) {
				m.tiles[rows](&m.now[r*m.line+i*tileSide+r0], &tile[r0*tileLine+c], &out[r*m.line+j*tileSide+c],
					m.line, 1, tileLine, m.line, tileSide-r0, 1, beta)
			})
		}
		beta = 1
	}
	c0 := max(0, left-j*tileSide)
	m.transposeAll(c1-c0, bandwidth, m.products[(j*tileSide+c0)*bandwidth:], bandwidth, s.a, tileSide)
	for r := range bandwidth {
		to, from := out[r*m.line+j*tileSide+c0:][:c1-c0], s.a[r*tileSide:]
		if beta == 0 {
			copy(to, from)
			continue
		}
		for c := range to {
			to[c] += from[c]
		}
	}
}

// complete makes W of V and its product Y with the matrix: W = TᵀY − ½·Tᵀ(YVᵀ)T·V.
func (m *tiled) complete(left int) {
	const b = bandwidth
	n := m.n - left
	v, y := operand{m.now[left:], m.line, 1}, operand{m.now[3*b*m.line+left:], m.line, 1}
	var inner, half, factor [b * 2 * b]float64
	product{m.machine, whole, b, b, n, 1, 0, y, v.transposed(), inner[:], b}.run()
	t := operand{m.t, b, 1}
	product{m.machine, whole, b, b, b, -0.5, 0, t.transposed(), operand{inner[:], b, 1}, half[:], b}.run()
	product{m.machine, whole, b, b, b, 1, 0, operand{half[:], b, 1}, t, factor[:], 2 * b}.run()
	for i := range b {
		for j := range b {
			factor[i*2*b+b+j] = m.t[j*b+i]
		}
	}
	product{m.machine, whole, b, n, 2 * b, 1, 0, operand{factor[:], 2 * b, 1}, operand{m.now[2*b*m.line+left:], m.line, 1}, m.now[b*m.line+left:], m.line}.run()
	for r := range b {
		clear(m.now[(b+r)*m.line:][:left])
	}
}
