package graph

import (
	"fmt"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
)

// Dropout is a Dropout that drops in training: its input is multiplied by Mask, whose
// elements are 0 with the probability Ratio, else 1/(1−Ratio). Drop draws them; before,
// all are 1.
type Dropout struct {
	Name  string
	Ratio float64
	Mask  []float32

	node *G.Node
}

// Drop draws the masks of one step, that of the i-th Dropout from random(i).
func (p *Program) Drop(random func(i int) *rand.Rand) {
	for i, d := range p.Dropouts {
		r, kept := random(i), float32(1/(1-d.Ratio))
		for k := range d.Mask {
			d.Mask[k] = 0
			if r.Float64() >= d.Ratio {
				d.Mask[k] = kept
			}
		}
	}
}

// lowerDropout: ONNX Dropout. In inference it does nothing; in training it drops where
// the model says so: from opset 12 on by training_mode, before by being there at all,
// since PyTorch leaves it out of what it exports for inference.
func lowerDropout(b *builder, n *onnx.Node) error {
	ratio, err := b.dropped(n)
	if err != nil {
		return err
	}
	if ratio == 0 {
		return lowerIdentity(b, n)
	}
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	s := x.Shape().Clone()
	d := &Dropout{Name: label(n), Ratio: ratio, Mask: make([]float32, s.TotalSize())}
	for i := range d.Mask {
		d.Mask[i] = 1
	}
	d.node = b.leaf(fmt.Sprintf("mask of %s", label(n)), tensor.New(tensor.WithShape(s...), tensor.WithBacking(d.Mask)))
	y, err := pairwises["Mul"].apply("Mul", x, d.node)
	if err != nil {
		return err
	}
	b.program.Dropouts = append(b.program.Dropouts, d)
	b.set(n.Outputs[0], y)
	return nil
}

// dropped is the share of its input that a Dropout drops, 0 if it does nothing.
func (b *builder) dropped(n *onnx.Node) (float64, error) {
	if !b.opts.Train {
		return 0, nil
	}
	ratio := decimal(n, "ratio", 0.5)
	if b.model.Opset("") >= 12 {
		if n.Input(2) == "" {
			return 0, nil
		}
		on, err := b.ints(n, 2)
		if err != nil {
			return 0, err
		}
		if len(on) != 1 || on[0] == 0 {
			return 0, nil
		}
		if n.Input(1) != "" {
			v, err := b.floats(n, 1)
			if err != nil {
				return 0, err
			}
			if len(v) != 1 {
				return 0, fmt.Errorf("input 1 %q has %d elements, want a scalar", n.Input(1), len(v))
			}
			ratio = float64(v[0])
		}
	}
	if !(ratio >= 0 && ratio < 1) {
		return 0, fmt.Errorf("it drops a share of %g, want at least 0 and less than 1", ratio)
	}
	return ratio, nil
}
