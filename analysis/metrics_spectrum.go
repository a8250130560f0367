package analysis

import "math"

// AlphaReQ returns α of λ_j ∝ j^−α by least squares of ln λ_j on −ln j, weighted by 1/j,
// over j = 6 … 100 as far as λ_j is above 1e-8 of the first (α-ReQ, Agrawal et al.,
// NeurIPS 2022, with the range and weights of its laboratory's code). It is NaN when
// fewer than three values are left. About 1 is reported as good; it says nothing of a
// spectrum that ends early.
func AlphaReQ(lambda []float64) float64 {
	const first, last, floor = 6, 100, 1e-8
	var n int
	var w, x, y, xx, xy float64
	for j := first; j <= min(last, len(lambda)); j++ {
		v := lambda[j-1]
		if !(v > floor*lambda[0]) {
			break
		}
		weight, lx, ly := 1/float64(j), -math.Log(float64(j)), math.Log(v)
		n++
		w += weight
		x += weight * lx
		y += weight * ly
		xx += weight * lx * lx
		xy += weight * lx * ly
	}
	if n < 3 {
		return math.NaN()
	}
	return (w*xy - x*y) / (w*xx - x*x)
}

// AUC returns the mean over i of Σ_{j≤i}σ_j/Σσ, the area under the cumulative explained
// variance of singular values (Li, Efros and Pathak, ECCV 2022, arXiv:2209.15007; rows
// scaled to unit length and centred): (d+1)/2d where all are equal, 1 for one direction,
// 0 for a zero spectrum.
func AUC(sigma []float64) float64 {
	total := sum(sigma)
	if total == 0 {
		return 0
	}
	var cumulative, area float64
	for _, v := range sigma {
		cumulative += v
		area += cumulative / total
	}
	return area / float64(len(sigma))
}

// ConditionNumber returns σ₁/σ_d, +Inf where σ_d is 0.
func ConditionNumber(sigma []float64) float64 {
	if len(sigma) == 0 || sigma[0] == 0 {
		return math.Inf(1)
	}
	return sigma[0] / sigma[len(sigma)-1]
}

// PseudoCondition returns σ_d/(σ₁ + 1e-12), the inverse of the condition number, from 0
// to 1 (google-research's graph_embedding/metrics).
func PseudoCondition(sigma []float64) float64 {
	if len(sigma) == 0 {
		return 0
	}
	return sigma[len(sigma)-1] / (sigma[0] + 1e-12)
}

// CumulativeVariance returns Σ_{j≤i}λ_j/Σλ for every i, [D].
func CumulativeVariance(lambda []float64) []float64 {
	c := make([]float64, len(lambda))
	total := sum(lambda)
	var s float64
	for i, v := range lambda {
		if s += v; total > 0 {
			c[i] = s / total
		}
	}
	return c
}

// UnitMetrics are those that rows of unit length have; they need the moments only.
type UnitMetrics struct {
	// ChannelStd is the mean over channels of the standard deviation, ddof 1; 1/√D when
	// rows spread over all directions, 0 in complete collapse (SimSiam, arXiv:2011.10566,
	// section 4.1). It does not see dimensional collapse.
	ChannelStd float64 `json:"channel_std"`
	// W2Uniformity is the Wasserstein distance to the isotropic Gaussian of variance 1/D,
	// √(‖μ‖² + 1 + tr Σ − (2/√D)·tr Σ^½), Σ with 1/N (Fang et al., ICLR 2024,
	// arXiv:2403.00642); 0 is best, and it sees dimensional collapse.
	W2Uniformity float64 `json:"w2_uniformity"`
	// SelfCluster is (‖ẐẐᵀ‖_F² − E)/(N² − E), E = N + N(N−1)/D (Tsitsulin et al., 2023):
	// about 0 for rows in random directions, 1 for equal ones.
	SelfCluster float64 `json:"self_cluster"`
}

// Unit returns the metrics of unit rows, from moments that scale rows to unit length; it
// fails on others and on fewer than two rows.
func (m *Moments) Unit() (UnitMetrics, error) {
	if !m.normalize {
		return UnitMetrics{}, errNotUnit
	}
	if err := m.ready(1); err != nil {
		return UnitMetrics{}, err
	}
	lambda, _, err := m.eigenvalues()
	if err != nil {
		return UnitMetrics{}, err
	}
	return m.unit(lambda, float64(m.n)), nil
}

// unit is Unit from the eigenvalues of the covariance times some number of rows.
func (m *Moments) unit(lambda []float64, rows float64) UnitMetrics {
	var u UnitMetrics
	d, n, mean := float64(m.dim), float64(m.n), m.Mean()
	var length, trace, root, squares float64 // squares: ‖ẐᵀẐ‖_F² = ‖ẐẐᵀ‖_F²
	for i, a := range mean {
		row := m.scatter[i*m.dim:][:m.dim]
		u.ChannelStd += math.Sqrt(max(row[i]/(n-1), 0)) / d
		length += a * a
		own := row[i] + n*a*a
		squares += own * own
		for j := i + 1; j < m.dim; j++ {
			s := row[j] + n*a*mean[j]
			squares += 2 * s * s
		}
	}
	for _, v := range lambda {
		v /= rows
		trace += v
		root += math.Sqrt(v)
	}
	u.W2Uniformity = math.Sqrt(max(length+1+trace-2/math.Sqrt(d)*root, 0))
	expected := n + n*(n-1)/d
	u.SelfCluster = (squares - expected) / (n*n - expected)
	return u
}
