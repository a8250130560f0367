package kernel_test

import (
	"fmt"
	"math"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
)

func TestPoolingAgreesWithReference(t *testing.T) {
	r := seeded(12, 1)
	for range 40 {
		g := kernel.Window{N: r.pick(1, 2, 3), C: r.pick(1, 3, 16, 20, 64), H: 1 + r.IntN(12), W: 1 + r.IntN(12), R: 1 + r.IntN(4), S: 1 + r.IntN(4),
			StrideH: 1 + r.IntN(3), StrideW: 1 + r.IntN(3), DilationH: 1 + r.IntN(2), DilationW: 1 + r.IntN(2),
			PadTop: r.IntN(2), PadLeft: r.IntN(2), PadBottom: r.IntN(2), PadRight: r.IntN(2), CeilMode: r.IntN(2) == 0}
		if g.Complete() != nil {
			continue
		}
		in, out := g.H*g.W, g.P*g.Q
		x, dy := r.tensor(g.N*in*g.C), r.tensor(g.N*out*g.C)
		for i := range x {
			x[i] = float32(math.Round(float64(x[i]))) // ties
			if r.IntN(60) == 0 {
				x[i] = float32(math.NaN())
			}
		}
		what := fmt.Sprintf("%+v", g)
		y, dx := make([]float32, len(dy)), make([]float64, len(x))
		reference.MaxPool(g, y, planar(g.N, g.C, in, x))
		reference.MaxPoolGrad(g, dx, planar(g.N, g.C, in, wide(x)), planar(g.N, g.C, out, wide(dy)))
		mean, spread := make([]float64, g.N*g.C), make([]float64, len(dy))
		reference.GlobalAveragePool(g.N*g.C, out, mean, planar(g.N, g.C, out, wide(dy)))
		reference.GlobalAveragePoolGrad(g.N*g.C, out, spread, mean)
		eachMachine(t, func(t *testing.T, p *kernel.Pool) {
			gotY, gotDX := garbage(len(y)), garbage(len(x))
			kernel.MaxPool(p, g, gotY, x)
			same(t, "MaxPool "+what, planar(g.N, g.C, out, gotY), y)
			kernel.MaxPoolGrad(p, g, gotDX, x, dy)
			golden.Check(t, "MaxPoolGrad "+what, golden.Stat, planar(g.N, g.C, in, gotDX), dx)
			gotMean, gotSpread := garbage(len(mean)), garbage(len(spread))
			kernel.GlobalAveragePool(p, g.N, g.C, out, gotMean, dy)
			golden.Check(t, "GlobalAveragePool "+what, golden.Stat, gotMean, mean)
			kernel.GlobalAveragePoolGrad(p, g.N, g.C, out, gotSpread, gotMean)
			golden.Check(t, "GlobalAveragePoolGrad "+what, golden.Stat, planar(g.N, g.C, out, gotSpread), spread)
		})
	}
}

func TestGlobalAveragePoolOfManyPixels(t *testing.T) {
	r := seeded(13, 1)
	const n, c, hw = 2, 70, 1000
	x, want := r.normal(n*c*hw, 5, 1), make([]float64, n*c)
	reference.GlobalAveragePool(n*c, hw, want, planar(n, c, hw, wide(x)))
	eachMachine(t, func(t *testing.T, p *kernel.Pool) {
		got := garbage(n * c)
		kernel.GlobalAveragePool(p, n, c, hw, got, x)
		golden.Check(t, "GlobalAveragePool", golden.Stat, got, want)
	})
}
