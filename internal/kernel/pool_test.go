package kernel_test

import (
	"sync/atomic"
	"testing"

	"onnxclr/internal/kernel"
)

func TestPoolRunsEveryTaskOnce(t *testing.T) {
	for _, workers := range []int{1, 2, 7} {
		p := kernel.NewPool(workers)
		for round := range 200 {
			tasks := round % 23
			counts := make([]atomic.Int32, tasks)
			var busy [7]atomic.Bool
			p.Run(tasks, func(task, worker int) {
				if busy[worker].Swap(true) {
					t.Errorf("worker %d runs two tasks", worker)
				}
				counts[task].Add(1)
				busy[worker].Store(false)
			})
			for i := range counts {
				if n := counts[i].Load(); n != 1 {
					t.Fatalf("%d workers: task %d ran %d times", workers, i, n)
				}
			}
		}
		p.Close()
		p.Close()
	}
}

func TestPoolRaisesPanicInCaller(t *testing.T) {
	p := kernel.NewPool(3)
	defer p.Close()
	for range 20 {
		func() {
			defer func() {
				if v := recover(); v != "task 5" {
					t.Errorf("recovered %v, want the panic of task 5", v)
				}
			}()
			p.Run(9, func(task, _ int) {
				if task == 5 {
					panic("task 5")
				}
			})
		}()
	}
	p.Run(3, func(int, int) {}) // still usable
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	p := kernel.NewPool(2)
	defer p.Close()
	r := seeded(1, 2)
	g := kernel.Conv{N: 4, C: 32, H: 8, W: 8, K: 32, R: 3, S: 3, StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1,
		PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1, Groups: 1}
	if err := g.Complete(); err != nil {
		t.Fatal(err)
	}
	l := newLayer(g, r, false)
	rows := g.N * g.P * g.Q
	y, dx, dw, stats, sums := garbage(len(l.y)), garbage(len(l.dx)), garbage(len(l.dw)), garbage(4*g.K), garbage(4*g.K)
	ones := make([]float32, g.K)
	a := kernel.Affine{Groups: 2, Scale: garbage(2 * g.K), Shift: garbage(2 * g.K)}
	z, ws := r.tensor(16*32), garbage(kernel.NTXentWorkspace(8, 32))
	dz := garbage(len(z))
	win := kernel.Window{N: 4, C: 32, H: 8, W: 8, R: 3, S: 3, StrideH: 2, StrideW: 2, DilationH: 1, DilationW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}
	if err := win.Complete(); err != nil {
		t.Fatal(err)
	}
	pooled := garbage(4 * 32 * win.P * win.Q)
	forward := &kernel.ConvForwardArgs{G: g, Y: y, X: l.x, W: l.w, Stats: stats, Groups: 2, Workspace: l.workspace}
	input := &kernel.ConvGradInputArgs{G: g, DX: dx, W: l.w, DY: l.dy, Workspace: l.workspace}
	filter := &kernel.ConvGradFilterArgs{G: g, DW: dw, X: l.x, DY: l.dy, Workspace: l.workspace}
	allocs := testing.AllocsPerRun(5, func() {
		kernel.ConvForward(p, forward)
		kernel.ConvGradInput(p, input)
		kernel.ConvGradFilter(p, filter)
		kernel.BatchNormAffine(2, g.K, 1e-5, a.Scale, a.Shift, stats, ones, ones)
		kernel.ScaleShift(p, 2, rows, g.K, y, y, a, l.x, nil, true)
		kernel.BatchStats(p, 2, rows, g.K, stats, y)
		kernel.BatchNormGradSums(p, 2, rows, g.K, 1e-5, sums, y, stats, dx, y)
		kernel.BatchNormGradInput(p, 2, rows, g.K, 1e-5, dx, y, stats, ones, dx, sums, y)
		kernel.ReLUGrad(p, dx, y, dx)
		kernel.MaxPool(p, win, pooled, y)
		kernel.MaxPoolGrad(p, win, dx, y, pooled)
		kernel.ToNCHW(p, 4, 32, 64, dx, y)
		kernel.InfoNCE(p, 8, 32, 0.1, z, ws)
		kernel.InfoNCEGrad(p, 8, 32, 0.1, dz, z, 1, ws)
		kernel.NTXentGrad(p, 8, 32, 0.1, dz, z, 1, ws)
		kernel.BarlowTwins(p, 8, 32, 0.1, 1, z, ws)
		kernel.BarlowTwinsGrad(p, 8, 32, 0.1, 1, dz, z, 1, ws)
		kernel.VICReg(p, 8, 32, 25, 25, 1, z, ws)
		kernel.VICRegGrad(p, 8, 32, 25, 25, 1, dz, z, 1, ws)
		kernel.LARSNorms(p, l.w, dw, 0.1)
		kernel.MomentumStep(p, l.w, dw, dw, kernel.Momentum{LR: 0.1, Momentum: 0.9, Scale: 1})
		kernel.AdamStep(p, l.w, dw, dw, dw, kernel.Adam{Scale: 1, Keep: 1, Root: 1, Epsilon: 1})
	})
	if allocs != 0 {
		t.Errorf("%v allocations a step, want none", allocs)
	}
}
