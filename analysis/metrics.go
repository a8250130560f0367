package analysis

import "math"

// LiveThreshold is the part of the largest singular value of the covariance above
// which a dimension counts as live: a thousandth of the leading standard deviation.
// It lies between what smooth spectra span (a power law j^-1.8 over 2048 dimensions
// ends at 1.1e-6) and what rounding leaves in float32 embeddings (below 1e-12), so
// that only dimensions that broke away from the spectrum are called collapsed.
const LiveThreshold = 1e-6

// RankMeEpsilon is the ε of RankMe (arXiv:2210.02885, section 3).
const RankMeEpsilon = 1e-7

// Metrics are single numbers that say how many dimensions a set of rows Z fills.
// λ are the singular values of its covariance, σ those of Z. Whether the rows were
// scaled to unit length first stands beside them, in Spectrum.Normalized.
type Metrics struct {
	LiveDims      int     `json:"live_dims"`      // #{λᵢ > LiveThreshold·λ₁}
	CollapsedDims int     `json:"collapsed_dims"` // the others
	LiveThreshold float64 `json:"live_threshold"`

	RankMe             float64 `json:"rankme"`              // of σ, Z not centred
	EffectiveRank      float64 `json:"effective_rank"`      // of √λ: Z centred
	StableRank         float64 `json:"stable_rank"`         // of σ, Z not centred
	NESum              float64 `json:"nesum"`               // Σλ/λ₁: the stable rank of the centred Z
	ParticipationRatio float64 `json:"participation_ratio"` // (Σλ)²/Σλ²
}

// Live returns how many values exceed threshold times the first. The values are
// descending and not negative.
func Live(values []float64, threshold float64) int {
	n := 0
	for n < len(values) && values[n] > threshold*values[0] {
		n++
	}
	return n
}

// EffectiveRank returns exp(−Σ p ln p) of p = values/Σvalues (Roy and Vetterli,
// EUSIPCO 2007, of singular values): from 1 for one direction to len(values) for
// equal ones, 0 for a zero spectrum.
func EffectiveRank(values []float64) float64 { return expEntropy(values, 0) }

// RankMe returns exp(−Σ p ln p) of p = σ/Σσ + ε, ε = RankMeEpsilon (arXiv:2210.02885,
// equation 3), where σ are the singular values of the rows, not centred.
func RankMe(sigma []float64) float64 { return expEntropy(sigma, RankMeEpsilon) }

func expEntropy(values []float64, eps float64) float64 {
	total := sum(values)
	if total == 0 {
		return 0
	}
	var entropy float64
	for _, v := range values {
		if p := v/total + eps; p > 0 {
			entropy -= p * math.Log(p)
		}
	}
	return math.Exp(entropy)
}

// StableRank returns Σσ²/σ₁², ‖Z‖_F²/‖Z‖₂² for the singular values of Z.
func StableRank(sigma []float64) float64 {
	if len(sigma) == 0 || sigma[0] == 0 {
		return 0
	}
	var s float64
	for _, v := range sigma {
		s += (v / sigma[0]) * (v / sigma[0])
	}
	return s
}

// NESum returns Σλ/λ₁ of the covariance's singular values (He and Ozay, ICML 2022,
// definition 4.1).
func NESum(lambda []float64) float64 {
	if len(lambda) == 0 || lambda[0] == 0 {
		return 0
	}
	return sum(lambda) / lambda[0]
}

// ParticipationRatio returns (Σλ)²/Σλ², (tr C)²/tr(C²) for the singular values of a
// covariance C.
func ParticipationRatio(lambda []float64) float64 {
	if len(lambda) == 0 || lambda[0] == 0 {
		return 0
	}
	var s, q float64
	for _, v := range lambda {
		v /= lambda[0]
		s += v
		q += v * v
	}
	return s * s / q
}

func sum(values []float64) float64 {
	var s float64
	for _, v := range values {
		s += v
	}
	return s
}
