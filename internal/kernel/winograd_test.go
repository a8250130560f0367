package kernel_test

import (
	"fmt"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
)

// winogradGeometries are 3×3 convolutions of every kind of map: squares that fit,
// that are cut at the edges, one to an image, and asymmetric padding.
func winogradGeometries(t *testing.T) []kernel.Conv {
	var list []kernel.Conv
	stride := 1
	add := func(n, c, h, w, k, top, left, bottom, right int) {
		g := kernel.Conv{N: n, C: c, H: h, W: w, K: k, R: 3, S: 3, StrideH: stride, StrideW: stride, DilationH: 1, DilationW: 1,
			PadTop: top, PadLeft: left, PadBottom: bottom, PadRight: right, Groups: 1}
		if err := g.Complete(); err != nil {
			t.Fatal(err)
		}
		if !kernel.UsesWinograd(g) {
			t.Fatalf("%s is computed directly", describe(g))
		}
		list = append(list, g)
	}
	add(4, 64, 8, 8, 64, 1, 1, 1, 1)
	add(8, 32, 4, 4, 48, 1, 1, 1, 1)
	add(34, 64, 2, 2, 64, 1, 1, 1, 1)
	add(4, 64, 7, 7, 64, 1, 1, 1, 1)
	add(2, 32, 14, 11, 32, 0, 2, 1, 0)
	add(2, 160, 12, 9, 176, 1, 1, 1, 1)
	add(4, 512, 7, 7, 32, 1, 1, 1, 1)
	stride = 2
	add(8, 64, 16, 16, 64, 1, 1, 1, 1)
	add(32, 32, 8, 8, 48, 1, 1, 1, 1)
	add(8, 160, 14, 14, 176, 1, 1, 1, 1)
	add(16, 32, 15, 16, 32, 1, 1, 1, 0)
	add(16, 48, 14, 15, 32, 1, 1, 2, 1)
	add(32, 512, 8, 8, 32, 1, 1, 1, 1)
	return list
}

// TestWinogradError measures the error that the documentation states.
func TestWinogradError(t *testing.T) {
	for i, g := range winogradGeometries(t) {
		l := newLayer(g, seeded(21, uint64(i)), false)
		eachMachine(t, func(t *testing.T, p *kernel.Pool) {
			y, dx, dw := garbage(len(l.y)), garbage(len(l.dx)), garbage(len(l.dw))
			kernel.ConvForward(p, &kernel.ConvForwardArgs{G: g, Y: y, X: l.x, W: l.w, Workspace: l.workspace})
			golden.Check(t, "y of "+describe(g), golden.Winograd, planar(g.N, g.K, g.P*g.Q, y), l.y)
			kernel.ConvGradInput(p, &kernel.ConvGradInputArgs{G: g, DX: dx, W: l.w, DY: l.dy, Workspace: l.workspace})
			golden.Check(t, "dx of "+describe(g), golden.Winograd, planar(g.N, g.C, g.H*g.W, dx), l.dx)
			kernel.ConvGradFilter(p, &kernel.ConvGradFilterArgs{G: g, DW: dw, X: l.x, DY: l.dy, Workspace: l.workspace})
			golden.Check(t, "dw of "+describe(g), golden.Winograd, dw, l.dw)
			if testing.Verbose() {
				ey, _ := golden.MaxError(planar(g.N, g.K, g.P*g.Q, y), l.y)
				ex, _ := golden.MaxError(planar(g.N, g.C, g.H*g.W, dx), l.dx)
				ew, _ := golden.MaxError(dw, l.dw)
				t.Logf("%s: errors of y %.2g, dx %.2g, dw %.2g of the largest", describe(g), ey, ex, ew)
			}
		})
	}
}

func TestWinogradFusions(t *testing.T) {
	for i, g := range winogradGeometries(t) {
		r := seeded(22, uint64(i))
		l := newLayer(g, r, false)
		groups := 2
		in := &kernel.Affine{Groups: groups, Scale: r.tensor(groups * g.C), Shift: r.tensor(groups * g.C), ReLU: true}
		l.solve(affine(g.N, g.H*g.W, g.C, l.x, in))
		bias, residual := r.tensor(g.K), r.tensor(len(l.dy))
		pixels := g.P * g.Q
		want := make([]float64, len(l.y))
		res := planar(g.N, g.K, pixels, wide(residual))
		for i, v := range l.y {
			want[i] = max(v+float64(bias[i/pixels%g.K])+res[i], 0)
		}
		start := r.tensor(len(l.dx))
		sum := planar(g.N, g.C, g.H*g.W, wide(start))
		for i, v := range l.dx {
			sum[i] += v
		}
		var first [3][]float32
		for _, workers := range []int{1, 3} {
			for n, name := range kernel.Implementations() {
				if workers == 3 && name == "portable" {
					continue
				}
				p := kernel.NewPoolOf(workers, name)
				y, stats, dx, dw := garbage(len(l.y)), garbage(2*groups*g.K), append([]float32(nil), start...), garbage(len(l.dw))
				kernel.ConvForward(p, &kernel.ConvForwardArgs{G: g, Y: y, X: l.x, W: l.w, In: in, Bias: bias, Residual: residual, ReLU: true,
					Stats: stats, Groups: groups, Workspace: l.workspace})
				golden.Check(t, name+" fused y of "+describe(g), golden.Winograd, planar(g.N, g.K, pixels, y), want)
				wantStats := make([]float64, len(stats))
				reference.BatchStats(groups, g.N, g.K, pixels, wantStats, planar(g.N, g.K, pixels, wide(y)))
				golden.Check(t, name+" stats of "+describe(g), golden.Stat, stats, wantStats)
				kernel.ConvGradInput(p, &kernel.ConvGradInputArgs{G: g, DX: dx, W: l.w, DY: l.dy, Accumulate: true, Workspace: l.workspace})
				golden.Check(t, name+" added dx of "+describe(g), golden.Winograd, planar(g.N, g.C, g.H*g.W, dx), sum)
				kernel.ConvGradFilter(p, &kernel.ConvGradFilterArgs{G: g, DW: dw, X: l.x, DY: l.dy, In: in, Workspace: l.workspace})
				golden.Check(t, name+" dw of affine "+describe(g), golden.Winograd, dw, l.dw)
				all := append(append(append(y, stats...), dx...), dw...)
				if workers == 1 {
					first[n] = all
				} else {
					same(t, fmt.Sprintf("%s with %d workers, %s", name, workers, describe(g)), all, first[n])
				}
				p.Close()
			}
		}
	}
}
