package blas

// Lanes is what the columns of some operands come in multiples of.
const Lanes = 16

// Powers writes c = 2^(a·b), [m,n], the columns of which it adds up in sums, [n]. Element
// (i, l) of a, [m,k], is a[i·step + l·lda]; the rows of b, [k,n], are ldb apart and those
// of c ldc; n is a multiple of Lanes. Powers are within two units in the last place of
// those of the exponents; those below 2^−1021 are 0, those above 2^1021 that or larger.
func Powers(m, n, k int, a []float64, step, lda int, b []float64, ldb int, c []float64, ldc int, sums []float64) {
	used.powersAll(m, n, k, a, step, lda, b, ldb, c, ldc, sums)
}

func (mach *machine) powersAll(m, n, k int, a []float64, step, lda int, b []float64, ldb int, c []float64, ldc int, sums []float64) {
	clear(sums[:n])
	if m == 0 || n == 0 {
		return
	}
	_, _, _ = a[(m-1)*step+(k-1)*lda], b[(k-1)*ldb+n-1], c[(m-1)*ldc+n-1]
	tallest := len(mach.powers) - 1
	tiles, rest := m/tallest, m%tallest
	done := tiles * tallest
	for j := 0; j < n; j += mach.cols {
		if tiles > 0 {
			mach.powers[tallest](&a[0], &b[j], &c[j], &sums[j], step, lda, ldb, ldc, k, tiles)
		}
		if rest > 0 {
			mach.powers[rest](&a[done*step], &b[j], &c[done*ldc+j], &sums[j], step, lda, ldb, ldc, k, 1)
		}
	}
}
