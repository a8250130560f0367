package kernel

// N images  C input channels  H, W input size
// K output channels  R, S filter size  P, Q output size  G groups
// Activations are [N,H,W,C], filters [K,C/G,R,S].

// ConvForwardArgs are the operands of ConvForward.
type ConvForwardArgs struct {
	G    Conv
	Y    []float32 // [N,P,Q,K]
	X    []float32 // [N,H,W,C]
	W    []float32 // [K,C/G,R,S]
	In   *Affine   // nil, or applied to X first; the padding stays 0
	Bias []float32 // nil or [K]
	// Residual, nil or [N,P,Q,K], is added to the result, then ReLU applied.
	Residual []float32
	ReLU     bool
	// Stats, nil or [Groups,2,K], gets the mean and the biased variance of every
	// channel of Y over each of Groups equal parts of the batch.
	Stats  []float32
	Groups int
	// Filters, if not nil, holds ForwardFilters floats that keep W as the kernels read
	// it. They are written, and with Packed taken as an earlier call with the same G,
	// W and Exact left them: W is not read then.
	Filters []float32
	Packed  bool
	// Workspace holds at least ConvWorkspace floats of undefined content.
	Workspace []float32
	// Exact forbids algorithms with more rounding error than direct convolution.
	Exact bool
	// Precision is that of both operands of the products. Filters packed with one
	// cannot be read with the other.
	Precision Precision
}

// ConvGradInputArgs are the operands of ConvGradInput.
type ConvGradInputArgs struct {
	G          Conv
	DX         []float32 // [N,H,W,C]
	W          []float32 // [K,C/G,R,S]
	DY         []float32 // [N,P,Q,K]
	Accumulate bool      // add to DX
	// Mask, nil or [N,H,W,C], is the output of the ReLU that X is: the result is then
	// set to 0 where Mask is not above 0.
	Mask []float32
	// Sums, if not nil, gets the sums of BatchNormGradSums of the result.
	Sums      *GradSums
	Workspace []float32
	Exact     bool
	Precision Precision
}

// GradSums are the operands of BatchNormGradSums beside the gradient.
type GradSums struct {
	Groups int
	Eps    float64
	Sums   []float32 // [Groups,2,C]
	X      []float32 // [N,H,W,C], the input of the normalisation
	Stats  []float32 // [Groups,2,C]
}

// ConvGradFilterArgs are the operands of ConvGradFilter.
type ConvGradFilterArgs struct {
	G         Conv
	DW        []float32 // [K,C/G,R,S]
	X         []float32 // [N,H,W,C]
	DY        []float32 // [N,P,Q,K]
	In        *Affine   // nil, or applied to X first, as in the forward pass
	Workspace []float32
	Exact     bool
	Precision Precision
}

// ConvWorkspace returns how many floats of workspace the three passes of this
// geometry need at most. It does not depend on the pool.
func ConvWorkspace(g Conv, exact bool) int {
	return cacheLine/4 + max(forwardWorkspace(g, exact), gradInputWorkspace(g, exact), gradFilterWorkspace(g, exact))
}

// ForwardFilters returns how many floats the packed filters of ConvForward need.
func ForwardFilters(g Conv, exact bool) int { return cacheLine/4 + forwardFilterFloats(g, exact) }

func mustFitConv(op string, g Conv, x string, lenX int, w string, lenW int, y string, lenY int, workspace int, exact bool) {
	mustLen(op, x, lenX, g.N*g.C*g.H*g.W)
	mustLen(op, w, lenW, g.K*(g.C/g.Groups)*g.R*g.S)
	mustLen(op, y, lenY, g.N*g.K*g.P*g.Q)
	mustHold(op, "workspace", workspace, ConvWorkspace(g, exact))
}

// mergeWidth is the width of a vector that groups of few channels are merged to
// fill: their filters become blocks on the diagonal of one that has zeros elsewhere.
const mergeWidth = 16

// merged returns how many groups are computed together.
func merged(g Conv) int {
	merge := 1
	for merge*max(g.K, g.C)/g.Groups*2 <= mergeWidth && g.Groups%(2*merge) == 0 {
		merge *= 2
	}
	return merge
}

// maxTile is the widest tile of any machine, which packed columns are padded to.
const maxTile = 32

// packedSize bounds the floats of depth packed rows of columns for any machine.
func packedSize(depth, cols int) int { return depth * roundUp(cols, maxTile) }

// minBlockRows is the smallest full block of rows of any machine.
const minBlockRows = 108

// implicit is a convolution as a product of patches and packed filters, the running
// one as its tasks see it.
type implicit struct {
	patches   patches
	half      bool // bfloat16 operands
	spread    bool // the gradient of the input for stride 2, by squares
	groups    int  // products, one for each set of merged groups
	depth     int  // of one product: taps times channels
	cols      int  // of one product
	filters   filterPanels
	out       []float32
	ld        int // floats between pixels of out
	rows      int // of one part of the batch
	parts     int
	block     int
	blocks    int
	colBlock  int
	colBlocks int
	add       bool
	place     *placement // nil: rows are the pixels in order
	placed    placement

	bias, residual []float32
	floor          float32
	epilogue       bool
	moments        []float32 // of every block of rows: mean and squares, or sums, [blocks,2,ld]
	stats          []float32
	mask           []float32
	sums           *GradSums

	taps  []tap // storage for patches.taps and filters.taps
	index []int
}

// placement says where the rows (n,i,j) of a product go when they are not the
// pixels of the image in order: to pixel (i·stepH+top, j·stepW+left).
type placement struct{ h, w, p, q, top, left, stepH, stepW int }

// rowsOf returns the rows of the result that block number b covers.
func (c *implicit) rowsOf(b int) (first, rows int) {
	part, i := b/c.blocks, b%c.blocks*c.block
	return part*c.rows + i, min(c.block, c.rows-i)
}

// nextDepth returns where the block of the sum that starts at from ends: after
// whole taps if several fit, else inside one.
func (c *implicit) nextDepth(from int) int {
	channels, most, to := c.patches.c, blockDepth, 0
	if c.half {
		most *= 2
	}
	if channels > most {
		blocks := ceilDiv(channels, most)
		size := roundUp(ceilDiv(channels, blocks), 16)
		to = min(from+size, (from/channels+1)*channels)
	} else {
		taps := c.depth / channels
		blocks := ceilDiv(taps, most/channels)
		to = from + ceilDiv(taps, blocks)*channels
	}
	if c.half {
		to += to & 1 // whole pairs
	}
	return min(to, c.depth)
}

// convolve packs the filters and runs the tasks of the prepared convolution.
func (p *Pool) convolve(c *implicit) {
	c.block, c.blocks = p.m.split(c.rows)
	c.colBlock, c.colBlocks = p.m.splitCols(c.cols, c.parts*c.blocks*c.groups)
	p.packFilters(&c.filters)
	if most := c.groupedRows(); most > 0 {
		c.blocks = ceilDiv(c.rows, most)
		c.block = ceilDiv(c.rows, c.blocks)
		c.blocks = ceilDiv(c.rows, c.block)
		p.dispatch(c.parts*c.blocks, groupedTask)
		return
	}
	p.dispatch(c.parts*c.blocks*c.groups*c.colBlocks, implicitTask)
}

func implicitTask(p *Pool, task int, w *worker) {
	c := &p.conv
	colBlock, task := task%c.colBlocks, task/c.colBlocks
	group, block := task%c.groups, task/c.groups
	row, rows := c.rowsOf(block)
	col := colBlock * c.colBlock
	cols := min(c.colBlock, c.cols-col)
	column := group*c.cols + col // of the whole result
	out := operand{&w.memory[scratchResults], blockCols + blockPad}
	if c.place == nil {
		out = operand{&c.out[row*c.ld+column], c.ld}
	}
	s := c.patches
	s.from += group * s.c
	add := c.add && c.place == nil
	if c.depth == 0 && !add {
		clearRows(out, rows, cols)
	}
	for from := 0; from < c.depth; {
		to := c.nextDepth(from)
		a := operand{&w.memory[scratchRows], blockDepth + blockPad}
		b, panel := c.filters.at(group, col, from)
		if to == c.depth {
			c.fetch(w, row, column)
		}
		switch {
		case c.half:
			s.packPairs(p.m, a, row, rows, from, to)
			w.dot(p.m, out, a, false, b, panel, rows, cols, pairsOf(to-from), add)
		case s.plain():
			a = operand{&s.x[row*s.ld+s.from+from], s.ld}
			c.fetchBlock(p.m, w, row, rows, from, to)
			w.multiply(p.m, out, a, false, b, panel, rows, cols, to-from, add)
		default:
			s.pack(p.m, a, row, rows, from, to)
			w.multiply(p.m, out, a, false, b, panel, rows, cols, to-from, add)
		}
		from, add = to, true
	}
	w.fetches, w.stream = w.fetches[:0], stream{}
	if c.place != nil {
		c.placeRows(p.m, out, row, rows, column, cols)
		return
	}
	c.finish(p, out, row, rows, column, cols, block)
}

// finish does to a block of results, while it is in the cache, what else there is
// to do: bias, residual, ReLU, mask, and the moments or sums of block number block.
func (c *implicit) finish(p *Pool, out operand, row, rows, column, cols, block int) {
	if c.epilogue {
		ones, zeros := p.ones, p.zeros
		bias := &zeros[0]
		if c.bias != nil {
			bias = &c.bias[column]
		}
		if c.residual == nil {
			p.m.affineRows(out.p, out.ld, out.p, out.ld, rows, cols, &ones[0], bias, c.floor)
		} else {
			p.m.joinRows(out.p, out.ld, out.p, out.ld, &c.residual[row*c.ld+column], c.ld, rows, cols,
				&ones[0], bias, &ones[0], &zeros[0], c.floor)
		}
	}
	if c.stats != nil {
		m := c.moments[2*block*c.ld+column:]
		p.m.moments(&m[0], &m[c.ld], out.p, out.ld, rows, cols)
	}
	e := row*c.ld + column
	switch s := c.sums; {
	case s == nil && c.mask != nil:
		c.maskRows(p.m, out, e, rows, cols)
	case s != nil:
		m, mean := c.moments[2*block*c.ld+column:], &s.Stats[2*(block/c.blocks)*c.ld+column]
		if c.mask == nil {
			p.m.gradSums(&m[0], &m[c.ld], &s.X[e], out.p, nil, c.ld, rows, cols, mean)
		} else {
			p.m.maskSums(&m[0], &m[c.ld], &s.X[e], out.p, &c.mask[e], c.ld, rows, cols, mean)
		}
	}
}

// fetch has the operands of finish brought near while the results are computed.
func (c *implicit) fetch(w *worker, row, column int) {
	e := row*c.ld + column
	if c.place == nil && c.mask != nil {
		w.fetches = append(w.fetches, operand{&c.mask[e], c.ld})
	}
	if c.sums != nil {
		w.fetches = append(w.fetches, operand{&c.sums.X[e], c.ld})
	}
}

// fetchBlock has the rows of the next block, which is likely to be this worker's too,
// brought near.
func (c *implicit) fetchBlock(m *machine, w *worker, row, rows, from, to int) {
	s := &c.patches
	next := row + c.block
	count := min(rows, len(s.x)/s.ld-next)
	if count <= 0 || c.colBlocks > 1 {
		return
	}
	w.stream = stream{rows: count, tiles: ceilDiv(rows, m.rows) * ceilDiv(c.cols, m.cols)}
	w.stream.add(operand{&s.x[next*s.ld+s.from+from], s.ld}, to-from)
}

// placeRows moves a block of results to their pixels.
func (c *implicit) placeRows(m *machine, from operand, row, rows, column, cols int) {
	pl := c.place
	for rows > 0 {
		n, i, j := row/(pl.p*pl.q), row/pl.q%pl.p, row%pl.q
		count := min(rows, pl.q-j)
		e := ((n*pl.h+i*pl.stepH+pl.top)*pl.w+j*pl.stepW+pl.left)*c.ld + column
		step := pl.stepW * c.ld
		if c.add {
			for r := range count {
				dst := &c.out[e+r*step]
				m.add(dst, dst, at(from.p, r*from.ld), cols, negInf)
			}
		} else if c.mask != nil {
			for r := range count {
				m.reluGrad(&c.out[e+r*step], &c.mask[e+r*step], at(from.p, r*from.ld), cols)
			}
		} else {
			m.copyRows(&c.out[e], step, from.p, from.ld, count, cols)
		}
		from.p = at(from.p, count*from.ld)
		row += count
		rows -= count
	}
}

// plain reports whether the patches are the rows of the array itself, and near
// enough to each other that they share the first-level cache.
func (s *patches) plain() bool {
	return s.rowsInPlace() && s.affine == nil && s.ld <= 256
}

// rowsInPlace reports whether every patch is one pixel, in the order of the image.
func (s *patches) rowsInPlace() bool {
	return len(s.taps) == 1 && s.taps[0] == tap{} && s.stepH == 1 && s.stepW == 1 && s.p == s.h && s.q == s.w
}
