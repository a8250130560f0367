package kernel

// N images  C channels  H, W input size  R, S window  P, Q output size

// AveragePool writes the mean of every window: y is [N,P,Q,C], x [N,H,W,C]. With pad the
// padding counts as zeros; what ceil mode lets stick out beyond it never counts. g must
// be complete. Source: ONNX AveragePool (opset 19).
func AveragePool(p *Pool, g Window, pad bool, y, x []float32) {
	mustLen("AveragePool", "x", len(x), g.N*g.C*g.H*g.W)
	mustLen("AveragePool", "y", len(y), g.N*g.C*g.P*g.Q)
	p.Run(g.N*g.P, func(task, _ int) {
		n, i := task/g.P, task%g.P
		for j := range g.Q {
			out := y[((n*g.P+i)*g.Q+j)*g.C:][:g.C]
			clear(out)
			g.eachPixel(i, j, func(h, w int) {
				for c, v := range x[((n*g.H+h)*g.W+w)*g.C:][:g.C] {
					out[c] += v
				}
			})
			inverse := 1 / float32(g.area(i, j, pad))
			for c := range out {
				out[c] *= inverse
			}
		}
	})
}

// AveragePoolGrad spreads every gradient over its window: dx is [N,H,W,C], dy [N,P,Q,C].
func AveragePoolGrad(p *Pool, g Window, pad bool, dx, dy []float32) {
	mustLen("AveragePoolGrad", "dx", len(dx), g.N*g.C*g.H*g.W)
	mustLen("AveragePoolGrad", "dy", len(dy), g.N*g.C*g.P*g.Q)
	const width = 64 // windows overlap, but not over images or channels
	parts := ceilDiv(g.C, width)
	p.Run(g.N*parts, func(task, _ int) {
		n, c0 := task/parts, task%parts*width
		cols := min(width, g.C-c0)
		for i := range g.H * g.W {
			clear(dx[(n*g.H*g.W+i)*g.C+c0:][:cols])
		}
		for i := range g.P {
			for j := range g.Q {
				inverse := 1 / float32(g.area(i, j, pad))
				from := dy[((n*g.P+i)*g.Q+j)*g.C+c0:][:cols]
				g.eachPixel(i, j, func(h, w int) {
					to := dx[((n*g.H+h)*g.W+w)*g.C+c0:][:cols]
					for c, v := range from {
						to[c] += v * inverse
					}
				})
			}
		}
	})
}

// eachPixel calls f for the pixels of the window at (i, j), in row-major order.
func (p *Window) eachPixel(i, j int, f func(h, w int)) {
	for r := range p.R {
		h := i*p.StrideH - p.PadTop + r*p.DilationH
		if h < 0 || h >= p.H {
			continue
		}
		for s := range p.S {
			if w := j*p.StrideW - p.PadLeft + s*p.DilationW; w >= 0 && w < p.W {
				f(h, w)
			}
		}
	}
}

// area is by what the mean at (i, j) divides.
func (p *Window) area(i, j int, pad bool) int {
	count := func(at, stride, before, after, size, dilation, in int) int {
		low, high := 0, in
		if pad {
			low, high = -before, in+after
		}
		n := 0
		for k := range size {
			if x := at*stride - before + k*dilation; x >= low && x < high {
				n++
			}
		}
		return n
	}
	return max(1, count(i, p.StrideH, p.PadTop, p.PadBottom, p.R, p.DilationH, p.H)*count(j, p.StrideW, p.PadLeft, p.PadRight, p.S, p.DilationW, p.W))
}
