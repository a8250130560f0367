package kernel

// filterGrad is the running gradient of a filter: a product of the gradients of the
// output, [pixels, K], and the patches, [pixels, taps·C], summed over the pixels.
type filterGrad struct {
	patches         patches
	dy, dw, partial []float32
	half            bool // bfloat16 operands
	merge, sets     int
	kg, cg, size    int
	ld              int // channels of dy
	pixels          int
	chunk, chunks   int // of pixels, summed apart and then together
	rows, cols      int // of one product
	block, blocks   int
	colBlock        int
	colBlocks       int
}

// pixelBlock is how many pixels are packed at a time; filterTasks how many tasks
// there should be at least, if need be by summing chunks of pixels apart.
const (
	pixelBlock  = 256
	filterTasks = 16
	gradRowsMax = 256 // rows of a block
)

// splitGrad divides the output channels into blocks: larger ones than split, since
// every block packs the patches anew.
func (m *machine) splitGrad(rows int) (block, blocks int) {
	blocks = ceilDiv(rows, gradRowsMax)
	return ceilDiv(rows, blocks), blocks
}

// filterChunks returns how many chunks the pixels are split into.
func filterChunks(pixels, tiles int) int {
	return max(1, min(ceilDiv(filterTasks, tiles), pixels/(2*pixelBlock)))
}

func gradFilterWorkspace(g Conv, exact bool) int {
	if m := forwardTile(g, exact, FP32); m > 0 {
		return max(winogradGradFloats(g, m), gradFilterWorkspace(g, true))
	}
	merge := merged(g)
	if merge < g.Groups {
		// Sets of groups may be computed together, and then in more chunks.
		return filterChunks(g.N*g.P*g.Q, 1) * g.K * merge * (g.C / g.Groups) * g.R * g.S
	}
	// A machine with larger tiles has fewer of them, and then more chunks.
	tiles := g.Groups / merge * ceilDiv(merge*g.K/g.Groups, gradRowsMax) * ceilDiv(g.R*g.S*merge*g.C/g.Groups, blockCols)
	return filterChunks(g.N*g.P*g.Q, tiles) * g.K * merge * (g.C / g.Groups) * g.R * g.S
}

// ConvGradFilter writes the gradient of the convolution with respect to its filter,
//
//	dw[k,c,r,s] = Σ_{n,p,q} x'[n, p·stride−pad+r·dilation, …, c]·dy[n,p,q,k],  x' = In(x)
//
// The gradient of the bias is ChannelSum of DY.
func ConvGradFilter(p *Pool, a *ConvGradFilterArgs) {
	g := a.G
	mustFitConv("ConvGradFilter", g, "X", len(a.X), "DW", len(a.DW), "DY", len(a.DY), len(a.Workspace), a.Exact)
	if a.In != nil {
		a.In.check("ConvGradFilter In", g.N, g.C)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &p.conv
	m := forwardTile(g, a.Exact, a.Precision)
	c.setForward(g, a.X, nil, a.In, m == 0)
	if m > 0 {
		p.gradFilterSquares(a, c.patches, m)
		c.release()
		return
	}
	f := &p.filter
	p.constants(max(g.K, c.depth))
	*f = filterGrad{half: a.Precision == BF16, patches: c.patches, dy: a.DY, dw: a.DW, partial: align(a.Workspace), merge: c.filters.merge, sets: c.groups,
		kg: c.filters.kg, cg: c.filters.cg, size: c.filters.size, ld: g.K, pixels: g.N * g.P * g.Q,
		rows: c.cols, cols: c.depth}
	f.block, f.blocks = p.m.splitGrad(f.rows)
	f.colBlock, f.colBlocks = p.m.splitCols(f.cols, f.sets*f.blocks*filterTasks)
	tiles := max(1, f.sets*f.blocks*f.colBlocks)
	grouped := f.grouped()
	if grouped {
		tiles = 1
	}
	f.chunk = roundUp(ceilDiv(f.pixels, filterChunks(f.pixels, tiles)), pixelBlock)
	f.chunks = ceilDiv(f.pixels, f.chunk)
	// The result has the layout of the filter if there is nothing to sum or reorder.
	direct := f.chunks == 1 && f.merge == 1 && f.size == 1 && f.cols > 0
	if direct {
		f.partial = f.dw
	}
	if grouped {
		p.dispatch(f.chunks, groupedGradTask)
	} else {
		p.dispatch(f.chunks*f.sets*f.blocks*f.colBlocks, filterGradTask)
	}
	if !direct {
		p.dispatch(f.sets*f.rows, filterSumTask)
	}
	c.release()
	*f = filterGrad{}
}

// filterGradTask computes a block of the product over a chunk of the pixels.
func filterGradTask(p *Pool, task int, w *worker) {
	f := &p.filter
	colBlock, task := task%f.colBlocks, task/f.colBlocks
	block, task := task%f.blocks, task/f.blocks
	set, chunk := task%f.sets, task/f.sets
	row, col := block*f.block, colBlock*f.colBlock
	rows, cols := min(f.block, f.rows-row), min(f.colBlock, f.cols-col)
	out := operand{&f.partial[((chunk*f.sets+set)*f.rows+row)*f.cols+col], f.cols}
	a := operand{&w.memory[scratchRows], gradRowsMax + blockPad}
	b := operand{&w.memory[scratchCols], blockCols + blockPad}
	s := f.patches
	s.from += set * s.c
	end := min((chunk+1)*f.chunk, f.pixels)
	for from := chunk * f.chunk; from < end; from += pixelBlock {
		n := min(pixelBlock, end-from)
		grads := operand{&f.dy[from*f.ld+set*f.rows+row], f.ld}
		if f.half {
			p.pair(a, grads, n, rows)
			p.pairPatches(&s, b, from, n, col, cols)
		} else {
			p.m.copyRows(a.p, a.ld, grads.p, grads.ld, n, rows)
			s.pack(p.m, b, from, n, col, col+cols)
		}
		// The next pixels are fetched while these are multiplied.
		next := min(pixelBlock, end-from-n)
		if e := from + n; next > 0 {
			w.stream = stream{rows: next, tiles: ceilDiv(rows, p.m.rows) * ceilDiv(cols, p.m.cols)}
			w.stream.add(operand{&f.dy[e*f.ld+set*f.rows+row], f.ld}, rows)
			if s.rowsInPlace() {
				w.stream.add(operand{&s.x[e*s.ld+s.from+col], s.ld}, cols)
			}
		}
		if add := from > chunk*f.chunk; f.half {
			w.dot(p.m, out, a, true, b, p.m.cols, rows, cols, pairsOf(n), add)
		} else {
			w.multiply(p.m, out, a, true, b, p.m.cols, rows, cols, n, add)
		}
		w.stream = stream{}
	}
}

// filterSumTask adds the chunks of one output channel, in their order, and writes
// its filter, channel by channel where the product has tap by tap.
func filterSumTask(p *Pool, task int, w *worker) {
	f := &p.filter
	set, row := task/f.rows, task%f.rows
	total := f.partial[task*f.cols:][:f.cols]
	if f.cols == 0 {
		clear(f.dw[task*f.cg*f.size:][:f.cg*f.size])
		return
	}
	for i := 1; i < f.chunks; i++ {
		p.m.add(&total[0], &total[0], &f.partial[(i*f.sets*f.rows+task)*f.cols], f.cols, negInf)
	}
	group := row / f.kg
	k := set*f.rows + row
	taps := f.patches.taps
	dw := f.dw[k*f.cg*f.size:][:f.cg*f.size]
	if f.size == 1 && len(taps) == 1 {
		copy(dw, total[group*f.cg:])
		return
	}
	if len(taps) == f.size {
		p.m.transpose(&dw[0], f.size, &total[group*f.cg], f.merge*f.cg, f.size, f.cg)
		return
	}
	// Taps that read nothing but padding.
	clear(dw)
	for t, at := range p.conv.index {
		for c, v := range total[(t*f.merge+group)*f.cg:][:f.cg] {
			dw[c*f.size+at] = v
		}
	}
}
