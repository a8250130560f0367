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

// columns returns which of the columns [j0, j1) of row i belong to the part.
func (p part) columns(i, j0, j1 int) (from, end int) {
	switch p {
	case upper:
		return max(i, j0), j1
	case lower:
		return j0, min(i+1, j1)
	}
	return j0, j1
}

// product is c = alpha·a·b + beta·c, or a part of it, c being [m,n] with rows ldc apart,
// a [m,k] and b [k,n].
type product struct {
	*machine
	part        part
	m, n, k     int
	alpha, beta float64
	a, b        operand
	c           []float64
	ldc         int
}

func (p product) run() {
	if p.m == 0 || p.n == 0 {
		return
	}
	if p.k == 0 || p.alpha == 0 {
		scale(p.part, p.m, p.n, p.beta, p.c, p.ldc)
		return
	}
	tasks := (p.m + blockRows - 1) / blockRows * p.colBlocks()
	if tasks == 1 || p.m*p.n/2*p.k < smallProduct {
		s := scratches.Get().(*scratch)
		for i := range tasks {
			p.task(i, s)
		}
		scratches.Put(s)
		return
	}
	shared := p // only this one leaves the stack
	parallel(tasks, false, shared.task)
}

func (p *product) colBlocks() int { return (p.n + blockCols - 1) / blockCols }

// task computes one block of the result.
func (p *product) task(task int, s *scratch) {
	i, j := task/p.colBlocks()*blockRows, task%p.colBlocks()*blockCols
	rows, cols := min(blockRows, p.m-i), min(blockCols, p.n-j)
	if some, _ := p.part.covers(i, i+rows, j, j+cols); !some {
		return
	}
	beta := p.beta
	for l := 0; l < p.k; l += blockDepth {
		depth := min(blockDepth, p.k-l)
		x := panels{data: &s.a[0], packed: true}
		if p.a.row == 1 && (p.a.col <= directLine || spread(p.a.col)) || p.a.col == 1 && (p.a.row <= directRow || spread(p.a.row)) {
			x = panels{data: &p.a.data[i*p.a.row+l*p.a.col], step: p.a.row, ld: p.a.col}
		} else {
			p.packRows(s, p.a, i, l, rows, depth)
		}
		y := panels{data: &s.b[0], ld: p.cols, packed: true}
		if p.b.col == 1 && (p.b.row <= directLine || spread(p.b.row)) && cols%p.cols == 0 {
			y = panels{data: &p.b.data[l*p.b.row+j], ld: p.b.row}
		} else {
			p.packCols(s, p.b, l, j, depth, cols)
		}
		p.block(s, i, j, rows, cols, depth, beta, x, y)
		beta = 1
	}
}

// directLine is how long the lines of an operand may be, at most, for it to be used where
// it lies: longer ones fall into too few sets of the caches. directRow is the same where
// a tile takes numbers of all its rows at once.
const (
	directLine = 512
	directRow  = 128
)

// spread reports whether lines so far apart fall into all sets of the caches: their
// distance is an odd number of cache lines.
func spread(ld int) bool { return ld%16 == 8 }

// panels is an operand in the order in which tiles take it: packed panel by panel, or
// in place, in lines ld apart and the rows of a step apart.
type panels struct {
	data     *float64
	step, ld int
	packed   bool
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
			mach.transposeAll(r, depth, a.data[i*a.row+l:], a.row, out, r)
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
		mach.transposeAll(have, depth, b.data[l+j*b.col:], b.col, out, w)
	}
}

// block multiplies the operands of a block, rows×cols of c from (i0, j0) on.
func (p *product) block(s *scratch, i0, j0, rows, cols, depth int, beta float64, x, y panels) {
	n, base, extra := p.slivers(rows)
	w := p.cols
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
			a, step, lda := at(x.data, i*x.step), x.step, x.ld
			if x.packed {
				a, step, lda = at(x.data, i*depth), 1, r
			}
			row, col := i0+i, j0+j
			some, all := p.part.covers(row, row+r, col, col+have)
			switch to := row*p.ldc + col; {
			case all && have == w:
				p.tiles[r](a, b, &p.c[to], step, lda, y.ld, p.ldc, depth, p.alpha, beta)
			case some:
				p.tiles[r](a, b, &s.edge[0], step, lda, y.ld, w, depth, p.alpha, 0)
				for u := range r {
					from, end := p.part.columns(row+u, col, col+have)
					if from >= end {
						continue
					}
					c, sums := p.c[(row+u)*p.ldc+from:][:end-from], s.edge[u*w+from-col:]
					if beta == 0 {
						copy(c, sums)
						continue
					}
					for v := range c {
						c[v] = sums[v] + beta*c[v]
					}
				}
			}
			i += r
		}
	}
}
