package graph

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/vm"
)

// lowerRelu: ONNX Relu.
func lowerRelu(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	y, err := relu(x)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

func relu(x *G.Node) (*G.Node, error) {
	o := op{
		name:  "Relu",
		instr: vm.ReLU{},
		out:   x.Shape().Clone(),
		eval:  func(out []float32, in [][]float32) { reference.ReLU(out, in[0]) },
		diff:  []bool{true},
	}
	// The mask is taken from the output, so that the input need not be kept.
	o.grad = func(_ G.Nodes, y, dy *G.Node) (G.Nodes, error) {
		dx, err := apply(op{
			name:  "ReluGrad",
			instr: vm.ReLUGrad{},
			out:   y.Shape().Clone(),
			eval:  func(out []float32, in [][]float32) { reference.ReLUGrad(out, in[0], in[1]) },
		}, y, dy)
		return G.Nodes{dx}, err
	}
	return apply(o, x)
}

// lowerAdd: ONNX Add. Of equal shapes it is the residual connection; a parameter added
// along the channel axis is a bias; other operands are broadcast.
func lowerAdd(b *builder, n *onnx.Node) error {
	x, err := b.factor(n, 0)
	if err != nil {
		return err
	}
	y, err := b.factor(n, 1)
	if err != nil {
		return err
	}
	for i, v := range []*G.Node{x, y} {
		other := []*G.Node{y, x}[i]
		if b.isParam(n, i) && other.Dims() >= 2 && isChannels(v.Shape(), other.Shape()) {
			return lowerBias(b, n, 1-i, i)
		}
	}
	var sum *G.Node
	if x.Shape().Eq(y.Shape()) {
		sum, err = add(x, y)
	} else {
		sum, err = pairwises["Add"].apply("Add", x, y)
	}
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], sum)
	return nil
}

// add is x + y of equal shapes.
func add(x, y *G.Node) (*G.Node, error) {
	return apply(op{
		name:  "Add",
		instr: vm.Add{},
		out:   x.Shape().Clone(),
		eval:  func(out []float32, in [][]float32) { reference.Add(out, in[0], in[1]) },
		diff:  []bool{true, true},
		grad:  func(_ G.Nodes, _, dy *G.Node) (G.Nodes, error) { return G.Nodes{dy, dy}, nil },
	}, x, y)
}

// lowerBias adds input param, a parameter of one value a channel, to input data
// [N,C,…].
func lowerBias(b *builder, n *onnx.Node, data, param int) error {
	x, err := b.node(n, data)
	if err != nil {
		return err
	}
	images, c, hw, err := nchw(x.Shape())
	if err != nil {
		return err
	}
	bias, err := b.bias(n, param, x.Shape())
	if err != nil {
		return err
	}
	// To the machine a bias is a normalisation by mean 0 and variance 1.
	ones := make([]float32, c)
	for i := range ones {
		ones[i] = 1
	}
	unit := append(make([]float32, c), ones...)
	stats := b.constant(fmt.Sprintf("mean 0, variance 1 of %d", c), tensor.Shape{1, 2, c}, unit)
	gamma := b.constant(fmt.Sprintf("%d ones", c), tensor.Shape{c}, ones)
	y, err := apply(op{
		name:  "Add",
		instr: vm.BatchNorm{Groups: 1, N: images, C: c, HW: hw},
		out:   x.Shape().Clone(),
		eval: func(out []float32, in [][]float32) {
			reference.BatchNorm(1, images, c, hw, 0, out, in[0], in[1], in[2], in[3])
		},
		diff: []bool{true, false, false, true},
		grad: func(_ G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			db, err := channelSum(dy)
			return G.Nodes{dy, nil, nil, db}, err
		},
	}, x, stats, gamma, bias)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}
