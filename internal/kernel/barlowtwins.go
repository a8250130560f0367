package kernel

// n images, two views each  d embedding dimensions
// z [2n,d]: rows 0…n−1 are view 1, rows n…2n−1 view 2
// x̂: a view's columns with mean 0 and variance 1 over its n rows

// BarlowTwinsWorkspace returns how many floats BarlowTwins and BarlowTwinsGrad need.
func BarlowTwinsWorkspace(n, d int) int { return columnLossWorkspace(n, d) }

// BarlowTwins returns the redundancy-reduction loss. With the cross-correlation
// matrix of the two views,
//
//	C = x̂₁ᵀx̂₂/n   L = scale·(Σ_i (1 − C_ii)² + λ·Σ_i Σ_{j≠i} C_ij²)
//
// z is [2n,d], n at least 2; a column's variance is the biased one plus 1e-5, that of
// torch.nn.BatchNorm1d; ws holds BarlowTwinsWorkspace floats of undefined content. The
// products are float32, statistics, diagonal and sums float64. Source:
// arXiv:2103.03230, equations 1 and 2, where scale is 1.
func BarlowTwins(p *Pool, n, d int, lambda, scale float64, z, ws []float32) float64 {
	mustFitColumns("BarlowTwins", n, d, len(z), len(ws))
	a := p.correlate(n, d, z, ws)
	var alike, twins float64
	for _, c := range a.own[:d] {
		alike += (1 - c) * (1 - c)
		twins += c * c
	}
	var others float64
	if byRows(n, d) {
		others = p.overColumns(a, n, func(p *Pool, task int, w *worker) {
			a := &p.columns
			a.sums[task] = a.products(task, a.m[a.n*a.n:])
		}) - twins
	} else {
		others = p.overColumns(a, d, offDiagonalTask)
	}
	return scale * (alike + lambda*others)
}

// BarlowTwinsGrad writes the gradient of upstream·BarlowTwins with respect to z:
//
//	dx̂₁ = 2·scale/n·(λ·x̂₂Cᵀ − x̂₂·diag(1 − (1 − λ)·C_ii)), dx̂₂ with C for Cᵀ, x̂₁ for x̂₂
//	dz = (dx̂ − mean(dx̂) − x̂·mean(dx̂·x̂))/√(variance + 1e-5), means over a column
//
// dz and z are [2n,d], ws as for BarlowTwins.
func BarlowTwinsGrad(p *Pool, n, d int, lambda, scale float64, dz, z []float32, upstream float64, ws []float32) {
	mustFitColumns("BarlowTwinsGrad", n, d, len(z), len(ws))
	mustLen("BarlowTwinsGrad", "dz", len(dz), len(z))
	a := p.correlate(n, d, z, ws)
	a.weight, a.scale = lambda, 2*scale*upstream/float64(n)
	a.dz = dz
	one, two := a.rows(a.x, 0), a.rows(a.x, 1)
	if byRows(n, d) {
		Gemm(p, false, false, n, d, n, 1, a.m[n*n:], n, one, d, 0, a.rows(a.dx, 0), d, nil)
		Gemm(p, false, false, n, d, n, 1, a.m, n, two, d, 0, a.rows(a.dx, 1), d, nil)
	} else {
		Gemm(p, false, true, n, d, d, 1, two, d, a.m, d, 0, a.rows(a.dx, 0), d, nil)
		Gemm(p, false, false, n, d, d, 1, one, d, a.m, d, 0, a.rows(a.dx, 1), d, nil)
	}
	p.overColumns(a, a.blocks(), standardGradTask)
}

// correlate standardises the columns and computes their correlations C in m, or of
// the rows x̂₁x̂₁ᵀ/n and x̂₂x̂₂ᵀ/n; the diagonal of C is in own, without what rounding
// the products would leave of a correlation near 1.
func (p *Pool) correlate(n, d int, z, ws []float32) columnArgs {
	a := p.columnLoss(columnArgs{n: n, d: d, epsilon: 1e-5, divide: true, z: z}, ws)
	p.overColumns(a, a.blocks()/2, func(p *Pool, task int, w *worker) {
		a := &p.columns
		_, from, cols := a.block(task)
		own := a.own[from:][:cols]
		clear(own)
		for i := range a.n {
			other := a.x[(a.n+i)*a.d+from:][:cols]
			for j, v := range a.x[i*a.d+from:][:cols] {
				own[j] += float64(v) * float64(other[j])
			}
		}
		for j := range own {
			own[j] /= float64(a.n)
		}
	})
	one, two := a.rows(a.x, 0), a.rows(a.x, 1)
	if byRows(n, d) {
		Gemm(p, false, true, n, n, d, 1/float64(n), one, d, one, d, 0, a.m, n, nil)
		Gemm(p, false, true, n, n, d, 1/float64(n), two, d, two, d, 0, a.m[n*n:], n, nil)
	} else {
		Gemm(p, true, false, d, d, n, 1/float64(n), one, d, two, d, 0, a.m, d, nil)
	}
	return a
}

// standardGradTask turns a block of columns of x̂₂Cᵀ or x̂₁C, in dx, into dz.
func standardGradTask(p *Pool, task int, w *worker) {
	a := &p.columns
	v, from, cols := a.block(task)
	x, like, dx, dz := a.rows(a.x, v), a.rows(a.x, 1-v), a.rows(a.dx, v), a.rows(a.dz, v)
	var keep, mean, along [columnBlock]float64
	for j := range cols {
		keep[j] = 1 - (1-a.weight)*a.own[from+j]
	}
	for i := range a.n {
		x, like, dx := x[i*a.d+from:][:cols], like[i*a.d+from:][:cols], dx[i*a.d+from:][:cols]
		for j := range cols {
			g := a.scale * (a.weight*float64(dx[j]) - float64(like[j])*keep[j])
			mean[j] += g
			along[j] += g * float64(x[j])
			dx[j] = float32(g)
		}
	}
	spread := a.spread[v*a.d+from:][:cols]
	for i := range a.n {
		x, dx, dz := x[i*a.d+from:][:cols], dx[i*a.d+from:][:cols], dz[i*a.d+from:][:cols]
		for j := range cols {
			g := float64(dx[j]) - (mean[j]+float64(x[j])*along[j])/float64(a.n)
			dz[j] = float32(g / spread[j])
		}
	}
}
