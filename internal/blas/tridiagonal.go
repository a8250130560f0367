package blas

import "math"

// bandwidth is how far from the diagonal the elements of a band lie at most.
const bandwidth = 32

// band is a symmetric matrix whose elements are 0 beyond bandwidth from the diagonal,
// while it is taken to a tridiagonal one: room for elements up to 2·bandwidth below the
// diagonal, and zeros beyond the last row, spare the loops their ends. Element (i, j) is
// data[i·bandLine + j + bandFirst]; those less than bandwidth above the diagonal are kept
// too, so that squares on it are whole.
type band struct {
	n    int
	data []float64
}

const (
	bandLine  = 3 * bandwidth
	bandFirst = 2 * bandwidth
)

func newBand(n int) *band {
	return &band{n: n, data: make([]float64, (n+2*bandwidth+1)*(bandLine+1)+bandFirst)}
}

func (b *band) at(i, j int) *float64 { return &b.data[i*bandLine+j+bandFirst] }

// set sets element (i, j), j ≤ i, and the one opposite.
func (b *band) set(i, j int, v float64) {
	*b.at(i, j) = v
	if i-j < bandwidth {
		*b.at(j, i) = v
	}
}

// tridiagonalize returns the diagonal, [n], and the elements beside it, [n-1], of a
// tridiagonal matrix with the eigenvalues of b, which is overwritten. The first row and
// column of the orthogonal transform are those of the identity.
//
// A reflection that clears a column fills a triangle bandwidth further down, of which the
// first column is cleared by the next reflection, and so on to the end (Lang, SIAM J.
// Sci. Comput. 14, 1993): everything happens in squares of bandwidth that stay in the
// cache.
func (mach *machine) tridiagonalize(b *band) (d, e []float64) {
	n := b.n
	d, e = make([]float64, n), make([]float64, max(n-1, 0))
	var r, next reflection
	var w, y [bandwidth]float64
	for j := range n - 1 {
		d[j] = *b.at(j, j)
		x := r.v[:]
		for i := range x {
			x[i] = *b.at(j+1+i, j)
		}
		e[j] = r.clear()
		for top := j + 1; top < n-1; top += bandwidth {
			if r.tau != 0 {
				mach.chaseSquare(b.at(top, top), bandLine, &r.v[0], &w[0], r.tau)
			}
			if top+bandwidth >= n {
				break
			}
			block := b.at(top+bandwidth, top)
			mach.chaseDots(block, bandLine, &r.v[0], &w[0], r.tau)
			first := view(block, (bandwidth-1)*bandLine+1)
			for i := range w {
				next.v[i] = first[i*bandLine] - w[i]*r.v[0]
			}
			corner := next.clear()
			if r.tau != 0 || next.tau != 0 {
				mach.chaseBlock(block, bandLine, &w[0], &r.v[0], &next.v[0], &y[0], next.tau)
			}
			first[0] = corner
			for i := 1; i < bandwidth; i++ {
				first[i*bandLine] = 0
			}
			// What is the last row of the next square is its last column too.
			row, column := view(block, bandwidth), b.data[(top+1)*bandLine+top+bandwidth+bandFirst:]
			for i, v := range row[1:] {
				column[i*bandLine] = v
			}
			r, next = next, r
		}
	}
	if n > 0 {
		d[n-1] = *b.at(n-1, n-1)
	}
	return d, e
}

// reflection is I − tau·v·vᵀ.
type reflection struct {
	v   [bandwidth]float64
	tau float64
}

// clear takes the vector in v to the reflection that leaves of it its first element alone,
// whose value it returns. A rest below 1e-140, the matrix having elements around 1, is
// taken to be 0.
func (r *reflection) clear() float64 {
	first := r.v[0]
	r.v[0] = 0
	rest := sumOfSquares(r.v[:])
	if rest < 1e-280 {
		r.v, r.tau = [bandwidth]float64{0: 1}, 0
		return first
	}
	left := -math.Copysign(math.Sqrt(first*first+rest), first)
	scale := 1 / (first - left)
	for i := range r.v {
		r.v[i] *= scale
	}
	r.v[0], r.tau = 1, (left-first)/left
	return left
}

func sumOfSquares(x []float64) float64 {
	var s0, s1, s2, s3 float64
	for ; len(x) >= 4; x = x[4:] {
		v := (*[4]float64)(x)
		s0 += v[0] * v[0]
		s1 += v[1] * v[1]
		s2 += v[2] * v[2]
		s3 += v[3] * v[3]
	}
	for _, v := range x {
		s0 += v * v
	}
	return (s0 + s1) + (s2 + s3)
}
