package graph

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/vm"
)

// lowerMaxPool: ONNX MaxPool with two spatial dimensions and one output. The
// padding counts as −∞; of equal values the first in row-major order wins.
func lowerMaxPool(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	if x.Shape().Dims() != 4 {
		return fmt.Errorf("input has shape %v, want [N,C,H,W]", []int(x.Shape()))
	}
	if len(n.Outputs) > 1 && n.Outputs[1] != "" {
		return fmt.Errorf("the Indices output is not supported")
	}
	if n.Int("storage_order", 0) != 0 {
		return fmt.Errorf("storage_order 1 is not supported")
	}
	k := n.Ints("kernel_shape")
	if len(k) != 2 || k[0] < 1 || k[1] < 1 || k[0] > 1<<20 || k[1] > 1<<20 {
		return fmt.Errorf("attribute kernel_shape is %v, want two positive numbers", k)
	}
	s := x.Shape()
	g := kernel.Window{N: s[0], C: s[1], H: s[2], W: s[3], R: int(k[0]), S: int(k[1]), CeilMode: n.Int("ceil_mode", 0) != 0}
	win, err := windowOf(n, g.H, g.W, g.R, g.S)
	if err != nil {
		return err
	}
	g.StrideH, g.StrideW, g.DilationH, g.DilationW = win.strideH, win.strideW, win.dilationH, win.dilationW
	g.PadTop, g.PadLeft, g.PadBottom, g.PadRight = win.top, win.left, win.bottom, win.right
	if err := g.Complete(); err != nil {
		return err
	}
	y, err := maxPool(g, x)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

func maxPool(g kernel.Window, x *G.Node) (*G.Node, error) {
	o := op{
		name:  "MaxPool",
		instr: vm.MaxPool{G: g},
		out:   tensor.Shape{g.N, g.C, g.P, g.Q},
		eval:  func(out []float32, in [][]float32) { reference.MaxPool(g, out, in[0]) },
		diff:  []bool{true},
	}
	o.grad = func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
		dx, err := apply(op{
			name:  "MaxPoolGrad",
			instr: vm.MaxPoolGrad{G: g},
			out:   in[0].Shape().Clone(),
			eval:  func(out []float32, in [][]float32) { reference.MaxPoolGrad(g, out, in[0], in[1]) },
		}, in[0], dy)
		return G.Nodes{dx}, err
	}
	return apply(o, x)
}

// lowerGlobalAveragePool: ONNX GlobalAveragePool.
func lowerGlobalAveragePool(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	y, err := globalAveragePool(x, true)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

// lowerAveragePool: ONNX AveragePool whose window is the whole image, which is how
// some models (avg_pool2d of a known size) write a global average pool.
func lowerAveragePool(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	s, k := x.Shape(), n.Ints("kernel_shape")
	if s.Dims() != 4 || len(k) != 2 {
		return fmt.Errorf("input %v with attribute kernel_shape %v: want two spatial dimensions", []int(s), k)
	}
	whole := k[0] == int64(s[2]) && k[1] == int64(s[3])
	for _, p := range n.Ints("pads") {
		whole = whole && p == 0
	}
	if !whole {
		return fmt.Errorf("a window of %v with pads %v on an image of %d×%d: only a window that is the whole image is supported", k, n.Ints("pads"), s[2], s[3])
	}
	y, err := globalAveragePool(x, true)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

// globalAveragePool averages [N,C,H,W] over its pixels, to [N,C,1,1] or [N,C].
func globalAveragePool(x *G.Node, keepDims bool) (*G.Node, error) {
	n, c, hw, err := nchw(x.Shape())
	if err != nil {
		return nil, err
	}
	out := tensor.Shape{n, c}
	if keepDims {
		out = tensor.Shape{n, c, 1, 1}
	}
	o := op{
		name:  "GlobalAveragePool",
		instr: vm.GlobalAveragePool{N: n, C: c, HW: hw},
		out:   out,
		eval:  func(out []float32, in [][]float32) { reference.GlobalAveragePool(n*c, hw, out, in[0]) },
		diff:  []bool{true},
	}
	o.grad = func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
		dx, err := apply(op{
			name:  "GlobalAveragePoolGrad",
			instr: vm.GlobalAveragePoolGrad{N: n, C: c, HW: hw},
			out:   in[0].Shape().Clone(),
			eval:  func(out []float32, in [][]float32) { reference.GlobalAveragePoolGrad(n*c, hw, out, in[0]) },
		}, dy)
		return G.Nodes{dx}, err
	}
	return apply(o, x)
}

// lowerReduceMean: ONNX ReduceMean over the pixels of [N,C,H,W], which is how some
// exporters write a global average pool. Axes are an attribute up to opset 17 and
// an input from 18.
func lowerReduceMean(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	axes := n.Ints("axes")
	if n.Input(1) != "" {
		if axes, err = b.ints(n, 1); err != nil {
			return err
		}
	}
	if x.Shape().Dims() != 4 || !isPixels(axes) {
		return fmt.Errorf("mean of %v over axes %v: only the mean over both spatial axes of [N,C,H,W] is supported", []int(x.Shape()), axes)
	}
	y, err := globalAveragePool(x, n.Int("keepdims", 1) != 0)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

func isPixels(axes []int64) bool {
	var seen [4]bool
	for _, a := range axes {
		if a < 0 {
			a += 4
		}
		if a < 0 || a > 3 || seen[a] {
			return false
		}
		seen[a] = true
	}
	return seen == [4]bool{false, false, true, true}
}
