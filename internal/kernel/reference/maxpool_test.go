package reference

import (
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
)

func window(t *testing.T, a arrays) kernel.Window {
	t.Helper()
	v := a["window"].Ints()
	g := kernel.Window{N: v[0], C: v[1], H: v[2], W: v[3], R: v[4], S: v[5], StrideH: v[6], StrideW: v[7],
		DilationH: v[8], DilationW: v[9], PadTop: v[10], PadLeft: v[11], PadBottom: v[12], PadRight: v[13], CeilMode: v[14] == 1}
	if err := g.Complete(); err != nil {
		t.Fatal(err)
	}
	if y := a["y"].Shape; y[2] != g.P || y[3] != g.Q {
		t.Fatalf("output is %d×%d, PyTorch's %v", g.P, g.Q, y)
	}
	return g
}

// TestMaxPool: the forward is a choice among given values, so float32 is exact. The
// cases cover −∞ padding (images of negative values), ties and NaN.
func TestMaxPool(t *testing.T) {
	eachCase(t, "ops/maxpool.npz", "", func(t *testing.T, a arrays) {
		g := window(t, a)
		x, dy := a["x"].F32, a["dy"].F32
		y, dx := filled[float32](len(dy)), filled[float32](len(x))
		MaxPool(g, y, x)
		MaxPoolGrad(g, dx, x, dy)
		golden.Check(t, "y", golden.Exact, y, a["y"].F64)
		agree(t, "dx", dx, a["dx"])
	})
}

func TestMaxPoolDifferences(t *testing.T) {
	eachCase(t, "ops/maxpool.npz", "3x3", func(t *testing.T, a arrays) {
		g := window(t, a)
		dy := of[float64](a, "dy")
		// Values a tenth apart in a scattered order: no step changes a winner.
		x := make([]float64, g.N*g.C*g.H*g.W)
		for i := range x {
			x[i] = float64(i*37%1009) / 10
		}
		y, dx := make([]float64, len(dy)), make([]float64, len(x))
		f := func() float64 {
			MaxPool(g, y, x)
			return weighted(y, dy)
		}
		MaxPoolGrad(g, dx, x, dy)
		golden.CheckGradient(t, "dx", f, x, dx)
	})
}
