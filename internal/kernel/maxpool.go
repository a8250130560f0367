package kernel

// N images  C channels  H, W input size  R, S window  P, Q output size

// MaxPool writes the largest value of every window: y is [N,P,Q,C], x [N,H,W,C].
// The padding never wins over a pixel; a window wholly in the padding gives −∞, and
// a NaN in the window gives NaN. g must be complete. Source: ONNX MaxPool (opset 12).
func MaxPool(p *Pool, g Window, y, x []float32) {
	mustLen("MaxPool", "x", len(x), g.N*g.C*g.H*g.W)
	mustLen("MaxPool", "y", len(y), g.N*g.C*g.P*g.Q)
	p.windows(windowArgs{g: g, y: y, x: x}, g.N*g.P, func(p *Pool, task int, w *worker) {
		a := &p.window
		g := &a.g
		n, i := task/g.P, task%g.P
		h, r := clip(i*g.StrideH-g.PadTop, g.DilationH, g.R, g.H)
		for j := range g.Q {
			l, s := clip(j*g.StrideW-g.PadLeft, g.DilationW, g.S, g.W)
			out := &a.y[((n*g.P+i)*g.Q+j)*g.C]
			if r == 0 || s == 0 {
				fill(view(out, g.C), negInf)
				continue
			}
			p.m.windowMax(out, &a.x[((n*g.H+h)*g.W+l)*g.C], g.DilationH*g.W*g.C, g.DilationW*g.C, r, s, g.C)
		}
	})
}

// MaxPoolGrad gives the gradient of every window to the pixel that won it: among
// equal pixels the first in row-major order, among NaNs the last, as PyTorch does.
// A pixel that won several windows gets the sum. dx and x are [N,H,W,C], dy
// [N,P,Q,C].
func MaxPoolGrad(p *Pool, g Window, dx, x, dy []float32) {
	mustLen("MaxPoolGrad", "dx", len(dx), g.N*g.C*g.H*g.W)
	mustLen("MaxPoolGrad", "x", len(x), g.N*g.C*g.H*g.W)
	mustLen("MaxPoolGrad", "dy", len(dy), g.N*g.C*g.P*g.Q)
	// Windows overlap, but not over images or channels.
	const width = 64
	parts := ceilDiv(g.C, width)
	p.windows(windowArgs{g: g, y: dx, x: x, dy: dy, parts: parts, stride: width}, g.N*parts, func(p *Pool, task int, w *worker) {
		a := &p.window
		g := &a.g
		n, c := task/a.parts, task%a.parts*a.stride
		cols := min(a.stride, g.C-c)
		for i := range g.H * g.W {
			clear(a.y[(n*g.H*g.W+i)*g.C+c:][:cols])
		}
		for i := range g.P {
			h, r := clip(i*g.StrideH-g.PadTop, g.DilationH, g.R, g.H)
			for j := range g.Q {
				l, s := clip(j*g.StrideW-g.PadLeft, g.DilationW, g.S, g.W)
				if r == 0 || s == 0 {
					continue
				}
				from := ((n*g.H+h)*g.W+l)*g.C + c
				p.m.windowGrad(&a.y[from], &a.x[from], &a.dy[((n*g.P+i)*g.Q+j)*g.C+c], g.DilationH*g.W*g.C, g.DilationW*g.C, r, s, cols)
			}
		}
	})
}

// clip returns the first position of a window that is not in the padding and how
// many are inside, for size positions from start on, step apart, in [0, length).
func clip(start, step, size, length int) (first, inside int) {
	skip := 0
	if start < 0 {
		skip = ceilDiv(-start, step)
	}
	first = start + skip*step
	if skip >= size || first >= length {
		return 0, 0
	}
	return first, min(size-skip, ceilDiv(length-first, step))
}

func fill(dst []float32, v float32) {
	for i := range dst {
		dst[i] = v
	}
}
