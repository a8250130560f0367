package kernel

// Strided is a pass over an array of any number of axes whose operands lie in memory
// with strides of their own, 0 along an axis along which an operand is repeated. Axes
// over which all operands run on are merged.
type Strided struct {
	shape   []int
	strides [][]int // by operand
}

// NewStrided describes a pass over shape; strides are in floats, one for each axis.
func NewStrided(shape []int, strides ...[]int) *Strided {
	s := &Strided{strides: make([][]int, len(strides))}
	for axis, d := range shape {
		if d == 1 {
			continue
		}
		last := len(s.shape) - 1
		merge := last >= 0
		for k := range strides {
			merge = merge && s.strides[k][last] == d*strides[k][axis]
		}
		if merge {
			s.shape[last] *= d
		} else {
			s.shape = append(s.shape, d)
		}
		for k := range strides {
			if merge {
				s.strides[k][last] = strides[k][axis]
			} else {
				s.strides[k] = append(s.strides[k], strides[k][axis])
			}
		}
	}
	if len(s.shape) == 0 {
		s.shape = []int{1}
		for k := range s.strides {
			s.strides[k] = []int{1}
		}
	}
	return s
}

// rows is the number of runs along the last axis.
func (s *Strided) rows() int {
	n := 1
	for _, d := range s.shape[:len(s.shape)-1] {
		n *= d
	}
	return n
}

// offset is where operand k starts in row i.
func (s *Strided) offset(k, i int) int {
	at := 0
	for axis := len(s.shape) - 2; axis >= 0; axis-- {
		at += i % s.shape[axis] * s.strides[k][axis]
		i /= s.shape[axis]
	}
	return at
}

// rowPiece is how many elements of a row are computed at a time; taskFloats how many a
// task computes, about.
const (
	rowPiece   = 2048
	taskFloats = 1 << 14
)

// Broadcast writes y = f(x…) element by element: f is called with pieces of equal
// length, in which repeated operands are written out. y is contiguous.
func Broadcast(p *Pool, s *Strided, y []float32, f func(y []float32, x ...[]float32), x ...[]float32) {
	axis := len(s.shape) - 1
	n, rows := s.shape[axis], s.rows()
	piece := min(n, rowPiece)
	pieces := ceilDiv(n, piece)
	perTask := max(1, taskFloats/piece)
	p.Run(ceilDiv(rows*pieces, perTask), func(task, worker int) {
		var parts [4][]float32
		scratch := p.workers[worker].memory
		for u := task * perTask; u < min((task+1)*perTask, rows*pieces); u++ {
			row, from := u/pieces, u%pieces*piece
			m := min(piece, n-from)
			for k := range x {
				at, stride := s.offset(k, row), s.strides[k][axis]
				if stride == 1 {
					parts[k] = x[k][at+from:][:m]
					continue
				}
				parts[k] = scratch[k*rowPiece:][:m]
				if stride == 0 {
					fill(parts[k], x[k][at])
					continue
				}
				for i := range parts[k] {
					parts[k][i] = x[k][at+(from+i)*stride]
				}
			}
			f(y[row*n+from:][:m], parts[:len(x)]...)
		}
	})
}

// Each writes y = f(x…) element by element, all of equal length; y may be one of x.
func Each(p *Pool, y []float32, f func(y []float32, x ...[]float32), x ...[]float32) {
	for _, a := range x {
		mustLen("Each", "x", len(a), len(y))
	}
	p.Run(ceilDiv(len(y), taskFloats), func(task, _ int) {
		var parts [4][]float32
		from := task * taskFloats
		m := min(taskFloats, len(y)-from)
		for k := range x {
			parts[k] = x[k][from:][:m]
		}
		f(y[from:][:m], parts[:len(x)]...)
	})
}

// sumColumns is how many columns of a reduction a task adds up.
const sumColumns = 64

// ReduceSum writes scale·Σx over the axes along which y's strides are 0: s describes
// the pass over x, contiguous, with y as its only operand. Sums are held in float64.
func ReduceSum(p *Pool, s *Strided, scale float64, y, x []float32) {
	last := len(s.shape) - 1
	cols, stride := 1, 0
	if s.strides[0][last] != 0 {
		cols, stride = s.shape[last], s.strides[0][last]
	}
	// Axes before the columns: kept, of y and of x, and reduced, of x.
	var kept, reduced [][3]int // size, stride in x, stride in y
	step := 1
	for axis := last; axis >= 0; axis-- {
		a := [3]int{s.shape[axis], step, s.strides[0][axis]}
		switch {
		case axis == last && cols > 1:
		case a[2] != 0:
			kept = append(kept, a)
		default:
			reduced = append(reduced, a)
		}
		step *= s.shape[axis]
	}
	outer := 1
	for _, a := range kept {
		outer *= a[0]
	}
	run := 1 // elements in a row that are added to one sum
	if cols == 1 && len(reduced) > 0 && reduced[0][1] == 1 {
		run, reduced = reduced[0][0], reduced[1:]
	}
	times := 1
	for _, a := range reduced {
		times *= a[0]
	}
	parts := ceilDiv(cols, sumColumns)
	p.Run(outer*parts, func(task, _ int) {
		fromX, fromY, i := 0, 0, task/parts
		for _, a := range kept {
			fromX += i % a[0] * a[1]
			fromY += i % a[0] * a[2]
			i /= a[0]
		}
		c0 := task % parts * sumColumns
		width := min(sumColumns, cols-c0)
		var sums [sumColumns]float64
		for t := range times {
			at := fromX + c0
			for _, a := range reduced {
				at += t % a[0] * a[1]
				t /= a[0]
			}
			if cols == 1 {
				sums[0] += sum(x[at:][:run])
				continue
			}
			for j, v := range x[at:][:width] {
				sums[j] += float64(v)
			}
		}
		for j, v := range sums[:width] {
			y[fromY+(c0+j)*stride] = float32(v * scale)
		}
	})
}

// sum is Σx in float64, by four partial sums.
func sum(x []float32) float64 {
	var a, b, c, d float64
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a += float64(x[i])
		b += float64(x[i+1])
		c += float64(x[i+2])
		d += float64(x[i+3])
	}
	for ; i < len(x); i++ {
		a += float64(x[i])
	}
	return (a + b) + (c + d)
}
