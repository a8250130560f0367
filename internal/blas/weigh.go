package blas

// Weigh multiplies element (i, j) of a matrix, [m,n], by weights[i] + across[j], and adds
// it to sums[i] and to sums[j], the sums of rows and columns of a part of a symmetric
// matrix. The order of sums depends on the sizes alone.
func Weigh(m, n int, a []float64, lda int, weights, across, sums []float64) {
	used.weighAll(m, n, a, lda, weights, across, sums)
}

func (mach *machine) weighAll(m, n int, a []float64, lda int, weights, across, sums []float64) {
	weights, across = weights[:m], across[:n]
	whole := n / mach.weighStep * mach.weighStep
	i := 0
	var out [4]float64
	for ; i+4 <= m && whole > 0; i += 4 {
		mach.weigh(&a[i*lda], lda, whole, &across[0], &weights[i], &sums[0], &out[0])
		for r, sum := range out {
			if whole < n {
				sum += weighRow(a[(i+r)*lda+whole:(i+r)*lda+n], across[whole:], weights[i+r], sums[whole:])
			}
			sums[i+r] += sum
		}
	}
	for ; i < m; i++ {
		sums[i] += weighRow(a[i*lda:i*lda+n], across, weights[i], sums)
	}
}

// ScaleRows writes rows of n numbers, each row times its weight; to may be from.
func ScaleRows(n int, weights, from, to []float64) { used.scaleAll(n, weights, from, to) }

func (mach *machine) scaleAll(n int, weights, from, to []float64) {
	rows := len(from) / n
	if rows == 0 {
		return
	}
	scale := mach.scaleRows
	if n%mach.weighStep != 0 {
		scale = scaleRows
	}
	scale(rows, n, &weights[:rows][0], &from[0], &to[:rows*n][0])
}
