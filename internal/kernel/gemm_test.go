package kernel_test

import (
	"fmt"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
)

func TestGemmAgreesWithReference(t *testing.T) {
	r := seeded(14, 1)
	type shape struct{ m, n, k int }
	shapes := []shape{{1, 1, 1}, {1, 5, 3}, {14, 32, 64}, {15, 33, 65}, {113, 257, 20}, {7, 600, 8}, {30, 31, 1200}, {3, 4, 0}, {128, 128, 128}}
	for range 12 {
		shapes = append(shapes, shape{1 + r.IntN(60), 1 + r.IntN(90), 1 + r.IntN(90)})
	}
	for i, s := range shapes {
		transA, transB := i&1 != 0, i&2 != 0
		alpha, beta := []float64{1, 0.5}[i/4%2], []float64{0, 1, 0.25}[i%3]
		lda, ldb, ldc := s.k+i%3, s.n+i%2, s.n+i%4 // more than a row is long
		rowsA, rowsB := s.m, s.k
		if transA {
			lda, rowsA = s.m+i%3, s.k
		}
		if transB {
			ldb, rowsB = s.k+i%2, s.n
		}
		a, b, c, bias := r.tensor(rowsA*lda), r.tensor(rowsB*ldb), r.tensor(s.m*ldc), r.tensor(s.n)
		packed := func(x []float32, rows, cols, ld int) []float64 {
			var y []float64
			for i := range rows {
				y = append(y, wide(x[i*ld:i*ld+cols])...)
			}
			return y
		}
		colsA, colsB := lda-i%3, ldb-i%2
		pa, pb, want := packed(a, rowsA, colsA, lda), packed(b, rowsB, colsB, ldb), packed(c, s.m, s.n, ldc)
		magnitude := magnitudes(want)
		reference.Gemm(transA, transB, s.m, s.n, s.k, alpha, beta, want, pa, pb)
		reference.Gemm(transA, transB, s.m, s.n, s.k, alpha, beta, magnitude, magnitudes(pa), magnitudes(pb))
		for j := range want {
			want[j] += float64(bias[j%s.n])
			magnitude[j] += max(float64(bias[j%s.n]), -float64(bias[j%s.n]))
		}
		what := fmt.Sprintf("%+v trans %v %v alpha %g beta %g", s, transA, transB, alpha, beta)
		eachMachine(t, func(t *testing.T, p *kernel.Pool) {
			got := append([]float32(nil), c...)
			if beta == 0 {
				got = garbage(len(c))
			}
			kernel.Gemm(p, transA, transB, s.m, s.n, s.k, alpha, a, lda, b, ldb, beta, got, ldc, bias)
			out := make([]float32, 0, s.m*s.n)
			for i := range s.m {
				out = append(out, got[i*ldc:i*ldc+s.n]...)
			}
			golden.CheckAccum(t, what, s.k+2, out, want, magnitude)
		})
	}
}

func TestLinearAgreesWithReference(t *testing.T) {
	r := seeded(15, 1)
	const n, in, out = 5, 70, 35
	x, w, dy, bias := r.tensor(n*in), r.tensor(out*in), r.tensor(n*out), r.tensor(out)
	y, dx, dw := make([]float64, n*out), make([]float64, n*in), make([]float64, out*in)
	reference.Linear(n, in, out, y, wide(x), wide(w), wide(bias))
	reference.LinearGradInput(n, in, out, dx, wide(w), wide(dy))
	reference.LinearGradWeight(n, in, out, dw, wide(x), wide(dy))
	eachMachine(t, func(t *testing.T, p *kernel.Pool) {
		gy, gx, gw := garbage(len(y)), garbage(len(dx)), garbage(len(dw))
		kernel.Linear(p, n, in, out, gy, x, w, bias)
		kernel.LinearGradInput(p, n, in, out, gx, w, dy)
		kernel.LinearGradWeight(p, n, in, out, gw, x, dy)
		golden.Check(t, "y", golden.Stat, gy, y)
		golden.Check(t, "dx", golden.Stat, gx, dx)
		golden.Check(t, "dw", golden.Stat, gw, dw)
	})
}

func TestLayouts(t *testing.T) {
	r := seeded(16, 1)
	for _, s := range [][3]int{{1, 1, 1}, {2, 3, 70}, {3, 130, 65}, {2, 64, 64}, {1, 17, 16}} {
		n, c, hw := s[0], s[1], s[2]
		x := r.tensor(n * c * hw)
		eachMachine(t, func(t *testing.T, p *kernel.Pool) {
			nhwc, nchw := garbage(len(x)), garbage(len(x))
			kernel.ToNHWC(p, n, c, hw, nhwc, x)
			same(t, "ToNHWC", planar(n, c, hw, nhwc), x)
			kernel.ToNCHW(p, n, c, hw, nchw, nhwc)
			same(t, "ToNCHW", nchw, x)
			kernel.Transpose2D(p, c, hw, nchw[:c*hw], x[:c*hw])
			same(t, "Transpose2D", nchw[:c*hw], planar(1, hw, c, x[:c*hw]))
		})
		p := kernel.NewPool(1)
		if hw > 4 {
			y, back := garbage(n*c*3), garbage(len(x))
			kernel.SliceColumns(p, n*c, hw, 1, 4, y, x)
			kernel.SliceColumnsGrad(p, n*c, hw, 1, 4, back, y)
			wantY, want := make([]float32, len(y)), make([]float32, len(x))
			reference.SliceColumns(n*c, hw, 1, 4, wantY, x)
			reference.SliceColumnsGrad(n*c, hw, 1, 4, want, wantY)
			same(t, "SliceColumns", y, wantY)
			same(t, "SliceColumnsGrad", back, want)
		}
		p.Close()
	}
}
