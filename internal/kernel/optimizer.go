package kernel

// Momentum is a step of stochastic gradient descent with a moving sum, velocity:
//
//	g = Scale·grad + Decay·w   velocity = Momentum·velocity + g
//	w −= LR·velocity, or with Nesterov LR·(g + Momentum·velocity)
//
// Plain and layer-wise adaptive descent differ in Scale and Decay alone. Source:
// torch.optim.SGD.
type Momentum struct {
	LR, Momentum float64
	Scale, Decay float64
	Nesterov     bool
}

// MomentumStep takes the step s in one pass. All have equal length; velocity starts
// as zeros.
func MomentumStep(p *Pool, w, grad, velocity []float32, s Momentum) {
	mustLen("MomentumStep", "grad", len(grad), len(w))
	mustLen("MomentumStep", "velocity", len(velocity), len(w))
	c := stepScalars{lr: float32(s.LR), momentum: float32(s.Momentum), scale: float32(s.Scale), decay: float32(s.Decay), look: 1}
	if s.Nesterov {
		c.keep, c.look = 1, c.momentum
	}
	p.sweep(flatArgs{n: len(w), y: w, a: grad, b: velocity, step: c}, func(p *Pool, task int, _ *worker) {
		f := &p.flat
		i, n := f.span(task)
		p.m.step(&f.y[i], &f.a[i], &f.b[i], n, &f.step)
	})
}

// SGDStep is MomentumStep of a gradient as it is, grad + decay·w.
func SGDStep(p *Pool, w, grad, velocity []float32, lr, momentum, decay float64, nesterov bool) {
	MomentumStep(p, w, grad, velocity, Momentum{LR: lr, Momentum: momentum, Scale: 1, Decay: decay, Nesterov: nesterov})
}

// Adam is a step by the moving means of the gradient and of its square:
//
//	g = Scale·grad   mean = Beta1·mean + (1−Beta1)·g   square = Beta2·square + (1−Beta2)·g²
//	w = Keep·w − Size·mean/(Root·√square + Epsilon)
//
// Keep is the decoupled weight decay; Size and Root carry the learning rate and the
// corrections of the means' bias. Source: arXiv:1711.05101, algorithm 2.
type Adam struct {
	Scale, Keep   float64
	Beta1, Beta2  float64
	Root, Epsilon float64
	Size          float64
}

// AdamStep takes the step s in one pass. All have equal length; the means start as
// zeros.
func AdamStep(p *Pool, w, grad, mean, square []float32, s Adam) {
	mustLen("AdamStep", "grad", len(grad), len(w))
	mustLen("AdamStep", "mean", len(mean), len(w))
	mustLen("AdamStep", "square", len(square), len(w))
	c := adamScalars{
		scale: float32(s.Scale), keep: float32(s.Keep),
		beta1: float32(s.Beta1), rest1: float32(1 - s.Beta1), beta2: float32(s.Beta2), rest2: float32(1 - s.Beta2),
		root: float32(s.Root), epsilon: float32(s.Epsilon), size: float32(s.Size),
	}
	p.sweep(flatArgs{n: len(w), y: w, a: grad, b: mean, mask: square, adam: c}, func(p *Pool, task int, _ *worker) {
		f := &p.flat
		i, n := f.span(task)
		p.m.adamStep(&f.y[i], &f.a[i], &f.b[i], &f.mask[i], n, &f.adam)
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
