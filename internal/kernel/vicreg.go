package kernel

// n images, two views each  d embedding dimensions
// z [2n,d]: rows 0…n−1 are view 1, rows n…2n−1 view 2
// x: z less each view's column means

// VICRegWorkspace returns how many floats VICReg and VICRegGrad need.
func VICRegWorkspace(n, d int) int { return columnLossWorkspace(n, d) }

// What VICReg adds to a variance, and the standard deviation that it wants at least.
const (
	vicRegEpsilon = 1e-4
	vicRegTarget  = 1
)

// VICReg returns the loss of variance, invariance and covariance:
//
//	s = 1/(nd)·Σ_i |z_i − z'_i|²
//	v = 1/d·Σ_j max(0, 1 − S_j)   S_j = √(variance of column j + 1e-4), of a view
//	c = 1/d·Σ_j Σ_{k≠j} C_jk²     C = xᵀx/(n−1), of a view
//	L = invariance·s + variance·½(v₁ + v₂) + covariance·(c₁ + c₂)
//
// z is [2n,d], n at least 2; variances are unbiased; ws holds VICRegWorkspace floats
// of undefined content. The products are float32, statistics and sums float64.
// Source: arXiv:2105.04906, equations 1 to 6, with the averages of its authors'
// training code: of s over the dimensions, and of v over the views, which equation 6
// adds (there variance counts twice).
func VICReg(p *Pool, n, d int, invariance, variance, covariance float64, z, ws []float32) float64 {
	mustFitColumns("VICReg", n, d, len(z), len(ws))
	a := p.vicReg(n, d, z, ws)
	var short, diagonal float64
	for _, s := range a.spread {
		short += max(0, vicRegTarget-s)
		v := s*s - vicRegEpsilon
		diagonal += v * v
	}
	apart := p.overColumns(a, n, func(p *Pool, task int, w *worker) {
		a := &p.columns
		var sum float64
		other := a.z[(a.n+task)*a.d:][:a.d]
		for j, v := range a.z[task*a.d:][:a.d] {
			delta := float64(v) - float64(other[j])
			sum += delta * delta
		}
		a.sums[task] = sum
	})
	var redundant float64
	for view := range 2 {
		p.covary(&a, view)
		if byRows(n, d) {
			redundant += p.overColumns(a, n, func(p *Pool, task int, w *worker) {
				a := &p.columns
				a.sums[task] = a.products(task, a.m)
			})
		} else {
			redundant += p.overColumns(a, d, offDiagonalTask)
		}
	}
	if byRows(n, d) {
		redundant -= diagonal
	}
	return invariance*apart/float64(n*d) + variance*short/float64(2*d) + covariance*redundant/float64(d)
}

// VICRegGrad writes the gradient of upstream·VICReg with respect to z. Every view has
//
//	dz = ±invariance·2(z₁ − z₂)/(nd) + covariance·4/(d(n−1))·(xC − x·diag(C_jj)) − x·diag(h)
//	h_j = variance/(2d(n−1)·S_j) where S_j < 1, else 0
//
// dz and z are [2n,d], ws as for VICReg.
func VICRegGrad(p *Pool, n, d int, invariance, variance, covariance float64, dz, z []float32, upstream float64, ws []float32) {
	mustFitColumns("VICRegGrad", n, d, len(z), len(ws))
	mustLen("VICRegGrad", "dz", len(dz), len(z))
	a := p.vicReg(n, d, z, ws)
	per := upstream / (float64(d) * float64(n-1))
	a.weight, a.pull = 4*covariance*per, 2*invariance*upstream/float64(n*d)
	a.dz = dz
	for j, s := range a.spread {
		a.own[j] = a.weight * (s*s - vicRegEpsilon)
		if s < vicRegTarget {
			a.own[j] += variance * per / (2 * s)
		}
	}
	for view := range 2 {
		p.covary(&a, view)
		x, dx := a.rows(a.x, view), a.rows(a.dx, view)
		if byRows(n, d) {
			Gemm(p, false, false, n, d, n, 1, a.m, n, x, d, 0, dx, d, nil)
		} else {
			Gemm(p, false, false, n, d, d, 1, x, d, a.m, d, 0, dx, d, nil)
		}
	}
	p.overColumns(a, n, func(p *Pool, task int, w *worker) {
		a := &p.columns
		i, j := task*a.d, (a.n+task)*a.d
		for k := range a.d {
			pull := a.pull * (float64(a.z[i+k]) - float64(a.z[j+k]))
			a.dz[i+k] = float32(a.weight*float64(a.dx[i+k]) - a.own[k]*float64(a.x[i+k]) + pull)
			a.dz[j+k] = float32(a.weight*float64(a.dx[j+k]) - a.own[a.d+k]*float64(a.x[j+k]) - pull)
		}
	})
}

func (p *Pool) vicReg(n, d int, z, ws []float32) columnArgs {
	return p.columnLoss(columnArgs{n: n, d: d, ddof: 1, epsilon: vicRegEpsilon, z: z}, ws)
}

// covary writes C of a view, or xxᵀ/(n−1) of its rows, to m.
func (p *Pool) covary(a *columnArgs, view int) {
	n, d, x := a.n, a.d, a.rows(a.x, view)
	if byRows(n, d) {
		Gemm(p, false, true, n, n, d, 1/float64(n-1), x, d, x, d, 0, a.m, n, nil)
	} else {
		Gemm(p, true, false, d, d, n, 1/float64(n-1), x, d, x, d, 0, a.m, d, nil)
	}
}
