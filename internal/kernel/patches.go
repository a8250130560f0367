package kernel

// A convolution is a product of patches and filters. The matrix of patches, whose
// row (n,i,j) holds the pixels that the taps of the filter read for one output
// pixel, is never stored: blocks of it are packed when they are needed.

// patches describes that matrix over an array of [N,h,w,ld] floats.
type patches struct {
	x            []float32
	h, w, ld     int // pixels of an image, floats between pixels
	from, c      int // the channels read
	p, q         int // grid of rows, N of them
	stepH, stepW int
	taps         []tap // row (i,j) reads the pixels (i·stepH+dh, j·stepW+dw)
	affine       *Affine
	per          int  // images in a group of the affine
	half         bool // packed as bfloat16 numbers: dst counts in those
}

type tap struct{ dh, dw int }

// pack writes rows [row, row+rows) and columns [from, to) of the matrix to dst.
// Column t·c+ch is channel ch of tap t. Pixels outside the image are zero, also
// where the affine shifts zero.
func (s *patches) pack(m *machine, dst operand, row, rows, from, to int) {
	for rows > 0 {
		n, i, j := row/(s.p*s.q), row/s.q%s.p, row%s.q
		count := min(rows, s.q-j)
		col := 0
		for e := from; e < to; {
			first := e / s.c
			c0 := e % s.c
			width := min(s.c-c0, to-e)
			run := 1
			// Taps side by side read one run of floats.
			if c0 == 0 && width == s.c && s.c == s.ld && s.affine == nil {
				for e+(run+1)*s.c <= to && s.taps[first+run] == (tap{s.taps[first].dh, s.taps[first].dw + run}) {
					run++
				}
			}
			s.packTaps(m, operand{s.at(dst.p, col), dst.ld}, n, i, j, count, first, run, c0, width)
			col += run * width
			e += run * width
		}
		dst.p = s.at(dst.p, count*dst.ld)
		row += count
		rows -= count
	}
}

// packTaps packs channels [c0, c0+width) of run neighbouring taps for count pixels
// of one row of image n.
func (s *patches) packTaps(m *machine, dst operand, n, i, j, count, first, run, c0, width int) {
	t := s.taps[first]
	h := i*s.stepH + t.dh
	if h < 0 || h >= s.h {
		for r := range count {
			s.clear(s.at(dst.p, r*dst.ld), run*width)
		}
		return
	}
	line := (n*s.h + h) * s.w
	// Pixels [lo, hi) have all taps of the run inside the image.
	lo, hi := j, j
	if run <= s.w {
		lo = min(max(j, ceilDivSigned(-t.dw, s.stepW)), j+count)
		hi = max(lo, min(j+count, floorDiv(s.w-1-t.dw-(run-1), s.stepW)+1))
	}
	for _, part := range [2][2]int{{j, lo}, {hi, j + count}} {
		for q := part[0]; q < part[1]; q++ {
			s.packBorder(m, s.at(dst.p, (q-j)*dst.ld), n, line, q*s.stepW+t.dw, run, c0, width)
		}
	}
	if hi > lo {
		src := &s.x[(line+lo*s.stepW+t.dw)*s.ld+s.from+c0]
		s.move(m, operand{s.at(dst.p, (lo-j)*dst.ld), dst.ld}, operand{src, s.stepW * s.ld}, n, hi-lo, c0, run*width)
	}
}

// packBorder packs one pixel of a run of taps that may be outside the image.
func (s *patches) packBorder(m *machine, dst *float32, n, line, w, run, c0, width int) {
	left := min(max(-w, 0), run)
	right := max(left, min(run, s.w-w))
	s.clear(dst, left*width)
	s.clear(s.at(dst, right*width), (run-right)*width)
	if right > left {
		src := &s.x[(line+w+left)*s.ld+s.from+c0]
		s.move(m, operand{s.at(dst, left*width), 0}, operand{src, 0}, n, 1, c0, (right-left)*width)
	}
}

// move copies rows and applies the affine.
func (s *patches) move(m *machine, dst, src operand, n, rows, c0, width int) {
	if s.affine == nil && s.half {
		m.half.narrowRows(dst.p, dst.ld, src.p, src.ld, rows, width)
		return
	}
	if s.affine == nil {
		m.copyRows(dst.p, dst.ld, src.p, src.ld, rows, width)
		return
	}
	e := n/s.per*s.ld + s.from + c0
	apply := m.affineRows
	if s.half {
		apply = m.half.affineNarrowRows
	}
	apply(dst.p, dst.ld, src.p, src.ld, rows, width, &s.affine.Scale[e], &s.affine.Shift[e], floorOf(s.affine.ReLU))
}

// packPairs is pack of bfloat16 numbers, to rows of whole words.
func (s *patches) packPairs(m *machine, dst operand, row, rows, from, to int) {
	s.pack(m, operand{dst.p, 2 * dst.ld}, row, rows, from, to)
	if n := to - from; n%2 > 0 {
		for r := range rows {
			s.clear(s.at(dst.p, r*2*dst.ld+n), 1)
		}
	}
}

// at returns the address i packed numbers after p.
func (s *patches) at(p *float32, i int) *float32 {
	if s.half {
		return atHalf(p, i)
	}
	return at(p, i)
}

// clear writes n packed zeros.
func (s *patches) clear(p *float32, n int) {
	if s.half {
		clear(halfView(p, n))
	} else {
		clear(view(p, n))
	}
}

func clearRows(dst operand, rows, cols int) {
	for i := range rows {
		clear(view(at(dst.p, i*dst.ld), cols))
	}
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

func ceilDivSigned(a, b int) int { return -floorDiv(-a, b) }
