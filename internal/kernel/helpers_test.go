package kernel_test

import (
	"math/rand/v2"
	"testing"

	"onnxclr/internal/kernel"
)

// eachMachine runs a test on every implementation of this processor.
func eachMachine(t *testing.T, f func(t *testing.T, p *kernel.Pool)) {
	for _, name := range kernel.Implementations() {
		t.Run(name, func(t *testing.T) {
			p := kernel.NewPoolOf(2, name)
			defer p.Close()
			f(t, p)
		})
	}
}

type random struct{ *rand.Rand }

func seeded(a, b uint64) random { return random{rand.New(rand.NewPCG(a, b))} }

// normal returns n float32s around mean.
func (r random) normal(n int, mean, deviation float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(mean + deviation*r.NormFloat64())
	}
	return x
}

// tensor returns n values that are neither tiny nor large.
func (r random) tensor(n int) []float32 { return r.normal(n, 0, 1) }

// garbage returns n values that no kernel may read.
func garbage(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(-1e30)
	}
	return x
}

func (r random) pick(values ...int) int { return values[r.IntN(len(values))] }

// wide converts to float64.
func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// magnitudes returns |x|.
func magnitudes(x []float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = max(v, -v)
	}
	return y
}

// planar turns [n,hw,c] to the references' [n,c,hw].
func planar[T any](n, c, hw int, x []T) []T {
	y := make([]T, len(x))
	for i := range n {
		for j := range hw {
			for k := range c {
				y[(i*c+k)*hw+j] = x[(i*hw+j)*c+k]
			}
		}
	}
	return y
}

// same fails the test unless two results have the same bits.
func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] && (got[i] == got[i] || want[i] == want[i]) {
			t.Errorf("%s: element %d is %v, want %v", what, i, got[i], want[i])
			return
		}
	}
}
