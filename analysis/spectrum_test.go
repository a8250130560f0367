package analysis

import (
	"fmt"
	"testing"

	"onnxclr/internal/golden"
)

// spectrumOf returns the spectrum of rows [N,dim].
func spectrumOf(t *testing.T, dim int, normalize bool, ddof int, rows []float64) *Spectrum {
	t.Helper()
	s, err := moments(t, dim, normalize, rows).Spectrum("x", ddof)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSpectrumIsNumpys covers full rank, dead directions, fewer samples than
// dimensions, two samples, a huge offset, bad scaling and float32 rows.
func TestSpectrumIsNumpys(t *testing.T) {
	arrays := golden.Load(t, "analysis/spectra.npz")
	for _, name := range []string{"random", "relu", "rank_deficient", "few_samples", "two_samples", "offset", "scaled", "float32"} {
		for _, rows := range []string{"raw", "unit"} {
			if name == "offset" && rows == "unit" {
				continue // scaling to unit length leaves 1e-7 of the differences between the rows
			}
			x := arrays[name+".x"]
			for ddof := range 2 {
				s := spectrumOf(t, x.Shape[1], rows == "unit", ddof, x.Float64s())
				want := arrays[fmt.Sprintf("%s.%s.%d.values", name, rows, ddof)]
				golden.Check(t, fmt.Sprintf("%s, %s rows, ddof %d", name, rows, ddof), golden.Eig, s.SingularValues, want.F64)
				m := s.Metrics
				golden.Check(t, fmt.Sprintf("metrics of %s, %s rows, ddof %d", name, rows, ddof), golden.Loss,
					[]float64{m.RankMe, m.EffectiveRank, m.StableRank, m.NESum, m.ParticipationRatio},
					arrays[name+"."+rows+".metrics"].F64)
			}
		}
	}
}

func TestLiveDims(t *testing.T) {
	rank := golden.Load(t, "analysis/spectra.npz")["rank_deficient.x"]
	for _, tc := range []struct {
		name      string
		dim       int
		normalize bool
		rows      []float64
		want      int
	}{
		{"full rank", 8, false, normal(1, 500, 8), 8},
		{"rank 5 of 16", 16, false, rank.F64, 5},
		{"bounded by the samples", 20, false, normal(2, 7, 20), 6},
		{"equal rows", 3, false, repeat(1000, 0.1, 0.2, 0.3), 0},
		{"equal directions", 2, true, []float64{0.1, 0.3, 0.2, 0.6, 0.7, 2.1}, 0},
		{"one direction", 2, false, []float64{1, 1, 2, 2, 3, 3}, 1},
		{"zero rows", 2, false, make([]float64, 8), 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := spectrumOf(t, tc.dim, tc.normalize, 1, tc.rows)
			if s.Metrics.LiveDims != tc.want || s.Metrics.CollapsedDims != tc.dim-tc.want {
				t.Errorf("%d live and %d collapsed, want %d live of %d; values %v",
					s.Metrics.LiveDims, s.Metrics.CollapsedDims, tc.want, tc.dim, s.SingularValues)
			}
		})
	}
}

func repeat(n int, row ...float64) []float64 {
	var rows []float64
	for range n {
		rows = append(rows, row...)
	}
	return rows
}
