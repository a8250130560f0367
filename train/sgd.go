package train

import (
	"onnxclr/importer/weights"
	"onnxclr/internal/kernel"
)

// SGD is stochastic gradient descent with momentum, as torch.optim.SGD without
// dampening. For a parameter p with gradient g and moving sum m, at first 0,
//
//	d = g + weight_decay·p
//	m ← momentum·m + d
//	p ← p − lr·m                  or, with Nesterov, p − lr·(d + momentum·m)
//
// Exclude1D leaves one-dimensional parameters without weight decay, which
// torch.optim.SGD does only through parameter groups.
type SGD struct {
	Pool        *kernel.Pool // runs the steps; nil: the caller's goroutine alone
	Momentum    float64
	Nesterov    bool
	WeightDecay float64
	Exclude1D   bool

	m momentum
}

// Step implements Optimizer.
func (o *SGD) Step(params []Param, grads [][]float32, lr float64) {
	o.m.start(params)
	if o.Pool == nil {
		o.Pool = kernel.NewPool(1) // owns no goroutine
	}
	for i, p := range params {
		decay := o.WeightDecay
		if o.Exclude1D && p.is1D() {
			decay = 0
		}
		kernel.SGDStep(o.Pool, p.Value, grads[i], o.m.buffer[i], lr, o.Momentum, decay, o.Nesterov)
	}
}

// State implements Optimizer: NAME.momentum for every parameter.
func (o *SGD) State() []*weights.Tensor { return o.m.state() }

// SetState implements Optimizer.
func (o *SGD) SetState(params []Param, state []*weights.Tensor) error {
	return o.m.setState(params, state)
}
