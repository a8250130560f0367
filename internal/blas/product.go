package blas

import (
	"runtime"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/blas"
)

// A product is computed in blocks: of depth along the sum, so that a sliver of b stays
// in the first-level cache and the rows of a in the second; of rows and cols of the
// result, which are a task.
const (
	blockDepth = 192
	blockRows  = 112 // a multiple of the rows of no tile but 14, slivers are balanced
	blockCols  = 768
)

// smallProduct is how many multiplications are not worth a second core.
const smallProduct = 1 << 20

// operand is a matrix or its transpose: element (i, j) is data[i·row + j·col], and one
// of row and col is 1.
type operand struct {
	data     []float64
	row, col int
}

func of(t blas.Transpose, data []float64, ld int) operand {
	if t == blas.NoTrans {
		return operand{data, ld, 1}
	}
	return operand{data, 1, ld}
}

// transposed returns the transpose.
func (o operand) transposed() operand { return operand{o.data, o.col, o.row} }

// part is which elements of c a product may touch.
type part int

const (
	whole part = iota
	upper      // column ≥ row
	lower      // column ≤ row
)

// covers reports which of the elements in rows [i0, i1) and columns [j0, j1) belong to
// the part: all or some.
func (p part) covers(i0, i1, j0, j1 int) (some, all bool) {
	switch p {
	case upper:
		return j1-1 >= i0, j0 >= i1-1
	case lower:
		return j0 <= i1-1, j1-1 <= i0
	}
	return true, true
}

// product adds alpha·a·b to c, [m,n] with rows ldc apart, a being [m,k] and b [k,n].
func (mach *machine) product(p part, m, n, k int, alpha float64, a, b operand, c []float64, ldc int) {
	if m == 0 || n == 0 || k == 0 || alpha == 0 {
		return
	}
	rowBlocks, colBlocks := (m+blockRows-1)/blockRows, (n+blockCols-1)/blockCols
	block := func(task int, s *scratch) {
		i, j := task/colBlocks*blockRows, task%colBlocks*blockCols
		rows, cols := min(blockRows, m-i), min(blockCols, n-j)
		if some, _ := p.covers(i, i+rows, j, j+cols); !some {
			return
		}
		for l := 0; l < k; l += blockDepth {
			depth := min(blockDepth, k-l)
			x := panels{&s.a[0], 0, true}
			if a.row == 1 && a.col <= directLine {
				x = panels{&a.data[i+l*a.col], a.col, false}
			} else {
				mach.packRows(s, a, i, l, rows, depth)
			}
			y := panels{&s.b[0], mach.cols, true}
			if b.col == 1 && b.row <= directLine && cols%mach.cols == 0 {
				y = panels{&b.data[l*b.row+j], b.row, false}
			} else {
				mach.packCols(s, b, l, j, depth, cols)
			}
			mach.block(s, p, i, j, rows, cols, depth, alpha, x, y, c, ldc)
		}
	}
	parallel(rowBlocks*colBlocks, m*n/2*k < smallProduct, block)
}

// directLine is how long the lines of an operand may be, at most, for it to be used where
// it lies: longer ones fall into too few sets of the caches.
const directLine = 512

// panels is an operand in the order in which tiles take it: packed panel by panel, or
// in place, in lines ld apart.
type panels struct {
	data   *float64
	ld     int
	packed bool
}

// scratch is the memory of one goroutine.
type scratch struct {
	a, b []float64 // packed operands
	edge []float64 // a tile that c has no room for
}

var scratches = sync.Pool{New: func() any {
	return &scratch{
		a: make([]float64, blockRows*blockDepth), b: make([]float64, (blockCols+16)*blockDepth), edge: make([]float64, 14*16),
	}
}}

// onlyOne is for tests.
var onlyOne bool

// parallel runs the tasks, on one core if alone is set.
func parallel(tasks int, alone bool, f func(task int, s *scratch)) {
	workers := min(runtime.GOMAXPROCS(0), tasks)
	if alone || onlyOne || workers < 2 {
		s := scratches.Get().(*scratch)
		for i := range tasks {
			f(i, s)
		}
		scratches.Put(s)
		return
	}
	var next atomic.Int64
	var wait sync.WaitGroup
	work := func() {
		s := scratches.Get().(*scratch)
		for i := int(next.Add(1)) - 1; i < tasks; i = int(next.Add(1)) - 1 {
			f(i, s)
		}
		scratches.Put(s)
	}
	for range workers - 1 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			work()
		}()
	}
	work()
	wait.Wait()
}

// slivers divides rows among tiles as evenly as possible.
func (mach *machine) slivers(rows int) (n, base, extra int) {
	n = (rows + mach.rows - 1) / mach.rows
	return n, rows / n, rows % n
}

// packRows lays rows of a out sliver by sliver, each as [depth][rows of the sliver].
func (mach *machine) packRows(s *scratch, a operand, i, l, rows, depth int) {
	n, base, extra := mach.slivers(rows)
	out := s.a
	for q := range n {
		r := base
		if q < extra {
			r++
		}
		if a.row == 1 { // rows are neighbours
			for d := range depth {
				copy(out[d*r:][:r], a.data[i+(l+d)*a.col:])
			}
		} else {
			for u := range r {
				from := a.data[(i+u)*a.row+l:][:depth]
				to := out[u:]
				for d, v := range from {
					to[d*r] = v
				}
			}
		}
		out, i = out[r*depth:], i+r
	}
}

// packCols lays columns of b out in panels of the tile's width, each [depth][cols],
// the last filled up with zeros.
func (mach *machine) packCols(s *scratch, b operand, l, j, depth, cols int) {
	w := mach.cols
	out := s.b
	for ; cols > 0; cols, j, out = cols-w, j+w, out[w*depth:] {
		have := min(w, cols)
		if have < w {
			clear(out[:w*depth])
		}
		if b.col == 1 {
			for d := range depth {
				copy(out[d*w:][:have], b.data[(l+d)*b.row+j:])
			}
			continue
		}
		for u := range have {
			from := b.data[l+(j+u)*b.col:][:depth]
			to := out[u:]
			for d, v := range from {
				to[d*w] = v
			}
		}
	}
}

// block multiplies the operands of a block, rows×cols of c from (i0, j0) on.
func (mach *machine) block(s *scratch, p part, i0, j0, rows, cols, depth int, alpha float64, x, y panels, c []float64, ldc int) {
	n, base, extra := mach.slivers(rows)
	w := mach.cols
	for j := 0; j < cols; j += w {
		have := min(w, cols-j)
		b := at(y.data, j)
		if y.packed {
			b = at(y.data, j*depth)
		}
		i := 0
		for q := range n {
			r := base
			if q < extra {
				r++
			}
			a, lda := at(x.data, i), x.ld
			if x.packed {
				a, lda = at(x.data, i*depth), r
			}
			row, col := i0+i, j0+j
			some, all := p.covers(row, row+r, col, col+have)
			switch to := row*ldc + col; {
			case all && have == w:
				mach.tile(r, a, b, &c[to], lda, y.ld, ldc, depth, alpha)
			case some:
				clear(s.edge[:r*w])
				mach.tile(r, a, b, &s.edge[0], lda, y.ld, w, depth, alpha)
				for u := range r {
					for v := range have {
						if in, _ := p.covers(row+u, row+u+1, col+v, col+v+1); in {
							c[to+u*ldc+v] += s.edge[u*w+v]
						}
					}
				}
			}
			i += r
		}
	}
}
