package kernel

// dot is multiply for operands of bfloat16 pairs: k is how many pairs the sum has.
func (w *worker) dot(m *machine, c, a operand, sumFirst bool, b operand, panel, rows, cols, k int, add bool) {
	if m.half.multiplyRows == nil {
		w.dotWidened(m, c, a, sumFirst, b, panel, rows, cols, k, add)
		return
	}
	w.tiles(m, m.half.multiplyRows, m.half.multiplyCols, c, a, sumFirst, b, panel, rows, cols, k, add)
}

// dotWidened multiplies as float32, a few rows at a time.
func (w *worker) dotWidened(m *machine, c, a operand, sumFirst bool, b operand, panel, rows, cols, k int, add bool) {
	const block = maxBlockRows
	left := operand{ld: 2*k + blockPad}
	right := operand{ld: m.cols}
	if sumFirst {
		left.ld = block + blockPad
	}
	size := block*(2*k+blockPad) + 2*k*blockPad
	if len(w.widened) < size+2*k*m.cols {
		w.widened = make([]float32, size+2*k*m.cols)
	}
	left.p, right.p = &w.widened[0], &w.widened[size]
	for i := 0; i < rows; i += block {
		n := min(block, rows-i)
		if sumFirst {
			unpairRows(left, operand{at(a.p, i), a.ld}, k, n)
		} else {
			widenRows(left, operand{at(a.p, i*a.ld), a.ld}, n, k)
		}
		for j := 0; j < cols; j += m.cols {
			width := min(m.cols, cols-j)
			unpairRows(right, operand{at(b.p, j/m.cols*panel), b.ld}, k, width)
			w.multiply(m, operand{at(c.p, i*c.ld+j), c.ld}, left, sumFirst, right, 0, n, width, 2*k, add)
		}
	}
}

// widenRows undoes narrowRows: cols is how many words a row has.
func widenRows(dst, src operand, rows, cols int) {
	for i := range rows {
		out := view(at(dst.p, i*dst.ld), 2*cols)
		for j, w := range view(at(src.p, i*src.ld), cols) {
			out[2*j], out[2*j+1] = halves(w)
		}
	}
}

// unpairRows undoes pairRows.
func unpairRows(dst, src operand, rows, cols int) {
	for i := range rows {
		lo, hi := view(at(dst.p, 2*i*dst.ld), cols), view(at(dst.p, (2*i+1)*dst.ld), cols)
		for j, w := range view(at(src.p, i*src.ld), cols) {
			lo[j], hi[j] = halves(w)
		}
	}
}

// pair rounds rows to pairs of rows; an odd last one is paired with zeros, of which
// p.zeros has enough. dst may be src if its rows are as far apart.
func (p *Pool) pair(dst, src operand, rows, cols int) {
	h := p.m.half
	h.pairRows(dst.p, dst.ld, src.p, at(src.p, src.ld), 2*src.ld, rows/2, cols)
	if rows%2 > 0 {
		h.pairRows(at(dst.p, rows/2*dst.ld), dst.ld, at(src.p, (rows-1)*src.ld), &p.zeros[0], 0, 1, cols)
	}
}
