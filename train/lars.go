package train

import (
	"math"

	"onnxclr/importer/weights"
	"onnxclr/internal/kernel"
)

// LARS is layer-wise adaptive rate scaling (arXiv:1708.03888) in the variant of the
// published code of arXiv:2110.09348: weight decay comes first and the trust ratio
// has no epsilon. For a parameter p with gradient g and moving sum m, at first 0,
//
//	d = g + weight_decay·p
//	q = η·‖p‖/‖d‖, or 1 where a norm is 0
//	m ← momentum·m + q·d
//	p ← p − lr·m
//
// With Exclude1D, one-dimensional parameters (biases, γ and β of normalisations)
// have no weight decay and q = 1, and the same lr.
type LARS struct {
	Pool        *kernel.Pool // runs the steps; nil: the caller's goroutine alone
	Momentum    float64
	WeightDecay float64
	Eta         float64
	Exclude1D   bool

	m momentum
}

// Step implements Optimizer.
func (o *LARS) Step(params []Param, grads [][]float32, lr float64) {
	o.m.start(params)
	if o.Pool == nil {
		o.Pool = kernel.NewPool(1) // owns no goroutine
	}
	for i, p := range params {
		decay, trust := o.WeightDecay, 1.0
		if o.Exclude1D && p.is1D() {
			decay = 0
		} else if pp, dd := kernel.LARSNorms(o.Pool, p.Value, grads[i], decay); pp > 0 && dd > 0 {
			trust = o.Eta * math.Sqrt(pp) / math.Sqrt(dd)
		}
		kernel.LARSStep(o.Pool, p.Value, grads[i], o.m.buffer[i], lr, o.Momentum, decay, trust)
	}
}

// State implements Optimizer: NAME.momentum for every parameter.
func (o *LARS) State() []*weights.Tensor { return o.m.state() }

// SetState implements Optimizer.
func (o *LARS) SetState(params []Param, state []*weights.Tensor) error {
	return o.m.setState(params, state)
}
