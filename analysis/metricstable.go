package analysis

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
)

// metricRow is one metric: how it is computed, and its value for a spectrum, NaN where it
// was not.
type metricRow struct {
	name, convention string
	of               func(s *Spectrum) float64
}

// orNaN is the value of an optional number.
func orNaN(p *float64) float64 {
	if p == nil {
		return math.NaN()
	}
	return *p
}

func more(f func(m *MoreMetrics) float64) func(*Spectrum) float64 {
	return func(s *Spectrum) float64 {
		if s.More == nil {
			return math.NaN()
		}
		return f(s.More)
	}
}

func exact(f func(e *ExactMetrics) float64) func(*Spectrum) float64 {
	return func(s *Spectrum) float64 {
		if s.Exact == nil {
			return math.NaN()
		}
		return f(s.Exact)
	}
}

func unitRows(f func(u *UnitMetrics) float64) func(*Spectrum) float64 {
	return more(func(m *MoreMetrics) float64 {
		if m.Unit == nil {
			return math.NaN()
		}
		return f(m.Unit)
	})
}

func sampled(f func(p *SampleMetrics) float64) func(*Spectrum) float64 {
	return more(func(m *MoreMetrics) float64 {
		if m.Sample == nil {
			return math.NaN()
		}
		return f(m.Sample)
	})
}

func views(f func(v *ViewMetrics) float64) func(*Spectrum) float64 {
	return more(func(m *MoreMetrics) float64 {
		if m.Views == nil {
			return math.NaN()
		}
		return f(m.Views)
	})
}

// metricRows are all metrics of a spectrum, λ the covariance's singular values, σ those of
// the rows.
var metricRows = []metricRow{
	{"live dimensions", "λ > 1e-6·λ₁", func(s *Spectrum) float64 { return float64(s.Metrics.LiveDims) }},
	{"RankMe", "of σ, not centred, ε 1e-7", func(s *Spectrum) float64 { return s.Metrics.RankMe }},
	{"effective rank", "of √λ", func(s *Spectrum) float64 { return s.Metrics.EffectiveRank }},
	{"stable rank", "of σ, not centred", func(s *Spectrum) float64 { return s.Metrics.StableRank }},
	{"NESum", "Σλ/λ₁", func(s *Spectrum) float64 { return s.Metrics.NESum }},
	{"participation ratio", "(Σλ)²/Σλ²", func(s *Spectrum) float64 { return s.Metrics.ParticipationRatio }},
	{"α-ReQ", "λ_j ∝ j^−α, j 6…100, weights 1/j", more(func(m *MoreMetrics) float64 { return orNaN(m.AlphaReQ) })},
	{"AUC", "of √λ; 0.5 spread, 1 collapsed", more(func(m *MoreMetrics) float64 { return m.AUC })},
	{"condition number", "of √λ", more(func(m *MoreMetrics) float64 {
		if m.ConditionNumber == nil {
			return math.Inf(1)
		}
		return *m.ConditionNumber
	})},
	{"exact rank", "of the centred rows, numpy's tolerance", exact(func(e *ExactMetrics) float64 { return float64(e.Rank) })},
	{"exact condition number", "of the centred rows", exact(func(e *ExactMetrics) float64 {
		if e.ConditionNumber == nil {
			return math.Inf(1)
		}
		return *e.ConditionNumber
	})},
	{"pseudo-condition", "of √λ, smallest/largest", more(func(m *MoreMetrics) float64 { return m.PseudoCondition })},
	{"channel deviation", "unit rows; 1/√D spread", unitRows(func(u *UnitMetrics) float64 { return u.ChannelStd })},
	{"W2 uniformity", "unit rows; 0 spread", unitRows(func(u *UnitMetrics) float64 { return u.W2Uniformity })},
	{"SelfCluster", "unit rows; 0 spread", unitRows(func(u *UnitMetrics) float64 { return u.SelfCluster })},
	{"uniformity", "unit rows, t 2, sample", sampled(func(p *SampleMetrics) float64 { return p.Uniformity })},
	{"coherence", "sample; 1 even", sampled(func(p *SampleMetrics) float64 { return p.Coherence })},
	{"TwoNN dimension", "sample", sampled(func(p *SampleMetrics) float64 { return p.TwoNN })},
	{"alignment", "unit rows, views of a sample", views(func(v *ViewMetrics) float64 { return v.Alignment })},
	{"LiDAR", "views of a sample, δ 1e-4", views(func(v *ViewMetrics) float64 { return v.LiDAR })},
	{"cluster learnability", "unit rows, sample, k √N", sampled(func(p *SampleMetrics) float64 { return p.ClusterLearnability })},
}

// measured returns the metrics that at least one of the spectra has.
func measured(spectra []*Spectrum) (rows []metricRow) {
	for _, r := range metricRows {
		for _, s := range spectra {
			if !math.IsNaN(r.of(s)) {
				rows = append(rows, r)
				break
			}
		}
	}
	return rows
}

// MetricsTable returns all metrics, one a row: its name, its convention, and a column for
// each spectrum, with their labels on top.
func MetricsTable(spectra []*Spectrum) [][]string {
	head := []string{"metric", "convention"}
	for _, s := range spectra {
		head = append(head, s.Label)
	}
	table := [][]string{head}
	for _, r := range measured(spectra) {
		row := []string{r.name, r.convention}
		for _, s := range spectra {
			text := "–"
			if v := r.of(s); !math.IsNaN(v) {
				text = fmt.Sprintf("%.4g", v)
			}
			row = append(row, text)
		}
		table = append(table, row)
	}
	return table
}

// WriteMetricsCSV writes all metrics in long form, full precision: label, metric,
// convention, value, then the spectrum's conventions.
func WriteMetricsCSV(w io.Writer, spectra []*Spectrum) error {
	c := csv.NewWriter(w)
	c.Write([]string{"label", "metric", "convention", "value", "of", "samples", "normalized", "ddof"})
	for _, s := range spectra {
		for _, r := range measured([]*Spectrum{s}) {
			c.Write(append([]string{s.Label, r.name, r.convention, number(r.of(s))}, s.conventions()...))
		}
	}
	c.Flush()
	return c.Error()
}

// Usable reports whether a row can be analysed: it is finite and, to be scaled to unit
// length, not zero.
func Usable(row []float64, normalize bool) bool {
	zero := true
	for _, v := range row {
		if !finite(v) {
			return false
		}
		zero = zero && v == 0
	}
	return !normalize || !zero
}
