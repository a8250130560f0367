package blas

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/lapack/gonum"
)

// Eigenvalues returns the eigenvalues of a symmetric matrix, ascending, to n·2⁻⁵² of the
// largest. a, [n,n] row-major, is read in its upper triangle. It fails where that holds
// NaN or infinity.
//
// A large matrix is first taken to a band, by products of matrices, and the band to a
// tridiagonal matrix, in the cache; LAPACK's way to the same, row by row, waits for the
// memory.
func Eigenvalues(n int, a []float64) ([]float64, error) {
	values, _, err := used.eigenvalues(n, a, nil, n >= used.bandFrom)
	return values, err
}

// EigenvaluesRaised returns the eigenvalues of a, as Eigenvalues does, and those of
// a + v·vᵀ, v [n], in little more time than either takes: turned so that v becomes a
// multiple of the first unit vector, both have tridiagonal forms that differ in one
// element.
func EigenvaluesRaised(n int, a, v []float64) (values, raised []float64, err error) {
	if len(v) != n {
		return nil, nil, fmt.Errorf("a vector of %d numbers for a matrix of %d×%d", len(v), n, n)
	}
	return used.eigenvalues(n, a, v, n >= used.bandFrom)
}

func (mach *machine) eigenvalues(n int, a, v []float64, large bool) (values, raised []float64, err error) {
	if n < 1 || len(a) < n*n {
		return nil, nil, fmt.Errorf("%d numbers are no matrix of %d×%d", len(a), n, n)
	}
	s, err := mach.newSymmetric(n, a, v)
	if err != nil {
		return nil, nil, err
	}
	var d, e []float64
	if large {
		d, e = mach.tridiagonalize(mach.newTiled(n, s.row).toBand())
	} else {
		d, e = s.tridiagonal()
	}
	all := [2][]float64{}
	diagonals := [][]float64{d}
	if v != nil {
		diagonals = append(diagonals, append([]float64{d[0] + s.raise}, d[1:]...))
	}
	for i, d := range diagonals {
		var ok bool
		if all[i], ok = mach.tridiagonalValues(d, e); !ok {
			return nil, nil, fmt.Errorf("the eigenvalue iteration did not converge")
		}
		for j := range all[i] {
			all[i][j] /= s.scale
		}
	}
	return all[0], all[1], nil
}

// symmetricMatrix is a matrix of which eigenvalues are wanted: scale·a, and, where there
// is a v, HaH with the reflection H = I − h·(tau·h)ᵀ that takes v to a multiple of the
// first unit vector.
type symmetricMatrix struct {
	n     int
	a     []float64
	scale float64 // a power of two: no element exceeds 1
	h, w  []float64
	raise float64 // the square of v's length, times scale
}

func (mach *machine) newSymmetric(n int, a, v []float64) (*symmetricMatrix, error) {
	var most float64
	for i := range n {
		for j, x := range a[i*n+i : (i+1)*n] {
			if x = math.Abs(x); !(x <= most) {
				if !(x <= math.MaxFloat64) {
					return nil, fmt.Errorf("element (%d,%d) of the matrix is %v", i, i+j, a[i*n+i+j])
				}
				most = x
			}
		}
	}
	s := &symmetricMatrix{n: n, a: a, scale: 1}
	var square float64
	for _, x := range v {
		square += x * x
	}
	if !(square <= math.MaxFloat64) {
		return nil, fmt.Errorf("the square of the vector's length is %v", square)
	}
	root := 1.0
	if most = max(most, square); most > 0 {
		_, power := math.Frexp(most)
		root = math.Ldexp(1, min(-power>>1, 511))
		s.scale = root * root
	}
	if square == 0 {
		return s, nil
	}
	h := make([]float64, n)
	for i, x := range v {
		h[i] = x * root
	}
	left, tau := reflect(h, 0)
	s.raise = left * left
	if tau == 0 {
		return s, nil
	}
	s.h = h
	// w = p − tau/2·(p·h)·h, p = tau·a·h
	x, p := make([]float64, n), make([]float64, n)
	for i, h := range s.h {
		x[i] = h * s.scale
	}
	mach.symmetric(true, n, tau, a, n, x, 0, p)
	var dot float64
	for i, h := range s.h {
		dot += p[i] * h
	}
	for i, h := range s.h {
		p[i] -= tau / 2 * dot * h
	}
	s.w = p
	return s, nil
}

// row writes the elements from column from to column to of row i, from ≥ i.
func (s *symmetricMatrix) row(i, from, to int, row []float64) {
	for j, x := range s.a[i*s.n+from : i*s.n+to] {
		row[j] = x * s.scale
	}
	if s.h == nil {
		return
	}
	hi, wi, h, w := s.h[i], s.w[i], s.h[from:to], s.w[from:to]
	for j := range h {
		row[j] -= hi*w[j] + wi*h[j]
	}
}

// tridiagonal is LAPACK's way to a tridiagonal matrix, which leaves the first row alone as
// well.
func (s *symmetricMatrix) tridiagonal() (d, e []float64) {
	n := s.n
	lower, row := make([]float64, n*n), make([]float64, n)
	for i := range n {
		s.row(i, i, n, row)
		for j := i; j < n; j++ {
			lower[j*n+i] = row[j-i]
		}
	}
	d, e = make([]float64, n), make([]float64, max(n-1, 0))
	var lapack gonum.Implementation
	lapack.Dsytrd(blas.Lower, n, lower, n, d, e, make([]float64, max(n-1, 0)), make([]float64, 64*n), 64*n)
	return d, e
}
