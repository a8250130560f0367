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
	copyAcross, copyDown := box.Dx() == w, box.Dy() == h
	if !copyAcross {
		ws.across.plan(box.Dx(), w, window.Min.X, window.Max.X, f)
	}
	line := func(dst []uint8, y int) {
		if copyAcross {
			copy(dst, img.row(box.Min.Y+y, box.Min.X+window.Min.X, box.Min.X+window.Max.X))
			return
		}
		resampleRow(dst, img.row(box.Min.Y+y, box.Min.X, box.Max.X), &ws.across)
	}
	if copyDown {
		for y := range out.H {
			line(out.row(y, 0, out.W), window.Min.Y+y)
		}
		return out
	}

	// Rows are resampled across when the first output needs them and kept in a ring
	// until the last has used them.
	ws.down.plan(box.Dy(), h, window.Min.Y, window.Max.Y, f)
	width, bytes := ws.down.width, 3*out.W
	ws.ring = grow(ws.ring, width*bytes)
	ws.rowRefs = grow(ws.rowRefs, width)
	ws.sums = grow(ws.sums, bytes)
	next := 0
	for y := range out.H {
		first := ws.down.first[y]
		for next = max(next, first); next < first+width; next++ {
			line(ws.ring[next%width*bytes:][:bytes], next)
		}
		for k := range width {
			ws.rowRefs[k] = ws.ring[(first+k)%width*bytes:][:bytes]
		}
		resampleColumns(out.row(y, 0, out.W), ws.rowRefs, ws.down.weight[y*width:][:width], ws.sums)
	}
	return out
}

// resampleRow computes every pixel of dst from the pixels of src.
func resampleRow(dst, src []uint8, t *taps) {
	if t.width == 4 {
		for i, first := range t.first {
			w := t.weight[4*i : 4*i+4 : 4*i+4]
			p := src[3*first : 3*first+12 : 3*first+12]
			w0, w1, w2, w3 := w[0], w[1], w[2], w[3]
			d := dst[3*i : 3*i+3 : 3*i+3]
			d[0] = clip(half + w0*int32(p[0]) + w1*int32(p[3]) + w2*int32(p[6]) + w3*int32(p[9]))
			d[1] = clip(half + w0*int32(p[1]) + w1*int32(p[4]) + w2*int32(p[7]) + w3*int32(p[10]))
			d[2] = clip(half + w0*int32(p[2]) + w1*int32(p[5]) + w2*int32(p[8]) + w3*int32(p[11]))
		}
		return
	}
	for i, first := range t.first {
		r, g, b := int32(half), int32(half), int32(half)
		p := src[3*first : 3*(first+t.width)]
		w := t.weight[i*t.width:][:t.width]
		for ; len(w) >= 2 && len(p) >= 6; w, p = w[2:], p[6:] {
			r += w[0]*int32(p[0]) + w[1]*int32(p[3])
			g += w[0]*int32(p[1]) + w[1]*int32(p[4])
			b += w[0]*int32(p[2]) + w[1]*int32(p[5])
		}
		if len(w) == 1 && len(p) >= 3 {
			r += w[0] * int32(p[0])
			g += w[0] * int32(p[1])
			b += w[0] * int32(p[2])
		}
		d := dst[3*i : 3*i+3 : 3*i+3]
		d[0], d[1], d[2] = clip(r), clip(g), clip(b)
	}
}

// resampleColumns computes dst as the weighted sum of rows of its length.
func resampleColumns(dst []uint8, rows [][]uint8, weight []int32, sums []int32) {
	if len(rows) == 4 {
		w0, w1, w2, w3 := weight[0], weight[1], weight[2], weight[3]
		r0, r1, r2, r3 := rows[0][:len(dst)], rows[1][:len(dst)], rows[2][:len(dst)], rows[3][:len(dst)]
		for i := range dst {
			dst[i] = clip(half + w0*int32(r0[i]) + w1*int32(r1[i]) + w2*int32(r2[i]) + w3*int32(r3[i]))
		}
		return
	}
	sums = sums[:len(dst)]
	for i := range sums {
		sums[i] = half
	}
	for ; len(rows) >= 3; rows, weight = rows[3:], weight[3:] {
		w0, w1, w2 := weight[0], weight[1], weight[2]
		r0, r1, r2 := rows[0][:len(dst)], rows[1][:len(dst)], rows[2][:len(dst)]
		for i := range sums {
			sums[i] += w0*int32(r0[i]) + w1*int32(r1[i]) + w2*int32(r2[i])
		}
	}
	for k, r := range rows {
		w, r := weight[k], r[:len(dst)]
		for i := range sums {
			sums[i] += w * int32(r[i])
		}
	}
	for i, s := range sums {
		dst[i] = clip(s)
	}
}

// half rounds the shift of clip to nearest.
const half = 1 << (precision - 1)

func clip(s int32) uint8 {
	s >>= precision
	if uint32(s) > 255 {
		return uint8(^s >> 31) // 0 below, 255 above
	}
	return uint8(s)
}
