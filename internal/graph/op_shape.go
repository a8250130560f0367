package graph

import (
	"fmt"

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
	shape, ok := b.shapes[n.Outputs[0]]
	if err := b.problems[n.Outputs[0]]; err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("the shape of output %q is not known before the graph runs", n.Outputs[0])
	}
	out := tensor.Shape(shape).Clone()
	if out.TotalSize() != x.Shape().TotalSize() {
		return fmt.Errorf("cannot reshape %v to %v", []int(x.Shape()), shape)
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

// lowerDropout: ONNX Dropout where it does nothing, that is in inference and below
// opset 12. One that would drop in training is refused, not ignored.
func lowerDropout(b *builder, n *onnx.Node) error {
	if b.opts.Train && n.Input(2) != "" {
		on, err := b.ints(n, 2)
		if err != nil {
			return err
		}
		ratio := []float32{0.5} // ONNX's default
		if t := b.consts[b.resolve(n.Input(1))]; t != nil {
			if ratio, err = t.Float32s(); err != nil {
				return err
			}
		} else if v := b.weights.Values(b.resolve(n.Input(1))); v != nil {
			ratio = v
		}
		if len(on) == 1 && on[0] != 0 && len(ratio) == 1 && ratio[0] != 0 {
			return fmt.Errorf("it drops a share of %g of its input in training; only models without active dropout can be trained", ratio[0])
		}
	}
	return lowerIdentity(b, n)
}

// lowerSlice: ONNX Slice of columns from:to of a matrix, step 1: DirectCLR's
// sub-vector. The gradient outside is zero.
func lowerSlice(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	var arg [4][]int64 // starts, ends, axes, steps
	for i := range arg {
		if n.Input(i+1) == "" {
			continue
		}
		if arg[i], err = b.ints(n, i+1); err != nil {
			return err
		}
	}
	starts, ends, axes, steps := arg[0], arg[1], arg[2], arg[3]
	if axes == nil && len(starts) == 1 {
		axes = []int64{0}
	}
	if x.Shape().Dims() != 2 || len(starts) != 1 || len(ends) != 1 || len(axes) != 1 || (axes[0] != 1 && axes[0] != -1) || (steps != nil && (len(steps) != 1 || steps[0] != 1)) {
		return fmt.Errorf("slice of %v, starts %v, ends %v, axes %v, steps %v: only a range of columns of a matrix is supported", []int(x.Shape()), starts, ends, axes, steps)
	}
	rows, cols := x.Shape()[0], x.Shape()[1]
	clamp := func(v int64) int {
		if v < 0 {
			v += int64(cols)
		}
		return int(min(max(v, 0), int64(cols)))
	}
	from, to := clamp(starts[0]), clamp(ends[0])
	if from >= to {
		return fmt.Errorf("columns %d to %d of %d are empty", starts[0], ends[0], cols)
	}
	y, err := apply(op{
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
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}
