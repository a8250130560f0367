package reference

import (
	"testing"

	"onnxclr/internal/golden"
)

// TestOperatorGradients holds the backward kernels of operators with weights beside
// the ResNets' to finite differences in float64: the gradient of Σ y·dy.
func TestOperatorGradients(t *testing.T) {
	random := func(name string, n int) []float64 {
		out := make([]float64, n)
		for i, v := range golden.Uniform(name, n, -1, 1) {
			out[i] = float64(v)
		}
		return out
	}
	check := func(what string, x []float64, size int, forward func(y []float64), backward func(dx, dy []float64)) {
		t.Helper()
		dy, y, dx := random("dy", size), make([]float64, size), make([]float64, len(x))
		backward(dx, dy)
		golden.CheckGradient(t, what, func() (sum float64) {
			forward(y)
			for i, v := range y {
				sum += v * dy[i]
			}
			return sum
		}, x, dx)
	}
	x := random("x", 60)
	for _, log := range []bool{false, true} {
		check("softmax", x, 60, func(y []float64) { Softmax(3, 5, 4, log, y, x) }, func(dx, dy []float64) {
			y := make([]float64, 60)
			Softmax(3, 5, 4, log, y, x)
			SoftmaxGrad(3, 5, 4, log, dx, y, dy)
		})
	}
	gamma, beta := random("gamma", 12), random("beta", 12)
	layer := func(y []float64) { LayerNorm(5, 12, 1e-3, y, x, gamma, beta) }
	check("layer norm by x", x, 60, layer, func(dx, dy []float64) { LayerNormGradInput(5, 12, 1e-3, dx, x, gamma, dy) })
	check("layer norm by γ", gamma, 60, layer, func(dg, dy []float64) { LayerNormGradScale(5, 12, 1e-3, dg, x, dy) })
	for _, size := range []int{3, 4} {
		check("LRN", x, 60, func(y []float64) { LRN(2, 5, 6, size, 0.7, 0.75, 1.5, y, x) }, func(dx, dy []float64) { LRNGrad(2, 5, 6, size, 0.7, 0.75, 1.5, dx, x, dy) })
	}
	w := Window{In: []int{3, 5, 2}, Kernel: []int{2, 3, 2}, Stride: []int{1, 2, 1}, Dilation: []int{1, 1, 1}, Before: []int{1, 1, 0}, After: []int{0, 2, 1}, Out: []int{3, 3, 2}}
	for _, pad := range []bool{false, true} {
		check("average pool", x, 36, func(y []float64) { AveragePool(w, 2, pad, y, x) }, func(dx, dy []float64) { AveragePoolGrad(w, 2, pad, dx, dy) })
	}
	check("max pool", x, 36, func(y []float64) { MaxPoolAny(w, 2, y, nil, x) }, func(dx, dy []float64) { MaxPoolAnyGrad(w, 2, dx, x, dy) })
	filter := random("filter", 4*12)
	conv := func(y []float64) { ConvAny(w, 1, 2, 4, 2, y, x, filter) }
	check("convolution by x", x, 72, conv, func(dx, dy []float64) { ConvAnyGradInput(w, 1, 2, 4, 2, dx, filter, dy) })
	check("convolution by the filter", filter, 72, conv, func(dw, dy []float64) { ConvAnyGradFilter(w, 1, 2, 4, 2, dw, x, dy) })
	m := Map{Offset: [][]int{{0, 40, 20}, {8, 4, -1, 0, 8}, {3, 1}}}
	check("gather", x, 30, func(y []float64) { Gather(m, 0.5, y, x) }, func(dx, dy []float64) { Scatter(m, dx, dy) })
	check("reduction", x, 3, func(y []float64) { ReduceSum([]int{4, 3, 5}, []int{3, 1}, 0.5, y, x) }, func(dx, dy []float64) {
		Broadcast([]int{4, 3, 5}, []int{3, 1}, []int{3, 1}, dx, dy, dy, func(a, _ float64) float64 { return 0.5 * a })
	})
}
