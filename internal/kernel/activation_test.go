package kernel

import (
	"math"
	"testing"
)

// TestExp32 bounds the error in units in the last place.
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

func TestErf(t *testing.T) {
	worst := 0.0
	var x, y [1]float32
	for x[0] = -6; x[0] < 6; x[0] += 0.000377 {
		Erf(y[:], x[:])
		worst = max(worst, math.Abs(float64(y[0])-math.Erf(float64(x[0]))))
	}
	if worst > 6e-7 {
		t.Errorf("erf is off by %.2g, want at most 6e-7", worst)
	}
}

// TestExponentials: the exponentials of every implementation agree, at any length, and
// let NaN through.
func TestExponentials(t *testing.T) {
	for _, m := range machines() {
		for n := 1; n < 70; n++ {
			x, y, want := make([]float32, n), make([]float32, n+1), make([]float32, n)
			for i := range x {
				x[i] = float32((i*7919+n*104729)%20011)/100 - 100
			}
			x[n-1] = float32(math.NaN())
			erf := func(f func(y, x, gauss *float32, n int)) func(y, x *float32, n int) {
				return func(y, x *float32, n int) {
					gauss := make([]float32, n)
					for i, v := range view(x, n) {
						gauss[i] = float32(math.Exp(-float64(v) * float64(v)))
					}
					f(y, x, &gauss[0], n)
				}
			}
			for name, f := range map[string][2]func(y, x *float32, n int){"exp": {m.exp, expAll}, "sigmoid": {m.sigmoid, sigmoidAll}, "erf": {erf(m.erf), erf(erfAll)}} {
				y[n] = 77
				f[0](&y[0], &x[0], n)
				f[1](&want[0], &x[0], n)
				for i, v := range want[:n-1] {
					size := math.Abs(float64(v))
					if name == "erf" {
						size = 1 // it is one minus something
					}
					if d := math.Abs(float64(y[i] - v)); d > 4e-7*size {
						t.Fatalf("%s: %s(%g) = %g, want %g", m.name, name, x[i], y[i], v)
					}
				}
				if y[n-1] == y[n-1] || y[n] != 77 {
					t.Fatalf("%s: %s of %d elements: NaN gives %g, behind them is %g", m.name, name, n, y[n-1], y[n])
				}
			}
		}
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
