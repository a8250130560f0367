package graph

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/vm"
)

// lowerReshape: every operator that only renames the axes (Flatten, Reshape,
// Squeeze, Unsqueeze). The result's shape was inferred at import.
func lowerReshape(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	out, err := b.result(n, 0)
	if err != nil {
		return err
	}
	if out.TotalSize() != x.Shape().TotalSize() {
		return fmt.Errorf("cannot reshape %v to %v", []int(x.Shape()), []int(out))
	}
	y, err := reshape(x, out)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

func reshape(x *G.Node, out tensor.Shape) (*G.Node, error) {
	return apply(op{
		name:  "Reshape",
		instr: vm.Reshape{},
		out:   out,
		eval:  func(out []float32, in [][]float32) { copy(out, in[0]) },
		diff:  []bool{true},
		grad: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			dx, err := reshape(dy, in[0].Shape().Clone())
			return G.Nodes{dx}, err
		},
	}, x)
}

// lowerIdentity: ONNX Identity renames a tensor.
func lowerIdentity(b *builder, n *onnx.Node) error {
	b.alias(n.Outputs[0], n.Input(0))
	return nil
}

// lowerCast: ONNX Cast and CastLike between floating-point types. Everything the graph
// computes is float32, so that they do nothing; a parameter that is cast stays one.
func lowerCast(b *builder, n *onnx.Node) error {
	if n.OpType == "Cast" {
		if to := int32(n.Int("to", 0)); !onnx.DType(to).IsFloat() {
			return fmt.Errorf("it casts to %s what is not known before the graph runs; only floats are computed", onnx.ElemTypeName(to))
		}
	}
	if b.weights.Values(b.resolve(n.Input(0))) != nil {
		return lowerIdentity(b, n)
	}
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], x)
	return nil
}

// lowerSlice: ONNX Slice. Columns from:to of a matrix are DirectCLR's sub-vector.
func lowerSlice(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	out, err := b.result(n, 0)
	if err != nil {
		return err
	}
	s := x.Shape()
	m, _, err := sliceMap(b, n, s, out)
	if err != nil {
		return err
	}
	var y *G.Node
	switch axis, from := singleCut(s, out, m); {
	case axis == 1 && len(s) == 2:
		y, err = sliceColumns(x, from, from+out[1])
	case axis >= 0:
		y, err = sliceAxis(x, axis, from, from+out[axis])
	default:
		y, err = move("Slice", m, out, x, nil)
	}
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

// singleCut returns the one axis of which a Slice takes a part, in steps of 1, and where
// it starts; −1 if it is another kind.
func singleCut(s, out tensor.Shape, m reference.Map) (axis, from int) {
	axis = -1
	whole := identityMap(s)
	for k := range s {
		if slices.Equal(m.Offset[k], whole.Offset[k]) {
			continue
		}
		at := slices.Index(whole.Offset[k], m.Offset[k][0])
		if axis >= 0 || at+out[k] > s[k] || !slices.Equal(m.Offset[k], whole.Offset[k][at:at+out[k]]) {
			return -1, 0
		}
		axis, from = k, at
	}
	return axis, from
}

// sliceColumns takes columns from:to of a matrix. The gradient outside is zero.
func sliceColumns(x *G.Node, from, to int) (*G.Node, error) {
	rows, cols := x.Shape()[0], x.Shape()[1]
	return apply(op{
		name:  "Slice",
		instr: vm.SliceColumns{Rows: rows, Cols: cols, From: from, To: to},
		out:   tensor.Shape{rows, to - from},
		eval:  func(out []float32, in [][]float32) { reference.SliceColumns(rows, cols, from, to, out, in[0]) },
		diff:  []bool{true},
		grad: func(_ G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			dx, err := apply(op{
				name:  "SliceGrad",
				instr: vm.SliceColumnsGrad{Rows: rows, Cols: cols, From: from, To: to},
				out:   tensor.Shape{rows, cols},
				eval:  func(out []float32, in [][]float32) { reference.SliceColumnsGrad(rows, cols, from, to, out, in[0]) },
			}, dy)
			return G.Nodes{dx}, err
		},
	}, x)
}
