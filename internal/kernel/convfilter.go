package kernel

// filterPanels are filters packed for a product: for every set of merged groups,
// for every panel of a tile's columns, the rows tap·channels+channel, padded with
// zeros to whole tiles.
type filterPanels struct {
	w            []float32 // [K,C/G,R,S]
	packed       []float32
	merge        int
	sets         int // of merged groups
	kg, cg       int // channels of one group, as they stand in w
	size         int // R·S
	taps         []int
	kept         bool // packed outlives the call
	ready        bool // packed holds them already
	half         bool // bfloat16 pairs of rows
	backward     bool // rows are output channels, columns input channels
	tile, panels int
	depth        int
}

// at returns the panels from column col and row from of a set on, and the distance
// between panels.
func (f *filterPanels) at(set, col, from int) (b operand, panel int) {
	panel = f.depth * f.tile
	if f.half {
		from /= 2 // of a panel that fills half of its place
	}
	return operand{&f.packed[(set*f.panels+col/f.tile)*panel+from*f.tile], f.tile}, panel
}

// channels returns the rows that a tap has and the columns, of one merged set.
func (f *filterPanels) channels() (rows, cols int) {
	if f.backward {
		return f.merge * f.kg, f.merge * f.cg
	}
	return f.merge * f.cg, f.merge * f.kg
}

// largestFilter is the number of taps up to which filters are packed in vectors.
const largestFilter = 4096

func (p *Pool) packFilters(f *filterPanels) {
	rows, cols := f.channels()
	f.tile = p.m.cols
	f.panels = ceilDiv(cols, f.tile)
	f.depth = rows * len(f.taps)
	if f.depth == 0 || f.ready {
		return
	}
	p.dispatch(f.sets*f.panels, func(p *Pool, task int, w *worker) {
		f := &p.conv.filters
		panel := f.packed[task*f.depth*f.tile:][:f.depth*f.tile]
		if f.half {
			p.packPairs(f, w, panel, task/f.panels, task%f.panels)
		} else {
			f.pack(p.m, w, panel, task/f.panels, task%f.panels)
		}
	})
}

// pack fills one panel, dst.
func (f *filterPanels) pack(m *machine, w *worker, dst []float32, set, panel int) {
	rows, cols := f.channels()
	col := panel * f.tile
	width := min(f.tile, cols-col)
	if f.merge > 1 || width < f.tile {
		clear(dst)
	}
	per := cols / f.merge // columns of one group
	for g := col / per; g*per < col+width; g++ {
		first := max(col, g*per)
		last := min(col+width, (g+1)*per)
		group := set*f.merge + g
		block := dst[first-col:]
		if f.backward {
			f.packBackward(m, w, block, rows, g*f.kg, group, first-g*per, last-first)
		} else {
			f.packForward(m, w, block, rows, g*f.cg, group, first-g*per, last-first)
		}
	}
}

// packForward packs n filters of a group from number k on: the columns of dst, whose
// rows are rows a tap, of which the group's begin at offset.
func (f *filterPanels) packForward(m *machine, w *worker, dst []float32, rows, offset, group, k, n int) {
	src := f.w[(group*f.kg+k)*f.cg*f.size:]
	if f.size > largestFilter {
		for i, tap := range f.taps {
			for c := range f.cg {
				for j := range n {
					dst[(i*rows+offset+c)*f.tile+j] = src[(j*f.cg+c)*f.size+tap]
				}
			}
		}
		return
	}
	if f.size == 1 {
		m.transpose(&dst[offset*f.tile], f.tile, &src[0], f.cg, n, f.cg)
		return
	}
	step := max(1, min(16, 2304/f.size))
	for c := 0; c < f.cg; c += step {
		count := min(step, f.cg-c)
		m.transpose(&w.memory[0], maxTile, &src[c*f.size], f.cg*f.size, n, count*f.size)
		for t, tap := range f.taps {
			m.copyRows(&dst[(t*rows+offset+c)*f.tile], f.tile, &w.memory[tap*maxTile], f.size*maxTile, count, n)
		}
	}
}

// packBackward packs n input channels of a group from number c on as the columns of
// dst.
func (f *filterPanels) packBackward(m *machine, w *worker, dst []float32, rows, offset, group, c, n int) {
	src := f.w[(group*f.kg*f.cg+c)*f.size:]
	if f.size > largestFilter {
		for i, tap := range f.taps {
			for k := range f.kg {
				for j := range n {
					dst[(i*rows+offset+k)*f.tile+j] = src[(k*f.cg+j)*f.size+tap]
				}
			}
		}
		return
	}
	if f.size == 1 {
		m.copyRows(&dst[offset*f.tile], f.tile, &src[0], f.cg, f.kg, n)
		return
	}
	for k := range f.kg {
		m.transpose(&w.memory[0], maxTile, &src[k*f.cg*f.size], f.size, n, f.size)
		for t, tap := range f.taps {
			copy(dst[(t*rows+offset+k)*f.tile:][:n], w.memory[tap*maxTile:])
		}
	}
}
