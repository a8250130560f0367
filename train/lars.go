package train

import (
	"math"

	"onnxclr/importer/weights"
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
	Momentum    float64
	WeightDecay float64
	Eta         float64
	Exclude1D   bool

	m    momentum
	sums [][2]float64 // Σp² and Σd² of every chunk
}

// Step implements Optimizer.
func (o *LARS) Step(params []Param, grads [][]float32, lr float64) {
	o.m.start(params)
	if len(o.sums) != len(o.m.chunks) {
		o.sums = make([][2]float64, len(o.m.chunks))
	}
	wd := float32(o.WeightDecay)
	parallel(len(o.m.chunks), func(k int) {
		c := o.m.chunks[k]
		if !excluded(o.Exclude1D, params[c.i]) {
			o.sums[k] = larsSums(params[c.i].Value[c.lo:c.hi], grads[c.i][c.lo:c.hi], wd)
		}
	})
	ratio := make([]float32, len(params))
	for k := 0; k < len(o.m.chunks); {
		i := o.m.chunks[k].i
		var p2, d2 float64
		for ; k < len(o.m.chunks) && o.m.chunks[k].i == i; k++ {
			p2 += o.sums[k][0]
			d2 += o.sums[k][1]
		}
		ratio[i] = 1
		if p2 > 0 && d2 > 0 && !excluded(o.Exclude1D, params[i]) {
			ratio[i] = float32(o.Eta * math.Sqrt(p2) / math.Sqrt(d2))
		}
	}
	parallel(len(o.m.chunks), func(k int) {
		c := o.m.chunks[k]
		decay := wd
		if excluded(o.Exclude1D, params[c.i]) {
			decay = 0
		}
		larsStep(params[c.i].Value[c.lo:c.hi], grads[c.i][c.lo:c.hi], o.m.buffer[c.i][c.lo:c.hi], float32(lr), float32(o.Momentum), decay, ratio[c.i])
	})
}

// larsSums returns Σp² and Σ(g+wd·p)².
func larsSums(p, g []float32, wd float32) [2]float64 {
	g = g[:len(p)]
	var p2, d2 float64
	for i := range p {
		d := g[i] + float32(wd*p[i])
		p2 += float64(p[i]) * float64(p[i])
		d2 += float64(d) * float64(d)
	}
	return [2]float64{p2, d2}
}

// larsStep rounds every product, as sgdStep does.
func larsStep(p, g, m []float32, lr, mu, wd, q float32) {
	g, m = g[:len(p)], m[:len(p)]
	for i := range p {
		d := float32(q * (g[i] + float32(wd*p[i])))
		m[i] = float32(mu*m[i]) + d
		p[i] -= float32(lr * m[i])
	}
}

// State implements Optimizer: NAME.momentum for every parameter.
func (o *LARS) State() []*weights.Tensor { return o.m.state() }

// SetState implements Optimizer.
func (o *LARS) SetState(params []Param, state []*weights.Tensor) error {
	return o.m.setState(params, state)
}
