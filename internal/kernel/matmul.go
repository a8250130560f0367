package kernel

// MatMul writes the products of pairs of matrices: c[i] = op(a[ofA[i]])·op(b[ofB[i]]).
// c is [len(ofA),m,n]; op(a) is [m,k] (a is [k,m] if transA), op(b) [k,n] ([n,k] if
// transB).
func MatMul(p *Pool, transA, transB bool, m, n, k int, ofA, ofB []int, c, a, b []float32) {
	mustLen("MatMul", "ofB", len(ofB), len(ofA))
	mustLen("MatMul", "c", len(c), len(ofA)*m*n)
	lda, ldb := k, n
	if transA {
		lda = m
	}
	if transB {
		ldb = k
	}
	rows, rowBlocks := p.m.split(m)
	cols, colBlocks := p.m.splitCols(n, rowBlocks*len(ofA))
	p.Run(len(ofA)*rowBlocks*colBlocks, func(task, worker int) {
		at := task / (rowBlocks * colBlocks)
		i, j := task/colBlocks%rowBlocks*rows, task%colBlocks*cols
		w := p.workers[worker]
		a, b, c := a[ofA[at]*m*k:][:m*k], b[ofB[at]*k*n:][:k*n], c[at*m*n:][:m*n]
		for l := 0; l < k; l += blockDepth {
			depth := min(blockDepth, k-l)
			x, y := operand{ld: lda}, operand{ld: ldb}
			if transA {
				x.p = &a[l*lda+i]
			} else {
				x.p = &a[i*lda+l]
			}
			width := min(cols, n-j)
			if transB {
				y = operand{&w.memory[scratchCols], blockCols + blockPad}
				p.m.transpose(y.p, y.ld, &b[j*ldb+l], ldb, width, depth)
			} else {
				y.p = &b[l*ldb+j]
			}
			w.multiply(p.m, operand{&c[i*n+j], n}, x, transA, y, p.m.cols, min(rows, m-i), width, depth, l > 0)
		}
	})
}
