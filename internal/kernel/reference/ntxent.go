package reference

import "math"

// n images, two views each  d embedding dimensions  τ temperature
// z [2n,d]: row i and row (i+n) mod 2n are views of one image
// u: the unit rows of z

// NTXent returns SimCLR's loss, in which each row's negatives are the 2n−2 rows of
// both views that are neither itself nor its positive p(i):
//
//	s_ij = u_i·u_j/τ   L = mean_i(ln Σ_{j≠i} e^{s_ij} − s_{i,p(i)})
//
// z is [2n,d], rows 0…n−1 view 1 and n…2n−1 view 2, and need not be normalised;
// temperature is positive. Source: arXiv:2002.05709, Algorithm 1.
func NTXent[T Float](n, d int, temperature float64, z []T) float64 {
	mustFitViews("NTXent", n, d, temperature, len(z))
	unit, _ := unitRows(2*n, d, z)
	s := similarity(2*n, 2*n, d, temperature, unit, unit)
	maskSelf(2*n, s)
	rows, _ := logSumExp(2*n, s)
	var loss float64
	for i := range 2 * n {
		loss += rows[i] - s[i*2*n+(i+n)%(2*n)]
	}
	return loss / float64(2*n)
}

// NTXentGrad writes the gradient of upstream·NTXent with respect to z. With P the
// softmax of the rows of s (self masked) and I⁺ the matrix of the positives,
//
//	dL/ds = (P − I⁺)/(2n)   du = (dL/ds + (dL/ds)ᵀ)·u/τ
//
// dz and z are [2n,d].
func NTXentGrad[T Float](n, d int, temperature float64, dz, z []T, upstream float64) {
	mustFitViews("NTXentGrad", n, d, temperature, len(z))
	mustLen("NTXentGrad", "dz", len(dz), len(z))
	unit, norms := unitRows(2*n, d, z)
	s := similarity(2*n, 2*n, d, temperature, unit, unit)
	maskSelf(2*n, s)
	rows, _ := logSumExp(2*n, s)
	scale := upstream / (float64(2*n) * temperature)
	ds := s
	for i := range 2 * n {
		for j := range 2 * n {
			share := math.Exp(s[i*2*n+j] - rows[i])
			if j == (i+n)%(2*n) {
				share--
			}
			ds[i*2*n+j] = share * scale
		}
	}
	du := make([]float64, 2*n*d)
	Gemm(false, false, 2*n, d, 2*n, 1, 0, du, ds, unit)
	Gemm(true, false, 2*n, d, 2*n, 1, 1, du, ds, unit)
	unitRowsGrad(2*n, d, dz, du, unit, norms)
}

// maskSelf takes every row's similarity to itself out of the sums.
func maskSelf(rows int, s []float64) {
	for i := range rows {
		s[i*rows+i] = math.Inf(-1)
	}
}
