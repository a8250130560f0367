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
// Rules with Exclude1D leave one-dimensional parameters without weight decay, which
// torch.optim.SGD does only through parameter groups.
type SGD struct {
	Pool     *kernel.Pool // runs the steps; nil: the caller's goroutine alone
	Momentum float64
	Nesterov bool
	Rules

	m sums
}

// momentumSum names the moving sum of SGD and LARS.
var momentumSum = []string{"momentum"}

// Step implements Optimizer.
func (o *SGD) Step(params []Param, grads [][]float32, lr, scale float64) {
	o.m.start(momentumSum, params, &o.Rules)
	o.Pool = poolOr(o.Pool)
	for i, p := range params {
		rule := o.m.rules[i]
		kernel.MomentumStep(o.Pool, p.Value, grads[i], o.m.buffer[0][i], kernel.Momentum{
			LR: lr * rule.factor, Momentum: o.Momentum, Scale: scale, Decay: rule.decay, Nesterov: o.Nesterov})
	}
}

// State implements Optimizer: NAME.momentum for every parameter.
func (o *SGD) State() []*weights.Tensor { return o.m.state(momentumSum) }

// SetState implements Optimizer.
func (o *SGD) SetState(params []Param, state []*weights.Tensor) error {
	return o.m.setState(momentumSum, params, state)
}
