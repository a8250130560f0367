package kernel

import "math"

// LayerNorm writes y = γ·(x−mean)/√(variance+eps) + β with the mean and the biased
// variance of every row: y and x are [rows,n] and may be the same, gamma and beta [n],
// beta may be nil. Source: ONNX LayerNormalization (opset 17).
func LayerNorm(p *Pool, rows, n int, eps float64, y, x, gamma, beta []float32) {
	mustLen("LayerNorm", "x", len(x), rows*n)
	mustLen("LayerNorm", "y", len(y), rows*n)
	mustLen("LayerNorm", "gamma", len(gamma), n)
	p.eachRows(rows, n, func(r int) {
		x, y := x[r*n:][:n], y[r*n:][:n]
		mean, inverse := rowMoments(x, eps)
		if beta == nil {
			for i, v := range x {
				y[i] = (v - mean) * inverse * gamma[i]
			}
			return
		}
		for i, v := range x {
			y[i] = (v-mean)*inverse*gamma[i] + beta[i]
		}
	})
}

// rowMoments returns the mean of x and 1/√(variance+eps), computed in float64.
func rowMoments(x []float32, eps float64) (mean, inverse float32) {
	m := sum(x) / float64(len(x))
	var a, b float64
	i := 0
	for ; i+2 <= len(x); i += 2 {
		d, e := float64(x[i])-m, float64(x[i+1])-m
		a += d * d
		b += e * e
	}
	for ; i < len(x); i++ {
		d := float64(x[i]) - m
		a += d * d
	}
	return float32(m), float32(1 / math.Sqrt((a+b)/float64(len(x))+eps))
}

// LayerNormGradInput writes the gradient with respect to x, with g = γ·dy:
// dx = (g − mean(g) − x̂·mean(g·x̂))/√(variance+eps). dx may be dy.
func LayerNormGradInput(p *Pool, rows, n int, eps float64, dx, x, gamma, dy []float32) {
	mustLen("LayerNormGradInput", "x", len(x), rows*n)
	mustLen("LayerNormGradInput", "dx", len(dx), rows*n)
	mustLen("LayerNormGradInput", "dy", len(dy), rows*n)
	mustLen("LayerNormGradInput", "gamma", len(gamma), n)
	p.eachRows(rows, n, func(r int) {
		x, dy, dx := x[r*n:][:n], dy[r*n:][:n], dx[r*n:][:n]
		mean, inverse := rowMoments(x, eps)
		var total, product float64
		for i, v := range dy {
			g := float64(v * gamma[i])
			total += g
			product += g * float64(x[i]-mean)
		}
		shift := float32(total / float64(n))
		slope := float32(product/float64(n)) * inverse * inverse
		for i, v := range dy {
			dx[i] = (v*gamma[i] - shift - (x[i]-mean)*slope) * inverse
		}
	})
}

// layerRows is how many rows are added up by themselves in LayerNormGradScale.
const layerRows = 64

// LayerNormGradScale writes dγ = Σ dy·x̂ over the rows: dgamma is [n]. Sums of layerRows
// rows are added in their order, in float64.
func LayerNormGradScale(p *Pool, rows, n int, eps float64, dgamma, x, dy []float32) {
	mustLen("LayerNormGradScale", "x", len(x), rows*n)
	mustLen("LayerNormGradScale", "dy", len(dy), rows*n)
	mustLen("LayerNormGradScale", "dgamma", len(dgamma), n)
	chunks := ceilDiv(rows, layerRows)
	p.mu.Lock()
	defer p.mu.Unlock()
	partial := p.partials(chunks * n)
	p.generic = func(task, _ int) {
		sums := partial[task*n:][:n]
		clear(sums)
		for r := task * layerRows; r < min((task+1)*layerRows, rows); r++ {
			x, dy := x[r*n:][:n], dy[r*n:][:n]
			mean, inverse := rowMoments(x, eps)
			for i, v := range dy {
				sums[i] += float64(v * (x[i] - mean) * inverse)
			}
		}
	}
	defer func() { p.generic = nil }()
	p.dispatch(chunks, func(p *Pool, task int, w *worker) { p.generic(task, w.id) })
	for i := range dgamma {
		var total float64
		for c := range chunks {
			total += partial[c*n+i]
		}
		dgamma[i] = float32(total)
	}
}
