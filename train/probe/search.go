package probe

import (
	"cmp"
	"slices"

	"onnxclr/internal/kernel"
)

// neighbour is a row of the bank near a query.
type neighbour struct {
	cosine float32
	row    int32
}

// nearer reports whether a comes before b: by cosine, then by row.
func nearer(a, b neighbour) bool {
	return a.cosine > b.cosine || a.cosine == b.cosine && a.row < b.row
}

// nearest holds the best so far as a heap whose root is the farthest of them.
type nearest struct {
	heap []neighbour // capacity k
}

// offer takes a row that is nearer than the farthest, or any before there are k, and
// returns the cosine that the next ones have to exceed. Rows come in ascending order.
func (n *nearest) offer(cosine float32, row int) float32 {
	if len(n.heap) < cap(n.heap) {
		n.heap = append(n.heap, neighbour{cosine, int32(row)})
		if len(n.heap) < cap(n.heap) {
			return lessThanAny
		}
		for j := len(n.heap)/2 - 1; j >= 0; j-- {
			n.sink(j)
		}
		return n.heap[0].cosine
	}
	n.heap[0] = neighbour{cosine, int32(row)}
	n.sink(0)
	return n.heap[0].cosine
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
		if child+1 < len(h) && nearer(h[child], h[child+1]) {
			child++
		}
		if !nearer(v, h[child]) {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = v
}

// sorted returns the neighbours, the nearest first.
func (n *nearest) sorted() []neighbour {
	slices.SortFunc(n.heap, func(a, b neighbour) int {
		if c := cmp.Compare(b.cosine, a.cosine); c != 0 {
			return c
		}
		return cmp.Compare(a.row, b.row)
	})
	return n.heap
}

// search finds the nearest rows of a bank for blocks of queries.
type search struct {
	pool       *kernel.Pool
	bank       *Features
	scale      []float32 // [N], 1/‖row‖ of the bank
	queries    []float32 // [D,queryBlock], of unit length
	products   []float32 // [bankBlock,queryBlock]
	neighbours []nearest // [queryBlock]
	worst      []float32 // [queryBlock], theirs
}

func newSearch(p *kernel.Pool, k int, bank *Features) *search {
	s := &search{pool: p, bank: bank,
		scale:      make([]float32, bank.Len()),
		queries:    make([]float32, queryBlock*bank.Dim),
		products:   make([]float32, queryBlock*min(bankBlock, bank.Len())),
		neighbours: make([]nearest, queryBlock),
		worst:      make([]float32, queryBlock),
	}
	const chunk = 256
	p.Run((bank.Len()+chunk-1)/chunk, func(task, _ int) {
		for i := task * chunk; i < min((task+1)*chunk, bank.Len()); i++ {
			s.scale[i] = inverseNorm(bank.row(i))
		}
	})
	for q := range s.neighbours {
		s.neighbours[q].heap = make([]neighbour, 0, k)
	}
	return s
}

// lessThanAny cosine, with room for rounding.
const lessThanAny = -2

// queryChunk is how many queries one task looks after.
const queryChunk = 32

// find fills the neighbours of count queries from first on. The rows of the bank are
// the left operand of the product, which is read where it lies; the queries are
// transposed once.
func (s *search) find(queries *Features, first, count int) {
	tasks := (count + queryChunk - 1) / queryChunk
	s.pool.Run(tasks, func(task, _ int) {
		for q := task * queryChunk; q < min((task+1)*queryChunk, count); q++ {
			row := queries.row(first + q)
			scale := inverseNorm(row)
			for j, v := range row {
				s.queries[j*count+q] = v * scale
			}
			s.neighbours[q].heap = s.neighbours[q].heap[:0]
			s.worst[q] = lessThanAny
		}
	})
	n := s.bank.Len()
	for at := 0; at < n; at += bankBlock {
		rows := min(bankBlock, n-at)
		kernel.Gemm(s.pool, false, false, rows, count, s.bank.Dim, 1, s.bank.tail(at), s.bank.Stride, s.queries, count, 0, s.products, count, nil)
		s.pool.Run(tasks, func(task, _ int) {
			from, to := task*queryChunk, min((task+1)*queryChunk, count)
			worst, near := s.worst[from:to], s.neighbours[from:to]
			for i := range rows {
				scale := s.scale[at+i]
				for q, v := range s.products[i*count+from : i*count+to] {
					// An equal one comes later and stays behind.
					if c := v * scale; c > worst[q] {
						worst[q] = near[q].offer(c, at+i)
					}
				}
			}
		})
	}
}
