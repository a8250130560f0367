package graph

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/vm"
)

// lowerMaxPool: ONNX MaxPool with one output. The padding counts as −∞; of equal values
// the first in row-major order wins.
func lowerMaxPool(b *builder, n *onnx.Node) error {
	if n.Output(1) != "" {
		return fmt.Errorf("the Indices output is not supported")
	}
	return lowerPool(b, n, func(w reference.Window, x *G.Node, out tensor.Shape) (*G.Node, error) {
		if len(w.In) != 2 {
			return maxPoolAny(w, out, x)
		}
		g, err := flatWindow(w, x.Shape(), n.Int("ceil_mode", 0) != 0)
		if err != nil {
			return nil, err
		}
		return maxPool(g, x)
	})
}

// lowerAveragePool: ONNX AveragePool. A window that is the whole image, which is how
// some models write avg_pool2d of a known size, is a global average pool.
func lowerAveragePool(b *builder, n *onnx.Node) error {
	return lowerPool(b, n, func(w reference.Window, x *G.Node, out tensor.Shape) (*G.Node, error) {
		if len(w.In) == 2 && slices.Equal(w.Kernel, w.In) && !slices.ContainsFunc(slices.Concat(w.Before, w.After), func(p int) bool { return p != 0 }) {
			return globalAveragePool(x, true)
		}
		return averagePool(w, n.Int("count_include_pad", 0) != 0, out, x)
	})
}

// lowerPool reads the window of a pool and calls pool with it. With one spatial axis it
// is given an image of height 1.
func lowerPool(b *builder, n *onnx.Node, pool func(w reference.Window, x *G.Node, out tensor.Shape) (*G.Node, error)) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	out, err := b.result(n, 0)
	if err != nil {
		return err
	}
	s, k := x.Shape(), n.Ints("kernel_shape")
	if s.Dims() < 3 || len(k) != s.Dims()-2 {
		return fmt.Errorf("input %v with attribute kernel_shape %v: want [N,C,…] and a size for each spatial axis", []int(s), k)
	}
	size := make([]int, len(k))
	for i, v := range k {
		if v < 1 || v > 1<<20 {
			return fmt.Errorf("attribute kernel_shape is %v, want positive numbers", k)
		}
		size[i] = int(v)
	}
	w, err := windowOf(n, s[2:], size, out[2:])
	if err != nil {
		return err
	}
	wide := out
	if len(size) == 1 {
		if x, err = reshape(x, heighten(s)); err != nil {
			return err
		}
		w, wide = flatten(w), heighten(out)
	}
	y, err := pool(w, x, wide)
	if err == nil && len(size) == 1 {
		y, err = reshape(y, out)
	}
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

// heighten makes a signal [N,C,L] an image [N,C,1,L].
func heighten(s tensor.Shape) tensor.Shape { return tensor.Shape{s[0], s[1], 1, s[2]} }

// flatWindow is w as the kernels for images know it.
func flatWindow(w reference.Window, s tensor.Shape, ceil bool) (kernel.Window, error) {
	g := kernel.Window{N: s[0], C: s[1], H: w.In[0], W: w.In[1], R: w.Kernel[0], S: w.Kernel[1], CeilMode: ceil,
		StrideH: w.Stride[0], StrideW: w.Stride[1], DilationH: w.Dilation[0], DilationW: w.Dilation[1],
		PadTop: w.Before[0], PadLeft: w.Before[1], PadBottom: w.After[0], PadRight: w.After[1]}
	return g, g.Complete()
}

// maxPoolAny is maxPool over other numbers of spatial axes than two.
func maxPoolAny(w reference.Window, out tensor.Shape, x *G.Node) (*G.Node, error) {
	planes := out[0] * out[1]
	return apply(op{
		name: "MaxPool",
		out:  out,
		eval: func(y []float32, in [][]float32) { reference.MaxPoolAny(w, planes, y, nil, in[0]) },
		diff: []bool{true},
		grad: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			dx, err := apply(op{
				name: "MaxPoolGrad",
				out:  in[0].Shape().Clone(),
				eval: func(dx []float32, in [][]float32) { reference.MaxPoolAnyGrad(w, planes, dx, in[0], in[1]) },
			}, in[0], dy)
			return G.Nodes{dx}, err
		},
	}, x)
}

// averagePool is the mean over every window, with pad the padding counting as zeros.
func averagePool(w reference.Window, pad bool, out tensor.Shape, x *G.Node) (*G.Node, error) {
	planes := out[0] * out[1]
	var forward, backward vm.Instr
	if len(w.In) == 2 {
		g, err := flatWindow(w, x.Shape(), false)
		if err != nil {
			return nil, err
		}
		g.P, g.Q = w.Out[0], w.Out[1] // one more where ceil_mode says so
		forward, backward = vm.AveragePool{G: g, Pad: pad}, vm.AveragePoolGrad{G: g, Pad: pad}
	}
	return apply(op{
		name:  "AveragePool",
		instr: forward,
		out:   out,
		eval:  func(y []float32, in [][]float32) { reference.AveragePool(w, planes, pad, y, in[0]) },
		diff:  []bool{true},
		grad: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			dx, err := apply(op{
				name:  "AveragePoolGrad",
				instr: backward,
				out:   in[0].Shape().Clone(),
				eval:  func(dx []float32, in [][]float32) { reference.AveragePoolGrad(w, planes, pad, dx, in[0]) },
			}, dy)
			return G.Nodes{dx}, err
		},
	}, x)
}

// lowerGlobalMaxPool: ONNX GlobalMaxPool.
func lowerGlobalMaxPool(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	out, err := b.result(n, 0)
	if err != nil {
		return err
	}
	images, c, hw, err := nchw(x.Shape())
	if err != nil {
		return err
	}
	if x, err = reshape(x, tensor.Shape{images, c, 1, hw}); err != nil {
		return err
	}
	g := kernel.Window{N: images, C: c, H: 1, W: hw, R: 1, S: hw, StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1}
	if err := g.Complete(); err != nil {
		return err
	}
	y, err := maxPool(g, x)
	if err == nil && len(out) != 4 {
		y, err = reshape(y, out)
	}
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

// globalAveragePool averages [N,C,…] over its pixels, to [N,C,1…] or [N,C].
func globalAveragePool(x *G.Node, keepDims bool) (*G.Node, error) {
	n, c, hw, err := nchw(x.Shape())
	if err != nil {
		return nil, err
	}
	out := tensor.Shape{n, c}
	if keepDims {
		for range x.Shape()[2:] {
			out = append(out, 1)
		}
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
