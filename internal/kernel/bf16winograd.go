package kernel

// words returns how many words n numbers take.
func (c *implicit) words(n int) int {
	if c.half {
		return n / 2
	}
	return n
}

// inputOf returns the transform of the input for squares of side m.
func (m *machine) inputOf(side int, half bool) transformFunc {
	switch {
	case !half:
		return m.winograd(side).input
	case side == 4:
		return m.half.input4
	}
	return m.half.input2
}

// product multiplies squares and filters, k channels of them.
func (w *worker) product(m *machine, half bool, c, a, b operand, panel, rows, cols, k int) {
	if half {
		w.dot(m, c, a, false, b, panel, rows, cols, k/2, false)
	} else {
		w.multiply(m, c, a, false, b, panel, rows, cols, k, false)
	}
}

// pairedDepth returns the depth of the running chunk: its squares, or, of
// bfloat16 numbers, the pairs of them that the tasks make.
func (q *squaresGrad) pairedDepth() int {
	rows := q.to - q.from
	if !q.half {
		return rows * q.across
	}
	return rows/q.per*pairsOf(q.per*q.across) + pairsOf(rows%q.per*q.across)
}

// squaresPairTask is squaresTransformTask for pairs of squares.
func squaresPairTask(p *Pool, task int, w *worker) {
	q := &p.squaresGrad
	set := p.m.winograd(q.m)
	ldv, ldd := q.c+blockPad, q.k+blockPad
	strip := w.memory[:winogradStrip]
	from := q.from + task*q.per
	to := min(from+q.per, q.to)
	// Two transformed squares [n·n, channels].
	size := q.n * q.n * max(q.c, q.k)
	lo, hi := w.memory[winogradStrip:][:size], w.memory[winogradStrip+size:][:size]
	pair := task * pairsOf(q.per*q.across)
	transform := func(x *patches, f transformFunc, side, top, left, width, channels int, dst []float32, ld int) {
		n := 0
		put := func() {
			p.m.half.pairRows(&dst[(pair+n/2)*ld], q.depth*ld, &lo[0], &hi[0], channels, q.n*q.n, channels)
		}
		for r := from; r < to; r++ {
			image, i := r/q.down, r%q.down
			stride := x.strip(p.m, strip, image, i*q.m-top, side, -left, width)
			for j := range q.across {
				square := lo
				if n%2 > 0 {
					square = hi
				}
				f(&square[0], q.n*channels, channels, &strip[j*q.m*channels], stride, channels, channels)
				if n%2 > 0 {
					put()
				}
				n++
			}
		}
		if n%2 > 0 {
			clear(hi)
			put()
		}
	}
	transform(&q.x, set.input, q.n, q.padTop, q.padLeft, q.across*q.m+2, q.c, q.inputs, ldv)
	transform(&q.dy, set.grad, q.m, 0, 0, q.across*q.m, q.k, q.grads, ldd)
}

// forwardPassTile is forwardTile of the forward pass. Rounded after Winograd's
// transforms, operands cost more than rounded before: on squares of side 2 the error
// is 1.6 times that of direct convolution, of side 4 five times. In a forward pass,
// whose errors the layers after it amplify, side 4 made the gradient of a network 1.6
// times as wrong as side 2, and was no faster; in the gradients it made no difference
// there and saves 5 to 8 % of a step.
func forwardPassTile(g Conv, exact bool, f Precision) int {
	if f == BF16 && forwardTile(g, exact, f) > 0 {
		return winogradTile(g, g.P, g.Q, 2)
	}
	return forwardTile(g, exact, f)
}

// pairFilters transforms a panel of packed filters of c channels and rounds it to
// pairs of channels: to panels spacing floats apart.
func (p *Pool) pairFilters(wk *worker, dst *float32, spacing int, packed *float32, c int) {
	const step = 16 // channels at a time, which stay in the second-level cache
	w, tile := &p.squares, p.conv.filters.tile
	// The scratch memory where filters are rearranged, which is done.
	between := wk.memory[:w.taps*w.taps*step*tile]
	for from := 0; from < c; from += step {
		n := min(step, c-from)
		w.set.filter(&between[0], w.taps*n*tile, n*tile, at(packed, from*tile), 3*c*tile, c*tile, n*tile)
		for e := range w.taps * w.taps {
			p.pair(operand{at(dst, e*spacing+from/2*tile), tile}, operand{&between[e*n*tile], tile}, n, tile)
		}
	}
}
