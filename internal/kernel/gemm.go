package kernel

// productArgs are the operands of Gemm.
type productArgs struct {
	transA, transB  bool
	m, n, k         int
	alpha, beta     float32
	a, b, c, bias   []float32
	lda, ldb, ldc   int
	rows, rowBlocks int
	cols, colBlocks int
}

// Gemm writes c = alpha·op(a)·op(b) + beta·c, and adds bias [n] to every row if it
// is not nil. All are row-major with lda, ldb, ldc floats between rows: op(a) is
// [m,k] (a is [k,m] if transA), op(b) [k,n] (b is [n,k] if transB), c [m,n]. c is not
// read when beta is 0.
func Gemm(p *Pool, transA, transB bool, m, n, k int, alpha float64, a []float32, lda int, b []float32, ldb int, beta float64, c []float32, ldc int, bias []float32) {
	const op = "Gemm"
	if m < 0 || n < 0 || k < 0 {
		panic("kernel.Gemm: a negative dimension")
	}
	mustHoldMatrix(op, "a", len(a), m, k, lda, transA)
	mustHoldMatrix(op, "b", len(b), k, n, ldb, transB)
	mustHoldMatrix(op, "c", len(c), m, n, ldc, false)
	if bias != nil {
		mustLen(op, "bias", len(bias), n)
	}
	if m == 0 || n == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	g := productArgs{transA: transA, transB: transB, m: m, n: n, k: k, alpha: float32(alpha), beta: float32(beta),
		a: a, b: b, c: c, bias: bias, lda: lda, ldb: ldb, ldc: ldc}
	g.rows, g.rowBlocks = p.m.split(m)
	g.cols, g.colBlocks = p.m.splitCols(n, g.rowBlocks)
	p.constants(n)
	p.product = g
	p.dispatch(g.rowBlocks*g.colBlocks, productTask)
	p.product = productArgs{}
}

func mustHoldMatrix(op, name string, got, rows, cols, ld int, trans bool) {
	if trans {
		rows, cols = cols, rows
	}
	if rows == 0 || cols == 0 {
		return
	}
	if ld < cols {
		panic("kernel." + op + ": rows of " + name + " overlap")
	}
	mustHold(op, name, got, (rows-1)*ld+cols)
}

func productTask(p *Pool, task int, w *worker) {
	g := &p.product
	i := task / g.colBlocks * g.rows
	j := task % g.colBlocks * g.cols
	rows, cols := min(g.rows, g.m-i), min(g.cols, g.n-j)
	c := operand{&g.c[i*g.ldc+j], g.ldc}
	direct := g.alpha == 1 && (g.beta == 0 || g.beta == 1)
	sum := c
	if !direct {
		sum = operand{&w.memory[scratchResults], blockCols + blockPad}
	}
	started := direct && g.beta == 1
	for l := 0; l < g.k; l += blockDepth {
		depth := min(blockDepth, g.k-l)
		a, b := operand{ld: g.lda}, operand{ld: g.ldb}
		if g.transA {
			a.p = &g.a[l*g.lda+i]
		} else {
			a.p = &g.a[i*g.lda+l]
		}
		if g.transB {
			b = operand{&w.memory[scratchCols], blockCols + blockPad}
			p.m.transpose(b.p, b.ld, &g.b[j*g.ldb+l], g.ldb, cols, depth)
		} else {
			b.p = &g.b[l*g.ldb+j]
		}
		w.multiply(p.m, sum, a, g.transA, b, p.m.cols, rows, cols, depth, started)
		started = true
	}
	if !started {
		for r := range rows {
			clear(view(at(sum.p, r*sum.ld), cols))
		}
	}
	if !direct {
		scales := w.memory[scratchRows:]
		alpha, beta := scales[:cols], scales[blockCols:][:cols]
		fill(alpha, g.alpha)
		fill(beta, g.beta)
		zero := &p.zeros[0]
		if g.beta == 0 {
			p.m.affineRows(c.p, c.ld, sum.p, sum.ld, rows, cols, &alpha[0], zero, negInf)
		} else {
			p.m.joinRows(c.p, c.ld, sum.p, sum.ld, c.p, c.ld, rows, cols, &alpha[0], zero, &beta[0], zero, negInf)
		}
	}
	if g.bias != nil {
		p.m.affineRows(c.p, c.ld, c.p, c.ld, rows, cols, &p.ones[0], &g.bias[j], negInf)
	}
}
