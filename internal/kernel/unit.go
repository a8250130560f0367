package kernel

import "math"

// minNorm is the floor of a row's norm before it divides, as in
// torch.nn.functional.normalize.
const minNorm = 1e-12

// contrastArgs are the operands of a contrastive loss.
type contrastArgs struct {
	n, d        int // pairs, dimensions
	size        int // rows of the similarities: n or 2n
	temperature float64
	scale       float64
	z, dz       []float32
	unit        []float32 // [2n,d]
	s           []float32 // [size,size]
	du          []float32 // [2n,d]
	norms       []float64 // [2n]
	rows, cols  []float64 // ln Σ e^s of rows and columns, [size]
}

// unitTask writes row task of z divided by its norm, which is floored.
func unitTask(p *Pool, task int, w *worker) {
	a := &p.contrast
	row, unit := a.z[task*a.d:][:a.d], a.unit[task*a.d:][:a.d]
	ww, _ := p.m.squares(&row[0], nil, a.d, 0)
	norm := max(math.Sqrt(ww), minNorm)
	a.norms[task] = norm
	inverse := 1 / norm
	for j, v := range row {
		unit[j] = float32(float64(v) * inverse)
	}
}

// unitGradTask turns row task of du, the gradient with respect to the unit rows u,
// into dz = (du − (du·u)·u)/‖z‖, or du/minNorm where the norm was floored.
func unitGradTask(p *Pool, task int, w *worker) {
	a := &p.contrast
	du, u, dz := a.du[task*a.d:][:a.d], a.unit[task*a.d:][:a.d], a.dz[task*a.d:][:a.d]
	inverse := 1 / a.norms[task]
	var along float64
	if a.norms[task] > minNorm {
		for j, v := range du {
			along += float64(v) * float64(u[j])
		}
	}
	for j, v := range du {
		dz[j] = float32((float64(v) - along*float64(u[j])) * inverse)
	}
}

// rowSumTask writes ln Σ_j e^{s_ij} of row task, the largest term taken out first,
// so that nothing overflows.
func rowSumTask(p *Pool, task int, w *worker) {
	a := &p.contrast
	row := a.s[task*a.size:][:a.size]
	high := negInf
	for _, v := range row {
		high = max(high, v)
	}
	var sum float64
	for _, v := range row {
		sum += math.Exp(float64(v) - float64(high))
	}
	a.rows[task] = float64(high) + math.Log(sum)
}

// columnSumTask writes ln Σ_i e^{s_ij} of 16 columns.
func columnSumTask(p *Pool, task int, w *worker) {
	const width = 16
	a := &p.contrast
	first := task * width
	cols := min(width, a.size-first)
	var high [width]float32
	var sum [width]float64
	fill(high[:], negInf)
	for i := range a.size {
		for j, v := range a.s[i*a.size+first:][:cols] {
			high[j] = max(high[j], v)
		}
	}
	for i := range a.size {
		for j, v := range a.s[i*a.size+first:][:cols] {
			sum[j] += math.Exp(float64(v) - float64(high[j]))
		}
	}
	for j := range cols {
		a.cols[first+j] = float64(high[j]) + math.Log(sum[j])
	}
}
