package kernel

func forwardWorkspace(g Conv, exact bool) int {
	return roundUp(momentFloats(g.K, g.N, g.P*g.Q), 16) + forwardFilterFloats(g, exact)
}

// momentFloats is room for the moments of all blocks, which are never more: blocks
// of rows have at least a quarter of minBlockRows, and every part may have a smaller
// one.
func momentFloats(channels, images, pixels int) int {
	return 2 * channels * (ceilDiv(images*pixels, minBlockRows/4) + 2*images)
}

func forwardFilterFloats(g Conv, exact bool) int {
	if m := forwardTile(g, exact, FP32); m > 0 {
		return winogradFilterFloats(g, m, g.C, g.K)
	}
	merge := merged(g)
	return g.Groups / merge * packedSize(g.R*g.S*merge*g.C/g.Groups, merge*g.K/g.Groups)
}

// ConvForward writes the convolution of X with W into Y, with everything that a
// pass over X before or a pass over Y after would do:
//
//	x' = In(x)
//	y[n,p,q,k] = Σ_{c,r,s} x'[n, p·stride−pad+r·dilation, …, c]·w[k,c,r,s] + bias[k]
//	y = max(y + residual, 0)
//
// and the statistics of y. Pixels outside the image are zero. Source: ONNX Conv
// (opset 11).
func ConvForward(p *Pool, a *ConvForwardArgs) {
	const op = "ConvForward"
	g := a.G
	filter := len(a.W)
	if a.Packed {
		filter = g.K * (g.C / g.Groups) * g.R * g.S
	}
	mustFitConv(op, g, "X", len(a.X), "W", filter, "Y", len(a.Y), len(a.Workspace), a.Exact)
	if a.In != nil {
		a.In.check(op+" In", g.N, g.C)
	}
	if a.Bias != nil {
		mustLen(op, "Bias", len(a.Bias), g.K)
	}
	if a.Residual != nil {
		mustLen(op, "Residual", len(a.Residual), len(a.Y))
	}
	parts := 1
	if a.Stats != nil {
		mustDivide(op, g.N, a.Groups)
		mustLen(op, "Stats", len(a.Stats), 2*a.Groups*g.K)
		parts = a.Groups
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.constants(max(g.K, maxTile))
	c := &p.conv
	m := forwardPassTile(g, a.Exact, a.Precision)
	c.setForward(g, a.X, a.W, a.In, m == 0)
	c.setPrecision(a.Precision, m > 0)
	c.out, c.ld, c.rows, c.parts = a.Y, g.K, g.N*g.P*g.Q/parts, parts
	c.bias, c.residual, c.floor = a.Bias, a.Residual, floorOf(a.ReLU)
	c.epilogue = a.Bias != nil || a.Residual != nil || a.ReLU
	c.add, c.place, c.stats = false, nil, a.Stats
	workspace := align(a.Workspace)
	moments := momentFloats(g.K, g.N, g.P*g.Q)
	c.moments, c.filters.packed = workspace[:moments], workspace[roundUp(moments, 16):]
	if a.Filters != nil {
		mustHold(op, "Filters", len(a.Filters), ForwardFilters(g, a.Exact))
		c.filters.packed, c.filters.kept, c.filters.ready = align(a.Filters), true, a.Packed
	}
	if m > 0 {
		p.convolveSquares(c, m)
	} else {
		p.convolve(c)
	}
	if a.Stats != nil {
		p.finishMoments(c)
	}
	c.release()
}

// setForward describes the patches of x and the filters that they meet. prune leaves
// out the taps that read nothing but padding, such as eight of nine on a 1×1 map.
func (c *implicit) setForward(g Conv, x, w []float32, in *Affine, prune bool) {
	merge := merged(g)
	c.groups = g.Groups / merge
	c.taps, c.index = c.taps[:0], c.index[:0]
	for r := range g.R {
		for s := range g.S {
			t := tap{r*g.DilationH - g.PadTop, s*g.DilationW - g.PadLeft}
			if prune && (outside(t.dh, g.StrideH, g.P, g.H) || outside(t.dw, g.StrideW, g.Q, g.W)) {
				continue
			}
			c.taps = append(c.taps, t)
			c.index = append(c.index, r*g.S+s)
		}
	}
	c.patches = patches{x: x, h: g.H, w: g.W, ld: g.C, c: merge * g.C / g.Groups, p: g.P, q: g.Q,
		stepH: g.StrideH, stepW: g.StrideW, taps: c.taps, affine: in}
	if in != nil {
		c.patches.per = g.N / in.Groups
	}
	c.filters = filterPanels{w: w, merge: merge, sets: c.groups, kg: g.K / g.Groups, cg: g.C / g.Groups,
		size: g.R * g.S, taps: c.index}
	c.depth, c.cols = len(c.taps)*c.patches.c, merge*g.K/g.Groups
}

// blockSize returns how many rows of the result block b of a part has.
func (c *implicit) blockSize(p *Pool, b int) int {
	if c.block > 0 {
		return min(c.block, c.rows-b*c.block)
	}
	w, s := &p.squares, &c.patches
	end := min((b+1)*w.rowBlock, c.rows/(s.p*s.q)*w.down)
	return (s.pixelRow(w, end) - s.pixelRow(w, b*w.rowBlock)) * s.q
}

// release drops the operands.
func (c *implicit) release() {
	*c = implicit{taps: c.taps, index: c.index}
}

// outside reports whether none of the positions offset + i·step, i in [0, n), lies in
// [0, length).
func outside(offset, step, n, length int) bool {
	i := max(0, ceilDivSigned(-offset, step))
	return i >= n || offset+i*step >= length
}

// finishMoments merges the moments of the blocks to the statistics of the parts.
func (p *Pool) finishMoments(c *implicit) {
	const width = 64
	p.dispatch(c.parts*ceilDiv(c.ld, width), func(p *Pool, task int, w *worker) {
		c := &p.conv
		tasks := ceilDiv(c.ld, width)
		part, col := task/tasks, task%tasks*width
		n := min(width, c.ld-col)
		var total [2 * width]float64
		mean, squares := total[:n], total[width:][:n]
		before := 0
		for b := range c.blocks {
			m := c.moments[2*(part*c.blocks+b)*c.ld+col:]
			rows := c.blockSize(p, b)
			mergeMoments(mean, squares, before, m[:n], m[c.ld:][:n], rows)
			before += rows
		}
		stats := c.stats[2*part*c.ld+col:]
		for j := range n {
			stats[j] = float32(mean[j])
			stats[c.ld+j] = float32(squares[j] / float64(c.rows))
		}
	})
}
