package kernel

// Where an image has few squares and a layer many channels, the transformed filters
// are larger than everything else: they would go to memory and come back to be used
// once. So a task takes one panel of output channels, transforms its filters into
// its own scratch memory and multiplies them with all squares, whose transforms are
// shared.

// fewSquares is how many squares a task can take, with 36 transformed panels of 576
// channels, in its scratch memory.
const fewSquares = 128

// convolveFewSquares continues convolveSquares; rows is the rows of squares of one
// part. The workspace for the filters holds the transformed inputs instead.
func (p *Pool) convolveFewSquares(c *implicit, rows int) {
	w := &p.squares
	w.rowBlock, w.blocks = rows, 1
	c.blocks, c.block = 1, 0
	p.dispatch(c.parts*rows, fewInputsTask)
	p.dispatch(c.filters.panels, fewSquaresTask)
}

// fewInputsTask transforms one row of squares.
func fewInputsTask(p *Pool, task int, wk *worker) {
	c, w := &p.conv, &p.squares
	s := &c.patches
	squares, ld := c.parts*w.rowBlock*w.across, c.words(s.c)+blockPad
	image, i := task/w.down, task%w.down
	strip := wk.memory[:winogradStrip]
	stride := s.strip(p.m, strip, image, i*w.m-w.padTop, w.n, -w.padLeft, w.across*w.m+2)
	for j := range w.across {
		p.m.inputOf(w.m, c.half)(&w.filters[(task*w.across+j)*ld], w.n*squares*ld, squares*ld, &strip[j*w.m*s.c], stride, s.c, s.c)
	}
}

// fewSquaresTask computes one panel of output channels.
func fewSquaresTask(p *Pool, task int, wk *worker) {
	c, w, f := &p.conv, &p.squares, &p.conv.filters
	s, set := &c.patches, p.m.winograd(w.m)
	squares, ld := c.parts*w.rowBlock*w.across, c.words(s.c)+blockPad
	col := task * f.tile
	cols := min(f.tile, c.cols-col)
	size := s.c * f.tile // of the panel of one tap

	products, rest := wk.memory[:w.n*w.n*squares*f.tile], wk.memory[w.n*w.n*fewSquares*f.tile:]
	packed, filters := rest[:9*size], rest[9*size:][:w.n*w.n*size]
	f.pack(p.m, wk, packed, 0, task)
	if f.half {
		p.pairFilters(wk, &filters[0], size, &packed[0], s.c)
	} else {
		set.filter(&filters[0], w.n*size, size, &packed[0], 3*size, size, size)
	}
	for e := range w.n * w.n {
		wk.product(p.m, c.half, operand{&products[e*squares*f.tile], f.tile}, operand{&w.filters[e*squares*ld], ld},
			operand{&filters[e*size], f.tile}, size, squares, cols, s.c)
	}
	for r := range c.parts * w.rowBlock {
		for j := range w.across {
			c.putSquare(p.m, w, packed, r/w.down, r%w.down, j, col, cols, &products[(r*w.across+j)*f.tile], squares*f.tile)
		}
	}
	for part := range c.parts {
		row := part * c.rows
		c.finish(p, operand{&c.out[row*c.ld+col], c.ld}, row, c.rows, col, cols, part)
	}
}
