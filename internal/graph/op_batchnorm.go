package graph

import (
	"fmt"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/vm"
)

// lowerBatchNormalization: ONNX BatchNormalization in any of its forms (inference
// form, 5 outputs up to opset 13, training_mode from opset 14). Which statistics
// are used depends on what the program is built for, not on the form, with one
// exception: in training, nodes in inference form beside others in training form were
// frozen by whoever exported the model, and stay so; and those whose γ is frozen by
// Options are.
//
// In training the statistics are a node of their own, [groups,2,C], so that
// nothing is hidden in an operator: BatchStats → BatchNorm forward, GradSums →
// GradInput backward. PyTorch's momentum is one minus ONNX's.
func lowerBatchNormalization(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	_, c, _, err := nchw(x.Shape())
	if err != nil {
		return err
	}
	var in [5]*G.Node // x, γ, β, running mean, running variance
	for i := 1; i < 5; i++ {
		if b.weights.arrays[b.resolve(n.Input(i))] != nil && i > 2 {
			in[i] = b.buffer(b.resolve(n.Input(i)))
		} else if in[i], err = b.param(n, i); err != nil {
			return err
		}
		if s := in[i].Shape(); s.Dims() != 1 || s[0] != c {
			return fmt.Errorf("input %d %q has shape %v, want [%d]", i, n.Input(i), []int(s), c)
		}
	}
	eps := decimal(n, "epsilon", 1e-5)
	if !(eps >= 0) {
		return fmt.Errorf("attribute epsilon is %g, want at least 0", eps)
	}
	train := b.opts.Train && (!b.mixed || trains(n, b.model.Opset(""))) && !b.opts.frozen(b.resolve(n.Input(1)))
	var stats *G.Node
	if train {
		stats, err = b.trainedStats(n, x)
	} else {
		stats, err = stackStats(in[3], in[4])
	}
	if err != nil {
		return err
	}
	y, err := batchNorm(eps, train, x, stats, in[1], in[2])
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

// trains reports whether a BatchNormalization is in training form.
func trains(n *onnx.Node, opset int64) bool {
	if opset >= 14 {
		return n.Int("training_mode", 0) != 0
	}
	return slices.ContainsFunc(n.Outputs[1:], func(name string) bool { return name != "" })
}

// trainedStats adds the batch statistics of x and records the normalisation.
func (b *builder) trainedStats(n *onnx.Node, x *G.Node) (*G.Node, error) {
	images, _, hw, err := nchw(x.Shape())
	if err != nil {
		return nil, err
	}
	count := images / b.opts.Views * hw
	if count < 2 {
		return nil, fmt.Errorf("input %v has one value a channel in each of %d views: it has no variance to normalise by; use a larger batch or image", []int(x.Shape()), b.opts.Views)
	}
	for i := 3; i < 5; i++ {
		if _, _, err := b.initializer(n, i); err != nil {
			return nil, err
		}
	}
	momentum := 1 - decimal(n, "momentum", 0.9)
	if !(momentum >= 0 && momentum <= 1) {
		return nil, fmt.Errorf("attribute momentum is %g, want 0 to 1", n.Float("momentum", 0.9))
	}
	stats, err := batchStats(b.opts.Views, x)
	if err != nil {
		return nil, err
	}
	name := b.resolve(n.Input(1))
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		name = name[:dot]
	}
	b.program.Norms = append(b.program.Norms, &Norm{
		Name: name, Stats: stats, Momentum: momentum, Count: count,
		Mean: b.weights.Values(b.resolve(n.Input(3))), Var: b.weights.Values(b.resolve(n.Input(4))),
	})
	return stats, nil
}

// BatchStats adds the mean and the biased variance of each channel of x [N,C,H,W] over
// images and pixels, a node [1,2,C].
func BatchStats(x *G.Node) (*G.Node, error) { return batchStats(1, x) }

func batchStats(groups int, x *G.Node) (*G.Node, error) {
	n, c, hw, err := nchw(x.Shape())
	if err != nil {
		return nil, err
	}
	return apply(op{
		name:  "BatchStats",
		instr: vm.BatchStats{Groups: groups, N: n, C: c, HW: hw},
		out:   tensor.Shape{groups, 2, c},
		eval:  func(out []float32, in [][]float32) { reference.BatchStats(groups, n, c, hw, out, in[0]) },
	}, x)
}

func stackStats(mean, variance *G.Node) (*G.Node, error) {
	c := mean.Shape()[0]
	return apply(op{
		name:  "StackStats",
		instr: vm.StackStats{C: c},
		out:   tensor.Shape{1, 2, c},
		eval:  func(out []float32, in [][]float32) { copy(out, in[0]); copy(out[c:], in[1]) },
	}, mean, variance)
}

// batchNorm normalises by stats [groups,2,C]. When batch is set the statistics
// are those of x itself, and the gradient goes through them; otherwise they are
// constants.
func batchNorm(eps float64, batch bool, x, stats, gamma, beta *G.Node) (*G.Node, error) {
	n, c, hw, err := nchw(x.Shape())
	if err != nil {
		return nil, err
	}
	groups := stats.Shape()[0]
	o := op{
		name:  "BatchNormalization",
		instr: vm.BatchNorm{Groups: groups, N: n, C: c, HW: hw, Eps: eps},
		out:   x.Shape().Clone(),
		eval: func(out []float32, in [][]float32) {
			reference.BatchNorm(groups, n, c, hw, eps, out, in[0], in[1], in[2], in[3])
		},
		diff: []bool{true, false, true, true},
	}
	o.grad = func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
		x, stats, gamma := in[0], in[1], in[2]
		sums, err := apply(op{
			name:  "BatchNormGradSums",
			instr: vm.BatchNormGradSums{Groups: groups, N: n, C: c, HW: hw, Eps: eps},
			out:   tensor.Shape{groups, 2, c},
			eval: func(out []float32, in [][]float32) {
				reference.BatchNormGradSums(groups, n, c, hw, eps, out, in[0], in[1], in[2])
			},
		}, x, stats, dy)
		if err != nil {
			return nil, err
		}
		var dx *G.Node
		if batch {
			dx, err = apply(op{
				name:  "BatchNormGradInput",
				instr: vm.BatchNormGradInput{Groups: groups, N: n, C: c, HW: hw, Eps: eps},
				out:   x.Shape().Clone(),
				eval: func(out []float32, in [][]float32) {
					reference.BatchNormGradInput(groups, n, c, hw, eps, out, in[0], in[1], in[2], in[3], in[4])
				},
			}, x, stats, gamma, dy, sums)
		} else {
			dx, err = apply(op{
				name:  "FrozenBatchNormGradInput",
				instr: vm.FrozenBatchNormGradInput{N: n, C: c, HW: hw, Eps: eps},
				out:   x.Shape().Clone(),
				eval: func(out []float32, in [][]float32) {
					reference.FrozenBatchNormGradInput(n, c, hw, eps, out, in[0], in[1], in[2])
				},
			}, stats, gamma, dy)
		}
		if err != nil {
			return nil, err
		}
		dgamma, err := groupSum(sums, 1)
		if err != nil {
			return nil, err
		}
		dbeta, err := groupSum(sums, 0)
		if err != nil {
			return nil, err
		}
		return G.Nodes{dx, nil, dgamma, dbeta}, nil
	}
	return apply(o, x, stats, gamma, beta)
}

// groupSum adds one row of per-group sums [groups,2,C] over the groups.
func groupSum(sums *G.Node, row int) (*G.Node, error) {
	groups, c := sums.Shape()[0], sums.Shape()[2]
	return apply(op{
		name:  "GroupSum",
		instr: vm.GroupSum{Groups: groups, C: c, Row: row},
		out:   tensor.Shape{c},
		eval:  func(out []float32, in [][]float32) { reference.GroupSum(groups, c, row, out, in[0]) },
	}, sums)
}
