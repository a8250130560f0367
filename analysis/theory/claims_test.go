package theory

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// The paper's claims, after fewer steps and on fewer seeds than its figures have.
func TestClaims(t *testing.T) { claims(t, 1500, 2) }

// claims trains under augmentation below and above the threshold, and at several depths.
func claims(t *testing.T, steps, seeds int) {
	for seed := range seeds {
		c := StrongAugmentation(0)
		ninth := func(k float64) float64 {
			c := StrongAugmentation(k)
			c.Steps, c.Seed = steps, uint64(seed)
			s := mustNew(t, c)
			mustStep(t, s, steps)
			sigma, err := s.WeightSpectrum(0)
			if err != nil {
				t.Fatal(err)
			}
			if sigma[7] < 1 {
				t.Errorf("seed %d, k = %g: a direction that is not augmented fell to %g", seed, k, sigma[7])
			}
			return sigma[c.Dim-c.Dim/2] / sigma[0]
		}
		if below, above := ninth(0.25*Threshold(c.Variance)), ninth(3*Threshold(c.Variance)); below < 0.2 || above > 1e-3 {
			t.Errorf("seed %d: the first augmented direction is %.2g of the largest below the threshold and %.2g above it", seed, below, above)
		}
	}
	depths := []int{1, 2, 4}
	o := Options{Seeds: seeds, Change: func(c *Config) { c.Steps = steps }}
	figures, err := DepthFigures(context.Background(), o, depths)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"linear", "relu"} {
		var live []int
		for _, line := range figures[0].Says {
			if strings.HasPrefix(line, name) {
				var n int
				fmt.Sscanf(line[strings.Index(line, ": ")+2:], "%d", &n)
				live = append(live, n)
			}
		}
		if len(live) != 3 || live[0] != 16 || live[2] >= live[1] && steps >= 10000 || live[2] >= live[0] {
			t.Errorf("%s: %v live dimensions at depths %v, want fewer with more layers", name, live, depths)
		}
	}
}
