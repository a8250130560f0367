package analysis

import (
	"testing"

	"onnxclr/internal/golden"
)

// TestMetricsOfAKnownSpectrum: values computed in numpy for the spectrum
// λ = 4, 2, 1, ½, ¼, 0, 0, 0, σ = √λ.
func TestMetricsOfAKnownSpectrum(t *testing.T) {
	lambda := []float64{4, 2, 1, .5, .25, 0, 0, 0}
	sigma := roots(lambda)
	golden.Check(t, "metrics", golden.Loss, []float64{
		EffectiveRank(sigma), RankMe(sigma), EffectiveRank(lambda),
		StableRank(sigma), NESum(lambda), ParticipationRatio(lambda),
	}, []float64{4.4727829, 4.4728061, 3.4651216, 1.9375, 1.9375, 2.8181818})
	if live := Live(lambda, LiveThreshold); live != 5 {
		t.Errorf("%d live dimensions, want 5", live)
	}
}

func TestMetricsAtTheEnds(t *testing.T) {
	for _, tc := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"isotropic", []float64{3, 3, 3, 3}, 4},
		{"one direction", []float64{3, 0, 0, 0}, 1},
		{"zero", []float64{0, 0, 0, 0}, 0},
		{"tiny", []float64{1e-300, 1e-300}, 2}, // squares would underflow
	} {
		golden.Check(t, tc.name, golden.Closed,
			[]float64{EffectiveRank(tc.values), StableRank(tc.values), NESum(tc.values), ParticipationRatio(tc.values)},
			[]float64{tc.want, tc.want, tc.want, tc.want})
	}
}
