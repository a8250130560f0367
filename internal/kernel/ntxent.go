package kernel

import "math"

// n images, two views each  d embedding dimensions  τ temperature
// z [2n,d]: row i and row (i+n) mod 2n are views of one image
// u: the unit rows of z

// NTXentWorkspace returns how many floats NTXent and NTXentGrad need.
func NTXentWorkspace(n, d int) int { return 4*n*d + 4*n*n }

// NTXent returns SimCLR's loss, in which each row's negatives are the 2n−2 rows of
// both views that are neither itself nor its positive p(i):
//
//	s_ij = u_i·u_j/τ   L = mean_i(ln Σ_{j≠i} e^{s_ij} − s_{i,p(i)})
//
// z is [2n,d] and need not be normalised; temperature is positive; ws holds
// NTXentWorkspace floats of undefined content. The products are float32, the
// exponentials and sums float64. Source: arXiv:2002.05709, Algorithm 1.
func NTXent(p *Pool, n, d int, temperature float64, z, ws []float32) float64 {
	mustFitViews("NTXent", n, d, temperature, len(z), len(ws), NTXentWorkspace(n, d))
	a := p.ntXent(n, d, temperature, z, ws)
	var loss float64
	for i := range 2 * n {
		loss += a.rows[i] - float64(a.s[i*2*n+(i+n)%(2*n)])
	}
	return loss / float64(2*n)
}

// NTXentGrad writes the gradient of upstream·NTXent with respect to z. With P the
// softmax of the rows of s (self masked) and I⁺ the matrix of the positives,
//
//	dL/ds = (P − I⁺)/(2n)   du = (dL/ds + (dL/ds)ᵀ)·u/τ
//
// dz and z are [2n,d], ws as for NTXent.
func NTXentGrad(p *Pool, n, d int, temperature float64, dz, z []float32, upstream float64, ws []float32) {
	mustFitViews("NTXentGrad", n, d, temperature, len(z), len(ws), NTXentWorkspace(n, d))
	mustLen("NTXentGrad", "dz", len(dz), len(z))
	a := p.ntXent(n, d, temperature, z, ws)
	a.scale = upstream / (float64(2*n) * temperature)
	a.dz = dz
	p.contrastive(a, 2*n, func(p *Pool, task int, w *worker) {
		a := &p.contrast
		row := a.s[task*a.size:][:a.size]
		for j, v := range row {
			share := math.Exp(float64(v) - a.rows[task])
			if j == (task+a.n)%a.size {
				share--
			}
			row[j] = float32(share * a.scale)
		}
	})
	Gemm(p, false, false, 2*n, d, 2*n, 1, a.s, 2*n, a.unit, d, 0, a.du, d, nil)
	Gemm(p, true, false, 2*n, d, 2*n, 1, a.s, 2*n, a.unit, d, 1, a.du, d, nil)
	p.contrastive(a, 2*n, unitGradTask)
}

// ntXent computes the unit rows, the similarities of all rows, each row's to itself
// masked by −∞, and the logarithms of the sums of their exponentials.
func (p *Pool) ntXent(n, d int, temperature float64, z, ws []float32) contrastArgs {
	a := p.unitRows(n, d, 2*n, temperature, z, ws)
	Gemm(p, false, true, 2*n, 2*n, d, 1/temperature, a.unit, d, a.unit, d, 0, a.s, 2*n, nil)
	for i := range 2 * n {
		a.s[i*2*n+i] = negInf
	}
	p.contrastive(a, 2*n, rowSumTask)
	return a
}
