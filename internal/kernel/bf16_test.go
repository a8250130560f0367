package kernel_test

import (
	"fmt"
	"math"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
)

// rounded rounds to bfloat16.
func rounded(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = kernel.RoundBF16(v)
	}
	return y
}

// eachHalf runs a test on every way of this processor to multiply bfloat16 numbers.
func eachHalf(t *testing.T, f func(t *testing.T, p *kernel.Pool)) {
	for _, name := range kernel.Implementations() {
		for _, name := range []string{name, name + kernel.Widened} {
			t.Run(name, func(t *testing.T) {
				p := kernel.NewPoolOf(2, name)
				defer p.Close()
				f(t, p)
			})
		}
	}
}

// newRoundedLayer is newLayer, exact, whose results are those of rounded operands.
func newRoundedLayer(g kernel.Conv, r random) *layer {
	l := newLayer(g, r, true)
	raw := *l
	l.w, l.dy = rounded(l.w), rounded(l.dy)
	l.solve(rounded(l.x))
	l.w, l.dy = raw.w, raw.dy
	return l
}

func TestBF16Rounding(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct{ in, want float32 }{
		{1, 1}, {1 + 0x1p-8, 1}, {1 + 3*0x1p-8, 1 + 2*0x1p-7}, {1 + 0x1p-8 + 0x1p-20, 1 + 0x1p-7},
		{-1 - 0x1p-8, -1}, {inf, inf}, {-inf, -inf}, {math.MaxFloat32, inf}, {0x1p-130, 0}, {0x1p-126, 0x1p-126}, {0, 0},
	} {
		if got := kernel.RoundBF16(c.in); got != c.want {
			t.Errorf("%v rounds to %v, want %v", c.in, got, c.want)
		}
	}
	if nan := kernel.RoundBF16(float32(math.NaN())); nan == nan {
		t.Errorf("NaN rounds to %v", nan)
	}
}

// TestBF16Convolution compares with float64 convolutions of the rounded operands.
func TestBF16Convolution(t *testing.T) {
	layers := []*layer{}
	for i, g := range geometries(t) {
		layers = append(layers, newRoundedLayer(g, seeded(31, uint64(i))))
	}
	eachHalf(t, func(t *testing.T, p *kernel.Pool) {
		for _, l := range layers {
			g := l.g
			forward, input, filter := l.reach()
			y, dx, dw := garbage(len(l.y)), garbage(len(l.dx)), garbage(len(l.dw))
			kernel.ConvForward(p, &kernel.ConvForwardArgs{G: g, Y: y, X: l.x, W: l.w, Workspace: l.workspace, Exact: true, Precision: kernel.BF16})
			golden.CheckAccum(t, "y of "+describe(g), forward, planar(g.N, g.K, g.P*g.Q, y), l.y, l.yMagn)
			kernel.ConvGradInput(p, &kernel.ConvGradInputArgs{G: g, DX: dx, W: l.w, DY: l.dy, Workspace: l.workspace, Exact: true, Precision: kernel.BF16})
			golden.CheckAccum(t, "dx of "+describe(g), input, planar(g.N, g.C, g.H*g.W, dx), l.dx, l.dxMagn)
			kernel.ConvGradFilter(p, &kernel.ConvGradFilterArgs{G: g, DW: dw, X: l.x, DY: l.dy, Workspace: l.workspace, Exact: true, Precision: kernel.BF16})
			golden.CheckAccum(t, "dw of "+describe(g), filter, dw, l.dw, l.dwMagn)
		}
	})
}

// TestBF16Pairs compares the assembly with its portable twin, bit by bit.
func TestBF16Pairs(t *testing.T) {
	name := kernel.Implementations()[0]
	p := kernel.NewPoolOf(1, name)
	fast := p.FastBF16()
	p.Close()
	if !fast {
		t.Skip("this processor does not multiply bfloat16 numbers")
	}
	r := seeded(32, 1)
	for range 200 {
		rows, cols, k := 1+r.IntN(14), 1+r.IntN(32), 1+r.IntN(40)
		a, b := words(r, rows*k), words(r, k*cols)
		for _, sumFirst := range []bool{false, true} {
			got, want := garbage(rows*cols), garbage(rows*cols)
			kernel.Pairs(name, rows, cols, k, sumFirst, a, b, got)
			kernel.Pairs("portable", rows, cols, k, sumFirst, a, b, want)
			same(t, fmt.Sprintf("%d×%d over %d pairs", rows, cols, k), got, want)
		}
	}
}

// words returns n pairs of bfloat16 numbers.
func words(r random, n int) []float32 {
	x := rounded(r.tensor(2 * n))
	y := make([]float32, n)
	for i := range y {
		y[i] = math.Float32frombits(math.Float32bits(x[2*i])>>16 | math.Float32bits(x[2*i+1]))
	}
	return y
}

// TestBF16WinogradError measures the errors that the documentation states.
func TestBF16WinogradError(t *testing.T) {
	for i, g := range winogradGeometries(t) {
		l := newLayer(g, seeded(33, uint64(i)), false)
		eachHalf(t, func(t *testing.T, p *kernel.Pool) {
			for _, exact := range []bool{true, false} {
				ws := garbage(kernel.ConvWorkspace(g, exact))
				y, dx, dw := garbage(len(l.y)), garbage(len(l.dx)), garbage(len(l.dw))
				kernel.ConvForward(p, &kernel.ConvForwardArgs{G: g, Y: y, X: l.x, W: l.w, Workspace: ws, Exact: exact, Precision: kernel.BF16})
				kernel.ConvGradInput(p, &kernel.ConvGradInputArgs{G: g, DX: dx, W: l.w, DY: l.dy, Workspace: ws, Exact: exact, Precision: kernel.BF16})
				kernel.ConvGradFilter(p, &kernel.ConvGradFilterArgs{G: g, DW: dw, X: l.x, DY: l.dy, Workspace: ws, Exact: exact, Precision: kernel.BF16})
				for _, c := range []struct {
					name string
					got  []float32
					want []float64
				}{{"y", planar(g.N, g.K, g.P*g.Q, y), l.y}, {"dx", planar(g.N, g.C, g.H*g.W, dx), l.dx}, {"dw", dw, l.dw}} {
					golden.Check(t, fmt.Sprintf("%s of %s, exact %v", c.name, describe(g), exact), golden.BF16, c.got, c.want)
					if testing.Verbose() {
						worst, _ := golden.MaxError(c.got, c.want)
						t.Logf("%s of %s, exact %v: error %.4f of the root mean square, at most %.4f of the largest", c.name, describe(g), exact, relative(c.got, c.want), worst)
					}
				}
			}
		})
	}
}

// relative returns the root mean square of the error over that of want.
func relative(got []float32, want []float64) float64 {
	var e, s float64
	for i, v := range want {
		d := float64(got[i]) - v
		e += d * d
		s += v * v
	}
	return math.Sqrt(e / s)
}
