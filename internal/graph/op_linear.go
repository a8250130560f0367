package graph

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/vm"
)

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
