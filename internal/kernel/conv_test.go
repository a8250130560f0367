package kernel_test

import (
	"fmt"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
)

// geometries returns the convolutions that the tests go through: the shapes of
// residual networks cut down, and random ones of every kind.
func geometries(t *testing.T) []kernel.Conv {
	square := func(n, c, h, k, r, stride, pad, groups int) kernel.Conv {
		return kernel.Conv{N: n, C: c, H: h, W: h, K: k, R: r, S: r, StrideH: stride, StrideW: stride,
			DilationH: 1, DilationW: 1, PadTop: pad, PadLeft: pad, PadBottom: pad, PadRight: pad, Groups: groups}
	}
	list := []kernel.Conv{
		square(2, 3, 17, 16, 7, 2, 3, 1),   // the first layer
		square(2, 64, 6, 32, 1, 1, 0, 1),   // 1×1
		square(2, 32, 8, 48, 1, 2, 0, 1),   // 1×1 of a shortcut
		square(2, 32, 8, 33, 3, 1, 1, 1),   // 3×3
		square(2, 19, 9, 32, 3, 2, 1, 1),   // 3×3 with stride
		square(2, 600, 2, 40, 3, 1, 1, 1),  // more channels than a block is deep
		square(8, 16, 11, 300, 1, 1, 0, 1), // more columns than a block
		square(4, 32, 5, 32, 3, 1, 1, 8),   // 4 channels a group
		square(2, 64, 5, 64, 3, 2, 1, 4),   // 16 channels a group
		square(4, 6, 4, 6, 3, 1, 1, 6),     // depthwise
		square(1, 1, 1, 1, 1, 1, 0, 1),     // one number
		square(1, 40, 1, 24, 3, 1, 1, 1),   // a 1×1 map: eight of nine taps are padding
		square(2, 8, 1, 8, 2, 5, 3, 1),     // windows of padding only
		square(24, 48, 8, 32, 3, 1, 1, 1),  // chunks of pixels
		square(1, 2, 70, 3, 65, 1, 0, 1),   // a filter of more taps than are packed in vectors
	}
	r := seeded(7, 11)
	for range 40 {
		groups := r.pick(1, 1, 1, 2, 3, 4)
		g := kernel.Conv{N: r.pick(1, 2, 3, 4), C: groups * (1 + r.IntN(20)), H: 1 + r.IntN(12), W: 1 + r.IntN(12),
			K: groups * (1 + r.IntN(40)), R: 1 + r.IntN(4), S: 1 + r.IntN(4),
			StrideH: 1 + r.IntN(3), StrideW: 1 + r.IntN(3), DilationH: 1 + r.IntN(2), DilationW: 1 + r.IntN(2),
			PadTop: r.IntN(3), PadLeft: r.IntN(3), PadBottom: r.IntN(3), PadRight: r.IntN(3), Groups: groups}
		list = append(list, g)
	}
	var valid []kernel.Conv
	for _, g := range list {
		if g.Complete() == nil {
			valid = append(valid, g)
		}
	}
	if len(valid) < 40 {
		t.Fatalf("only %d valid geometries", len(valid))
	}
	return valid
}

func describe(g kernel.Conv) string {
	return fmt.Sprintf("%d×%d×%d×%d to %d, %d×%d stride %d,%d dilation %d,%d pads %d,%d,%d,%d groups %d",
		g.N, g.C, g.H, g.W, g.K, g.R, g.S, g.StrideH, g.StrideW, g.DilationH, g.DilationW, g.PadTop, g.PadLeft, g.PadBottom, g.PadRight, g.Groups)
}

// layer is a convolution with operands and the references' results in float64.
type layer struct {
	g                     kernel.Conv
	x, w, dy              []float32
	y, dx, dw             []float64
	yMagn, dxMagn, dwMagn []float64
	workspace             []float32
}

func newLayer(g kernel.Conv, r random, exact bool) *layer {
	cg := g.C / g.Groups
	l := &layer{g: g, x: r.tensor(g.N * g.H * g.W * g.C), w: r.tensor(g.K * cg * g.R * g.S), dy: r.tensor(g.N * g.P * g.Q * g.K)}
	l.workspace = garbage(kernel.ConvWorkspace(g, exact))
	l.solve(l.x)
	return l
}

// solve runs the references, on x in NHWC.
func (l *layer) solve(x32 []float32) {
	g := l.g
	x := planar(g.N, g.C, g.H*g.W, wide(x32))
	dy := planar(g.N, g.K, g.P*g.Q, wide(l.dy))
	w := wide(l.w)
	run := func(x, w, dy []float64) (y, dx, dw []float64) {
		y, dx, dw = make([]float64, len(dy)), make([]float64, len(x)), make([]float64, len(w))
		reference.Conv(g, y, x, w, nil)
		reference.ConvGradInput(g, dx, w, dy)
		reference.ConvGradFilter(g, dw, x, dy)
		return y, dx, dw
	}
	l.y, l.dx, l.dw = run(x, w, dy)
	l.yMagn, l.dxMagn, l.dwMagn = run(magnitudes(x), magnitudes(w), magnitudes(dy))
}

// reach is the longest sum of a convolution's three passes.
func (l *layer) reach() (forward, input, filter int) {
	g := l.g
	return g.C / g.Groups * g.R * g.S, g.K / g.Groups * g.R * g.S, g.N * g.P * g.Q
}

func TestConvAgreesWithReference(t *testing.T) {
	layers := []*layer{}
	for i, g := range geometries(t) {
		layers = append(layers, newLayer(g, seeded(1, uint64(i)), true))
	}
	eachMachine(t, func(t *testing.T, p *kernel.Pool) {
		for _, l := range layers {
			g := l.g
			forward, input, filter := l.reach()
			y, dx, dw := garbage(len(l.y)), garbage(len(l.dx)), garbage(len(l.dw))
			kernel.ConvForward(p, &kernel.ConvForwardArgs{G: g, Y: y, X: l.x, W: l.w, Workspace: l.workspace, Exact: true})
			golden.CheckAccum(t, "y of "+describe(g), forward, planar(g.N, g.K, g.P*g.Q, y), l.y, l.yMagn)
			kernel.ConvGradInput(p, &kernel.ConvGradInputArgs{G: g, DX: dx, W: l.w, DY: l.dy, Workspace: l.workspace, Exact: true})
			golden.CheckAccum(t, "dx of "+describe(g), input, planar(g.N, g.C, g.H*g.W, dx), l.dx, l.dxMagn)
			kernel.ConvGradFilter(p, &kernel.ConvGradFilterArgs{G: g, DW: dw, X: l.x, DY: l.dy, Workspace: l.workspace, Exact: true})
			golden.CheckAccum(t, "dw of "+describe(g), filter, dw, l.dw, l.dwMagn)
		}
	})
}

func TestConvFusions(t *testing.T) {
	for i, g := range geometries(t) {
		if i%3 != 0 && i > 12 {
			continue
		}
		r := seeded(2, uint64(i))
		groups := 1
		if g.N%2 == 0 {
			groups = 2
		}
		l := newLayer(g, r, true)
		in := &kernel.Affine{Groups: groups, Scale: r.tensor(groups * g.C), Shift: r.tensor(groups * g.C), ReLU: i%2 == 0}
		applied := affine(g.N, g.H*g.W, g.C, l.x, in)
		l.solve(applied)
		bias, residual := r.tensor(g.K), r.tensor(len(l.dy))
		eachMachine(t, func(t *testing.T, p *kernel.Pool) {
			y, dw, stats := garbage(len(l.y)), garbage(len(l.dw)), garbage(2*groups*g.K)
			kernel.ConvForward(p, &kernel.ConvForwardArgs{G: g, Y: y, X: l.x, W: l.w, In: in, Bias: bias, Residual: residual, ReLU: true,
				Stats: stats, Groups: groups, Workspace: l.workspace, Exact: true})
			want := make([]float64, len(l.y))
			res, pixels := planar(g.N, g.K, g.P*g.Q, wide(residual)), g.P*g.Q
			for i, v := range l.y {
				want[i] = max(v+float64(bias[i/pixels%g.K])+res[i], 0)
			}
			golden.Check(t, "fused y of "+describe(g), golden.Stat, planar(g.N, g.K, pixels, y), want)
			wantStats := make([]float64, len(stats))
			reference.BatchStats(groups, g.N, g.K, pixels, wantStats, planar(g.N, g.K, pixels, wide(y)))
			golden.Check(t, "stats of "+describe(g), golden.Stat, stats, wantStats)
			kernel.ConvGradFilter(p, &kernel.ConvGradFilterArgs{G: g, DW: dw, X: l.x, DY: l.dy, In: in, Workspace: l.workspace, Exact: true})
			golden.Check(t, "dw of affine "+describe(g), golden.Stat, dw, l.dw)
			start := r.tensor(len(l.dx))
			dx := append([]float32(nil), start...)
			kernel.ConvGradInput(p, &kernel.ConvGradInputArgs{G: g, DX: dx, W: l.w, DY: l.dy, Accumulate: true, Workspace: l.workspace, Exact: true})
			sum := planar(g.N, g.C, g.H*g.W, wide(start))
			for i, v := range l.dx {
				sum[i] += v
			}
			golden.Check(t, "added dx of "+describe(g), golden.Stat, planar(g.N, g.C, g.H*g.W, dx), sum)
		})
	}
}

// affine applies a in float32, as the kernels do.
func affine(n, hw, c int, x []float32, a *kernel.Affine) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		e := i/(n/a.Groups*hw*c)*c + i%c
		y[i] = v*a.Scale[e] + a.Shift[e]
		if a.ReLU {
			y[i] = max(y[i], 0)
		}
	}
	return y
}

func TestConvDoesNotDependOnWorkers(t *testing.T) {
	for i, g := range geometries(t) {
		if i > 13 && i%4 != 0 {
			continue
		}
		for _, name := range kernel.Implementations() {
			var first []float32
			for _, workers := range []int{1, 2, 7} {
				p := kernel.NewPoolOf(workers, name)
				r := seeded(3, uint64(i))
				cg := g.C / g.Groups
				x, w, dy := r.tensor(g.N*g.H*g.W*g.C), r.tensor(g.K*cg*g.R*g.S), r.tensor(g.N*g.P*g.Q*g.K)
				in := &kernel.Affine{Groups: 1, Scale: r.tensor(g.C), Shift: r.tensor(g.C), ReLU: true}
				ws := garbage(kernel.ConvWorkspace(g, false))
				ny, nx, nw := len(dy), len(x), len(w)
				all := garbage(ny + 2*g.K + nx + nw)
				y, stats, dx, dw := all[:ny], all[ny:ny+2*g.K], all[ny+2*g.K:][:nx], all[ny+2*g.K+nx:]
				kernel.ConvForward(p, &kernel.ConvForwardArgs{G: g, Y: y, X: x, W: w, In: in, Stats: stats, Groups: 1, Workspace: ws})
				kernel.ConvGradInput(p, &kernel.ConvGradInputArgs{G: g, DX: dx, W: w, DY: dy, Workspace: ws})
				kernel.ConvGradFilter(p, &kernel.ConvGradFilterArgs{G: g, DW: dw, X: x, DY: dy, In: in, Workspace: ws})
				p.Close()
				if first == nil {
					first = all
				} else {
					same(t, fmt.Sprintf("%s: %d workers, %s", name, workers, describe(g)), all, first)
				}
			}
		}
	}
}
