package reference

import (
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
)

func geometry(t *testing.T, a arrays) kernel.Conv {
	t.Helper()
	v := a["shape"].Ints()
	g := kernel.Conv{N: v[0], C: v[1], H: v[2], W: v[3], K: v[4], R: v[5], S: v[6], StrideH: v[7], StrideW: v[8],
		DilationH: v[9], DilationW: v[10], PadTop: v[11], PadLeft: v[12], PadBottom: v[13], PadRight: v[14], Groups: v[15]}
	if err := g.Complete(); err != nil {
		t.Fatal(err)
	}
	if y := a["y"].Shape; y[2] != g.P || y[3] != g.Q {
		t.Fatalf("output is %d×%d, PyTorch's %v", g.P, g.Q, y)
	}
	return g
}

func TestConv(t *testing.T) {
	eachCase(t, "ops/conv.npz", "", func(t *testing.T, a arrays) {
		t.Run("float32", func(t *testing.T) { testConv[float32](t, a) })
		t.Run("float64", func(t *testing.T) { testConv[float64](t, a) })
	})
}

func testConv[T Float](t *testing.T, a arrays) {
	g := geometry(t, a)
	x, w, b, dy := of[T](a, "x"), of[T](a, "w"), of[T](a, "b"), of[T](a, "dy")
	y, dx, dw := filled[T](len(dy)), filled[T](len(x)), filled[T](len(w))
	Conv(g, y, x, w, b)
	ConvGradInput(g, dx, w, dy)
	ConvGradFilter(g, dw, x, dy)
	agree(t, "y", y, a["y"])
	agree(t, "dx", dx, a["dx"])
	agree(t, "dw", dw, a["dw"])
	if b != nil {
		db := filled[T](len(b))
		ChannelSum(g.N, g.K, g.P*g.Q, db, dy)
		agree(t, "db", db, a["db"])
	}
}

func TestConvDifferences(t *testing.T) {
	eachCase(t, "ops/conv.npz", "3x3", func(t *testing.T, a arrays) {
		g := geometry(t, a)
		x, w, b, dy := of[float64](a, "x"), of[float64](a, "w"), of[float64](a, "b"), of[float64](a, "dy")
		y, dx, dw := filled[float64](len(dy)), filled[float64](len(x)), filled[float64](len(w))
		f := func() float64 {
			Conv(g, y, x, w, b)
			return weighted(y, dy)
		}
		ConvGradInput(g, dx, w, dy)
		ConvGradFilter(g, dw, x, dy)
		golden.CheckGradient(t, "dx", f, x, dx)
		golden.CheckGradient(t, "dw", f, w, dw)
		if b != nil {
			db := filled[float64](len(b))
			ChannelSum(g.N, g.K, g.P*g.Q, db, dy)
			golden.CheckGradient(t, "db", f, b, db)
		}
	})
}

func TestWrongLengthPanics(t *testing.T) {
	g := kernel.Conv{N: 1, C: 1, H: 3, W: 3, K: 1, R: 3, S: 3, StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, Groups: 1}
	if err := g.Complete(); err != nil {
		t.Fatal(err)
	}
	nine := make([]float32, 9)
	mustPanic(t, "short image", func() { Conv(g, nine[:1], nine[:8], nine, nil) })
	mustPanic(t, "long output", func() { Conv(g, nine, nine, nine, nil) })
	mustPanic(t, "bias", func() { Conv(g, nine[:1], nine, nine, nine) })
	mustPanic(t, "views that do not divide the batch", func() { BatchStats(2, 3, 1, 3, nine[:4], nine) })
	mustPanic(t, "one value has no unbiased variance", func() { UpdateRunning(1, 1, 1, 0.1, nine[:1], nine[:1], nine[:2]) })
	mustPanic(t, "columns beyond the matrix", func() { SliceColumns(3, 3, 1, 4, nine, nine) })
	mustPanic(t, "temperature 0", func() { InfoNCE(1, 2, 0, nine[:4]) })
}
