package kernel_test

import (
	"math"
	"testing"

	"onnxclr/internal/kernel"
)

func TestPeak(t *testing.T) {
	eachMachine(t, func(t *testing.T, p *kernel.Pool) {
		peak := p.Peak()
		for what, v := range map[string]float64{"FLOP/s": peak.FLOPs, "bytes/s": peak.Bytes} {
			if !(v > 1e6) || math.IsInf(v, 0) {
				t.Errorf("a peak of %g %s", v, what)
			}
		}
	})
}
