package kernel_test

import (
	"math"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
)

var lengths = []int{0, 1, 15, 16, 17, 63, 1000, 70001}

func TestElementwise(t *testing.T) {
	nan := float32(math.NaN())
	for _, n := range lengths {
		r := seeded(8, uint64(n))
		a, b, y := r.tensor(n), r.tensor(n), r.tensor(n)
		if n > 20 {
			a[3], y[7], y[8], y[9], a[n-1] = nan, nan, 0, float32(math.Copysign(0, -1)), nan
		}
		want := make([]float32, n)
		eachMachine(t, func(t *testing.T, p *kernel.Pool) {
			got := garbage(n)
			kernel.ReLU(p, got, a)
			reference.ReLU(want, a)
			same(t, "ReLU", got, want)
			kernel.ReLUGrad(p, got, y, b)
			reference.ReLUGrad(want, y, b)
			same(t, "ReLUGrad", got, want)
			kernel.Add(p, got, a, b)
			reference.Add(want, a, b)
			same(t, "Add", got, want)
			inPlace := append([]float32(nil), a...)
			kernel.Add(p, inPlace, inPlace, b)
			reference.Add(want, a, b)
			same(t, "Add in place", inPlace, want)
		})
	}
}

func TestOptimizers(t *testing.T) {
	for _, n := range lengths {
		r := seeded(9, uint64(n))
		w, g, v := r.tensor(n), r.tensor(n), r.tensor(n)
		const lr, momentum, decay, trust = 0.1, 0.9, 0.01, 0.02
		wantW, wantV, nesterov := make([]float64, n), make([]float64, n), make([]float64, n)
		larsW, larsV := make([]float64, n), make([]float64, n)
		var ww, gg float64
		adam := kernel.Adam{Scale: 0.5, Keep: 0.999, Beta1: 0.9, Beta2: 0.99, Root: 1.5, Epsilon: 1e-3, Size: 0.1}
		adamW, adamM, adamS, wantS := make([]float64, n), make([]float64, n), make([]float64, n), make([]float32, n)
		for i := range w {
			half := adam.Scale * float64(g[i])
			wantS[i] = v[i] * v[i]
			adamM[i] = adam.Beta1*float64(v[i]) + (1-adam.Beta1)*half
			adamS[i] = adam.Beta2*float64(wantS[i]) + (1-adam.Beta2)*half*half
			adamW[i] = adam.Keep*float64(w[i]) - adam.Size*adamM[i]/(adam.Root*math.Sqrt(adamS[i])+adam.Epsilon)
			grad := float64(g[i]) + decay*float64(w[i])
			wantV[i] = momentum*float64(v[i]) + grad
			wantW[i] = float64(w[i]) - lr*wantV[i]
			nesterov[i] = float64(w[i]) - lr*(grad+momentum*wantV[i])
			larsV[i] = momentum*float64(v[i]) + trust*grad
			larsW[i] = float64(w[i]) - lr*larsV[i]
			ww += float64(w[i]) * float64(w[i])
			gg += grad * grad
		}
		eachMachine(t, func(t *testing.T, p *kernel.Pool) {
			copied := func() (a, b []float32) {
				return append([]float32(nil), w...), append([]float32(nil), v...)
			}
			gotW, gotV := copied()
			sgd := kernel.Momentum{LR: lr, Momentum: momentum, Scale: 1, Decay: decay}
			kernel.MomentumStep(p, gotW, g, gotV, sgd)
			golden.Check(t, "SGD weights", golden.Stat, gotW, wantW)
			golden.Check(t, "SGD velocity", golden.Stat, gotV, wantV)
			gotW, gotV = copied()
			sgd.Nesterov = true
			kernel.MomentumStep(p, gotW, g, gotV, sgd)
			golden.Check(t, "Nesterov weights", golden.Stat, gotW, nesterov)
			gotW, gotV = copied()
			kernel.MomentumStep(p, gotW, g, gotV, kernel.Momentum{LR: lr, Momentum: momentum, Scale: trust, Decay: trust * decay})
			golden.Check(t, "LARS weights", golden.Stat, gotW, larsW)
			golden.Check(t, "LARS velocity", golden.Stat, gotV, larsV)
			gotW, gotV = copied()
			square := append([]float32(nil), wantS...)
			kernel.AdamStep(p, gotW, g, gotV, square, adam)
			golden.Check(t, "Adam weights", golden.Stat, gotW, adamW)
			golden.Check(t, "Adam mean", golden.Stat, gotV, adamM)
			golden.Check(t, "Adam square", golden.Stat, square, adamS)
			a, b := kernel.LARSNorms(p, w, g, decay)
			golden.CheckValue(t, "LARS weight norm", golden.Loss, a, ww)
			golden.CheckValue(t, "LARS gradient norm", golden.Loss, b, gg)
			golden.CheckValue(t, "sum of squares", golden.Closed, kernel.SumSquares(p, w), ww)
		})
	}
}
