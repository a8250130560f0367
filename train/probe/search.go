package probe

import (
	"math"
	"slices"

	"onnxclr/internal/kernel"
)

// neighbour is a row of the bank and its cosine with a query in one number, which is
// the higher the nearer: by cosine, then by row, the first the nearest.
type neighbour uint64

func newNeighbour(cosine float32, row int) neighbour {
	b := math.Float32bits(cosine)
	if b>>31 != 0 {
		b = ^b
	} else {
		b |= 1 << 31
	}
	return neighbour(b)<<32 | neighbour(^uint32(row))
}

func (n neighbour) row() int { return int(^uint32(n)) }

func (n neighbour) cosine() float32 {
	b := uint32(n >> 32)
	if b>>31 != 0 {
		b &^= 1 << 31
	} else {
		b = ^b
	}
	return math.Float32frombits(b)
}

// nearest holds the best so far as a heap whose root is the farthest of them.
type nearest struct {
	heap []neighbour // capacity k
}

// offer takes a row that is nearer than the farthest, or any before there are k, and
// returns the cosine that the next ones have to exceed. Rows come in ascending order.
func (n *nearest) offer(cosine float32, row int) float32 {
	if len(n.heap) < cap(n.heap) {
		n.heap = append(n.heap, newNeighbour(cosine, row))
		if len(n.heap) < cap(n.heap) {
			return lessThanAny
		}
		for j := len(n.heap)/2 - 1; j >= 0; j-- {
			n.sink(j)
		}
		return n.heap[0].cosine()
	}
	n.heap[0] = newNeighbour(cosine, row)
	n.sink(0)
	return n.heap[0].cosine()
}

// sink moves the element at i down to where it belongs.
func (n *nearest) sink(i int) {
	h := n.heap
	v := h[i]
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child] > h[child+1] {
			child++
		}
		if v <= h[child] {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = v
}

// sorted returns the neighbours, the nearest first.
func (n *nearest) sorted() []neighbour {
	slices.Sort(n.heap)
	slices.Reverse(n.heap)
	return n.heap
}

// A search takes queryBlock × queryBlocks queries at a time and bankBlock rows of the
// bank, of which it makes a copy of unit length for all of those.
const (
	queryBlock  = 256
	queryBlocks = 8
	bankBlock   = 1024
)

// search finds the nearest rows of a bank for blocks of queries.
type search struct {
	pool       *kernel.Pool
	bank       *Features
	stride     int
	rows       []float32 // [bankBlock,stride], of unit length
	queries    []float32 // [blocks,D,queryBlock], of unit length
	products   []float32 // [bankBlock,queryBlock]
	neighbours []nearest // [blocks·queryBlock]
	worst      []float32 // [blocks·queryBlock], cosines that the next ones have to exceed
}

// newSearch prepares to find the k nearest rows for blocks of n queries.
func newSearch(p *kernel.Pool, k int, bank *Features, n int) *search {
	stride := apart(bank.Dim)
	rows := min(bankBlock, bank.Len())
	s := &search{pool: p, bank: bank, stride: stride,
		rows:       make([]float32, rows*stride),
		queries:    make([]float32, n*bank.Dim),
		products:   make([]float32, rows*min(n, queryBlock)),
		neighbours: make([]nearest, n),
		worst:      make([]float32, n),
	}
	for q := range s.neighbours {
		s.neighbours[q].heap = make([]neighbour, 0, k)
	}
	return s
}

// apart returns how many values apart rows of dim values are to be kept in memory, so
// that those that a product reads together do not fall on the same lines of the cache,
// as they do at a power of two.
func apart(dim int) int {
	const line = 16
	if dim%128 == 0 {
		return dim + line
	}
	return dim
}

// Chunks of rows and of queries that one task looks after.
const (
	rowChunk   = 64
	queryChunk = 32
)

// lessThanAny cosine, with room for rounding.
const lessThanAny = -2

// find fills the neighbours of count queries from first on. The rows of the bank are
// the left operand of the products; the queries, the right one, are transposed once.
func (s *search) find(queries *Features, first, count int) {
	d := queries.Dim
	s.each(count, queryChunk, func(q int) {
		row := queries.row(first + q)
		scale := inverseNorm(row)
		block := q / queryBlock * queryBlock
		width := min(queryBlock, count-block)
		for j, v := range row {
			s.queries[block*d+j*width+q-block] = v * scale
		}
		s.neighbours[q].heap = s.neighbours[q].heap[:0]
		s.worst[q] = lessThanAny
	})
	for at := 0; at < s.bank.Len(); at += bankBlock {
		rows := min(bankBlock, s.bank.Len()-at)
		s.each(rows, rowChunk, func(i int) {
			row := s.bank.row(at + i)
			scale := inverseNorm(row)
			unit := s.rows[i*s.stride:][:d]
			for j, v := range row {
				unit[j] = v * scale
			}
		})
		for block := 0; block < count; block += queryBlock {
			s.compare(at, rows, block, min(queryBlock, count-block))
		}
	}
}

// compare offers rows of the bank from at on to a block of width queries.
func (s *search) compare(at, rows, block, width int) {
	d := s.bank.Dim
	kernel.Gemm(s.pool, false, false, rows, width, d, 1, s.rows, s.stride, s.queries[block*d:], width, 0, s.products, width, nil)
	s.pool.Run((width+queryChunk-1)/queryChunk, func(task, _ int) {
		from, to := task*queryChunk, min((task+1)*queryChunk, width)
		worst, near := s.worst[block+from:block+to], s.neighbours[block+from:block+to]
		for i := range rows {
			for q, c := range s.products[i*width+from : i*width+to] {
				if c > worst[q] { // an equal one comes later and stays behind
					worst[q] = near[q].offer(c, at+i)
				}
			}
		}
	})
}

// each calls f for 0 … n−1 on all workers.
func (s *search) each(n, chunk int, f func(i int)) {
	s.pool.Run((n+chunk-1)/chunk, func(task, _ int) {
		for i := task * chunk; i < min((task+1)*chunk, n); i++ {
			f(i)
		}
	})
}
