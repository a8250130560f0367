package graph

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/vm"
)

// lowerSoftmax: ONNX Softmax and LogSoftmax. From opset 13 on they normalise along one
// axis, the last by default; before, all axes from axis on (1 by default) as if they
// were one.
func lowerSoftmax(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	s, flattens := x.Shape(), b.model.Opset("") < 13
	def := int64(-1)
	if flattens {
		def = 1
	}
	a := n.Int("axis", def)
	if a < -int64(len(s)) || a >= int64(len(s)) {
		return fmt.Errorf("axis %d of a tensor of %d dimensions", a, len(s))
	}
	axis := (int(a) + len(s)) % len(s)
	outer, inner := 1, 1
	for _, d := range s[:axis] {
		outer *= d
	}
	if !flattens {
		for _, d := range s[axis+1:] {
			inner *= d
		}
	}
	y, err := softmax(outer, s.TotalSize()/outer/inner, inner, n.OpType == "LogSoftmax", x)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

// softmax normalises x, seen as [outer,n,inner], along n.
func softmax(outer, n, inner int, log bool, x *G.Node) (*G.Node, error) {
	name := "Softmax"
	if log {
		name = "LogSoftmax"
	}
	var forward, backward vm.Instr
	if inner == 1 {
		forward, backward = vm.Softmax{Rows: outer, N: n, Log: log}, vm.SoftmaxGrad{Rows: outer, N: n, Log: log}
	}
	return apply(op{
		name:  name,
		instr: forward,
		out:   x.Shape().Clone(),
		eval:  func(y []float32, in [][]float32) { reference.Softmax(outer, n, inner, log, y, in[0]) },
		diff:  []bool{true},
		grad: func(_ G.Nodes, y, dy *G.Node) (G.Nodes, error) {
			dx, err := apply(op{
				name:  name + "Grad",
				instr: backward,
				out:   y.Shape().Clone(),
				eval: func(dx []float32, in [][]float32) {
					reference.SoftmaxGrad(outer, n, inner, log, dx, in[0], in[1])
				},
			}, y, dy)
			return G.Nodes{dx}, err
		},
	}, x)
}
