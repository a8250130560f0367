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

// offer takes the rows first, first+1, … with their products with the query, scaled
// to cosines, in ascending order of rows over all calls.
func (n *nearest) offer(products, scale []float32, first int) {
	i := 0
	for ; len(n.heap) < cap(n.heap) && i < len(products); i++ {
		n.heap = append(n.heap, neighbour{products[i] * scale[i], int32(first + i)})
		if len(n.heap) == cap(n.heap) {
			for j := len(n.heap)/2 - 1; j >= 0; j-- {
				n.sink(j)
			}
		}
	}
	if i == len(products) {
		return
	}
	products, scale = products[i:], scale[i:len(products)]
	worst := n.heap[0].cosine
	for j, v := range products {
		// An equal one comes later and stays behind.
		if c := v * scale[j]; c > worst {
			n.heap[0] = neighbour{c, int32(first + i + j)}
			n.sink(0)
			worst = n.heap[0].cosine
		}
	}
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
	queries    []float32 // [queryBlock,D], of unit length
	products   []float32 // [queryBlock,bankBlock]
	neighbours []nearest // [queryBlock]
}

func newSearch(p *kernel.Pool, k int, bank *Features) *search {
	width := min(bankBlock, bank.Len())
	s := &search{pool: p, bank: bank,
		scale:      make([]float32, bank.Len()),
		queries:    make([]float32, queryBlock*bank.Dim),
		products:   make([]float32, queryBlock*width),
		neighbours: make([]nearest, queryBlock),
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

// find fills the neighbours of count queries from first on.
func (s *search) find(queries *Features, first, count int) {
	d := queries.Dim
	s.pool.Run(count, func(q, _ int) {
		row := queries.row(first + q)
		scale := inverseNorm(row)
		for j, v := range row {
			s.queries[q*d+j] = v * scale
		}
		s.neighbours[q].heap = s.neighbours[q].heap[:0]
	})
	n := s.bank.Len()
	for at := 0; at < n; at += bankBlock {
		width := min(bankBlock, n-at)
		kernel.Gemm(s.pool, false, true, count, width, d, 1, s.queries, d, s.bank.tail(at), s.bank.Stride, 0, s.products, width, nil)
		s.pool.Run(count, func(q, _ int) {
			s.neighbours[q].offer(s.products[q*width:][:width], s.scale[at:at+width], at)
		})
	}
}
