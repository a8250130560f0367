package kernel_test

import (
	"fmt"
	"math"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
)

// TestGeneralKernels holds the kernels of operators beside the ResNets' to the
// references, on every implementation, at odd sizes.
func TestGeneralKernels(t *testing.T) {
	eachMachine(t, func(t *testing.T, p *kernel.Pool) {
		r := seeded(31, 1)
		for round := range 40 {
			rows, n := 1+r.IntN(200), 1+r.IntN(70)
			x, dy := r.normal(rows*n, 0.5, 2), r.tensor(rows*n)
			got, want := make([]float32, rows*n), make([]float32, rows*n)
			check := func(what string, got, want []float32) {
				t.Helper()
				golden.Check(t, fmt.Sprintf("%d: %s [%d,%d]", round, what, rows, n), golden.TorchForward, got, want)
			}
			for _, log := range []bool{false, true} {
				kernel.Softmax(p, rows, n, log, got, x)
				reference.Softmax(rows, n, 1, log, want, x)
				check("softmax", got, want)
				y := append([]float32(nil), want...)
				kernel.SoftmaxGrad(p, rows, n, log, got, y, dy)
				reference.SoftmaxGrad(rows, n, 1, log, want, y, dy)
				check("softmax gradient", got, want)
			}
			gamma, beta := r.normal(n, 1, 0.5), r.tensor(n)
			kernel.LayerNorm(p, rows, n, 1e-3, got, x, gamma, beta)
			reference.LayerNorm(rows, n, 1e-3, want, x, gamma, beta)
			check("layer norm", got, want)
			kernel.LayerNormGradInput(p, rows, n, 1e-3, got, x, gamma, dy)
			reference.LayerNormGradInput(rows, n, 1e-3, want, x, gamma, dy)
			check("layer norm by x", got, want)
			kernel.LayerNormGradScale(p, rows, n, 1e-3, got[:n], x, dy)
			reference.LayerNormGradScale(rows, n, 1e-3, want[:n], x, dy)
			check("layer norm by γ", got[:n], want[:n])

			shape, to := []int{1 + r.IntN(5), 1 + r.IntN(30), 1 + r.IntN(9), 1 + r.IntN(80)}, []int{1, 1, 1, 1}
			for axis := range shape {
				if r.IntN(2) == 0 {
					to[axis] = shape[axis]
				}
			}
			stride := reference.Strides(to, shape)
			x = r.tensor(shape[0] * shape[1] * shape[2] * shape[3])
			got, want = make([]float32, to[0]*to[1]*to[2]*to[3]), make([]float32, to[0]*to[1]*to[2]*to[3])
			kernel.ReduceSum(p, kernel.NewStrided(shape, stride), 0.5, got, x)
			reference.ReduceSum(shape, to, 0.5, want, x)
			check(fmt.Sprintf("sum of %v to %v", shape, to), got, want)
			small, y := r.tensor(len(got)), make([]float32, len(x))
			want = make([]float32, len(x))
			kernel.Broadcast(p, kernel.NewStrided(shape, reference.Strides(shape, shape), stride), y, kernel.Difference, x, small)
			reference.Broadcast(shape, shape, to, want, x, small, func(a, b float64) float64 { return a - b })
			check(fmt.Sprintf("difference of %v and %v", shape, to), y, want)
		}
	})
}

// TestSoftmaxOfMasked: what is masked by −∞ gets nothing, and the rest is as without it.
func TestSoftmaxOfMasked(t *testing.T) {
	eachMachine(t, func(t *testing.T, p *kernel.Pool) {
		inf := float32(math.Inf(-1))
		got := make([]float32, 4)
		kernel.Softmax(p, 1, 4, false, got, []float32{inf, 300, inf, 300})
		same(t, "softmax", got, []float32{0, 0.5, 0, 0.5})
	})
}

func TestMatMul(t *testing.T) {
	eachMachine(t, func(t *testing.T, p *kernel.Pool) {
		r := seeded(31, 2)
		for range 40 {
			m, n, k := 1+r.IntN(150), 1+r.IntN(70), 1+r.IntN(90)
			if r.IntN(8) == 0 {
				k += 600 // more than a block
			}
			transA, transB := r.IntN(2) == 0, r.IntN(2) == 0
			ofA, ofB := []int{0, 1, 1, 2}, []int{1, 0, 1, 1}
			a, b := r.tensor(3*m*k), r.tensor(2*k*n)
			got, want := garbage(4*m*n), make([]float64, 4*m*n)
			kernel.MatMul(p, transA, transB, m, n, k, ofA, ofB, got, a, b)
			magnitude := make([]float64, 4*m*n)
			reference.MatMul(transA, transB, m, n, k, ofA, ofB, want, wide(a), wide(b))
			reference.MatMul(transA, transB, m, n, k, ofA, ofB, magnitude, magnitudes(wide(a)), magnitudes(wide(b)))
			golden.CheckAccum(t, fmt.Sprintf("[%d,%d]·[%d,%d] %v %v", m, k, k, n, transA, transB), k, got, want, magnitude)
		}
	})
}

func TestAveragePool(t *testing.T) {
	eachMachine(t, func(t *testing.T, p *kernel.Pool) {
		r := seeded(31, 3)
		for range 60 {
			g := kernel.Window{N: 1 + r.IntN(3), C: 1 + r.IntN(90), H: 3 + r.IntN(9), W: 3 + r.IntN(9), R: 1 + r.IntN(3), S: 1 + r.IntN(3),
				StrideH: 1 + r.IntN(3), StrideW: 1 + r.IntN(3), DilationH: 1, DilationW: 1, CeilMode: r.IntN(2) == 0}
			g.PadTop, g.PadLeft, g.PadBottom, g.PadRight = r.IntN(g.R), r.IntN(g.S), r.IntN(g.R), r.IntN(g.S)
			if err := g.Complete(); err != nil {
				t.Fatal(err)
			}
			w := reference.Window{In: []int{g.H, g.W}, Kernel: []int{g.R, g.S}, Stride: []int{g.StrideH, g.StrideW}, Dilation: []int{1, 1},
				Before: []int{g.PadTop, g.PadLeft}, After: []int{g.PadBottom, g.PadRight}, Out: []int{g.P, g.Q}}
			pad := r.IntN(2) == 0
			x, dy := r.tensor(g.N*g.H*g.W*g.C), r.tensor(g.N*g.P*g.Q*g.C)
			y, dx := garbage(len(dy)), garbage(len(x))
			kernel.AveragePool(p, g, pad, y, x)
			kernel.AveragePoolGrad(p, g, pad, dx, dy)
			wantY, wantX := make([]float32, len(y)), make([]float32, len(x))
			reference.AveragePool(w, g.N*g.C, pad, wantY, planar(g.N, g.C, g.H*g.W, x))
			reference.AveragePoolGrad(w, g.N*g.C, pad, wantX, planar(g.N, g.C, g.P*g.Q, dy))
			golden.Check(t, fmt.Sprintf("%+v", g), golden.Stat, planar(g.N, g.C, g.P*g.Q, y), wantY)
			golden.Check(t, fmt.Sprintf("gradient, %+v", g), golden.Stat, planar(g.N, g.C, g.H*g.W, dx), wantX)
		}
	})
}

// TestMoves: what only moves elements is exact, and so is its gradient where no two
// elements meet.
func TestMoves(t *testing.T) {
	eachMachine(t, func(t *testing.T, p *kernel.Pool) {
		r := seeded(31, 4)
		for range 60 {
			m, size := kernel.Map{}, 1
			for range 1 + r.IntN(4) {
				from, offsets := 1+r.IntN(9), make([]int, 1+r.IntN(9))
				for i := range offsets {
					offsets[i] = (r.IntN(from+1) - 1) * size
					if offsets[i] < 0 {
						offsets[i] = -1
					}
				}
				m.Offset, size = append(m.Offset, offsets), size*from
			}
			x := r.tensor(size)
			total := 1
			for _, o := range m.Offset {
				total *= len(o)
			}
			got, want := garbage(total), make([]float32, total)
			kernel.Gather(p, &m, 7, got, x)
			reference.Gather(reference.Map(m), 7, want, x)
			same(t, "gather", got, want)
			dy := r.tensor(total)
			gotX, wantX := garbage(size), make([]float32, size)
			kernel.Scatter(p, &m, gotX, dy)
			reference.Scatter(reference.Map(m), wantX, dy)
			golden.Check(t, "scatter", golden.Stat, gotX, wantX)
		}
	})
}

// TestGeneralWorkers: the number of workers changes no bit.
func TestGeneralWorkers(t *testing.T) {
	name := kernel.Implementations()[0]
	run := func(workers int) (out []float32) {
		p := kernel.NewPoolOf(workers, name)
		defer p.Close()
		r := seeded(31, 5)
		const rows, n = 700, 33
		x, dy := r.tensor(rows*n), r.tensor(rows*n)
		y := make([]float32, rows*n)
		kernel.Softmax(p, rows, n, false, y, x)
		out = append(out, y...)
		kernel.LayerNormGradScale(p, rows, n, 1e-5, y[:n], x, dy)
		out = append(out, y[:n]...)
		kernel.ReduceSum(p, kernel.NewStrided([]int{rows, n}, []int{0, 1}), 1, y[:n], x)
		out = append(out, y[:n]...)
		kernel.Each(p, y, kernel.GELU, x)
		out = append(out, y...)
		c := make([]float32, 2*rows*rows)
		kernel.MatMul(p, false, true, rows, rows, n, []int{0, 0}, []int{0, 0}, c, x, dy)
		return append(out, c...)
	}
	want := run(1)
	for _, workers := range []int{2, 3} {
		same(t, fmt.Sprintf("%d workers", workers), run(workers), want)
	}
}
