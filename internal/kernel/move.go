package kernel

// CopyColumns copies width floats of every row: from column fromX of x, whose rows have
// ldx floats, to column fromY of y. What Concat and Slice along one axis are.
func CopyColumns(p *Pool, rows, width int, y []float32, ldy, fromY int, x []float32, ldx, fromX int) {
	perTask := max(1, taskFloats/width)
	p.Run(ceilDiv(rows, perTask), func(task, _ int) {
		for i := task * perTask; i < min((task+1)*perTask, rows); i++ {
			copy(y[i*ldy+fromY:][:width], x[i*ldx+fromX:])
		}
	})
}

// PadColumns writes x, rows of width floats, to the columns from fromY of y and zeros
// to the others: the gradient of a Slice.
func PadColumns(p *Pool, rows, width int, y []float32, ldy, fromY int, x []float32) {
	perTask := max(1, taskFloats/ldy)
	p.Run(ceilDiv(rows, perTask), func(task, _ int) {
		for i := task * perTask; i < min((task+1)*perTask, rows); i++ {
			row := y[i*ldy:][:ldy]
			clear(row[:fromY])
			copy(row[fromY:fromY+width], x[i*width:])
			clear(row[fromY+width:])
		}
	})
}

// Map says where every element of an array comes from, axis by axis: element (i₀, i₁, …)
// is element Σ Offset[k][i_k] of the source, or none where one offset is negative.
type Map struct{ Offset [][]int }

// row returns the source of row i, without its last axis, and where the row starts;
// −1 when it has no source.
func (m *Map) row(i int) int {
	at := 0
	for axis := len(m.Offset) - 2; axis >= 0; axis-- {
		d := len(m.Offset[axis])
		o := m.Offset[axis][i%d]
		if o < 0 {
			return -1
		}
		at += o
		i /= d
	}
	return at
}

func (m *Map) rows(from, to int) int {
	n := 1
	for _, o := range m.Offset[from:to] {
		n *= len(o)
	}
	return n
}

// Gather writes y from the elements of x, and value where they have no source.
func Gather(p *Pool, m *Map, value float32, y, x []float32) {
	last := len(m.Offset) - 1
	cols := m.Offset[last]
	n, rows := len(cols), m.rows(0, last)
	run := consecutive(cols)
	perTask := max(1, taskFloats/n)
	p.Run(ceilDiv(rows, perTask), func(task, _ int) {
		for i := task * perTask; i < min((task+1)*perTask, rows); i++ {
			out, at := y[i*n:][:n], m.row(i)
			switch {
			case at < 0:
				fill(out, value)
			case run:
				copy(out, x[at+cols[0]:])
			default:
				for j, o := range cols {
					if o < 0 {
						out[j] = value
					} else {
						out[j] = x[at+o]
					}
				}
			}
		}
	})
}

// consecutive reports whether the offsets are those of elements that follow each other.
func consecutive(offsets []int) bool {
	for i, o := range offsets {
		if o < 0 || o != offsets[0]+i {
			return false
		}
	}
	return true
}

// Scatter is the gradient of Gather: it adds every element of dy to where it came from
// in dx. Leading axes that take no element twice are divided into tasks; the order of
// every sum is that of dy.
func Scatter(p *Pool, m *Map, dx, dy []float32) {
	clear(dx)
	last := len(m.Offset) - 1
	cols := m.Offset[last]
	n, split := len(cols), 0
	for split < last && distinct(m.Offset[split]) {
		split++
	}
	tasks, inner := m.rows(0, split), m.rows(split, last)
	p.Run(tasks, func(task, _ int) {
		for i := task * inner; i < (task+1)*inner; i++ {
			at := m.row(i)
			if at < 0 {
				continue
			}
			for j, o := range cols {
				if o >= 0 {
					dx[at+o] += dy[i*n+j]
				}
			}
		}
	})
}

// distinct reports whether no element is taken twice.
func distinct(offsets []int) bool {
	seen := make(map[int]bool, len(offsets))
	for _, o := range offsets {
		if o >= 0 && seen[o] {
			return false
		}
		seen[o] = true
	}
	return true
}
