package kernel_test

import (
	"fmt"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
)

type batch struct{ groups, n, c, hw int }

var batches = []batch{{1, 9, 1, 1}, {1, 3, 3, 5}, {2, 4, 16, 9}, {2, 2, 17, 49}, {2, 8, 64, 64}, {4, 8, 100, 7}, {1, 64, 33, 300}, {2, 4, 2048, 4}}

func TestBatchNormAgreesWithReference(t *testing.T) {
	const eps = 1e-5
	for i, b := range batches {
		for _, offset := range []float64{0, 30} {
			r := seeded(5, uint64(i))
			rows, size := b.n*b.hw, b.n*b.hw*b.c
			x, dy := r.normal(size, offset, 2), r.tensor(size)
			gamma, beta := r.tensor(b.c), r.tensor(b.c)
			mask := r.tensor(size)
			what := fmt.Sprintf("%+v offset %g: ", b, offset)
			px, pdy := planar(b.n, b.c, b.hw, wide(x)), planar(b.n, b.c, b.hw, wide(dy))
			stats := make([]float64, 2*b.groups*b.c)
			reference.BatchStats(b.groups, b.n, b.c, b.hw, stats, px)
			masked := planar(b.n, b.c, b.hw, wide(dy))
			for i, v := range planar(b.n, b.c, b.hw, mask) {
				if v <= 0 {
					masked[i] = 0
				}
			}
			eachMachine(t, func(t *testing.T, p *kernel.Pool) {
				got := garbage(len(stats))
				kernel.BatchStats(p, b.groups, rows, b.c, got, x)
				golden.Check(t, what+"stats", golden.Stat, got, stats)
				s := got
				stats := wide(s)

				y, want := garbage(size), make([]float64, size)
				a := kernel.Affine{Groups: b.groups, Scale: garbage(b.groups * b.c), Shift: garbage(b.groups * b.c)}
				kernel.BatchNormAffine(b.groups, b.c, eps, a.Scale, a.Shift, s, gamma, beta)
				kernel.ScaleShift(p, b.groups, rows, b.c, y, x, a, nil, nil, false)
				reference.BatchNorm(b.groups, b.n, b.c, b.hw, eps, want, px, stats, wide(gamma), wide(beta))
				golden.Check(t, what+"y", golden.Stat, planar(b.n, b.c, b.hw, y), want)

				for _, gate := range [][]float32{nil, mask} {
					grad := pdy
					if gate != nil {
						grad = masked
					}
					sums, wantSums := garbage(len(s)), make([]float64, len(s))
					kernel.BatchNormGradSums(p, b.groups, rows, b.c, eps, sums, x, s, dy, gate)
					reference.BatchNormGradSums(b.groups, b.n, b.c, b.hw, eps, wantSums, px, stats, grad)
					golden.Check(t, what+"sums", golden.Stat, sums, wantSums)
					dx, wantDX := garbage(size), make([]float64, size)
					kernel.BatchNormGradInput(p, b.groups, rows, b.c, eps, dx, x, s, gamma, dy, sums, gate)
					reference.BatchNormGradInput(b.groups, b.n, b.c, b.hw, eps, wantDX, px, stats, wide(gamma), grad, wide(sums))
					golden.Check(t, what+"dx", golden.Stat, planar(b.n, b.c, b.hw, dx), wantDX)
					inPlace := append([]float32(nil), dy...)
					kernel.BatchNormGradInput(p, b.groups, rows, b.c, eps, inPlace, x, s, gamma, inPlace, sums, gate)
					same(t, what+"dx in place of dy", inPlace, dx)
				}

				dx, wantDX := garbage(size), make([]float64, size)
				kernel.FrozenBatchNormGradInput(p, rows, b.c, eps, dx, s[:2*b.c], gamma, dy)
				reference.FrozenBatchNormGradInput(b.n, b.c, b.hw, eps, wantDX, stats[:2*b.c], wide(gamma), pdy)
				golden.Check(t, what+"frozen dx", golden.Stat, planar(b.n, b.c, b.hw, dx), wantDX)

				sum, wantSum := garbage(b.c), make([]float64, b.c)
				kernel.ChannelSum(p, rows, b.c, sum, x)
				reference.ChannelSum(b.n, b.c, b.hw, wantSum, px)
				golden.Check(t, what+"channel sum", golden.Stat, sum, wantSum)
				kernel.GroupSum(b.groups, b.c, 1, sum, s)
				reference.GroupSum(b.groups, b.c, 1, wantSum, stats)
				golden.Check(t, what+"group sum", golden.Stat, sum, wantSum)
			})
		}
	}
}

// TestScaleShiftResidual joins two branches whose affines have different groups.
func TestScaleShiftResidual(t *testing.T) {
	r := seeded(6, 1)
	const n, hw, c = 8, 5, 19
	x, res := r.tensor(n*hw*c), r.tensor(n*hw*c)
	a := kernel.Affine{Groups: 2, Scale: r.tensor(2 * c), Shift: r.tensor(2 * c)}
	b := kernel.Affine{Groups: 4, Scale: r.tensor(4 * c), Shift: r.tensor(4 * c)}
	for _, plain := range []bool{true, false} {
		branch, left := &b, affine(n, hw, c, x, &a)
		right := affine(n, hw, c, res, &b)
		if plain {
			branch, right = nil, res
		}
		want := make([]float64, len(x))
		for i := range want {
			want[i] = max(float64(left[i])+float64(right[i]), 0)
		}
		eachMachine(t, func(t *testing.T, p *kernel.Pool) {
			y := garbage(len(x))
			kernel.ScaleShift(p, 2, n*hw, c, y, x, a, res, branch, true)
			golden.Check(t, "joined branches", golden.Stat, y, want)
		})
	}
}
