package kernel

// setPrecision completes setForward and setBackward. Squares are transformed before
// they are rounded.
func (c *implicit) setPrecision(p Precision, squares bool) {
	c.half = p == BF16
	c.patches.half, c.filters.half = c.half && !squares, c.half
}

// pairPatches packs n pixels from number from on and columns [col, col+cols) of the
// patches as pairs of pixels.
func (p *Pool) pairPatches(s *patches, dst operand, from, n, col, cols int) {
	if !s.rowsInPlace() || n%2 > 0 {
		s.pack(p.m, dst, from, n, col, col+cols)
		p.pair(dst, dst, n, cols)
		return
	}
	src := operand{&s.x[from*s.ld+s.from+col], s.ld}
	if s.affine == nil {
		p.pair(dst, src, n, cols)
		return
	}
	for part := s.per * s.p * s.q; n > 0; {
		// The images of one group of the affine; if a pair has one of each, packed first.
		count := min(n, part-from%part)
		if count%2 > 0 {
			s.pack(p.m, dst, from, n, col, col+cols)
			p.pair(dst, dst, n, cols)
			return
		}
		e := from/part*s.ld + s.from + col
		p.m.half.affinePairRows(dst.p, dst.ld, src.p, at(src.p, src.ld), 2*src.ld, count/2, cols,
			&s.affine.Scale[e], &s.affine.Shift[e], floorOf(s.affine.ReLU))
		from, n = from+count, n-count
		dst.p, src.p = at(dst.p, count/2*dst.ld), at(src.p, count*src.ld)
	}
}

// packPairs is filterPanels.pack of pairs of rows, which fill half of dst.
func (p *Pool) packPairs(f *filterPanels, w *worker, dst []float32, set, panel int) {
	rows, cols := f.channels()
	col := panel * f.tile
	width := min(f.tile, cols-col)
	out := operand{&dst[0], f.tile}
	if f.size == 1 && f.merge == 1 {
		if width < f.tile {
			clear(dst)
		}
		if f.backward {
			p.pair(out, operand{&f.w[set*rows*cols+col], cols}, rows, width)
			return
		}
		if rows%2 == 0 && width*rows <= scratchFloats {
			// Pairs are neighbours in the filter.
			p.m.half.narrowRows(&w.memory[0], rows, &f.w[(set*cols+col)*rows], rows, width, rows)
			p.m.transpose(out.p, out.ld, &w.memory[0], rows/2, width, rows/2)
			return
		}
	}
	packed := dst
	if f.depth*f.tile <= scratchFloats/2 {
		packed = w.memory[scratchFloats/2:][:f.depth*f.tile]
	}
	f.pack(p.m, w, packed, set, panel)
	p.pair(out, operand{&packed[0], f.tile}, f.depth, f.tile)
}
