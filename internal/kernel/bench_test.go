package kernel_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"onnxclr/internal/kernel"
)

// resnetLayers are the convolutions of a ResNet-50 beyond the first, for maps of
// the given size after it: 16 for 64×64 images.
func resnetLayers(n, size int) []kernel.Conv {
	var list []kernel.Conv
	add := func(c, h, k, r, stride int) {
		pad := r / 2
		g := kernel.Conv{N: n, C: c, H: h, W: h, K: k, R: r, S: r, StrideH: stride, StrideW: stride, DilationH: 1, DilationW: 1,
			PadTop: pad, PadLeft: pad, PadBottom: pad, PadRight: pad, Groups: 1}
		if err := g.Complete(); err != nil {
			panic(err)
		}
		list = append(list, g)
	}
	add(3, 4*size, 64, 7, 2)
	add(64, size, 64, 1, 1)
	for i, width := range []int{64, 128, 256, 512} {
		h := size >> i
		add(width, h, width, 3, 1)
		add(width, h, 4*width, 1, 1)
		add(4*width, h, width, 1, 1)
		if i < 3 {
			add(2*width, h, 2*width, 3, 2)
			add(4*width, h, 8*width, 1, 2)
		}
	}
	return list
}

// report states floating-point operations a second of wall time, and of processor
// time, which says the same with one worker on an idle machine.
func report(b *testing.B, work int64, start float64) {
	total := float64(work) * float64(b.N) / 1e9
	b.ReportMetric(total/b.Elapsed().Seconds(), "GFLOP/s")
	b.ReportMetric(total/(processor()-start), "GFLOP/cpu-s")
}

// BenchmarkPeak multiplies panels that stay in the first-level cache.
func BenchmarkPeak(b *testing.B) {
	for _, name := range kernel.Implementations() {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/%d", name, workers), func(b *testing.B) {
				p := kernel.NewPoolOf(workers, name)
				defer p.Close()
				run, work := kernel.PeakLoop(p, 200)
				start := processor()
				for b.Loop() {
					run()
				}
				report(b, work, start)
			})
		}
	}
}

func BenchmarkConv(b *testing.B) {
	for _, batch := range [][2]int{{64, 16}, {32, 32}} {
		for _, g := range resnetLayers(batch[0], batch[1]) {
			r := seeded(1, 1)
			// Operands that go by, as those of a whole network do: they come from memory.
			nx, ny := g.N*g.H*g.W*g.C, g.N*g.P*g.Q*g.K
			copies := max(1, (32<<20)/(nx+ny))
			xs, w, ys := sample(nx*copies), r.tensor(g.K*g.C*g.R*g.S), sample(ny*copies)
			turn := 0
			next := func() (x, y []float32) {
				turn = (turn + 1) % copies
				return xs[turn*nx:][:nx], ys[turn*ny:][:ny]
			}
			in := &kernel.Affine{Groups: 2, Scale: r.tensor(2 * g.C), Shift: r.tensor(2 * g.C), ReLU: true}
			stats := make([]float32, 4*g.K)
			_, _ = in, stats
			for variant := range 4 {
				exact, precision := variant < 2, kernel.Precision(variant%2)
				ws := make([]float32, kernel.ConvWorkspace(g, exact))
				label := "winograd"
				if exact {
					label = "direct"
				} else if !kernel.UsesWinograd(g) {
					continue
				}
				if precision == kernel.BF16 {
					label += "-bf16"
				}
				p := benchPool()
				run := func(pass string, f func()) {
					b.Run(fmt.Sprintf("%s/%dx%dx%d-%d-%dx%ds%d/%s", label, g.N, g.H, g.C, g.K, g.R, g.R, g.StrideH, pass), func(b *testing.B) {
						start := processor()
						for b.Loop() {
							f()
						}
						report(b, g.FLOPs(), start)
					})
				}
				run("forward", func() {
					x, y := next()
					kernel.ConvForward(p, &kernel.ConvForwardArgs{G: g, Y: y, X: x, W: w, Stats: stats, Groups: 2, Workspace: ws, Exact: exact, Precision: precision})
				})
				run("input", func() {
					x, y := next()
					kernel.ConvGradInput(p, &kernel.ConvGradInputArgs{G: g, DX: x, W: w, DY: y, Workspace: ws, Exact: exact, Precision: precision})
				})
				run("filter", func() {
					x, y := next()
					kernel.ConvGradFilter(p, &kernel.ConvGradFilterArgs{G: g, DW: w, X: x, DY: y, Workspace: ws, Exact: exact, Precision: precision})
				})
				p.Close()
			}
		}
	}
}

// benchPool has 2 workers and the fastest implementation, or what the variables
// KERNEL_WORKERS and KERNEL_IMPLEMENTATION say.
func benchPool() *kernel.Pool {
	workers, name := 2, kernel.Implementations()[0]
	if n, err := strconv.Atoi(os.Getenv("KERNEL_WORKERS")); err == nil {
		workers = n
	}
	if s := os.Getenv("KERNEL_IMPLEMENTATION"); s != "" {
		name = s
	}
	return kernel.NewPoolOf(workers, name)
}

// BenchmarkBatchNorm reports the bytes that must be read and written.
func BenchmarkBatchNorm(b *testing.B) {
	const size = 1 << 22
	for _, c := range []int{64, 256, 512, 2048} {
		r := seeded(1, 1)
		rows := size / c
		x, dy, y := r.tensor(size), r.tensor(size), make([]float32, size)
		stats, sums, gamma := r.tensor(4*c), make([]float32, 4*c), r.tensor(c)
		for i := range stats {
			stats[i] = stats[i] * stats[i]
		}
		a := kernel.Affine{Groups: 2, Scale: r.tensor(2 * c), Shift: r.tensor(2 * c)}
		p := benchPool()
		run := func(name string, arrays int, f func()) {
			b.Run(fmt.Sprintf("%s/%d", name, c), func(b *testing.B) {
				start := processor()
				for b.Loop() {
					f()
				}
				total := float64(4*size*arrays) * float64(b.N) / 1e9
				b.ReportMetric(total/b.Elapsed().Seconds(), "GB/s")
				b.ReportMetric(total/(processor()-start), "GB/cpu-s")
			})
		}
		run("stats", 1, func() { kernel.BatchStats(p, 2, rows, c, stats, x) })
		run("scale-shift", 2, func() { kernel.ScaleShift(p, 2, rows, c, y, x, a, nil, nil, true) })
		run("join", 3, func() { kernel.ScaleShift(p, 2, rows, c, y, x, a, dy, nil, true) })
		run("grad-sums", 2, func() { kernel.BatchNormGradSums(p, 2, rows, c, 1e-5, sums, x, stats, dy, nil) })
		run("grad-sums-masked", 3, func() { kernel.BatchNormGradSums(p, 2, rows, c, 1e-5, sums, x, stats, dy, y) })
		run("grad-input", 3, func() { kernel.BatchNormGradInput(p, 2, rows, c, 1e-5, y, x, stats, gamma, dy, sums, nil) })
		run("relu-grad", 3, func() { kernel.ReLUGrad(p, y, x, dy) })
		p.Close()
	}
}

// sample returns n values of any kind, faster than a generator would.
func sample(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i*7919%1013)/512 - 1
	}
	return x
}

// BenchmarkGrouped runs the grouped convolutions of a ResNeXt-50 32×4d.
func BenchmarkGrouped(b *testing.B) {
	for _, s := range [][2]int{{128, 16}, {256, 8}, {512, 4}, {1024, 2}} {
		c, h := s[0], s[1]
		g := kernel.Conv{N: 64, C: c, H: h, W: h, K: c, R: 3, S: 3, StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1, Groups: 32}
		g.Complete()
		x, w, y := sample(g.N*h*h*c), sample(c*c/32*9), sample(g.N*h*h*c)
		ws := make([]float32, kernel.ConvWorkspace(g, false))
		p := benchPool()
		run := func(name string, f func()) {
			b.Run(fmt.Sprint(c, name), func(b *testing.B) {
				start := processor()
				for b.Loop() {
					f()
				}
				report(b, g.FLOPs(), start)
			})
		}
		run("forward", func() { kernel.ConvForward(p, &kernel.ConvForwardArgs{G: g, Y: y, X: x, W: w, Workspace: ws}) })
		run("input", func() { kernel.ConvGradInput(p, &kernel.ConvGradInputArgs{G: g, DX: x, W: w, DY: y, Workspace: ws}) })
		run("filter", func() { kernel.ConvGradFilter(p, &kernel.ConvGradFilterArgs{G: g, DW: w, X: x, DY: y, Workspace: ws}) })
		p.Close()
	}
}
