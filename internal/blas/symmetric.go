package blas

// symmetricChunks is how many parts the rows of a large symmetric matrix are taken in,
// whatever the number of cores.
const symmetricChunks = 8

// symmetric computes y = alpha·a·x + beta·y from the upper or lower triangle of a,
// [n,n]: every element is read once and used for both of its places.
func (mach *machine) symmetric(isUpper bool, n int, alpha float64, a []float64, lda int, x []float64, beta float64, y []float64) {
	chunks := 1
	if n >= 512 {
		chunks = symmetricChunks
	}
	partial := make([]float64, chunks*n)
	groups := n / 4 // of four rows; what is left over is done in the end
	parallel(chunks, chunks == 1, func(chunk int, _ *scratch) {
		sum := partial[chunk*n:][:n]
		// Chunks interleave: rows are of different lengths.
		for g := chunk; g < groups; g += chunks {
			mach.fourRows(isUpper, 4*g, n, a, lda, x, sum)
		}
		if chunk == 0 {
			for i := 4 * groups; i < n; i++ {
				edge(isUpper, i, i+1, n, a, lda, x, sum)
			}
		}
	})
	for j := range y {
		var sum float64
		for c := range chunks {
			sum += partial[c*n+j]
		}
		if beta == 0 {
			y[j] = alpha * sum
		} else {
			y[j] = alpha*sum + beta*y[j]
		}
	}
}

// fourRows adds what the stored elements of rows i to i+3 give to sum.
func (mach *machine) fourRows(isUpper bool, i, n int, a []float64, lda int, x, sum []float64) {
	// The columns that all four rows have beside the diagonal, in whole steps.
	from, to := i+4, n
	if !isUpper {
		from, to = 0, i
	}
	whole := (to - from) / mach.symmetricStep * mach.symmetricStep
	if whole > 0 {
		if isUpper {
			from = to - whole
		} else {
			to = from + whole
		}
		var out [4]float64
		mach.symmetricRows(&a[i*lda+from], lda, whole, &x[from], &sum[from], &x[i], &out[0])
		for r, v := range out {
			sum[i+r] += v
		}
	} else if isUpper {
		from = to
	} else {
		to = from
	}
	for r := i; r < i+4; r++ {
		if isUpper {
			edge(isUpper, r, r+1, from, a, lda, x, sum)
		} else {
			edgeFrom(r, to, a, lda, x, sum)
		}
	}
}

// edge adds what the elements of row r up to column end give, from the diagonal on for
// the upper triangle.
func edge(isUpper bool, r, next, end int, a []float64, lda int, x, sum []float64) {
	if !isUpper {
		edgeFrom(r, 0, a, lda, x, sum)
		return
	}
	sum[r] += a[r*lda+r] * x[r]
	for j := next; j < end; j++ {
		v := a[r*lda+j]
		sum[r] += v * x[j]
		sum[j] += v * x[r]
	}
}

// edgeFrom adds what the elements of row r of a lower triangle give, from a column to
// the diagonal.
func edgeFrom(r, from int, a []float64, lda int, x, sum []float64) {
	for j := from; j < r; j++ {
		v := a[r*lda+j]
		sum[r] += v * x[j]
		sum[j] += v * x[r]
	}
	sum[r] += a[r*lda+r] * x[r]
}
