package blas

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestRectify(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	for _, mach := range machines() {
		for n := range 40 {
			before, gradient := random(r, n+1), random(r, n+1)
			before[n/2] = 0
			if n > 3 {
				before[n-1] = math.NaN()
			}
			values, gated := append([]float64(nil), before...), append([]float64(nil), gradient...)
			mach.rectifyAll(values[:n])
			mach.gateAll(gated[:n], values)
			for i := range n + 1 {
				want, through := before[i], gradient[i]
				if i < n && before[i] < 0 {
					want = 0
				}
				if i < n && want <= 0 {
					through = 0
				}
				if values[i] != want && !math.IsNaN(want) || math.IsNaN(want) != math.IsNaN(values[i]) || gated[i] != through {
					t.Fatalf("%s, %d: %v becomes %v, and the gradient %v is %v", mach.name, n, before[i], values[i], gradient[i], gated[i])
				}
			}
		}
	}
}
