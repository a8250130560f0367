package graph

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/vm"
)

// lowerGemm: ONNX Gemm as linear layers use it, Y = A·B' + C with alpha = beta = 1,
// A [N,In] not transposed, B [Out,In] (transB) or [In,Out], C [Out], [1,Out] or absent.
func lowerGemm(b *builder, n *onnx.Node) error {
	if n.Float("alpha", 1) != 1 || n.Input(2) != "" && n.Float("beta", 1) != 1 || n.Int("transA", 0) != 0 {
		return fmt.Errorf("only alpha 1, beta 1 and transA 0 are supported, found alpha %g, beta %g, transA %d",
			n.Float("alpha", 1), n.Float("beta", 1), n.Int("transA", 0))
	}
	return lowerLinear(b, n, n.Int("transB", 0) != 0)
}

// lowerMatMul: ONNX MatMul of [N,In] by a weight [In,Out].
func lowerMatMul(b *builder, n *onnx.Node) error { return lowerLinear(b, n, false) }

func lowerLinear(b *builder, n *onnx.Node, transposed bool) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	w, err := b.param(n, 1)
	if err != nil {
		return err
	}
	if x.Shape().Dims() != 2 || w.Shape().Dims() != 2 {
		return fmt.Errorf("input %v and weight %v: want two matrices", []int(x.Shape()), []int(w.Shape()))
	}
	if !transposed {
		if w, err = transpose(w); err != nil {
			return err
		}
	}
	if in := x.Shape()[1]; w.Shape()[1] != in {
		return fmt.Errorf("input has %d features, the weight wants %d", in, w.Shape()[1])
	}
	inputs := []*G.Node{x, w}
	if n.Input(2) != "" {
		bias, err := b.bias(n, 2, tensor.Shape{x.Shape()[0], w.Shape()[0]})
		if err != nil {
			return err
		}
		inputs = append(inputs, bias)
	}
	y, err := linear(inputs)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

// linear is x [N,In] · w [Out,In]ᵀ + bias.
func linear(inputs []*G.Node) (*G.Node, error) {
	n, in, out := inputs[0].Shape()[0], inputs[0].Shape()[1], inputs[1].Shape()[0]
	o := op{
		name:  "Gemm",
		instr: vm.Linear{N: n, In: in, Out: out},
		out:   tensor.Shape{n, out},
		eval: func(y []float32, v [][]float32) {
			var bias []float32
			if len(v) == 3 {
				bias = v[2]
			}
			reference.Linear(n, in, out, y, v[0], v[1], bias)
		},
		diff: []bool{true, true, true}[:len(inputs)],
	}
	o.grad = func(v G.Nodes, _, dy *G.Node) (G.Nodes, error) {
		dx, err := apply(op{
			name:  "GemmGradInput",
			instr: vm.LinearGradInput{N: n, In: in, Out: out},
			out:   tensor.Shape{n, in},
			eval:  func(y []float32, v [][]float32) { reference.LinearGradInput(n, in, out, y, v[0], v[1]) },
		}, v[1], dy)
		if err != nil {
			return nil, err
		}
		dw, err := apply(op{
			name:  "GemmGradWeight",
			instr: vm.LinearGradWeight{N: n, In: in, Out: out},
			out:   tensor.Shape{out, in},
			eval:  func(y []float32, v [][]float32) { reference.LinearGradWeight(n, in, out, y, v[0], v[1]) },
		}, v[0], dy)
		if err != nil {
			return nil, err
		}
		grads := G.Nodes{dx, dw}
		if len(v) == 3 {
			db, err := channelSum(dy)
			if err != nil {
				return nil, err
			}
			grads = append(grads, db)
		}
		return grads, nil
	}
	return apply(o, inputs...)
}

// transpose swaps the axes of a matrix.
func transpose(x *G.Node) (*G.Node, error) {
	rows, cols := x.Shape()[0], x.Shape()[1]
	return apply(op{
		name:  "Transpose",
		instr: vm.Transpose{Rows: rows, Cols: cols},
		out:   tensor.Shape{cols, rows},
		eval: func(out []float32, in [][]float32) {
			for i := range rows {
				for j := range cols {
					out[j*rows+i] = in[0][i*cols+j]
				}
			}
		},
		diff: []bool{true},
		grad: func(_ G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			dx, err := transpose(dy)
			return G.Nodes{dx}, err
		},
	}, x)
}
