package kernel_test

import (
	"fmt"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
)

// columnLosses are the losses of columns behind one signature.
var columnLosses = []struct {
	name      string
	workspace func(n, d int) int
	loss      func(p *kernel.Pool, n, d int, z, ws []float32) float64
	grad      func(p *kernel.Pool, n, d int, dz, z []float32, up float64, ws []float32)
	wantLoss  func(n, d int, z []float64) float64
	wantGrad  func(n, d int, dz, z []float64, up float64)
}{
	{"BarlowTwins", kernel.BarlowTwinsWorkspace,
		func(p *kernel.Pool, n, d int, z, ws []float32) float64 {
			return kernel.BarlowTwins(p, n, d, 0.0051, 2, z, ws)
		},
		func(p *kernel.Pool, n, d int, dz, z []float32, up float64, ws []float32) {
			kernel.BarlowTwinsGrad(p, n, d, 0.0051, 2, dz, z, up, ws)
		},
		func(n, d int, z []float64) float64 { return reference.BarlowTwins(n, d, 0.0051, 2, z) },
		func(n, d int, dz, z []float64, up float64) {
			reference.BarlowTwinsGrad(n, d, 0.0051, 2, dz, z, up)
		}},
	{"VICReg", kernel.VICRegWorkspace,
		func(p *kernel.Pool, n, d int, z, ws []float32) float64 {
			return kernel.VICReg(p, n, d, 25, 20, 1.5, z, ws)
		},
		func(p *kernel.Pool, n, d int, dz, z []float32, up float64, ws []float32) {
			kernel.VICRegGrad(p, n, d, 25, 20, 1.5, dz, z, up, ws)
		},
		func(n, d int, z []float64) float64 { return reference.VICReg(n, d, 25, 20, 1.5, z) },
		func(n, d int, dz, z []float64, up float64) {
			reference.VICRegGrad(n, d, 25, 20, 1.5, dz, z, up)
		}},
}

// columnViews returns embeddings whose views are alike, whose columns have means and
// variances of their own, on both sides of 1, and correlate with their neighbours.
func columnViews(n, d int) []float32 {
	r := seeded(23, uint64(n*d))
	z := r.tensor(2 * n * d)
	for i := range n * d {
		z[n*d+i] = z[i] + z[n*d+i]
	}
	for i := len(z) - 1; i > 0; i-- {
		if i%d > 0 {
			z[i] = 0.25*float32(1+i%7)*(z[i]+0.5*z[i-1]) + float32(i%5)
		}
	}
	return z
}

func TestColumnLosses(t *testing.T) {
	// Two rows alone correlate by ±1: rounding is all that their gradient holds.
	for _, s := range []struct{ n, d int }{{30, 1}, {3, 3}, {7, 40}, {20, 40}, {33, 17}, {64, 129}, {150, 16}, {12, 500}} {
		z := columnViews(s.n, s.d)
		for _, l := range columnLosses {
			what := fmt.Sprintf("%s n %d d %d", l.name, s.n, s.d)
			want, grad := l.wantLoss(s.n, s.d, wide(z)), make([]float64, len(z))
			l.wantGrad(s.n, s.d, grad, wide(z), 1.5)
			eachMachine(t, func(t *testing.T, p *kernel.Pool) {
				one := kernel.NewPoolOf(1, p.Implementation())
				defer one.Close()
				ws := garbage(l.workspace(s.n, s.d))
				loss := l.loss(p, s.n, s.d, z, ws)
				golden.CheckValue(t, what, golden.Loss, loss, want)
				golden.CheckValue(t, what+" with one worker", golden.Exact, l.loss(one, s.n, s.d, z, ws), loss)
				dz, alone := garbage(len(z)), garbage(len(z))
				l.grad(p, s.n, s.d, dz, z, 1.5, ws)
				l.grad(one, s.n, s.d, alone, z, 1.5, ws)
				golden.Check(t, what+" gradient", golden.TorchForward, dz, grad)
				same(t, what+" gradient with one worker", alone, dz)
			})
		}
	}
}

func TestColumnLossesRefuseOneRow(t *testing.T) {
	p := kernel.NewPool(1)
	defer p.Close()
	for _, l := range columnLosses {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: one row has no variance, want a panic", l.name)
				}
			}()
			l.loss(p, 1, 4, make([]float32, 8), make([]float32, 1<<10))
		}()
	}
}

// BenchmarkColumnLosses counts the products alone: of the loss, and of its gradient
// with what it computes again.
func BenchmarkColumnLosses(b *testing.B) {
	for _, s := range []struct{ n, d int }{{256, 2048}, {256, 8192}, {2048, 2048}} {
		z := sample(2 * s.n * s.d)
		p := benchPool()
		for _, l := range columnLosses {
			ws, dz := make([]float32, l.workspace(s.n, s.d)), make([]float32, len(z))
			b.Run(fmt.Sprintf("%s/%dx%d", l.name, s.n, s.d), func(b *testing.B) {
				for b.Loop() {
					l.loss(p, s.n, s.d, z, ws)
					l.grad(p, s.n, s.d, dz, z, 1, ws)
				}
			})
		}
		p.Close()
	}
}
