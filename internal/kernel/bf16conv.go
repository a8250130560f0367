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
