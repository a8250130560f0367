package kernel

// squaresGrad is the running gradient of a 3×3 filter by squares: for each of the
// n·n elements of a transformed square, the product of the transformed gradients of
// the output, [squares, K], and the transformed inputs, [squares, C].
type squaresGrad struct {
	x, dy         patches
	dw            []float32
	half          bool // pairs of bfloat16 squares
	m, n          int  // side of the squares of output and of what is multiplied
	side, step    int  // of the squares of input, and the distance between them
	taps          int  // side of the products
	set           *winogradSet
	down, across  int
	padTop        int
	padLeft       int
	k, c          int
	rows          int       // of squares, of all images
	from, to      int       // rows of the running chunk
	depth         int       // squares of it, or pairs of squares
	per           int       // rows a task
	inputs, grads []float32 // [n·n, squares of a chunk, C + pad] and K
	products      []float32 // [n·n, K, C]
	block, blocks int       // of K
	cols, parts   int       // of C
}

// squaresChunk is about how many floats of transformed inputs and gradients are kept
// at a time: about the last-level cache. squaresDepth is how many squares are summed
// in one go.
const (
	squaresChunk = 4 << 20
	squaresDepth = 384
)

// chunkRows returns how many rows of squares are transformed at a time.
func chunkRows(g Conv, m int) int {
	n, across := squaresSide(g, m), ceilDiv(g.Q, m)
	return min(max(1, squaresChunk/(n*n*across*(g.C+g.K+2*blockPad))), g.N*ceilDiv(g.P, m))
}

// squaresSide is the side of a transformed square.
func squaresSide(g Conv, m int) int {
	if g.StrideH == 2 {
		return stridePoints
	}
	return m + 2
}

func winogradGradFloats(g Conv, m int) int {
	n := squaresSide(g, m)
	return n*n*chunkRows(g, m)*ceilDiv(g.Q, m)*(g.C+g.K+2*blockPad) + (m+2)*(m+2)*g.K*g.C
}

// gradFilterSquares computes ConvGradFilter with squares of side m; s describes the
// patches of the input.
func (p *Pool) gradFilterSquares(a *ConvGradFilterArgs, s patches, m int) {
	g := a.G
	q := &p.squaresGrad
	*q = squaresGrad{half: a.Precision == BF16, x: s, dw: a.DW, m: m, down: ceilDiv(g.P, m), across: ceilDiv(g.Q, m),
		padTop: g.PadTop, padLeft: g.PadLeft, k: g.K, c: g.C}
	w := p.squaresOf(&p.conv, m)
	q.n, q.side, q.step, q.taps, q.set = w.n, w.side, w.step, w.taps, w.set
	q.dy = patches{x: a.DY, h: g.P, w: g.Q, ld: g.K, c: g.K}
	q.rows = g.N * q.down
	chunk := chunkRows(g, m)
	squares := q.n * q.n * chunk * q.across
	ws := align(a.Workspace)
	q.inputs, ws = ws[:squares*(g.C+blockPad)], ws[squares*(g.C+blockPad):]
	q.grads, q.products = ws[:squares*(g.K+blockPad)], ws[squares*(g.K+blockPad):]
	q.per = max(1, 8/q.across)
	q.block, q.blocks = p.m.split(g.K)
	q.cols, q.parts = p.m.splitCols(g.C, q.taps*q.taps*q.blocks)
	for q.from = 0; q.from < q.rows; q.from = q.to {
		q.to = min(q.from+chunk, q.rows)
		q.depth = q.pairedDepth()
		if q.half {
			p.dispatch(ceilDiv(q.to-q.from, q.per), squaresPairTask)
		} else {
			p.dispatch(ceilDiv(q.to-q.from, q.per), squaresTransformTask)
		}
		p.dispatch(q.taps*q.taps*q.blocks*q.parts, squaresProductTask)
	}
	p.dispatch(g.K, squaresFilterTask)
	*q = squaresGrad{}
}

// squaresTransformTask transforms some rows of squares, of the input and of the
// gradient of the output.
func squaresTransformTask(p *Pool, task int, w *worker) {
	q := &p.squaresGrad
	set := q.set
	total := (q.to - q.from) * q.across
	ldv, ldd := q.c+blockPad, q.k+blockPad
	strip := w.memory[:winogradStrip]
	from := q.from + task*q.per
	for r := from; r < min(from+q.per, q.to); r++ {
		image, i := r/q.down, r%q.down
		square := (r - q.from) * q.across
		stride := q.x.strip(p.m, strip, image, i*q.step-q.padTop, q.side, -q.padLeft, q.across*q.step+q.side-q.step)
		for j := range q.across {
			set.input(&q.inputs[(square+j)*ldv], q.n*total*ldv, total*ldv, &strip[j*q.step*q.c], stride, q.c, q.c)
		}
		stride = q.dy.strip(p.m, strip, image, i*q.m, q.m, 0, q.across*q.m)
		for j := range q.across {
			set.grad(&q.grads[(square+j)*ldd], q.n*total*ldd, total*ldd, &strip[j*q.m*q.k], stride, q.k, q.k)
		}
	}
}

// squaresProductTask adds the chunk to a block of one product.
func squaresProductTask(p *Pool, task int, w *worker) {
	q := &p.squaresGrad
	part, task := task%q.parts, task/q.parts
	block, e := task%q.blocks, task/q.blocks
	row, col := block*q.block, part*q.cols
	rows, cols := min(q.block, q.k-row), min(q.cols, q.c-col)
	ldv, ldd := q.c+blockPad, q.k+blockPad
	out := operand{&q.products[(e*q.k+row)*q.c+col], q.c}
	add := q.from > 0
	// The last taps meet several elements of a square, which lie side by side.
	i, j := e/q.taps, e%q.taps
	lines, count := 1, 1
	if i == q.taps-1 {
		lines = q.n - i
	}
	if j == q.taps-1 {
		count = q.n - j
	}
	for line := i; line < i+lines; line++ {
		first, total := (line*q.n+j)*q.depth, count*q.depth
		for from := 0; from < total; from += squaresDepth {
			a := operand{&q.grads[(first+from)*ldd+row], ldd}
			b := operand{&q.inputs[(first+from)*ldv+col], ldv}
			depth := min(squaresDepth, total-from)
			if q.half {
				w.dot(p.m, out, a, true, b, p.m.cols, rows, cols, depth, add)
			} else {
				w.multiply(p.m, out, a, true, b, p.m.cols, rows, cols, depth, add)
			}
			add = true
		}
	}
}

// squaresFilterTask turns the products of one output channel to its filter.
func squaresFilterTask(p *Pool, task int, w *worker) {
	q := &p.squaresGrad
	taps := w.memory[:9*q.c]
	size := q.k * q.c
	q.set.filterGrad(&taps[0], 3*q.c, q.c, &q.products[task*q.c], q.taps*size, size, q.c)
	p.m.transpose(&q.dw[task*q.c*9], 9, &taps[0], q.c, 9, q.c)
}
