package reference

import "math"

// n images, two views each  d embedding dimensions
// z [2n,d]: rows 0…n−1 are view 1, rows n…2n−1 view 2
// x: z less each view's column means

// The constants of VICReg: the standard deviation wanted of a column, γ, and what
// is added to its variance, ε.
const (
	vicRegTarget  = 1
	vicRegEpsilon = 1e-4
)

// VICReg returns the loss of variance, invariance and covariance:
//
//	s = 1/(nd)·Σ_i |z_i − z'_i|²
//	v = 1/d·Σ_j max(0, 1 − S_j)   S_j = √(variance of column j + 1e-4), of a view
//	c = 1/d·Σ_j Σ_{k≠j} C_jk²     C = xᵀx/(n−1), of a view
//	L = invariance·s + variance·½(v₁ + v₂) + covariance·(c₁ + c₂)
//
// z is [2n,d]; variances are unbiased. Source: arXiv:2105.04906, equations 1 to 6,
// with the averages of its authors' training code: of s over the dimensions, and of v
// over the views, which equation 6 adds (there variance counts twice).
func VICReg[T Float](n, d int, invariance, variance, covariance float64, z []T) float64 {
	mustFitColumns("VICReg", n, d, len(z))
	var apart, short, redundant float64
	for i := range n * d {
		delta := float64(z[i]) - float64(z[n*d+i])
		apart += delta * delta
	}
	x := centredColumns(n, d, z)
	for view := range 2 {
		c := covarianceOf(n, d, x[view*n*d:][:n*d])
		for j := range d {
			short += max(0, vicRegTarget-math.Sqrt(c[j*d+j]+vicRegEpsilon))
			for k := range d {
				if k != j {
					redundant += c[j*d+k] * c[j*d+k]
				}
			}
		}
	}
	return invariance*apart/float64(n*d) + variance*short/float64(2*d) + covariance*redundant/float64(d)
}

// VICRegGrad writes the gradient of upstream·VICReg with respect to z. Every view has
//
//	dz = ±invariance·2(z₁ − z₂)/(nd) + x·M
//	M_jk = covariance·4·C_jk/(d(n−1))
//	M_jj = −variance/(2d(n−1)·S_j) where S_j < 1, else 0
//
// dz and z are [2n,d].
func VICRegGrad[T Float](n, d int, invariance, variance, covariance float64, dz, z []T, upstream float64) {
	mustFitColumns("VICRegGrad", n, d, len(z))
	mustLen("VICRegGrad", "dz", len(dz), len(z))
	x := centredColumns(n, d, z)
	per := upstream / (float64(d) * float64(n-1))
	for view, sign := range []float64{1, -1} {
		x := x[view*n*d:][:n*d]
		m := covarianceOf(n, d, x)
		for j := range d {
			s := math.Sqrt(m[j*d+j] + vicRegEpsilon)
			for k := range d {
				m[j*d+k] *= 4 * covariance * per
			}
			m[j*d+j] = 0
			if s < vicRegTarget {
				m[j*d+j] = -variance * per / (2 * s)
			}
		}
		grad := make([]float64, n*d)
		Gemm(false, false, n, d, d, 1, 0, grad, x, m)
		for i, g := range grad {
			delta := float64(z[i]) - float64(z[n*d+i])
			dz[view*n*d+i] = T(g + sign*2*invariance*upstream*delta/float64(n*d))
		}
	}
}

// covarianceOf returns xᵀx/(n−1), [d,d], of a view's centred rows.
func covarianceOf(n, d int, x []float64) []float64 {
	c := make([]float64, d*d)
	Gemm(true, false, d, d, n, 1/float64(n-1), 0, c, x, x)
	return c
}
