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
	return lossOp(z, "InfoNCE", vm.InfoNCE{N: n, D: d, Temperature: temperature}, vm.InfoNCEGrad{N: n, D: d, Temperature: temperature},
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
	return lossOp(z, "NTXent", vm.NTXent{N: n, D: d, Temperature: temperature}, vm.NTXentGrad{N: n, D: d, Temperature: temperature},
		func(z []float32) float64 { return reference.NTXent(n, d, temperature, z) },
		func(dz, z []float32, up float64) { reference.NTXentGrad(n, d, temperature, dz, z, up) })
}

// BarlowTwins adds the redundancy-reduction loss (arXiv:2103.03230, equations 1 and
// 2) of z [2N,D], N at least 2: lambda weighs the off-diagonal correlations of the
// two views' columns, scale multiplies the whole.
func BarlowTwins(z *G.Node, lambda, scale float64) (*G.Node, error) {
	n, d, err := viewColumns(z)
	if err != nil {
		return nil, err
	}
	if !(lambda >= 0) || !(scale > 0) {
		return nil, fmt.Errorf("lambda is %g and scale %g, want a number from 0 and a positive one", lambda, scale)
	}
	return lossOp(z, "BarlowTwins", vm.BarlowTwins{N: n, D: d, Lambda: lambda, Scale: scale}, vm.BarlowTwinsGrad{N: n, D: d, Lambda: lambda, Scale: scale},
		func(z []float32) float64 { return reference.BarlowTwins(n, d, lambda, scale, z) },
		func(dz, z []float32, up float64) { reference.BarlowTwinsGrad(n, d, lambda, scale, dz, z, up) })
}

// VICReg adds the loss of variance, invariance and covariance (arXiv:2105.04906,
// equations 1 to 6) of z [2N,D], N at least 2, with the weights of the three.
func VICReg(z *G.Node, invariance, variance, covariance float64) (*G.Node, error) {
	n, d, err := viewColumns(z)
	if err != nil {
		return nil, err
	}
	if !(invariance >= 0) || !(variance >= 0) || !(covariance >= 0) {
		return nil, fmt.Errorf("invariance, variance and covariance weigh %g, %g and %g, want numbers from 0", invariance, variance, covariance)
	}
	return lossOp(z, "VICReg",
		vm.VICReg{N: n, D: d, Invariance: invariance, Variance: variance, Covariance: covariance},
		vm.VICRegGrad{N: n, D: d, Invariance: invariance, Variance: variance, Covariance: covariance},
		func(z []float32) float64 { return reference.VICReg(n, d, invariance, variance, covariance, z) },
		func(dz, z []float32, up float64) {
			reference.VICRegGrad(n, d, invariance, variance, covariance, dz, z, up)
		})
}

// lossOp makes a scalar of z that is differentiable once.
func lossOp(z *G.Node, name string, forward, backward vm.Instr, loss func(z []float32) float64, grad func(dz, z []float32, up float64)) (*G.Node, error) {
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
	if !(temperature > 0) {
		return 0, 0, fmt.Errorf("temperature is %g, want a positive number", temperature)
	}
	return viewRows(z)
}

// viewColumns is for losses of columns, whose variance needs two rows a view.
func viewColumns(z *G.Node) (n, d int, err error) {
	if n, d, err = viewRows(z); err == nil && n < 2 {
		err = fmt.Errorf("a view has 1 row, and variances over a batch need at least 2")
	}
	return n, d, err
}

func viewRows(z *G.Node) (n, d int, err error) {
	s := z.Shape()
	if s.Dims() != 2 || s[0]%2 != 0 || s[0] == 0 {
		return 0, 0, fmt.Errorf("embedding has shape %v, want two views of N rows, [2N,D]", []int(s))
	}
	return s[0] / 2, s[1], nil
}
