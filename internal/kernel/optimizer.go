package kernel

// SGDStep takes one step of stochastic gradient descent with momentum in one pass:
//
//	g = grad + decay·w   velocity = momentum·velocity + g
//	w −= lr·velocity, or with nesterov lr·(g + momentum·velocity)
//
// All have equal length; velocity starts as zeros. Source: torch.optim.SGD.
func SGDStep(p *Pool, w, grad, velocity []float32, lr, momentum, decay float64, nesterov bool) {
	s := stepScalars{lr: float32(lr), momentum: float32(momentum), decay: float32(decay), trust: 1, look: 1}
	if nesterov {
		s.keep, s.look = 1, float32(momentum)
	}
	momentumStep(p, "SGDStep", w, grad, velocity, s)
}

// LARSStep takes one step of layer-wise adaptive rate scaling in one pass:
//
//	g = trust·(grad + decay·w)   velocity = momentum·velocity + g   w −= lr·velocity
//
// trust is eta·‖w‖/‖grad + decay·w‖ of the norms that LARSNorms gives, and 1 where
// one of them is 0. All have equal length; velocity starts as zeros. Source:
// arXiv:1708.03888, as in the published code of arXiv:2110.09348.
func LARSStep(p *Pool, w, grad, velocity []float32, lr, momentum, decay, trust float64) {
	momentumStep(p, "LARSStep", w, grad, velocity, stepScalars{
		lr: float32(lr), momentum: float32(momentum), decay: float32(decay), trust: float32(trust), look: 1})
}

func momentumStep(p *Pool, op string, w, grad, velocity []float32, s stepScalars) {
	mustLen(op, "grad", len(grad), len(w))
	mustLen(op, "velocity", len(velocity), len(w))
	p.sweep(flatArgs{n: len(w), y: w, a: grad, b: velocity, step: s}, func(p *Pool, task int, _ *worker) {
		f := &p.flat
		i, n := f.span(task)
		p.m.step(&f.y[i], &f.a[i], &f.b[i], n, &f.step)
	})
}

// SumSquares returns Σ x², accumulated in float64.
func SumSquares(p *Pool, x []float32) float64 {
	sum, _ := sumSquares(p, x, nil, 0)
	return sum
}

// LARSNorms returns Σ w² and Σ (grad + decay·w)², accumulated in float64, in one
// pass. grad and w have equal length.
func LARSNorms(p *Pool, w, grad []float32, decay float64) (weight, gradient float64) {
	mustLen("LARSNorms", "grad", len(grad), len(w))
	return sumSquares(p, w, grad, decay)
}

func sumSquares(p *Pool, w, grad []float32, decay float64) (ww, gg float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	chunks := ceilDiv(len(w), flatChunk)
	sums := p.partials(2 * chunks)
	p.flat = flatArgs{n: len(w), a: w, b: grad, step: stepScalars{decay: float32(decay)}}
	p.dispatch(chunks, func(p *Pool, task int, _ *worker) {
		f := &p.flat
		i, n := f.span(task)
		var grad *float32
		if f.b != nil {
			grad = &f.b[i]
		}
		p.partial[2*task], p.partial[2*task+1] = p.m.squares(&f.a[i], grad, n, f.step.decay)
	})
	p.flat = flatArgs{}
	for i := range chunks {
		ww += sums[2*i]
		gg += sums[2*i+1]
	}
	return ww, gg
}
