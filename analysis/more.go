package analysis

import (
	"fmt"
	"io"
	"math"
	"slices"

	"onnxclr/internal/blas"
	"onnxclr/internal/npy"
)

// Complete adds the other metrics to a spectrum of these moments; sample may be nil.
func (m *Moments) Complete(s *Spectrum, sample *Sample) error {
	sigma := roots(s.SingularValues)
	more := &MoreMetrics{AUC: AUC(sigma), PseudoCondition: PseudoCondition(sigma)}
	if a := AlphaReQ(s.SingularValues); finite(a) {
		more.AlphaReQ = &a
	}
	if c := ConditionNumber(sigma); finite(c) {
		more.ConditionNumber = &c
	}
	if m.normalize {
		// Σ with 1/N from the spectrum's 1/(N−ddof).
		u := m.unit(s.SingularValues, float64(m.n)/float64(m.n-s.DDOF))
		more.Unit = &u
	}
	if sample != nil {
		p, err := sample.Metrics()
		if err != nil {
			return err
		}
		more.Sample = &p
	}
	s.More = more
	return nil
}

// NewBand returns the band of the singular values, [D], of their cumulative variance, and
// of the metrics of the spectra of resamplings.
func NewBand(replicates []*Spectrum) *Band {
	d := replicates[0].Dim
	b := &Band{
		Replicates: len(replicates), Low: make([]float64, d), High: make([]float64, d),
		CumulativeLow: make([]float64, d), CumulativeHigh: make([]float64, d),
		MetricsLow: &Metrics{LiveThreshold: LiveThreshold}, MetricsHigh: &Metrics{LiveThreshold: LiveThreshold},
	}
	values := make([]float64, len(replicates))
	band := func(of func(s *Spectrum) float64) (low, high float64) {
		for i, r := range replicates {
			values[i] = of(r)
		}
		slices.Sort(values)
		return quantile(values, 0.025), quantile(values, 0.975)
	}
	cumulative := make(map[*Spectrum][]float64, len(replicates))
	for _, r := range replicates {
		cumulative[r] = CumulativeVariance(r.SingularValues)
	}
	for k := range d {
		b.Low[k], b.High[k] = band(func(s *Spectrum) float64 { return s.SingularValues[k] })
		b.CumulativeLow[k], b.CumulativeHigh[k] = band(func(s *Spectrum) float64 { return cumulative[s][k] })
	}
	low, high := b.MetricsLow, b.MetricsHigh
	for _, m := range []struct {
		low, high *float64
		of        func(m *Metrics) float64
	}{
		{&low.RankMe, &high.RankMe, func(m *Metrics) float64 { return m.RankMe }},
		{&low.EffectiveRank, &high.EffectiveRank, func(m *Metrics) float64 { return m.EffectiveRank }},
		{&low.StableRank, &high.StableRank, func(m *Metrics) float64 { return m.StableRank }},
		{&low.NESum, &high.NESum, func(m *Metrics) float64 { return m.NESum }},
		{&low.ParticipationRatio, &high.ParticipationRatio, func(m *Metrics) float64 { return m.ParticipationRatio }},
	} {
		*m.low, *m.high = band(func(s *Spectrum) float64 { return m.of(&s.Metrics) })
	}
	least, most := band(func(s *Spectrum) float64 { return float64(s.Metrics.LiveDims) })
	low.LiveDims, high.LiveDims = int(math.Floor(least)), int(math.Ceil(most))
	low.CollapsedDims, high.CollapsedDims = d-high.LiveDims, d-low.LiveDims
	return b
}

// quantile interpolates between sorted values, as numpy.quantile does.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-2)
	if i < 0 {
		return sorted[0]
	}
	f := at - float64(i)
	return sorted[i] + f*(sorted[i+1]-sorted[i])
}

// Save writes the moments as a .npz archive that Load reads, so that those of data spread
// over machines can be merged.
func (m *Moments) Save(w io.Writer) error {
	m.fold()
	flags := []int64{momentsVersion, int64(m.n), int64(m.dim), 0}
	if m.normalize {
		flags[3] = 1
	}
	origin := m.origin
	if origin == nil {
		origin = make([]float64, m.dim)
	}
	full := slices.Clone(m.scatter)
	for i := range m.dim {
		for j := range i {
			full[i*m.dim+j] = full[j*m.dim+i]
		}
	}
	arrays := []npy.Named{
		{Name: momentsName, Shape: []int{len(flags)}, Data: flags},
		{Name: "origin", Shape: []int{m.dim}, Data: origin},
		{Name: "mean", Shape: []int{m.dim}, Data: m.mean},
		{Name: "scatter", Shape: []int{m.dim, m.dim}, Data: full},
	}
	if f := m.factor; f != nil {
		f.fold()
		arrays = append(arrays, npy.Named{Name: factorName, Shape: []int{f.side, f.side}, Data: f.a})
	}
	return npy.WriteZip(w, arrays)
}

const (
	momentsName    = "onnxclr_moments"
	factorName     = "factor"
	momentsVersion = 1
)

// IsMoments reports whether an archive holds moments.
func IsMoments(z *npy.Archive) bool { return slices.Contains(z.Names, momentsName) }

// LoadMoments reads what Save wrote.
func LoadMoments(z *npy.Archive) (*Moments, error) {
	a, err := z.Get(momentsName)
	if err != nil {
		return nil, err
	}
	flags, err := a.Int64s()
	if err != nil {
		return nil, err
	}
	if len(flags) != 4 || flags[0] != momentsVersion {
		return nil, fmt.Errorf("moments of version %v, want %d", flags, momentsVersion)
	}
	n, dim := flags[1], flags[2]
	if n < 0 || n > 1<<53 || dim < 1 || dim > maxDim {
		return nil, fmt.Errorf("moments of %d rows of %d values", n, dim)
	}
	m := &Moments{dim: int(dim), n: int(n), normalize: flags[3] == 1}
	type part struct {
		name string
		to   *[]float64
		size int
	}
	parts := []part{{"origin", &m.origin, m.dim}, {"mean", &m.mean, m.dim}, {"scatter", &m.scatter, m.dim * m.dim}}
	if slices.Contains(z.Names, factorName) {
		m.factor = newFactor(m.dim)
		parts = append(parts, part{factorName, &m.factor.a, m.factor.side * m.factor.side})
	}
	for _, part := range parts {
		a, err := z.Get(part.name)
		if err != nil {
			return nil, err
		}
		if a.Len() != part.size {
			return nil, fmt.Errorf("%s of moments has shape %v, want %d numbers", part.name, a.Shape, part.size)
		}
		if *part.to, err = a.Float64s(); err != nil {
			return nil, err
		}
		for i, v := range *part.to {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("%s of moments holds %v at %d", part.name, v, i)
			}
		}
	}
	m.block = blas.NewStrips(blockRows+1, m.dim)
	if m.n == 0 {
		m.origin = nil
	}
	return m, nil
}
