package kernel

import "math"

// Softmax writes exp(x)/Σexp(x) of every row, or with log its logarithm: y and x are
// [rows,n] and may be the same. Source: ONNX Softmax and LogSoftmax.
func Softmax(p *Pool, rows, n int, log bool, y, x []float32) {
	mustLen("Softmax", "x", len(x), rows*n)
	mustLen("Softmax", "y", len(y), rows*n)
	p.eachRows(rows, n, func(r int) {
		x, y := x[r*n:][:n], y[r*n:][:n]
		high := x[0]
		for _, v := range x {
			high = max(high, v)
		}
		if log {
			var total float64
			for _, v := range x {
				total += float64(exp32(v - high))
			}
			shift := float32(math.Log(total))
			for i, v := range x {
				y[i] = v - high - shift // in this order: high may dwarf the rest
			}
			return
		}
		for i, v := range x {
			y[i] = v - high
		}
		p.m.exp(&y[0], &y[0], n)
		inverse := float32(1 / sum(y))
		for i, v := range y {
			if y[i] = v * inverse; v < 2e-38 { // exp gives no less
				y[i] = 0
			}
		}
	})
}

// SoftmaxGrad writes the gradient with respect to Softmax's input from its output y:
// dx = y·(dy − Σ dy·y), or with log dx = dy − exp(y)·Σdy. All are [rows,n]; dx may be dy.
func SoftmaxGrad(p *Pool, rows, n int, log bool, dx, y, dy []float32) {
	mustLen("SoftmaxGrad", "dx", len(dx), rows*n)
	mustLen("SoftmaxGrad", "y", len(y), rows*n)
	mustLen("SoftmaxGrad", "dy", len(dy), rows*n)
	p.eachRows(rows, n, func(r int) {
		y, dy, dx := y[r*n:][:n], dy[r*n:][:n], dx[r*n:][:n]
		if log {
			total := float32(sum(dy))
			for i, v := range dy {
				dx[i] = v - exp32(y[i])*total
			}
			return
		}
		var total float64
		for i, v := range dy {
			total += float64(v) * float64(y[i])
		}
		shift := float32(total)
		for i, v := range dy {
			dx[i] = y[i] * (v - shift)
		}
	})
}

// eachRows calls f for every row of n floats, some in a task.
func (p *Pool) eachRows(rows, n int, f func(r int)) {
	perTask := max(1, taskFloats/2/n)
	p.Run(ceilDiv(rows, perTask), func(task, _ int) {
		for r := task * perTask; r < min((task+1)*perTask, rows); r++ {
			f(r)
		}
	})
}
