package kernel

// A product is computed in blocks: of blockDepth along the sum, so that the panels
// of b and the rows of a stay in the caches; of blockRows and at most blockCols of
// the result, which are a task. The order of every sum depends on the shape alone.
const (
	blockDepth = 576
	blockCols  = 256
	blockPad   = 16 // floats between packed rows beyond their length: no power of two
)

// The parts of a worker's scratch memory: packed rows, packed columns, results.
const (
	scratchRows    = 0
	scratchCols    = scratchRows + maxBlockRows*(blockDepth+blockPad)
	scratchResults = scratchCols + blockDepth*(blockCols+blockPad)
	scratchEnd     = scratchResults + maxBlockRows*(blockCols+blockPad)
	maxBlockRows   = 128
)

// blockRows is how many rows of the result a task computes, at most.
func (m *machine) blockRows() int { return 112 / m.rows * m.rows }

// split divides rows into blocks of equal size, a multiple of the tile's where
// there are enough of them.
func (m *machine) split(rows int) (block, blocks int) {
	blocks = ceilDiv(rows, m.blockRows())
	block = ceilDiv(rows, blocks)
	if blocks > 1 {
		block = roundUp(block, m.rows)
	}
	return block, ceilDiv(rows, block)
}

// splitCols divides columns into blocks of whole tiles: narrower ones when there
// are so few tasks that workers would be idle.
func (m *machine) splitCols(cols, rowBlocks int) (block, blocks int) {
	block = blockCols
	for block > 2*m.cols && rowBlocks*ceilDiv(cols, block) < 8 {
		block /= 2
	}
	block = min(block, roundUp(max(cols, 1), m.cols))
	return block, ceilDiv(cols, block)
}

// stream is rows of up to two matrices that are prefetched while a product is
// computed, an equal share of them with each of its tiles.
type stream struct {
	of          [2]operand
	cols        [2]int
	n           int // matrices
	rows        int
	tiles, done int
}

func (s *stream) add(o operand, cols int) {
	s.of[s.n], s.cols[s.n] = o, cols
	s.n++
}

// fetch prefetches the share of the next tile.
func (s *stream) fetch(m *machine) {
	lo := s.rows * s.done / s.tiles
	s.done = min(s.done+1, s.tiles)
	hi := s.rows * s.done / s.tiles
	if hi == lo {
		return
	}
	for i, o := range s.of[:s.n] {
		m.prefetch(at(o.p, lo*o.ld), o.ld, hi-lo, s.cols[i])
	}
}

// operand is a matrix in memory: the element (i, j) of a block that starts at p.
type operand struct {
	p  *float32
	ld int
}

// multiply writes (or with add, adds) the product of a block of rows and a block of
// columns. With sumFirst a is stored [k, rows], else [rows, k]. The columns of b come in panels of the
// machine's tile width, panel floats apart, each [k, tile] with rows b.ld apart.
func (w *worker) multiply(m *machine, c, a operand, sumFirst bool, b operand, panel, rows, cols, k int, add bool) {
	w.tiles(m, m.multiplyRows, m.multiplyCols, c, a, sumFirst, b, panel, rows, cols, k, add)
}

// tiles multiplies tile by tile with the functions for either order of a.
func (w *worker) tiles(m *machine, rowsFirst, colsFirst func(t *tile), c, a operand, sumFirst bool, b operand, panel, rows, cols, k int, add bool) {
	t := &w.tile
	t.lda, t.ldb, t.ldc, t.k, t.add = a.ld, b.ld, c.ld, k, 0
	if add {
		t.add = 1
	}
	slivers := ceilDiv(rows, m.rows)
	base, extra := rows/slivers, rows%slivers
	for j := 0; j < cols; j += m.cols {
		t.b = at(b.p, j/m.cols*panel)
		t.cols = min(m.cols, cols-j)
		i := 0
		for s := range slivers {
			t.rows = base
			if s < extra {
				t.rows++
			}
			t.c = at(c.p, i*c.ld+j)
			if w.stream.tiles > 0 {
				w.stream.fetch(m)
			}
			for _, f := range w.fetches {
				m.prefetch(at(f.p, i*f.ld+j), f.ld, t.rows, t.cols)
			}
			if sumFirst {
				t.a = at(a.p, i)
				colsFirst(t)
			} else {
				t.a = at(a.p, i*a.ld)
				rowsFirst(t)
			}
			i += t.rows
		}
	}
}
