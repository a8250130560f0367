package kernel_test

import (
	"fmt"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
)

// TestConvGradInputFinishes: mask and sums together with the gradient give what the
// passes over it give afterwards, for any number of workers.
func TestConvGradInputFinishes(t *testing.T) {
	const eps = 1e-5
	list := append(geometries(t), winogradGeometries(t)...)
	for i, g := range list {
		if i%3 != 0 && i > 12 && i < len(list)-8 {
			continue
		}
		r := seeded(31, uint64(i))
		groups := 1
		if g.N%2 == 0 {
			groups = 2
		}
		rows, size := g.N*g.H*g.W, g.N*g.H*g.W*g.C
		w, dy := r.tensor(g.K*(g.C/g.Groups)*g.R*g.S), r.tensor(g.N*g.P*g.Q*g.K)
		mask, x, start := r.tensor(size), r.normal(size, 3, 2), r.tensor(size)
		ws := garbage(kernel.ConvWorkspace(g, false))
		for _, name := range kernel.Implementations() {
			for _, add := range []bool{false, true} {
				var first []float32
				for _, workers := range []int{1, 2, 7} {
					what := fmt.Sprintf("%s, %d workers, added %v, %s: ", name, workers, add, describe(g))
					p := kernel.NewPoolOf(workers, name)
					stats, sums, want := garbage(2*groups*g.C), garbage(2*groups*g.C), garbage(2*groups*g.C)
					kernel.BatchStats(p, groups, rows, g.C, stats, x)
					dx, plain := append([]float32(nil), start...), append([]float32(nil), start...)
					kernel.ConvGradInput(p, &kernel.ConvGradInputArgs{G: g, DX: plain, W: w, DY: dy, Accumulate: add, Workspace: ws})
					kernel.ReLUGrad(p, plain, mask, plain)
					kernel.BatchNormGradSums(p, groups, rows, g.C, eps, want, x, stats, plain, nil)
					kernel.ConvGradInput(p, &kernel.ConvGradInputArgs{G: g, DX: dx, W: w, DY: dy, Accumulate: add, Workspace: ws,
						Mask: mask, Sums: &kernel.GradSums{Groups: groups, Eps: eps, Sums: sums, X: x, Stats: stats}})
					p.Close()
					golden.Check(t, what+"dx", golden.Stat, dx, wide(plain))
					golden.Check(t, what+"sums", golden.Stat, sums, wide(want))
					all := append(dx, sums...)
					if first == nil {
						first = all
					} else {
						same(t, what+"workers", all, first)
					}
					if name == "portable" {
						break
					}
				}
			}
		}
	}
}
