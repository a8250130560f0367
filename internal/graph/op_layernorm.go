package graph

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/vm"
)

// lowerLayerNormalization: ONNX LayerNormalization over the axes from axis on. Scale
// and bias have one value for each normalised element.
func lowerLayerNormalization(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	s := x.Shape()
	axis := int(n.Int("axis", -1))
	if axis < 0 {
		axis += len(s)
	}
	size := 1
	for _, d := range s[axis:] {
		size *= d
	}
	rows, eps := s.TotalSize()/size, decimal(n, "epsilon", 1e-5)
	inputs := []*G.Node{x}
	for i := 1; i < 3 && n.Input(i) != ""; i++ {
		p, err := b.param(n, i)
		if err != nil {
			return err
		}
		if p.Shape().TotalSize() != size {
			return fmt.Errorf("input %d %q has shape %v, want %v", i, n.Input(i), []int(p.Shape()), []int(s[axis:]))
		}
		inputs = append(inputs, p)
	}
	if len(inputs) < 2 {
		return fmt.Errorf("input 1, the scale, is missing")
	}
	y, err := layerNorm(rows, size, eps, inputs)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	for i, name := range []string{1: "LayerNormMean", 2: "LayerNormInverseDeviation"} {
		if n.Output(i) == "" || i == 0 {
			continue
		}
		out, err := b.result(n, i)
		if err != nil {
			return err
		}
		moment, err := rowMoment(name, i == 2, rows, size, eps, out, x)
		if err != nil {
			return err
		}
		b.set(n.Outputs[i], moment)
	}
	return nil
}

// layerNorm normalises every row of x, seen as [rows,n]. inputs are x, γ and, if there
// is one, β.
func layerNorm(rows, n int, eps float64, inputs []*G.Node) (*G.Node, error) {
	return apply(op{
		name:  "LayerNormalization",
		instr: vm.LayerNorm{Rows: rows, N: n, Eps: eps},
		out:   inputs[0].Shape().Clone(),
		eval: func(y []float32, in [][]float32) {
			var beta []float32
			if len(in) > 2 {
				beta = in[2]
			}
			reference.LayerNorm(rows, n, eps, y, in[0], in[1], beta)
		},
		diff: []bool{true, true, true}[:len(inputs)],
		grad: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			dx, err := apply(op{
				name:  "LayerNormGradInput",
				instr: vm.LayerNormGradInput{Rows: rows, N: n, Eps: eps},
				out:   in[0].Shape().Clone(),
				eval: func(dx []float32, in [][]float32) {
					reference.LayerNormGradInput(rows, n, eps, dx, in[0], in[1], in[2])
				},
			}, in[0], in[1], dy)
			if err != nil {
				return nil, err
			}
			dgamma, err := apply(op{
				name:  "LayerNormGradScale",
				instr: vm.LayerNormGradScale{Rows: rows, N: n, Eps: eps},
				out:   in[1].Shape().Clone(),
				eval:  func(dg []float32, in [][]float32) { reference.LayerNormGradScale(rows, n, eps, dg, in[0], in[1]) },
			}, in[0], dy)
			grads := G.Nodes{dx, dgamma}
			if err != nil || len(in) < 3 {
				return grads, err
			}
			dbeta, err := rowSum(rows, n, in[2].Shape().Clone(), dy)
			return append(grads, dbeta), err
		},
	}, inputs...)
}

// rowSum adds up the rows of x, seen as [rows,n].
func rowSum(rows, n int, out tensor.Shape, x *G.Node) (*G.Node, error) {
	flat, err := reshape(x, tensor.Shape{rows, n})
	if err != nil {
		return nil, err
	}
	sum, err := sumTo(flat, tensor.Shape{n}, 1)
	if err != nil || sum.Shape().Eq(out) {
		return sum, err
	}
	return reshape(sum, out)
}

// rowMoment is the mean of every row, or 1/√(variance+eps), without gradient.
func rowMoment(name string, deviation bool, rows, n int, eps float64, out tensor.Shape, x *G.Node) (*G.Node, error) {
	return apply(op{
		name: name,
		out:  out,
		eval: func(y []float32, in [][]float32) {
			for r := range rows {
				mean, inverse := reference.RowMoments(in[0][r*n:][:n], eps)
				if deviation {
					mean = inverse
				}
				y[r] = float32(mean)
			}
		},
	}, x)
}

// lowerLRN: ONNX LRN, across channels.
func lowerLRN(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	images, c, hw, err := nchw(x.Shape())
	if err != nil {
		return err
	}
	size := int(n.Int("size", 0))
	if size < 1 {
		return fmt.Errorf("attribute size is %d, want at least 1", size)
	}
	alpha, beta, bias := decimal(n, "alpha", 1e-4), decimal(n, "beta", 0.75), decimal(n, "bias", 1)
	y, err := apply(op{
		name: "LRN",
		out:  x.Shape().Clone(),
		eval: func(y []float32, in [][]float32) { reference.LRN(images, c, hw, size, alpha, beta, bias, y, in[0]) },
		diff: []bool{true},
		grad: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			dx, err := apply(op{
				name: "LRNGrad",
				out:  in[0].Shape().Clone(),
				eval: func(dx []float32, in [][]float32) {
					reference.LRNGrad(images, c, hw, size, alpha, beta, bias, dx, in[0], in[1])
				},
			}, in[0], dy)
			return G.Nodes{dx}, err
		},
	}, x)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}
