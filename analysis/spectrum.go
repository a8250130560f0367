package analysis

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"onnxclr/internal/blas"
)

// Spectrum is what the covariance of one source of rows says, with the conventions
// it was computed by.
type Spectrum struct {
	Label      string `json:"label"`
	Of         string `json:"of,omitempty"` // what the rows are, such as r or z, where that was said
	Samples    int    `json:"samples"`      // N
	Dim        int    `json:"dim"`          // D
	Normalized bool   `json:"normalized"`   // rows scaled to unit length
	DDOF       int    `json:"ddof"`         // the covariance is divided by N−ddof
	// SingularValues of the covariance, [D], descending. They are the squares of the
	// centred rows' singular values divided by N−ddof, and good to about 1e-15 of
	// the largest: smaller ones are noise of the solver.
	SingularValues []float64 `json:"singular_values"`
	Metrics        Metrics   `json:"metrics"`
	// Those that take longer, where they were asked for.
	More      *MoreMetrics  `json:"more_metrics,omitempty"`
	Exact     *ExactMetrics `json:"exact,omitempty"`
	Bootstrap *Band         `json:"bootstrap,omitempty"`
}

// Band is between what values the singular values, and the metrics, lie in 95 % of
// resamplings of the rows.
type Band struct {
	Replicates int       `json:"replicates"`
	Low        []float64 `json:"low"`  // [D], the 2.5 % quantile of each
	High       []float64 `json:"high"` // the 97.5 % quantile
	// Those of CumulativeVariance.
	CumulativeLow  []float64 `json:"cumulative_low,omitempty"`
	CumulativeHigh []float64 `json:"cumulative_high,omitempty"`
	MetricsLow     *Metrics  `json:"metrics_low,omitempty"`
	MetricsHigh    *Metrics  `json:"metrics_high,omitempty"`
}

// MoreMetrics are the rest of the literature's, by group of what they need.
type MoreMetrics struct {
	AlphaReQ        *float64       `json:"alpha_req"`        // null where the spectrum is too short
	AUC             float64        `json:"auc"`              // of √λ
	ConditionNumber *float64       `json:"condition_number"` // of √λ; null for infinity, from about 1e8 on
	PseudoCondition float64        `json:"pseudo_condition"` // of √λ
	Unit            *UnitMetrics   `json:"unit_rows,omitempty"`
	Sample          *SampleMetrics `json:"sample,omitempty"`
	Views           *ViewMetrics   `json:"views,omitempty"`
}

// Spectrum returns the spectrum of the rows added so far. It fails when there are
// fewer than two and when ddof is neither 0 nor 1.
//
// RankMe, effective and stable rank need the singular values of rows, which are
// taken as square roots of eigenvalues: those below about 1e-8 of the largest, an
// order of magnitude under RankMe's own ε, cannot be seen and count as 0.
func (m *Moments) Spectrum(label string, ddof int) (*Spectrum, error) {
	if err := m.ready(ddof); err != nil {
		return nil, err
	}
	lambda, squares, err := m.eigenvalues()
	if err != nil {
		return nil, err
	}
	if lambda[0] < constantRows*sum(squares) {
		clear(lambda)
	}
	for i := range lambda {
		lambda[i] /= float64(m.n - ddof)
	}
	sigma := roots(squares)
	live := Live(lambda, LiveThreshold)
	return &Spectrum{
		Label: label, Samples: m.n, Dim: m.dim, Normalized: m.normalize, DDOF: ddof,
		SingularValues: lambda,
		Metrics: Metrics{
			LiveDims: live, CollapsedDims: m.dim - live, LiveThreshold: LiveThreshold,
			RankMe:             RankMe(sigma),
			EffectiveRank:      EffectiveRank(roots(lambda)),
			StableRank:         StableRank(sigma),
			NESum:              NESum(lambda),
			ParticipationRatio: ParticipationRatio(lambda),
		},
	}, nil
}

// constantRows is the part of the mean squared row length below which all variance
// is the rounding of sums in float64 (2⁻⁵² times up to blockRows, squared): the
// rows are equal, the collapse is complete and the spectrum zero.
const constantRows = 1e-26

// eigenvalues returns those of the scatter and of the second moment, [D], descending: one
// is the other and N·z̄z̄ᵀ.
func (m *Moments) eigenvalues() (scatter, second []float64, err error) {
	v := m.Mean()
	root := math.Sqrt(float64(m.n))
	for j := range v {
		v[j] *= root
	}
	scatter, second, err = blas.EigenvaluesRaised(m.dim, m.scatter, v)
	if err != nil {
		return nil, nil, fmt.Errorf("covariance: %w", err)
	}
	return descending(scatter), descending(second), nil
}

// symmetricSingularValues returns |eigenvalues|, descending: for a symmetric matrix
// these are what an SVD gives.
func symmetricSingularValues(s *mat.SymDense) ([]float64, error) {
	values, err := blas.Eigenvalues(s.SymmetricDim(), s.RawSymmetric().Data)
	if err != nil {
		return nil, err
	}
	return descending(values), nil
}

// descending returns the absolute values, descending.
func descending(values []float64) []float64 {
	for i, v := range values {
		values[i] = math.Abs(v)
	}
	slices.SortFunc(values, func(a, b float64) int { return cmp.Compare(b, a) })
	return values
}

// roots returns the square roots of descending eigenvalues, 0 for those that are
// within the solver's rounding, D·2⁻⁵² of the largest: their roots would not be small.
func roots(values []float64) []float64 {
	r := make([]float64, len(values))
	for i, v := range values {
		if v > float64(len(values))*0x1p-52*values[0] {
			r[i] = math.Sqrt(v)
		}
	}
	return r
}

// eigen returns the eigenvalues of s, ascending, and its eigenvectors as rows.
func eigen(s *mat.SymDense) (values, vectors []float64, err error) {
	return blas.Eigen(s.SymmetricDim(), mat.DenseCopyOf(s).RawMatrix().Data)
}
