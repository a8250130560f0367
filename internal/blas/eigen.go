package blas

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/lapack/gonum"
)

// Eigen returns the eigenvalues of a symmetric matrix, ascending, and the unit vectors
// that belong to them as the rows of vectors, [n,n]. a, [n,n] row-major, is read in its
// upper triangle and overwritten.
//
// gonum's own does the same one rotation after the other over columns of a row-major
// matrix, 15 times slower at n = 1024: here the rotations of many steps are collected and
// applied to a few columns at a time, which stay in the cache.
func Eigen(n int, a []float64) (values, vectors []float64, err error) {
	if n < 1 || len(a) < n*n {
		return nil, nil, fmt.Errorf("%d numbers are no matrix of %d×%d", len(a), n, n)
	}
	var most float64
	for i := range n {
		for j, v := range a[i*n+i : (i+1)*n] {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, nil, fmt.Errorf("element (%d,%d) of the matrix is %v", i, i+j, v)
			}
			most = max(most, math.Abs(v))
		}
	}
	// A power of two times the matrix, around 1, has the same vectors and no number that
	// is subnormal for all its size.
	_, power := math.Frexp(most)
	root := math.Ldexp(1, min(-power>>1, 511))
	for i, v := range a[:n*n] {
		a[i] = v * root * root
	}
	if values, vectors, err = used.eigen(n, a); err != nil {
		return nil, nil, err
	}
	for i, v := range values {
		values[i] = v / root / root
	}
	return values, vectors, nil
}

func (mach *machine) eigen(n int, a []float64) (values, vectors []float64, err error) {
	values = make([]float64, n)
	e, tau, work := make([]float64, n), make([]float64, n), make([]float64, 64*n)
	var lapack gonum.Implementation
	lapack.Dsytrd(blas.Upper, n, a, n, values, e[:max(n-1, 0)], tau[:max(n-1, 0)], work, len(work))
	lapack.Dorgtr(blas.Upper, n, a, n, tau[:max(n-1, 0)], work, max(len(work), 1))
	ld := (n + mach.rotateCols - 1) / mach.rotateCols * mach.rotateCols
	z := make([]float64, n*ld) // row i becomes eigenvector i
	for i := range n {
		for j := range n {
			z[j*ld+i] = a[i*n+j]
		}
	}
	r := &rotations{mach: mach, z: z, n: n, ld: ld}
	if !r.diagonalize(values, e) {
		return nil, nil, fmt.Errorf("the eigenvalue iteration did not converge")
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		if values[i] < values[j] {
			return -1
		} else if values[i] > values[j] {
			return 1
		}
		return 0
	})
	sorted, vectors := make([]float64, n), make([]float64, n*n)
	for to, from := range order {
		sorted[to] = values[from]
		copy(vectors[to*n:][:n], z[from*ld:])
	}
	return sorted, vectors, nil
}

// rotations collects the rotations of rows of z and applies them many at a time.
type rotations struct {
	mach  *machine
	z     []float64
	n, ld int
	waves []wave
	cs    []float64
}

// wave is a run of rotations from row top down: pairs of cs from first on.
type wave struct{ top, first, n int }

// collected is how many numbers of cs are applied at once: about a megabyte.
const collected = 1 << 17

// diagonalize takes a tridiagonal matrix with the diagonal d and e beside it, [n] with
// the last unused, to its eigenvalues in d by QL steps with implicit shifts (Dubrulle,
// Martin and Wilkinson, Numerische Mathematik 12, 1968). It reports whether it came to an
// end.
func (r *rotations) diagonalize(d, e []float64) bool {
	n := len(d)
	e[n-1] = 0
	for l := range n {
		for tries := 0; ; tries++ {
			m := l
			for ; m < n-1; m++ {
				if math.Abs(e[m]) <= 0x1p-53*(math.Abs(d[m])+math.Abs(d[m+1])) {
					break
				}
			}
			if m == l {
				break
			}
			if tries == 60 {
				return false
			}
			g := (d[l+1] - d[l]) / (2 * e[l])
			g = d[m] - d[l] + e[l]/(g+math.Copysign(math.Hypot(g, 1), g))
			s, c, p := 1.0, 1.0, 0.0
			w := wave{top: m, first: len(r.cs)}
			i := m - 1
			for ; i >= l; i-- {
				f, b := s*e[i], c*e[i]
				h := math.Hypot(f, g)
				e[i+1] = h
				if h == 0 {
					d[i+1] -= p
					e[m] = 0
					break
				}
				s, c = f/h, g/h
				g = d[i+1] - p
				h = (d[i]-g)*s + 2*c*b
				p = s * h
				d[i+1] = g + p
				g = c*h - b
				r.cs = append(r.cs, c, s)
			}
			w.n = (len(r.cs) - w.first) / 2
			r.waves = append(r.waves, w)
			if i < l {
				d[l] -= p
				e[l] = g
				e[m] = 0
			}
			if len(r.cs) > collected {
				r.apply()
			}
		}
	}
	r.apply()
	return true
}

// apply turns z, a stripe of columns after the other.
func (r *rotations) apply() {
	parallel(r.ld/r.mach.rotateCols, r.n < 64, func(stripe int, _ *scratch) {
		j := stripe * r.mach.rotateCols
		for _, w := range r.waves {
			if w.n > 0 {
				r.mach.rotate(&r.z[w.top*r.ld+j], r.ld, w.n, &r.cs[w.first])
			}
		}
	})
	r.waves, r.cs = r.waves[:0], r.cs[:0]
}
