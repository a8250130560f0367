package kernel

import "math"

func gradInputWorkspace(g Conv, exact bool) int {
	sums := roundUp(momentFloats(g.C, g.N, g.H*g.W), 16)
	if m := backwardTile(g, exact, FP32); m > 0 {
		return sums + winogradFilterFloats(g, m, g.K, g.C)
	}
	merge := merged(g)
	return sums + g.Groups/merge*packedSize(g.R*g.S*merge*g.K/g.Groups, merge*g.C/g.Groups)
}

// ConvGradInput writes (or with Accumulate, adds to DX) the gradient of the
// convolution with respect to its input: every output pixel hands its gradient back
// to the pixels it has read,
//
//	dx[n, p·stride−pad+r·dilation, …, c] = Σ_{k,r,s} w[k,c,r,s]·dy[n,p,q,k]
//
// The pixels of dx that lie a stride apart see the same taps: for each such class
// it is a convolution of dy, without multiplications by zero. Mask and Sums save the
// passes over dx that would follow.
func ConvGradInput(p *Pool, a *ConvGradInputArgs) {
	const op = "ConvGradInput"
	g := a.G
	mustFitConv(op, g, "DX", len(a.DX), "W", len(a.W), "DY", len(a.DY), len(a.Workspace), a.Exact)
	if a.Mask != nil {
		mustLen(op, "Mask", len(a.Mask), len(a.DX))
	}
	if s := a.Sums; s != nil {
		mustDivide(op, g.N, s.Groups)
		mustFitBatch(op, s.Groups, g.N*g.H*g.W, g.C, s.X, s.Stats, a.DX, nil)
		mustLen(op, "Sums", len(s.Sums), 2*s.Groups*g.C)
	}
	if p.gradInput(a) {
		return
	}
	if a.Mask != nil && a.Accumulate {
		ReLUGrad(p, a.DX, a.Mask, a.DX)
	}
	if s := a.Sums; s != nil {
		BatchNormGradSums(p, s.Groups, g.N*g.H*g.W, g.C, s.Eps, s.Sums, s.X, s.Stats, a.DX, nil)
	}
}

// gradInput runs the convolutions of a and reports whether dx is finished: classes of
// pixels see neither what another one has accumulated into nor whole rows.
func (p *Pool) gradInput(a *ConvGradInputArgs) (finished bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.constants(maxTile)
	g, c := a.G, &p.conv
	workspace := align(a.Workspace)
	moments := momentFloats(g.C, g.N, g.H*g.W)
	m := backwardTile(g, a.Exact, a.Precision)
	stepH, stepW := g.StrideH, g.StrideW
	if m > 0 {
		stepH, stepW = 1, 1
	}
	finished = stepH == 1 && stepW == 1
	for top := range min(stepH, g.H) {
		for left := range min(stepW, g.W) {
			if m > 0 && g.StrideH == 2 {
				c.setSpread(g, a.DY, a.W)
			} else {
				c.setBackward(g, a.DY, a.W, top, left, m == 0)
			}
			c.setPrecision(a.Precision, m > 0)
			c.out, c.ld, c.add, c.parts = a.DX, g.C, a.Accumulate, 1
			c.moments, c.filters.packed = workspace[:moments], workspace[roundUp(moments, 16):]
			if finished {
				c.mask, c.sums = a.Mask, a.Sums
				if a.Sums != nil {
					c.parts = a.Sums.Groups
				}
			} else if !a.Accumulate {
				c.mask = a.Mask
			}
			c.rows = g.N * c.patches.p * c.patches.q / c.parts
			if c.depth == 0 && a.Accumulate && !finished {
				continue
			}
			if m > 0 {
				p.convolveSquares(c, m)
			} else {
				p.convolve(c)
			}
			if c.sums != nil {
				p.finishSums(c)
			}
		}
	}
	c.release()
	return finished
}

// maskRows clears a block of results, element e and on, where the mask is not above 0.
func (c *implicit) maskRows(m *machine, out operand, e, rows, cols int) {
	for r := range rows {
		dst := at(out.p, r*out.ld)
		m.reluGrad(dst, &c.mask[e+r*c.ld], dst, cols)
	}
}

// finishSums adds the sums of the blocks, in their order.
func (p *Pool) finishSums(c *implicit) {
	const width = 64
	p.dispatch(c.parts*ceilDiv(c.ld, width), func(p *Pool, task int, w *worker) {
		c := &p.conv
		s, tasks := c.sums, ceilDiv(c.ld, width)
		part, col := task/tasks, task%tasks*width
		n := min(width, c.ld-col)
		var sum, product [width]float64
		for b := range c.blocks {
			m := c.moments[2*(part*c.blocks+b)*c.ld+col:]
			for j, v := range m[:n] {
				sum[j] += float64(v)
			}
			for j, v := range m[c.ld:][:n] {
				product[j] += float64(v)
			}
		}
		stats, sums := s.Stats[2*part*c.ld+col:], s.Sums[2*part*c.ld+col:]
		for j := range n {
			sums[j] = float32(sum[j])
			sums[c.ld+j] = float32(product[j] / math.Sqrt(float64(stats[c.ld+j])+s.Eps))
		}
	})
}

// setBackward describes the gradient of the pixels (top + i·stride, left + j·stride)
// of the input as a convolution of dy; prune is as for setForward.
func (c *implicit) setBackward(g Conv, dy, w []float32, top, left int, prune bool) {
	merge := merged(g)
	p, q := ceilDiv(g.H-top, g.StrideH), ceilDiv(g.W-left, g.StrideW)
	*c = implicit{taps: c.taps[:0], index: c.index[:0], groups: g.Groups / merge}
	for r := range g.R {
		h := top + g.PadTop - r*g.DilationH
		if floorDiv(h, g.StrideH)*g.StrideH != h {
			continue
		}
		for s := range g.S {
			l := left + g.PadLeft - s*g.DilationW
			if floorDiv(l, g.StrideW)*g.StrideW != l {
				continue
			}
			t := tap{floorDiv(h, g.StrideH), floorDiv(l, g.StrideW)}
			if prune && (outside(t.dh, 1, p, g.P) || outside(t.dw, 1, q, g.Q)) {
				continue
			}
			c.taps = append(c.taps, t)
			c.index = append(c.index, r*g.S+s)
		}
	}
	c.patches = patches{x: dy, h: g.P, w: g.Q, ld: g.K, c: merge * g.K / g.Groups,
		p: p, q: q, stepH: 1, stepW: 1, taps: c.taps}
	c.filters = filterPanels{w: w, merge: merge, sets: c.groups, kg: g.K / g.Groups, cg: g.C / g.Groups,
		size: g.R * g.S, taps: c.index, backward: true}
	c.depth, c.cols = len(c.taps)*c.patches.c, merge*g.C/g.Groups
	if g.StrideH > 1 || g.StrideW > 1 {
		c.placed = placement{g.H, g.W, c.patches.p, c.patches.q, top, left, g.StrideH, g.StrideW}
		c.place = &c.placed
	}
}
