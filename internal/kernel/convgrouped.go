package kernel

// A grouped convolution whose groups have few channels would spend its time packing
// a few channels of a few pixels. Here a task packs the patches of all channels at
// once, in long runs, and multiplies one tap of one set of groups at a time.

const (
	manySets     = 4       // of merged groups, from which on it pays
	groupedRoom  = 400_000 // floats of packed patches
	groupedLeast = 28      // rows that must fit
	groupedDepth = 64      // pixels that a filter gradient packs at a time
)

// groupedRows returns how many rows a task can pack at once, or 0 if the convolution
// is better off set by set.
func (c *implicit) groupedRows() int {
	width := len(c.patches.taps)*c.patches.ld + blockPad
	rows := groupedRoom / width
	if c.half && c.patches.c%2 > 0 {
		return 0 // pairs would cross from one set to the next
	}
	if c.groups < manySets || rows < groupedLeast || c.depth == 0 || c.cols > blockCols {
		return 0
	}
	return min(rows, maxBlockRows)
}

// all describes the patches of all channels.
func (s *patches) all() patches {
	full := *s
	full.from, full.c = 0, s.ld
	return full
}

// groupedTask computes a block of rows, all channels of them.
func groupedTask(p *Pool, block int, w *worker) {
	c := &p.conv
	row, rows := c.rowsOf(block)
	full := c.patches.all()
	a := operand{&w.memory[scratchEnd], len(full.taps)*full.c + blockPad}
	if c.half {
		a.ld = roundUp(a.ld, 2) / 2
		full.packPairs(p.m, a, row, rows, 0, len(full.taps)*full.c)
	} else {
		full.pack(p.m, a, row, rows, 0, len(full.taps)*full.c)
	}
	channels := c.patches.c
	for set := range c.groups {
		column := set * c.cols
		out := operand{&w.memory[scratchResults], blockCols + blockPad}
		if c.place == nil {
			out = operand{&c.out[row*c.ld+column], c.ld}
		}
		for t := range full.taps {
			b, panel := c.filters.at(set, 0, t*channels)
			add := t > 0 || c.add && c.place == nil
			patch := operand{full.at(a.p, t*full.c+set*channels), a.ld}
			if c.half {
				w.dot(p.m, out, patch, false, b, panel, rows, c.cols, channels/2, add)
			} else {
				w.multiply(p.m, out, patch, false, b, panel, rows, c.cols, channels, add)
			}
		}
		if c.place != nil {
			c.placeRows(p.m, out, row, rows, column, c.cols)
		}
	}
	if c.place == nil {
		c.finish(p, operand{&c.out[row*c.ld], c.ld}, row, rows, 0, c.groups*c.cols, block)
	}
}

// grouped reports whether the gradient of the filter takes all channels at once.
func (f *filterGrad) grouped() bool {
	return f.sets >= manySets && f.cols > 0 && groupedDepth*(len(f.patches.taps)*f.patches.ld+blockPad) <= scratchFloats-scratchEnd &&
		groupedDepth*(f.ld+blockPad) <= scratchEnd
}

// groupedGradTask computes the products of all sets over one chunk of the pixels.
func groupedGradTask(p *Pool, chunk int, w *worker) {
	f := &p.filter
	full := f.patches.all()
	taps, channels := len(full.taps), f.patches.c
	a := operand{&w.memory[0], f.ld + blockPad}
	b := operand{&w.memory[scratchEnd], taps*full.c + blockPad}
	first, end := chunk*f.chunk, min((chunk+1)*f.chunk, f.pixels)
	for from := first; from < end; from += groupedDepth {
		n := min(groupedDepth, end-from)
		full.pack(p.m, b, from, n, 0, taps*full.c)
		if f.half {
			p.pair(a, operand{&f.dy[from*f.ld], f.ld}, n, f.ld)
			p.pair(b, b, n, taps*full.c)
		} else {
			p.m.copyRows(a.p, a.ld, &f.dy[from*f.ld], f.ld, n, f.ld)
		}
		for set := range f.sets {
			for t := range taps {
				out := operand{&f.partial[(chunk*f.sets+set)*f.rows*f.cols+t*channels], f.cols}
				grads, patch := operand{at(a.p, set*f.rows), a.ld}, operand{at(b.p, t*full.c+set*channels), b.ld}
				if f.half {
					w.dot(p.m, out, grads, true, patch, p.m.cols, f.rows, channels, pairsOf(n), from > first)
				} else {
					w.multiply(p.m, out, grads, true, patch, p.m.cols, f.rows, channels, n, from > first)
				}
			}
		}
	}
}
