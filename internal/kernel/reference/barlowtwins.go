package reference

import (
	"fmt"
	"math"
)

// n images, two views each  d embedding dimensions
// z [2n,d]: rows 0…n−1 are view 1, rows n…2n−1 view 2
// x̂: a view's columns with mean 0 and variance 1 over its n rows

// barlowEpsilon is added to a column's variance, so that a dead column correlates
// with nothing: that of torch.nn.BatchNorm1d, by which implementations standardise.
const barlowEpsilon = 1e-5

// BarlowTwins returns the redundancy-reduction loss. With the cross-correlation
// matrix of the two views,
//
//	C = x̂₁ᵀx̂₂/n   L = scale·(Σ_i (1 − C_ii)² + λ·Σ_i Σ_{j≠i} C_ij²)
//
// z is [2n,d]; a column's variance is the biased one plus 1e-5. Source:
// arXiv:2103.03230, equations 1 and 2, where scale is 1.
func BarlowTwins[T Float](n, d int, lambda, scale float64, z []T) float64 {
	mustFitColumns("BarlowTwins", n, d, len(z))
	x, _ := standardColumns(n, d, z)
	c := correlation(n, d, x)
	var loss float64
	for i := range d {
		for j := range d {
			if v := c[i*d+j]; i == j {
				loss += (1 - v) * (1 - v)
			} else {
				loss += lambda * v * v
			}
		}
	}
	return scale * loss
}

// BarlowTwinsGrad writes the gradient of upstream·BarlowTwins with respect to z:
//
//	dL/dC_ii = −2·scale·(1 − C_ii)   dL/dC_ij = 2·scale·λ·C_ij
//	dx̂₁ = x̂₂·(dL/dC)ᵀ/n   dx̂₂ = x̂₁·(dL/dC)/n
//	dz = (dx̂ − mean(dx̂) − x̂·mean(dx̂·x̂))/√(variance + 1e-5), means over a column
//
// dz and z are [2n,d].
func BarlowTwinsGrad[T Float](n, d int, lambda, scale float64, dz, z []T, upstream float64) {
	mustFitColumns("BarlowTwinsGrad", n, d, len(z))
	mustLen("BarlowTwinsGrad", "dz", len(dz), len(z))
	x, spread := standardColumns(n, d, z)
	dc := correlation(n, d, x)
	for i := range d {
		for j := range d {
			if i == j {
				dc[i*d+j] -= 1
			} else {
				dc[i*d+j] *= lambda
			}
			dc[i*d+j] *= 2 * scale * upstream / float64(n)
		}
	}
	dx := make([]float64, 2*n*d)
	Gemm(false, true, n, d, d, 1, 0, dx[:n*d], x[n*d:], dc)
	Gemm(false, false, n, d, d, 1, 0, dx[n*d:], x[:n*d], dc)
	for view := range 2 {
		for j := range d {
			var mean, along float64
			for i := view * n; i < (view+1)*n; i++ {
				mean += dx[i*d+j] / float64(n)
				along += dx[i*d+j] * x[i*d+j] / float64(n)
			}
			for i := view * n; i < (view+1)*n; i++ {
				dz[i*d+j] = T((dx[i*d+j] - mean - x[i*d+j]*along) / spread[view*d+j])
			}
		}
	}
}

// standardColumns returns x̂ and √(variance + 1e-5) of every column of both views.
func standardColumns[T Float](n, d int, z []T) (x, spread []float64) {
	x = centredColumns(n, d, z)
	spread = make([]float64, 2*d)
	for view := range 2 {
		for j := range d {
			s := math.Sqrt(columnSquares(n, d, view, j, x)/float64(n) + barlowEpsilon)
			spread[view*d+j] = s
			for i := view * n; i < (view+1)*n; i++ {
				x[i*d+j] /= s
			}
		}
	}
	return x, spread
}

// correlation returns C = x̂₁ᵀx̂₂/n, [d,d].
func correlation(n, d int, x []float64) []float64 {
	c := make([]float64, d*d)
	Gemm(true, false, d, d, n, 1/float64(n), 0, c, x[:n*d], x[n*d:])
	return c
}

// centredColumns returns z less each view's mean of every column.
func centredColumns[T Float](n, d int, z []T) []float64 {
	x := make([]float64, 2*n*d)
	for view := range 2 {
		for j := range d {
			var mean float64
			for i := view * n; i < (view+1)*n; i++ {
				mean += float64(z[i*d+j])
			}
			mean /= float64(n)
			for i := view * n; i < (view+1)*n; i++ {
				x[i*d+j] = float64(z[i*d+j]) - mean
			}
		}
	}
	return x
}

// columnSquares returns Σ x² of column j of a view.
func columnSquares(n, d, view, j int, x []float64) float64 {
	var sum float64
	for i := view * n; i < (view+1)*n; i++ {
		sum += x[i*d+j] * x[i*d+j]
	}
	return sum
}

// mustFitColumns checks a loss of columns, whose variance needs two rows.
func mustFitColumns(op string, n, d, lenZ int) {
	if n < 2 || d < 1 {
		panic(fmt.Sprintf("reference.%s: n %d must be at least 2 and d %d at least 1", op, n, d))
	}
	mustLen(op, "z", lenZ, 2*n*d)
}
