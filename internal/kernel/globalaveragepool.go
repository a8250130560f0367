package kernel

// GlobalAveragePool writes the mean of every image's pixels: y is [n,c], x
// [n,hw,c]. Sums of more than a few pixels are held in float64. Source: ONNX
// GlobalAveragePool.
func GlobalAveragePool(p *Pool, n, c, hw int, y, x []float32) {
	mustLen("GlobalAveragePool", "y", len(y), n*c)
	mustLen("GlobalAveragePool", "x", len(x), n*hw*c)
	p.windows(windowArgs{rows: hw, cols: c, y: y, x: x}, n, func(p *Pool, task int, w *worker) {
		a := &p.window
		x, y := a.x[task*a.rows*a.cols:], a.y[task*a.cols:][:a.cols]
		inverse := 1 / float64(a.rows)
		if a.rows <= momentRows {
			p.m.sumRows(&y[0], &x[0], a.cols, a.rows, a.cols)
			for j, v := range y {
				y[j] = float32(float64(v) * inverse)
			}
			return
		}
		// Blocks of columns keep the float64 sums on the stack.
		var total [64]float64
		part := w.memory[:len(total)]
		for c0 := 0; c0 < a.cols; c0 += len(total) {
			cols := min(len(total), a.cols-c0)
			clear(total[:])
			for i := 0; i < a.rows; i += momentRows {
				p.m.sumRows(&part[0], &x[i*a.cols+c0], a.cols, min(momentRows, a.rows-i), cols)
				for j, v := range part[:cols] {
					total[j] += float64(v)
				}
			}
			for j := range cols {
				y[c0+j] = float32(total[j] * inverse)
			}
		}
	})
}

// GlobalAveragePoolGrad spreads every gradient evenly over the pixels: dx is
// [n,hw,c], dy [n,c].
func GlobalAveragePoolGrad(p *Pool, n, c, hw int, dx, dy []float32) {
	mustLen("GlobalAveragePoolGrad", "dx", len(dx), n*hw*c)
	mustLen("GlobalAveragePoolGrad", "dy", len(dy), n*c)
	p.windows(windowArgs{rows: hw, cols: c, y: dx, dy: dy}, n, func(p *Pool, task int, w *worker) {
		a := &p.window
		dx := a.y[task*a.rows*a.cols:][:a.rows*a.cols]
		inverse := 1 / float64(a.rows)
		for j, v := range a.dy[task*a.cols:][:a.cols] {
			dx[j] = float32(float64(v) * inverse)
		}
		for i := 1; i < a.rows; i++ {
			copy(dx[i*a.cols:][:a.cols], dx[:a.cols])
		}
	})
}
