package graph

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/vm"
)

// InfoNCE adds the paper's loss (arXiv 2110.09348, section 6.2; symmetric, with
// cross-view negatives only): rows of z [2N,D] are L2-normalised, rows 0…N−1 being
// view 1 and the others view 2. The result is a scalar.
func InfoNCE(z *G.Node, temperature float64) (*G.Node, error) {
	n, d, err := viewPairs(z, temperature)
	if err != nil {
		return nil, err
	}
	return contrastive(z, "InfoNCE", vm.InfoNCE{N: n, D: d, Temperature: temperature}, vm.InfoNCEGrad{N: n, D: d, Temperature: temperature},
		func(z []float32) float64 { return reference.InfoNCE(n, d, temperature, z) },
		func(dz, z []float32, up float64) { reference.InfoNCEGrad(n, d, temperature, dz, z, up) })
}

// NTXent adds SimCLR's loss (arXiv 2002.05709, equation 1): every other row of z
// [2N,D] but the positive is a negative, 2N−2 of them.
func NTXent(z *G.Node, temperature float64) (*G.Node, error) {
	n, d, err := viewPairs(z, temperature)
	if err != nil {
		return nil, err
	}
	return contrastive(z, "NTXent", vm.NTXent{N: n, D: d, Temperature: temperature}, vm.NTXentGrad{N: n, D: d, Temperature: temperature},
		func(z []float32) float64 { return reference.NTXent(n, d, temperature, z) },
		func(dz, z []float32, up float64) { reference.NTXentGrad(n, d, temperature, dz, z, up) })
}

func contrastive(z *G.Node, name string, forward, backward vm.Instr, loss func(z []float32) float64, grad func(dz, z []float32, up float64)) (*G.Node, error) {
	return apply(op{
		name:  name,
		instr: forward,
		eval:  func(out []float32, in [][]float32) { out[0] = float32(loss(in[0])) },
		diff:  []bool{true},
		grad: func(in G.Nodes, _, dloss *G.Node) (G.Nodes, error) {
			dz, err := apply(op{
				name:  name + "Grad",
				instr: backward,
				out:   in[0].Shape().Clone(),
				eval:  func(out []float32, in [][]float32) { grad(out, in[0], float64(in[1][0])) },
			}, in[0], dloss)
			return G.Nodes{dz}, err
		},
	}, z)
}

func viewPairs(z *G.Node, temperature float64) (n, d int, err error) {
	s := z.Shape()
	if !(temperature > 0) {
		return 0, 0, fmt.Errorf("temperature is %g, want a positive number", temperature)
	}
	if s.Dims() != 2 || s[0]%2 != 0 || s[0] == 0 {
		return 0, 0, fmt.Errorf("embedding has shape %v, want two views of N rows, [2N,D]", []int(s))
	}
	return s[0] / 2, s[1], nil
}
