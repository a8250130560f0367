package theory

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// gemm computes c = alpha·op(a)·op(b) + beta·c of row-major matrices, c being [m,n],
// with whatever BLAS gonum has been given.
func gemm(ta, tb blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	blas64.Implementation().Dgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// expAll replaces every v by e^{v−top} and returns their sum.
func expAll(values []float64, top float64) float64 {
	var sum float64
	for j, v := range values {
		v = math.Exp(v - top)
		values[j] = v
		sum += v
	}
	return sum
}
