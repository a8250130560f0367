package blas

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/blas/gonum"
)

// Install makes gonum use this package for float64 matrices, in the whole program.
func Install() { blas64.Use(implementation{mach: used}) }

// implementation is gonum's with faster products. Arguments that it refuses are left
// to gonum, which says why by panicking.
type implementation struct {
	gonum.Implementation
	mach *machine
}

// holds reports whether a matrix of rows and columns fits data.
func holds(data []float64, rows, cols, ld int) bool {
	return ld >= max(1, cols) && (rows == 0 || cols == 0 || len(data) >= (rows-1)*ld+cols)
}

func known(t blas.Transpose) bool { return t == blas.NoTrans || t == blas.Trans || t == blas.ConjTrans }

// Dgemm computes c = alpha·op(a)·op(b) + beta·c.
func (g implementation) Dgemm(ta, tb blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	ar, ac, br, bc := m, k, k, n
	if ta != blas.NoTrans {
		ar, ac = k, m
	}
	if tb != blas.NoTrans {
		br, bc = n, k
	}
	if !known(ta) || !known(tb) || m < 0 || n < 0 || k < 0 || !holds(a, ar, ac, lda) || !holds(b, br, bc, ldb) || !holds(c, m, n, ldc) {
		g.Implementation.Dgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	product{g.mach, whole, m, n, k, alpha, beta, of(ta, a, lda), of(tb, b, ldb), c, ldc}.run()
}

// Dsyrk computes the triangle ul of c = alpha·a·aᵀ + beta·c, or of aᵀ·a if transposed.
func (g implementation) Dsyrk(ul blas.Uplo, t blas.Transpose, n, k int, alpha float64, a []float64, lda int, beta float64, c []float64, ldc int) {
	rows, cols := n, k
	if t != blas.NoTrans {
		rows, cols = k, n
	}
	if !known(t) || ul != blas.Upper && ul != blas.Lower || n < 0 || k < 0 || !holds(a, rows, cols, lda) || !holds(c, n, n, ldc) {
		g.Implementation.Dsyrk(ul, t, n, k, alpha, a, lda, beta, c, ldc)
		return
	}
	o := of(t, a, lda)
	product{g.mach, triangle(ul), n, n, k, alpha, beta, o, o.transposed(), c, ldc}.run()
}

// Dsyr2k computes the triangle ul of c = alpha·(a·bᵀ + b·aᵀ) + beta·c, or of
// aᵀ·b + bᵀ·a if transposed.
func (g implementation) Dsyr2k(ul blas.Uplo, t blas.Transpose, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	rows, cols := n, k
	if t != blas.NoTrans {
		rows, cols = k, n
	}
	if !known(t) || ul != blas.Upper && ul != blas.Lower || n < 0 || k < 0 || !holds(a, rows, cols, lda) || !holds(b, rows, cols, ldb) || !holds(c, n, n, ldc) {
		g.Implementation.Dsyr2k(ul, t, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	p, x, y := triangle(ul), of(t, a, lda), of(t, b, ldb)
	product{g.mach, p, n, n, k, alpha, beta, x, y.transposed(), c, ldc}.run()
	product{g.mach, p, n, n, k, alpha, 1, y, x.transposed(), c, ldc}.run()
}

// Dsymv computes y = alpha·a·x + beta·y from the triangle ul of a.
func (g implementation) Dsymv(ul blas.Uplo, n int, alpha float64, a []float64, lda int, x []float64, incX int, beta float64, y []float64, incY int) {
	if ul != blas.Upper && ul != blas.Lower || n < 16 || incX < 1 || incY < 1 || len(x) <= (n-1)*incX || len(y) <= (n-1)*incY || !holds(a, n, n, lda) {
		g.Implementation.Dsymv(ul, n, alpha, a, lda, x, incX, beta, y, incY)
		return
	}
	// LAPACK's vectors are columns of row-major matrices: the product wants them in one
	// piece.
	from, to := x[:n], y[:n]
	if incX != 1 {
		from = make([]float64, n)
		for i := range from {
			from[i] = x[i*incX]
		}
	}
	if incY != 1 {
		to = make([]float64, n)
		for i := range to {
			to[i] = y[i*incY]
		}
	}
	g.mach.symmetric(ul == blas.Upper, n, alpha, a, lda, from, beta, to)
	for i, v := range to {
		y[i*incY] = v
	}
}

func triangle(ul blas.Uplo) part {
	if ul == blas.Upper {
		return upper
	}
	return lower
}

// scale multiplies a part of c by beta; what is 0 times anything is 0.
func scale(p part, m, n int, beta float64, c []float64, ldc int) {
	if beta == 1 {
		return
	}
	for i := range m {
		from, to := 0, n
		switch p {
		case upper:
			from = i
		case lower:
			to = i + 1
		}
		row := c[i*ldc+from : i*ldc+to]
		if beta == 0 {
			clear(row)
			continue
		}
		for j := range row {
			row[j] *= beta
		}
	}
}
