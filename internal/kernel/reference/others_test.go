package reference

import (
	"math"
	"testing"

	"onnxclr/internal/golden"
)

func TestReLU(t *testing.T) {
	eachCase(t, "ops/others.npz", "relu", func(t *testing.T, a arrays) {
		x, dy := a["x"].F32, a["dy"].F32
		y, dx := filled[float32](len(x)), filled[float32](len(x))
		ReLU(y, x)
		ReLUGrad(dx, y, dy)
		golden.Check(t, "y", golden.Exact, y, a["y"].F64)
		golden.Check(t, "dx", golden.Exact, dx, a["dx"].F64)
	})
	nan := float32(math.NaN())
	y, dx := make([]float32, 1), make([]float32, 1)
	ReLU(y, []float32{nan})
	ReLUGrad(dx, y, []float32{3})
	golden.Check(t, "NaN goes through, and its gradient", golden.Exact, append(y, dx...), []float32{nan, 3})

	x, up := []float64{-0.7, 0.4, 1.3, -0.01}, []float64{2, -3, 0.5, 1}
	out, grad := make([]float64, 4), make([]float64, 4)
	f := func() float64 { ReLU(out, x); return weighted(out, up) }
	f()
	ReLUGrad(grad, out, up)
	golden.CheckGradient(t, "dx", f, x, grad)
}

func TestAdd(t *testing.T) {
	eachCase(t, "ops/others.npz", "add", func(t *testing.T, a arrays) {
		x, z := a["a"].F32, a["b"]
		if z == nil {
			z = a["a"] // a value added to itself
		}
		y := filled[float32](len(x))
		Add(y, x, z.F32)
		agree(t, "y", y, a["y"])
		dx := append([]float32(nil), a["dy"].F32...)
		if z == a["a"] {
			Add(dx, dx, a["dy"].F32)
		}
		golden.Check(t, "da", golden.Exact, dx, a["da"].F64)
	})
}

func TestGlobalAveragePool(t *testing.T) {
	eachCase(t, "ops/others.npz", "globalaveragepool", func(t *testing.T, a arrays) {
		t.Run("float32", func(t *testing.T) { testGlobalAveragePool[float32](t, a) })
		t.Run("float64", func(t *testing.T) { testGlobalAveragePool[float64](t, a) })
		nc, hw := a["shape"].Ints()[0], a["shape"].Ints()[1]
		x, dy := of[float64](a, "x"), of[float64](a, "dy")
		y, dx := make([]float64, nc), make([]float64, nc*hw)
		GlobalAveragePoolGrad(nc, hw, dx, dy)
		golden.CheckGradient(t, "dx", func() float64 { GlobalAveragePool(nc, hw, y, x); return weighted(y, dy) }, x, dx)
	})
}

func testGlobalAveragePool[T Float](t *testing.T, a arrays) {
	nc, hw := a["shape"].Ints()[0], a["shape"].Ints()[1]
	y, dx := filled[T](nc), filled[T](nc*hw)
	GlobalAveragePool(nc, hw, y, of[T](a, "x"))
	GlobalAveragePoolGrad(nc, hw, dx, of[T](a, "dy"))
	agree(t, "y", y, a["y"])
	agree(t, "dx", dx, a["dx"])
}

func TestLinear(t *testing.T) {
	eachCase(t, "ops/others.npz", "linear", func(t *testing.T, a arrays) {
		t.Run("float32", func(t *testing.T) { testLinear[float32](t, a) })
		t.Run("float64", func(t *testing.T) { testLinear[float64](t, a) })
		s := a["shape"].Ints()
		n, in, out := s[0], s[1], s[2]
		x, w, b, dy := of[float64](a, "x"), of[float64](a, "w"), of[float64](a, "b"), of[float64](a, "dy")
		y, dx, dw := make([]float64, len(dy)), make([]float64, len(x)), make([]float64, len(w))
		f := func() float64 { Linear(n, in, out, y, x, w, b); return weighted(y, dy) }
		LinearGradInput(n, in, out, dx, w, dy)
		LinearGradWeight(n, in, out, dw, x, dy)
		golden.CheckGradient(t, "dx", f, x, dx)
		golden.CheckGradient(t, "dw", f, w, dw)
		if b != nil {
			db := make([]float64, out)
			ChannelSum(n, out, 1, db, dy)
			golden.CheckGradient(t, "db", f, b, db)
		}
	})
}

func testLinear[T Float](t *testing.T, a arrays) {
	s := a["shape"].Ints()
	n, in, out := s[0], s[1], s[2]
	x, w, b, dy := of[T](a, "x"), of[T](a, "w"), of[T](a, "b"), of[T](a, "dy")
	y, dx, dw := filled[T](len(dy)), filled[T](len(x)), filled[T](len(w))
	Linear(n, in, out, y, x, w, b)
	LinearGradInput(n, in, out, dx, w, dy)
	LinearGradWeight(n, in, out, dw, x, dy)
	agree(t, "y", y, a["y"])
	agree(t, "dx", dx, a["dx"])
	agree(t, "dw", dw, a["dw"])
	if b != nil {
		db := filled[T](out)
		ChannelSum(n, out, 1, db, dy)
		agree(t, "db", db, a["db"])
	}
}

func TestGemm(t *testing.T) {
	eachCase(t, "ops/others.npz", "gemm", func(t *testing.T, a arrays) {
		t.Run("float32", func(t *testing.T) { testGemm[float32](t, a) })
		t.Run("float64", func(t *testing.T) { testGemm[float64](t, a) })
	})
}

func testGemm[T Float](t *testing.T, a arrays) {
	s, scale := a["shape"].Ints(), a["scale"].F64
	y := of[T](a, "c")
	Gemm(s[0] == 1, s[1] == 1, s[2], s[3], s[4], scale[0], scale[1], y, of[T](a, "a"), of[T](a, "b"))
	agree(t, "y", y, a["y"])
}

func TestSliceColumns(t *testing.T) {
	eachCase(t, "ops/others.npz", "slice", func(t *testing.T, a arrays) {
		s := a["shape"].Ints()
		rows, cols, from, to := s[0], s[1], s[2], s[3]
		y, dx := filled[float32](rows*(to-from)), filled[float32](rows*cols)
		SliceColumns(rows, cols, from, to, y, a["x"].F32)
		SliceColumnsGrad(rows, cols, from, to, dx, a["dy"].F32)
		golden.Check(t, "y", golden.Exact, y, a["y"].F64)
		golden.Check(t, "dx, zero outside", golden.Exact, dx, a["dx"].F64)

		x, dy, out, grad := of[float64](a, "x"), of[float64](a, "dy"), make([]float64, len(y)), make([]float64, len(dx))
		SliceColumnsGrad(rows, cols, from, to, grad, dy)
		golden.CheckGradient(t, "dx", func() float64 { SliceColumns(rows, cols, from, to, out, x); return weighted(out, dy) }, x, grad)
	})
}

// TestNormalize: the golden has a zero row and one shorter than the floor of 1e-12.
func TestNormalize(t *testing.T) {
	eachCase(t, "ops/others.npz", "normalize", func(t *testing.T, a arrays) {
		t.Run("float32", func(t *testing.T) { testNormalize[float32](t, a) })
		t.Run("float64", func(t *testing.T) { testNormalize[float64](t, a) })
	})
	z, du := []float64{3, -1, 2, 0.5, 0.25, -4}, []float64{1, 2, -1, 0.3, -2, 1}
	unit, norms := unitRows(2, 3, z)
	dz := make([]float64, 6)
	unitRowsGrad(2, 3, dz, append([]float64(nil), du...), unit, norms)
	golden.CheckGradient(t, "dz", func() float64 { u, _ := unitRows(2, 3, z); return weighted(u, du) }, z, dz)
}

func testNormalize[T Float](t *testing.T, a arrays) {
	rows, d := a["shape"].Ints()[0], a["shape"].Ints()[1]
	x := of[T](a, "x")
	unit, norms := unitRows(rows, d, x)
	dx := filled[T](len(x))
	unitRowsGrad(rows, d, dx, of[float64](a, "dy"), unit, norms)
	agree(t, "y", unit, a["y"])
	// Rows of very different length have gradients of very different size: each row
	// is held against its own largest.
	for i := range rows {
		want := &golden.Array{F64: a["dx"].F64[i*d:][:d]}
		agree(t, "dx of a row", dx[i*d:][:d], want)
	}
}
