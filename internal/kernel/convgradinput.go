package kernel

func gradInputWorkspace(g Conv, exact bool) int {
	if m := backwardTile(g, exact); m > 0 {
		return winogradFilterFloats(g, m, g.K, g.C)
	}
	merge := merged(g)
	return g.Groups / merge * packedSize(g.R*g.S*merge*g.K/g.Groups, merge*g.C/g.Groups)
}

// ConvGradInput writes (or with Accumulate, adds to DX) the gradient of the
// convolution with respect to its input: every output pixel hands its gradient back
// to the pixels it has read,
//
//	dx[n, p·stride−pad+r·dilation, …, c] = Σ_{k,r,s} w[k,c,r,s]·dy[n,p,q,k]
//
// The pixels of dx that lie a stride apart see the same taps: for each such class
// it is a convolution of dy, without multiplications by zero.
func ConvGradInput(p *Pool, a *ConvGradInputArgs) {
	g := a.G
	mustFitConv("ConvGradInput", g, "DX", len(a.DX), "W", len(a.W), "DY", len(a.DY), len(a.Workspace), a.Exact)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.constants(maxTile)
	c := &p.conv
	workspace := align(a.Workspace)
	for top := range min(g.StrideH, g.H) {
		for left := range min(g.StrideW, g.W) {
			m := backwardTile(g, a.Exact)
			c.setBackward(g, a.DY, a.W, top, left, m == 0)
			c.setPrecision(a.Precision, m > 0)
			c.out, c.ld, c.add, c.parts = a.DX, g.C, a.Accumulate, 1
			c.rows = g.N * c.patches.p * c.patches.q
			if c.depth == 0 && a.Accumulate {
				continue
			}
			c.filters.packed = workspace
			if m > 0 {
				p.convolveSquares(c, m)
			} else {
				p.convolve(c)
			}
		}
	}
	c.release()
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
