package kernel

import (
	"math"
	"testing"
)

// TestExp32 bounds the error in units in the last place, and TestErf32's absolutely.
func TestExp32(t *testing.T) {
	worst := 0.0
	for x := float32(-87.3); x < 88.3; x += 0.000377 {
		want := math.Exp(float64(x))
		ulp := float64(math.Nextafter32(float32(want), math.MaxFloat32) - float32(want))
		worst = max(worst, math.Abs(float64(exp32(x))-want)/ulp)
	}
	if worst > 2 {
		t.Errorf("exp is off by %.2f units in the last place, want at most 2", worst)
	}
	for _, x := range []float32{float32(math.Inf(-1)), -1e30, -88, 0, 88.2} {
		if got, want := float64(exp32(x)), math.Exp(float64(x)); math.Abs(got-want) > 1e-6*want+2e-38 {
			t.Errorf("exp(%g) = %g, want %g", x, got, want)
		}
	}
	if v := exp32(float32(math.NaN())); v == v {
		t.Errorf("exp(NaN) = %g", v)
	}
	var y [4]float32
	Exp(y[:], []float32{-200, -100, 200, float32(math.NaN())})
	if y[0] != 0 || y[1] == 0 || !math.IsInf(float64(y[2]), 1) || y[3] == y[3] {
		t.Errorf("exp of -200, -100, 200, NaN: %v", y)
	}
}

func TestErf32(t *testing.T) {
	worst := 0.0
	for x := float32(-6); x < 6; x += 0.000377 {
		e, _ := erf32(x)
		worst = max(worst, math.Abs(float64(e)-math.Erf(float64(x))))
	}
	if worst > 6e-7 {
		t.Errorf("erf is off by %.2g, want at most 6e-7", worst)
	}
}

func BenchmarkActivations(b *testing.B) {
	x, y := make([]float32, 1<<14), make([]float32, 1<<14)
	for i := range x {
		x[i] = float32(i*7919%1000)/125 - 4
	}
	for name, f := range map[string]func([]float32, ...[]float32){"Exp": Exp, "Sigmoid": Sigmoid, "SiLU": SiLU, "GELU": GELU, "HardSwish": HardSwish, "Product": func(y []float32, x ...[]float32) { Product(y, x[0], x[0]) }} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(8 << 14)
			for b.Loop() {
				f(y, x)
			}
		})
	}
}
