package kernel

// winogradTile returns the side m of the output squares with which a convolution of
// this geometry is computed fastest, or 0 for direct convolution, and p and q say
// how large the output is: that of the convolution, or for its gradient the input.
// The side is at most largest.
func winogradTile(g Conv, p, q, largest int) int {
	if winogradStride(g) {
		return 4
	}
	switch {
	case g.R != 3 || g.S != 3 || g.StrideH != 1 || g.StrideW != 1 || g.DilationH != 1 || g.DilationW != 1 || g.Groups != 1:
		return 0
	case g.C%16 != 0 || g.K%16 != 0 || max(g.C, g.K) > blockDepth || min(g.C, g.K) < 32:
		return 0
	case g.N*p*q < 128 || p < 2 || q < 2:
		return 0 // the transform of the filters would cost more than it saves
	}
	// Multiplications for all outputs, squares at the edge being cut.
	four, two := 36*ceilDiv(p, 4)*ceilDiv(q, 4), 16*ceilDiv(p, 2)*ceilDiv(q, 2)
	m, cost := 4, four
	if two < four || two == four && p <= 2 || largest == 2 {
		m, cost = 2, two
	}
	if 2*cost > 9*p*q {
		return 0
	}
	// A row of squares must fit into the scratch memory.
	most := max(g.C, g.K)
	if 6*(q+8)*most > winogradStrip || (m+2)*(m+2)*ceilDiv(q, m)*(most+winogradCols+2*blockPad) > winogradBlocks {
		return 0
	}
	return m
}

// forwardTile is winogradTile of the convolution and of the gradient of its filter.
func forwardTile(g Conv, exact bool, f Precision) int {
	if exact || f == BF16 && g.StrideH > 1 {
		return 0
	}
	return winogradTile(g, g.P, g.Q, 4)
}

// backwardTile is winogradTile of the gradient of the input.
func backwardTile(g Conv, exact bool, f Precision) int {
	if exact || f == BF16 && g.StrideH > 1 {
		return 0
	}
	return winogradTile(g, g.H, g.W, 4)
}

// The parts of a worker's scratch memory: a strip of padded input rows, transformed
// inputs and products.
const (
	winogradStrip  = 1 << 17
	winogradBlocks = scratchFloats - winogradStrip
)

// winograd is the running convolution by squares, beside what implicit says of it.
type winograd struct {
	m, n          int // side of the squares of output and of what is multiplied
	side, step    int // of the squares of input, and the distance between them
	taps          int // side of the transformed filters
	set           *winogradSet
	input         transformFunc
	down, across  int // squares of an image
	rowBlock      int // rows of squares a task, in one part
	blocks        int // tasks a part
	padTop        int
	padLeft       int
	colBlock      int
	colBlocks     int
	filters       []float32 // [n·n, panels, C, tile]
	filterSpacing int       // floats between the n·n matrices
}

// winogradFilterFloats is the size of the transformed filters.
func winogradFilterFloats(g Conv, m, rows, cols int) int {
	return (m + 2) * (m + 2) * packedSize(rows, cols)
}

// convolveSquares runs the prepared convolution with squares of side m.
func (p *Pool) convolveSquares(c *implicit, m int) {
	w := &p.squares
	s := &c.patches
	*w = p.squaresOf(c, m)
	w.filters = c.filters.packed
	first := s.taps[0]
	for _, t := range s.taps {
		first.dh, first.dw = min(first.dh, t.dh), min(first.dw, t.dw)
	}
	w.padTop, w.padLeft = -first.dh, -first.dw
	// Filters whose taps come in the order of the image.
	if s.taps[0] != first && !c.spread {
		for i := range c.index {
			c.index[i] = len(c.index) - 1 - i
		}
	}
	f := &c.filters
	f.taps, f.tile = c.index, p.m.cols
	f.panels, f.depth = ceilDiv(c.cols, f.tile), 9*s.c
	w.filterSpacing = f.panels * s.c * f.tile
	images := c.rows / (s.p * s.q)
	rows := images * w.down // of squares, in one part
	if squares := c.parts * rows * w.across; !f.kept && w.n == w.taps && squares <= fewSquares && squares*(s.c+blockPad) <= f.panels*f.tile*s.c {
		p.convolveFewSquares(c, rows)
		return
	}
	if !f.ready {
		p.dispatch(f.panels, winogradFilterTask)
	}
	w.colBlock, w.colBlocks = c.cols, 1
	if c.cols > winogradCols {
		w.colBlock = winogradCols
		w.colBlocks = ceilDiv(c.cols, winogradCols)
	}
	// Enough squares for the filters to be used often, few enough for the caches.
	squares := min(max(winogradSquares/(w.n*w.n*(s.c+w.colBlock)), 28*w.taps/w.n), winogradBlocks/(w.n*w.n*(s.c+w.colBlock+2*blockPad)))
	w.rowBlock = max(1, squares/w.across)
	w.blocks = ceilDiv(rows, w.rowBlock)
	w.rowBlock = ceilDiv(rows, w.blocks)
	w.blocks = ceilDiv(rows, w.rowBlock)
	c.blocks, c.block = w.blocks, 0
	p.dispatch(c.parts*w.blocks*w.colBlocks, winogradTask)
}

// winogradCols is how many channels of the output a task computes at most, and
// winogradSquares about how many floats of transformed inputs and products a task
// keeps.
const (
	winogradCols    = 128
	winogradSquares = 200 << 10
)

// winogradFilterTask transforms one panel of filters.
func winogradFilterTask(p *Pool, task int, wk *worker) {
	w, f := &p.squares, &p.conv.filters
	size := p.conv.patches.c * f.tile // of the panel of one tap
	packed := wk.memory[scratchFloats/2:][:9*size]
	f.pack(p.m, wk, packed, 0, task)
	if f.half {
		p.pairFilters(wk, &w.filters[task*size], w.filterSpacing, &packed[0], p.conv.patches.c)
		return
	}
	w.set.filter(&w.filters[task*size], w.taps*w.filterSpacing, w.filterSpacing, &packed[0], 3*size, size, size)
}

// winogradTask computes some rows of squares and some channels of the output.
func winogradTask(p *Pool, task int, wk *worker) {
	c, w := &p.conv, &p.squares
	s := &c.patches
	colBlock, block := task%w.colBlocks, task/w.colBlocks
	part, index := block/w.blocks, block%w.blocks
	images := c.rows / (s.p * s.q)
	from, to := index*w.rowBlock, min((index+1)*w.rowBlock, images*w.down)
	col := colBlock * w.colBlock
	cols := min(w.colBlock, c.cols-col)
	squares := (to - from) * w.across

	// Transformed inputs [n·n, squares, C], products [n·n, squares, cols].
	ldv, ldm := c.words(s.c)+blockPad, cols+blockPad
	strip := wk.memory[:winogradStrip]
	v := wk.memory[winogradStrip:]
	products := v[w.n*w.n*squares*ldv:]
	for r := from; r < to; r++ {
		image, i := part*images+r/w.down, r%w.down
		stride := s.strip(p.m, strip, image, i*w.step-w.padTop, w.side, -w.padLeft, w.across*w.step+w.side-w.step)
		for j := range w.across {
			w.input(&v[((r-from)*w.across+j)*ldv], w.n*squares*ldv, squares*ldv, &strip[j*w.step*s.c], stride, s.c, s.c)
		}
	}
	row := part*c.rows + s.pixelRow(w, from)*s.q
	rows := part*c.rows + s.pixelRow(w, to)*s.q - row
	for e := 0; e < w.n*w.n; {
		count, filter := runOf(w.n, w.taps, e/w.n, e%w.n)
		c.fetchRows(p.m, row+rows*e/(w.n*w.n), row+rows*(e+count)/(w.n*w.n), col, cols)
		b := operand{&w.filters[filter*w.filterSpacing+col/p.m.cols*s.c*p.m.cols], p.m.cols}
		wk.product(p.m, c.half, operand{&products[e*squares*ldm], ldm}, operand{&v[e*squares*ldv], ldv}, b, s.c*p.m.cols, count*squares, cols, s.c)
		e += count
	}
	for r := from; r < to; r++ {
		image, i := part*images+r/w.down, r%w.down
		for j := range w.across {
			c.putSquare(p.m, w, strip, image, i, j, col, cols, &products[((r-from)*w.across+j)*ldm], squares*ldm)
		}
	}
	// The rows of squares are rows of pixels one after the other.
	c.finish(p, operand{&c.out[row*c.ld+col], c.ld}, row, rows, col, cols, block)
}

// fetchRows is fetch for some rows of a block.
func (c *implicit) fetchRows(m *machine, from, to, col, cols int) {
	if from == to {
		return
	}
	e := from*c.ld + col
	if c.mask != nil {
		m.prefetch(&c.mask[e], c.ld, to-from, cols)
	}
	if c.sums != nil {
		m.prefetch(&c.sums.X[e], c.ld, to-from, cols)
	}
}

// pixelRow returns the row of pixels, of all images of a part, where row r of
// squares begins.
func (s *patches) pixelRow(w *winograd, r int) int {
	return r/w.down*s.p + r%w.down*w.m
}

// putSquare transforms the products of square (i, j) of an image, spacing floats
// apart, and writes or adds what of it lies in the output.
func (c *implicit) putSquare(m *machine, w *winograd, scratch []float32, image, i, j, col, cols int, src *float32, spacing int) {
	s := &c.patches
	h, l := min(w.m, s.p-i*w.m), min(w.m, s.q-j*w.m)
	dst := &c.out[((image*s.p+i*w.m)*s.q+j*w.m)*c.ld+col]
	if h == w.m && l == w.m && !c.add {
		w.set.output(dst, s.q*c.ld, c.ld, src, w.n*spacing, spacing, cols)
		return
	}
	w.set.output(&scratch[0], w.m*cols, cols, src, w.n*spacing, spacing, cols)
	for y := range h {
		c.placeSquareRow(m, at(dst, y*s.q*c.ld), &scratch[y*w.m*cols], l, cols)
	}
}

// placeSquareRow writes or adds l pixels.
func (c *implicit) placeSquareRow(m *machine, dst, src *float32, l, cols int) {
	if !c.add {
		m.copyRows(dst, c.ld, src, cols, l, cols)
		return
	}
	for x := range l {
		m.add(at(dst, x*c.ld), at(dst, x*c.ld), at(src, x*cols), cols, negInf)
	}
}

// strip packs rows [top, top+rows) and pixels [left, left+width) of an image, zero
// where it has none, and returns the distance between its rows.
func (s *patches) strip(m *machine, dst []float32, image, top, rows, left, width int) int {
	stride := width * s.c
	lo, hi := min(max(0, -left), width), max(0, min(width, s.w-left))
	hi = max(hi, lo)
	for r := range rows {
		h, row := top+r, dst[r*stride:][:stride]
		if h < 0 || h >= s.h {
			clear(row)
			continue
		}
		clear(row[:lo*s.c])
		clear(row[hi*s.c:])
		if hi > lo {
			src := &s.x[((image*s.h+h)*s.w+left+lo)*s.ld+s.from]
			s.move(m, operand{&row[lo*s.c], s.c}, operand{src, s.ld}, image, hi-lo, 0, s.c)
		}
	}
	return stride
}
