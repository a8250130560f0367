package kernel

import (
	"fmt"
	"math"
)

// n images, two views each  d embedding dimensions  τ temperature
// z [2n,d]: rows 0…n−1 are view 1, rows n…2n−1 view 2
// u, v: the unit rows of view 1 and view 2

// InfoNCEWorkspace returns how many floats InfoNCE and InfoNCEGrad need.
func InfoNCEWorkspace(n, d int) int { return 4*n*d + n*n }

// InfoNCE returns the symmetric contrastive loss over two views with negatives from
// the other view only, n−1 for each row:
//
//	s_ij = u_i·v_j/τ
//	L = ½·mean_i(ln Σ_j e^{s_ij} − s_ii) + ½·mean_j(ln Σ_i e^{s_ij} − s_jj)
//
// z is [2n,d] and need not be normalised; temperature is positive; ws holds
// InfoNCEWorkspace floats of undefined content. The products are float32, the
// exponentials and sums float64. Source: arXiv:2110.09348, section 6 and its
// published training code.
func InfoNCE(p *Pool, n, d int, temperature float64, z, ws []float32) float64 {
	mustFitViews("InfoNCE", n, d, temperature, len(z), len(ws), InfoNCEWorkspace(n, d))
	a := p.infoNCE(n, d, temperature, z, ws)
	var loss float64
	for i := range n {
		loss += a.rows[i] + a.cols[i] - 2*float64(a.s[i*n+i])
	}
	return loss / float64(2*n)
}

// InfoNCEGrad writes the gradient of upstream·InfoNCE with respect to z. With P the
// softmax of the rows of s and Q that of its columns,
//
//	dL/ds = (P + Q − 2I)/(2n)   du = (dL/ds)·v/τ   dv = (dL/ds)ᵀ·u/τ
//
// dz and z are [2n,d], ws as for InfoNCE.
func InfoNCEGrad(p *Pool, n, d int, temperature float64, dz, z []float32, upstream float64, ws []float32) {
	mustFitViews("InfoNCEGrad", n, d, temperature, len(z), len(ws), InfoNCEWorkspace(n, d))
	mustLen("InfoNCEGrad", "dz", len(dz), len(z))
	a := p.infoNCE(n, d, temperature, z, ws)
	a.scale = upstream / (float64(2*n) * temperature)
	a.dz = dz
	p.contrastive(a, n, func(p *Pool, task int, w *worker) {
		a := &p.contrast
		row := a.s[task*a.n:][:a.n]
		for j, v := range row {
			s := float64(v)
			share := math.Exp(s-a.rows[task]) + math.Exp(s-a.cols[j])
			if j == task {
				share -= 2
			}
			row[j] = float32(share * a.scale)
		}
	})
	Gemm(p, false, false, n, d, n, 1, a.s, n, a.unit[n*d:], d, 0, a.du, d, nil)
	Gemm(p, true, false, n, d, n, 1, a.s, n, a.unit, d, 0, a.du[n*d:], d, nil)
	p.contrastive(a, 2*n, unitGradTask)
}

// infoNCE computes the unit rows, the similarities between the views and the
// logarithms of the sums of their exponentials.
func (p *Pool) infoNCE(n, d int, temperature float64, z, ws []float32) contrastArgs {
	a := p.unitRows(n, d, n, temperature, z, ws)
	Gemm(p, false, true, n, n, d, 1/temperature, a.unit, d, a.unit[n*d:], d, 0, a.s, n, nil)
	p.contrastive(a, n, rowSumTask)
	p.contrastive(a, ceilDiv(n, 16), columnSumTask)
	return a
}

// unitRows lays out the workspace and computes the unit rows.
func (p *Pool) unitRows(n, d, size int, temperature float64, z, ws []float32) contrastArgs {
	a := contrastArgs{n: n, d: d, size: size, temperature: temperature, z: z}
	a.unit, ws = ws[:2*n*d], ws[2*n*d:]
	a.du, ws = ws[:2*n*d], ws[2*n*d:]
	a.s = ws[:size*size]
	sums := p.partials(2*n + 2*size)
	a.norms, a.rows, a.cols = sums[:2*n], sums[2*n:][:size], sums[2*n+size:]
	p.contrastive(a, 2*n, unitTask)
	return a
}

func (p *Pool) contrastive(a contrastArgs, tasks int, run func(p *Pool, task int, w *worker)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.contrast = a
	p.dispatch(tasks, run)
	p.contrast = contrastArgs{}
}

func mustFitViews(op string, n, d int, temperature float64, lenZ, workspace, want int) {
	if n < 1 || d < 1 || !(temperature > 0) {
		panic(fmt.Sprintf("kernel.%s: n %d, d %d and temperature %g must be positive", op, n, d, temperature))
	}
	mustLen(op, "z", lenZ, 2*n*d)
	mustHold(op, "ws", workspace, want)
}
