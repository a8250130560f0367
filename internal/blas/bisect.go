package blas

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/lapack/gonum"
)

// tridiagonalValues returns the eigenvalues, ascending, of the tridiagonal matrix with the
// diagonal d, [n], and e, [n-1], beside it, elements around 1. It reports whether an
// iteration came to an end.
func (mach *machine) tridiagonalValues(d, e []float64) ([]float64, bool) {
	n := len(d)
	values := make([]float64, 0, n)
	for first := 0; first < n; {
		end := first + 1
		for end < n && !splits(e[end-1], d[end-1], d[end]) {
			end++
		}
		if end-first < manyValues {
			part, rest := slices.Clone(d[first:end]), slices.Clone(e[first:max(end-1, first)])
			var lapack gonum.Implementation
			if !lapack.Dsterf(len(part), part, rest) {
				return nil, false
			}
			values = append(values, part...)
		} else {
			values = append(values, mach.bisect(d[first:end], e[first:end-1])...)
		}
		first = end
	}
	slices.Sort(values)
	return values, true
}

// splits reports whether an element beside two of the diagonal is negligible. One below
// 2⁻¹⁰⁰ always is, which keeps the determinants of a few rows within a float64.
func splits(e, a, b float64) bool {
	e = math.Abs(e)
	return e < 0x1p-100 || e <= 0x1p-53*math.Sqrt(math.Abs(a))*math.Sqrt(math.Abs(b))
}

// manyValues is from what size on bisection is faster than LAPACK's iteration.
const manyValues = 128

// sturmRows divides the rows that sturm takes.
const sturmRows = 6

// bisection finds eigenvalues of a tridiagonal matrix by counting those below a number
// (Givens 1954): many times the operations of QL steps, but those for many numbers at
// once, on all cores, where a QL step waits for a division and the next for the step.
type bisection struct {
	*machine
	d, squares []float64 // padded to a multiple of sturmRows; squares[i] is of e[i-1]
	floor      float64   // intervals as narrow are points
	values     []float64
}

// interval holds the eigenvalues of numbers [first, end).
type interval struct {
	low, high  float64
	first, end int
}

func (mach *machine) bisect(d, e []float64) []float64 {
	n := len(d)
	low, high := math.Inf(1), math.Inf(-1)
	for i, v := range d {
		var radius float64
		if i > 0 {
			radius += math.Abs(e[i-1])
		}
		if i < n-1 {
			radius += math.Abs(e[i])
		}
		low, high = min(low, v-radius), max(high, v+radius)
	}
	size := (n + sturmRows - 1) / sturmRows * sturmRows
	b := &bisection{machine: mach, d: make([]float64, size), squares: make([]float64, size), floor: 0x1p-72 * (high - low), values: make([]float64, n)}
	for i := copy(b.d, d); i < size; i++ {
		b.d[i] = high + 1 // one more eigenvalue above all
	}
	for i, v := range e {
		b.squares[i+1] = v * v
	}
	// A few hundred intervals first, then groups of as many eigenvalues as are counted at
	// once.
	all := []interval{{low, high, 0, n}}
	for rounds := 0; len(all) < n/4 && rounds < 16; rounds++ {
		all = b.halve(all, nil)
	}
	var groups [][]interval
	for len(all) > 0 {
		k := 1
		for k < len(all) && all[k].end-all[0].first <= mach.sturmAt {
			k++
		}
		groups, all = append(groups, all[:k:k]), all[k:]
	}
	parallel(len(groups), n < 256, func(g int, _ *scratch) {
		var spare []interval
		for rest := groups[g]; len(rest) > 0; {
			rest, spare = b.halve(rest, spare[:0]), rest
		}
	})
	return b.values
}

// halve appends the halves of intervals that hold eigenvalues to to. What is narrow enough
// becomes values instead.
func (b *bisection) halve(all, to []interval) []interval {
	x, below := make([]float64, b.sturmAt), make([]int, b.sturmAt)
	for len(all) > 0 {
		some := all[:min(len(all), b.sturmAt)]
		all = all[len(some):]
		for i, v := range some {
			x[i] = v.low + (v.high-v.low)/2
		}
		b.sturm(&b.d[0], &b.squares[0], len(b.d), &x[0], &below[0])
		for i, v := range some {
			middle := min(max(below[i], v.first), v.end)
			to = b.keep(to, interval{v.low, x[i], v.first, middle})
			to = b.keep(to, interval{x[i], v.high, middle, v.end})
		}
	}
	return to
}

func (b *bisection) keep(to []interval, v interval) []interval {
	if v.high-v.low > 0x1p-52*max(math.Abs(v.low), math.Abs(v.high))+b.floor {
		if v.first < v.end {
			to = append(to, v)
		}
		return to
	}
	for i := v.first; i < v.end; i++ {
		b.values[i] = v.low + (v.high-v.low)/2
	}
	return to
}
