package train

import (
	"math"

	G "gorgonia.org/gorgonia"

	"onnxclr/importer/weights"
	"onnxclr/internal/kernel"
	probes "onnxclr/train/probe"
)

// onlineProbe is a linear classifier that learns, step by step, the labels of view 1
// from its representation as training computes it (the paper's code has it as
// online_head). It has an SGD of its own; nothing goes back into the encoder.
type onlineProbe struct {
	*probes.Linear
	sgd    probes.SGD
	rows   []float32 // [N,D], of the step
	labels []int
	broken bool // it diverged and is left alone
}

// probedClasses returns the number of classes that an online probe tells apart, 0 if
// there is to be none.
func probedClasses(r *Recipe, source Source) int {
	s, ok := source.(*images)
	if !ok || r.MonitorEvery == 0 || r.ProbeLR == 0 || len(s.set.Classes()) < 2 {
		return 0
	}
	return len(s.set.Classes())
}

func newOnlineProbe(r *Recipe, node *G.Node, classes int) *onlineProbe {
	dim := node.Shape()[1]
	sgd := probes.DefaultFit.SGD
	sgd.LR = r.ProbeLR
	return &onlineProbe{Linear: probes.NewLinear(dim, classes, r.Seed), sgd: sgd, rows: make([]float32, r.Batch*dim)}
}

// take keeps the representations [2n,D] of images from … of the step, of view 1 those
// that come first.
func (o *onlineProbe) take(r []float32, from, n int) {
	if o != nil {
		copy(o.rows[from*o.Dim:][:n*o.Dim], r)
	}
}

// learn takes a step on the rows of images with labels; −1 is none.
func (o *onlineProbe) learn(p *kernel.Pool, labels []int) {
	if o == nil || o.broken {
		return
	}
	o.labels = o.labels[:0]
	for i, l := range labels {
		if l >= 0 {
			n := len(o.labels)
			copy(o.rows[n*o.Dim:][:o.Dim], o.rows[i*o.Dim:][:o.Dim])
			o.labels = append(o.labels, l)
		}
	}
	if n := len(o.labels); n > 0 {
		loss := o.Step(p, o.rows[:n*o.Dim], o.labels, o.sgd)
		o.broken = math.IsNaN(loss) || math.IsInf(loss, 0)
	}
}

// restore takes the probe's state from a checkpoint. A probe that the checkpoint does
// not have starts anew.
func (o *onlineProbe) restore(tensors []*weights.Tensor) error {
	if o == nil {
		return nil
	}
	return o.SetState(tensors)
}
