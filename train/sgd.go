package train

import "onnxclr/importer/weights"

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
	Momentum    float64
	Nesterov    bool
	WeightDecay float64
	Exclude1D   bool

	m momentum
}

// Step implements Optimizer.
func (o *SGD) Step(params []Param, grads [][]float32, lr float64) {
	o.m.start(params)
	parallel(len(o.m.chunks), func(k int) {
		c := o.m.chunks[k]
		wd := float32(o.WeightDecay)
		if excluded(o.Exclude1D, params[c.i]) {
			wd = 0
		}
		sgdStep(params[c.i].Value[c.lo:c.hi], grads[c.i][c.lo:c.hi], o.m.buffer[c.i][c.lo:c.hi], float32(lr), float32(o.Momentum), wd, o.Nesterov)
	})
}

// sgdStep rounds every product, so that no machine fuses it with the addition and
// all give the same bits.
func sgdStep(p, g, m []float32, lr, mu, wd float32, nesterov bool) {
	g, m = g[:len(p)], m[:len(p)]
	if nesterov {
		for i := range p {
			d := g[i] + float32(wd*p[i])
			m[i] = float32(mu*m[i]) + d
			p[i] -= float32(lr * (d + float32(mu*m[i])))
		}
		return
	}
	for i := range p {
		d := g[i] + float32(wd*p[i])
		m[i] = float32(mu*m[i]) + d
		p[i] -= float32(lr * m[i])
	}
}

// State implements Optimizer: NAME.momentum for every parameter.
func (o *SGD) State() []*weights.Tensor { return o.m.state() }

// SetState implements Optimizer.
func (o *SGD) SetState(params []Param, state []*weights.Tensor) error {
	return o.m.setState(params, state)
}
