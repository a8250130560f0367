package augment

import (
	"image"
	"math"
)

// Filter is the kernel of a resampling.
type Filter int

const (
	Bilinear Filter = iota // triangle, support 1
	Bicubic                // Keys' cubic with a = −0.5, support 2
)

// String returns the filter's name.
func (f Filter) String() string {
	if f == Bicubic {
		return "bicubic"
	}
	return "bilinear"
}

func (f Filter) support() float64 {
	if f == Bicubic {
		return 2
	}
	return 1
}

func (f Filter) at(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case f == Bilinear && x < 1:
		return 1 - x
	case f == Bicubic && x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case f == Bicubic && x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

// precision is the number of fractional bits of a weight: two bits of 32 are left
// for the sign and for sums beyond 255, eight for the pixel.
const precision = 32 - 8 - 2

// taps are the weights of one direction of a resampling: output i is the sum of
// width inputs from first[i] on, times weight[i·width:].
type taps struct {
	width  int
	first  []int
	weight []int32
	exact  []float64
	packed packedTaps // the same, where kernels want it so
}

// plan computes the weights that take in pixels to out pixels, of which lo to hi−1
// are wanted, the way Pillow does (Resample.c): the filter widens with the
// reduction, so that it also removes what the result cannot show, is cut at the
// borders and scaled to sum to one.
func (t *taps) plan(in, out, lo, hi int, f Filter) {
	scale := float64(in) / float64(out)
	wide := max(scale, 1)
	support := f.support() * wide
	t.width = 0
	t.first = t.first[:0]
	span := func(i int) (center float64, from, to int) {
		center = (float64(i) + 0.5) * scale
		return center, max(int(center-support+0.5), 0), min(int(center+support+0.5), in)
	}
	for i := lo; i < hi; i++ {
		_, from, to := span(i)
		t.width = max(t.width, to-from)
	}
	t.weight = grow(t.weight, t.width*(hi-lo))
	t.exact = grow(t.exact, t.width)
	for i := lo; i < hi; i++ {
		center, from, to := span(i)
		sum := 0.0
		for k := from; k < to; k++ {
			w := f.at((float64(k) - center + 0.5) * (1 / wide))
			t.exact[k-from] = w
			sum += w
		}
		// Every output reads width inputs; where fewer count, the window is moved
		// inside the image and the others weigh nothing.
		start := max(min(from, in-t.width), 0)
		t.first = append(t.first, start)
		row := t.weight[(i-lo)*t.width:][:t.width]
		clear(row)
		for k := from; k < to; k++ {
			row[k-start] = fixed(t.exact[k-from] / sum)
		}
	}
}

func fixed(w float64) int32 {
	if w < 0 {
		return int32(w*(1<<precision) - 0.5)
	}
	return int32(w*(1<<precision) + 0.5)
}

// Resize returns the box of img resampled to w×h pixels, as PIL's crop followed by
// resize: nothing outside the box is read.
func (ws *Workspace) Resize(img *Image, box image.Rectangle, w, h int, f Filter) *Image {
	return ws.resizeWindow(img, box, w, h, image.Rect(0, 0, w, h), f)
}

// resizeWindow is Resize of which only a window of the result is computed.
func (ws *Workspace) resizeWindow(img *Image, box image.Rectangle, w, h int, window image.Rectangle, f Filter) *Image {
	out := ws.fresh(img, window.Dx(), window.Dy())
	bytes := 3 * out.W
	stride := bytes + rowSlack
	across := box.Dx() != w
	if across {
		ws.across.plan(box.Dx(), w, window.Min.X, window.Max.X, f)
		ws.across.pack()
	}
	// lines resamples row y of the box across, and some of those below it if there are
	// any, and returns how many it put into dst.
	lines := func(dst []uint8, y, end int) int {
		at := box.Min.Y + y
		if !across {
			copy(dst, img.row(at, box.Min.X+window.Min.X, box.Min.X+window.Max.X))
			return 1
		}
		n := min(end-y, rowsAtOnce)
		ws.resampleRows(dst, stride, img, at, n, box.Min.X, box.Max.X)
		return n
	}
	if box.Dy() == h {
		ws.rows = grow(ws.rows, rowsAtOnce*stride)
		for y := 0; y < out.H; {
			n := lines(ws.rows, window.Min.Y+y, window.Max.Y)
			for k := range n {
				copy(out.row(y+k, 0, out.W), ws.rows[k*stride:])
			}
			y += n
		}
		return out
	}

	// Rows are resampled across when the first output needs them. They lie one behind
	// the other, from row base on, and move to the front when there is no room left.
	ws.down.plan(box.Dy(), h, window.Min.Y, window.Max.Y, f)
	width := ws.down.width
	room := 2*width + 32
	ws.rows = grow(ws.rows, room*stride)
	base, next := 0, 0
	for y := range out.H {
		first := ws.down.first[y]
		if first >= next {
			base, next = first, first
		}
		for next < first+width {
			if next-base+rowsAtOnce > room {
				copy(ws.rows, ws.rows[(first-base)*stride:(next-base)*stride])
				base = first
			}
			next += lines(ws.rows[(next-base)*stride:], next, box.Dy())
		}
		resampleColumns(out.row(y, 0, out.W), ws.rows[(first-base)*stride:], stride, ws.down.weight[y*width:][:width])
	}
	return out
}
