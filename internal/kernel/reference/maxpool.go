package reference

import (
	"math"

	"onnxclr/internal/kernel"
)

// N images  C channels  H, W input size  R, S window  P, Q output size

// MaxPool writes the largest value of every window. y is [N,C,P,Q], x [N,C,H,W].
// The padding is −∞, so it never wins over a pixel; a window that lies wholly in
// the padding gives −∞. A NaN in the window gives NaN. g must be complete. Source:
// ONNX MaxPool (opset 12).
func MaxPool[T Float](g kernel.Window, y, x []T) {
	mustFitPool("MaxPool", g, "x", len(x), "y", len(y))
	in, out := g.H*g.W, g.P*g.Q
	for nc := range g.N * g.C {
		image, pooled := x[nc*in:][:in], y[nc*out:][:out]
		for p := range g.P {
			for q := range g.Q {
				pooled[p*g.Q+q] = T(math.Inf(-1))
				if at := argmax(g, image, p, q); at >= 0 {
					pooled[p*g.Q+q] = image[at]
				}
			}
		}
	}
}

// MaxPoolGrad gives the gradient of every window to the pixel that won it: among
// equal pixels the first in row-major order, among NaNs the last, as PyTorch does.
// A pixel that won several windows gets the sum. dx and x are [N,C,H,W],
// dy [N,C,P,Q].
func MaxPoolGrad[T Float](g kernel.Window, dx, x, dy []T) {
	mustFitPool("MaxPoolGrad", g, "x", len(x), "dy", len(dy))
	mustLen("MaxPoolGrad", "dx", len(dx), len(x))
	in, out := g.H*g.W, g.P*g.Q
	sum := make([]float64, in)
	for nc := range g.N * g.C {
		image, grad := x[nc*in:][:in], dy[nc*out:][:out]
		clear(sum)
		for p := range g.P {
			for q := range g.Q {
				if at := argmax(g, image, p, q); at >= 0 {
					sum[at] += float64(grad[p*g.Q+q])
				}
			}
		}
		store(dx[nc*in:][:in], sum)
	}
}

// argmax returns the index of the pixel of the image [H,W] that wins the window of
// output pixel (p, q), or −1 if the window has no pixel.
func argmax[T Float](g kernel.Window, image []T, p, q int) int {
	best := -1
	for r := range g.R {
		h := p*g.StrideH - g.PadTop + r*g.DilationH
		if h < 0 || h >= g.H {
			continue
		}
		for s := range g.S {
			w := q*g.StrideW - g.PadLeft + s*g.DilationW
			if w < 0 || w >= g.W {
				continue
			}
			at := h*g.W + w
			if v := image[at]; best < 0 || v > image[best] || v != v {
				best = at
			}
		}
	}
	return best
}

func mustFitPool(op string, g kernel.Window, x string, lenX int, y string, lenY int) {
	mustLen(op, x, lenX, g.N*g.C*g.H*g.W)
	mustLen(op, y, lenY, g.N*g.C*g.P*g.Q)
}
