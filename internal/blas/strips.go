package blas

// Strips is a matrix whose columns are to be multiplied with each other: it lies in strips
// of StripCols columns, of which products need no copy.
type Strips struct {
	rows, cols int
	line       int // of a strip
	data       []float64
}

// StripCols is how many columns a strip has, but the last.
const StripCols = tileSide

// NewStrips returns a matrix of zeros.
func NewStrips(rows, cols int) *Strips {
	s := &Strips{rows: rows, cols: cols, line: min(tileLine, (cols+15)/16*16+8)}
	s.data = make([]float64, s.Len()*rows*s.line)
	return s
}

// Len returns the number of strips.
func (s *Strips) Len() int { return (s.cols + StripCols - 1) / StripCols }

// Strip returns strip k: cols columns from first on, row i at data[i·line:].
func (s *Strips) Strip(k int) (data []float64, line, first, cols int) {
	size := s.rows * s.line
	return s.data[k*size:][:size], s.line, k * StripCols, min(StripCols, s.cols-k*StripCols)
}

// AddGram adds XᵀX, X the first so many rows, to the upper triangle of c, [cols,cols].
func (s *Strips) AddGram(rows int, c []float64) { s.addGram(used, rows, c) }

func (s *Strips) addGram(mach *machine, rows int, c []float64) {
	if rows == 0 {
		return
	}
	p := &product{machine: mach, part: upper, m: s.cols, n: s.cols, k: rows, alpha: 1, c: c, ldc: s.cols}
	var pairs [][2]int
	for i := range s.Len() {
		for j := i; j < s.Len(); j++ {
			pairs = append(pairs, [2]int{i, j})
		}
	}
	parallel(len(pairs), s.cols*s.cols/2*rows < smallProduct, func(task int, memory *scratch) {
		a, line, i, m := s.Strip(pairs[task][0])
		b, _, j, n := s.Strip(pairs[task][1])
		p.block(memory, i, j, m, n, rows, 1, panels{data: &a[0], step: 1, ld: line}, panels{data: &b[0], ld: line})
	})
}
