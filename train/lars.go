package train

import (
	"math"

	"onnxclr/importer/weights"
	"onnxclr/internal/kernel"
)

// LARS is layer-wise adaptive rate scaling (arXiv:1708.03888). For a parameter p
// with gradient g and moving sum m, at first 0,
//
//	d = g + weight_decay·p
//	m ← momentum·m + q·d
//	p ← p − lr·m
//
// What is called LARS differs in q and more; Variant names the code whose LARS it is:
//
//   - directclr, the published code of arXiv:2110.09348: q = η·‖p‖/‖d‖, and 1 where a
//     norm is 0.
//   - google, of SimCLR (arXiv:2002.05709): the same q, but the learning rate is in the
//     moving sum: m ← momentum·m + lr·q·d, p ← p − m. A changing rate therefore acts
//     later.
//   - bolts, of Lightning Bolts and lightly: q = η·‖p‖/(‖g‖ + weight_decay·‖p‖ + 1e-8);
//     where a norm is 0, d = g and q = 1. What is not decayed is not scaled either.
//   - solo-learn: as bolts, but q is then divided by lr and cut at 1 (its clip_lr), and
//     what is not decayed is scaled.
//
// Parameters that Rules exclude (biases, γ and β of normalisations) have q = 1 and the
// same lr.
type LARS struct {
	Pool     *kernel.Pool // runs the steps; nil: the caller's goroutine alone
	Variant  string
	Momentum float64
	Eta      float64
	Rules

	m sums
}

// larsEpsilon is the one of bolts and solo-learn, which neither of them changes.
const larsEpsilon = 1e-8

// Step implements Optimizer.
func (o *LARS) Step(params []Param, grads [][]float32, lr, scale float64) {
	o.m.start(momentumSum, params, &o.Rules)
	o.Pool = poolOr(o.Pool)
	for i, p := range params {
		rule := o.m.rules[i]
		lr := lr * rule.factor
		q, decay := 1.0, rule.decay
		if rule.adapt {
			q, decay = o.trust(p.Value, grads[i], lr, scale, decay)
		}
		step := kernel.Momentum{LR: lr, Momentum: o.Momentum, Scale: q * scale, Decay: q * decay}
		if o.Variant == "google" {
			step.LR, step.Scale, step.Decay = 1, lr*step.Scale, lr*step.Decay
		}
		kernel.MomentumStep(o.Pool, p.Value, grads[i], o.m.buffer[0][i], step)
	}
}

// trust returns q and the weight decay to use.
func (o *LARS) trust(p, grad []float32, lr, scale, decay float64) (q, used float64) {
	if o.Variant == "bolts" || o.Variant == "solo-learn" {
		if decay == 0 && o.Variant == "bolts" {
			return 1, 0
		}
		pp, gg := kernel.LARSNorms(o.Pool, p, grad, 0)
		if pp == 0 || gg == 0 {
			return 1, 0
		}
		pp, gg = math.Sqrt(pp), scale*math.Sqrt(gg)
		q = o.Eta * pp / (gg + decay*pp + larsEpsilon)
		if o.Variant == "solo-learn" {
			q = min(q/lr, 1) // +Inf/0 too is cut
		}
		return q, decay
	}
	// ‖scale·g + decay·p‖ = scale·‖g + decay/scale·p‖
	pp, dd := kernel.LARSNorms(o.Pool, p, grad, decay/scale)
	if pp == 0 || dd == 0 {
		return 1, decay
	}
	return o.Eta * math.Sqrt(pp) / (scale * math.Sqrt(dd)), decay
}

// State implements Optimizer: NAME.momentum for every parameter.
func (o *LARS) State() []*weights.Tensor { return o.m.state(momentumSum) }

// SetState implements Optimizer.
func (o *LARS) SetState(params []Param, state []*weights.Tensor) error {
	return o.m.setState(momentumSum, params, state)
}
