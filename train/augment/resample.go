package augment

import (
	"encoding/binary"
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
	bytes := 3 * out.W
	across := box.Dx() != w
	if across {
		ws.across.plan(box.Dx(), w, window.Min.X, window.Max.X, f)
	}
	// lines resamples row y of the box across, and the next one if there is one, and
	// returns how many it put into dst.
	lines := func(dst []uint8, y, end int) int {
		at := box.Min.Y + y
		if !across {
			copy(dst, img.row(at, box.Min.X+window.Min.X, box.Min.X+window.Max.X))
			return 1
		}
		n := min(end-y, 2)
		ws.resampleRows(dst[:bytes], dst[(n-1)*bytes:n*bytes],
			img.row(at, box.Min.X, box.Max.X), img.row(at+n-1, box.Min.X, box.Max.X))
		return n
	}
	if box.Dy() == h {
		for y := 0; y < out.H; {
			y += lines(out.Pix[y*bytes:], window.Min.Y+y, window.Max.Y)
		}
		return out
	}

	// Rows are resampled across when the first output needs them. They lie one behind
	// the other, from row base on, and move to the front when there is no room left.
	ws.down.plan(box.Dy(), h, window.Min.Y, window.Max.Y, f)
	width := ws.down.width
	room := 2*width + 32
	ws.rows = grow(ws.rows, room*bytes)
	base, next := 0, 0
	for y := range out.H {
		first := ws.down.first[y]
		if first >= next {
			base, next = first, first
		}
		for next < first+width {
			if next-base+2 > room {
				copy(ws.rows, ws.rows[(first-base)*bytes:(next-base)*bytes])
				base = first
			}
			next += lines(ws.rows[(next-base)*bytes:], next, box.Dy())
		}
		resampleColumns(out.row(y, 0, out.W), ws.rows[(first-base)*bytes:], ws.down.weight[y*width:][:width])
	}
	return out
}

// Two 8-bit values are weighted at a time, in the halves of a 64-bit integer: pairs
// add and scale as their halves do, as long as sums fit these. Weights that sum to
// one keep them below 2^31, the negative ones of a cubic included.
const (
	pairHalf = half | half<<32 // rounds both halves
	pairLow  = 0x000000ff_000000ff
)

// upper is the upper half of a pair, less what a negative lower half borrowed.
func upper(pair int64) int32 { return int32((pair + 1<<31) >> 32) }

// resampleRows computes the rows dst0 and dst1 from src0 and src1, one in each half
// of the pairs; both may be the same.
func (ws *Workspace) resampleRows(dst0, dst1, src0, src1 []uint8) {
	t := &ws.across
	ws.lanes[0] = grow(ws.lanes[0], len(src0))
	pairs := ws.lanes[0]
	src1 = src1[:len(src0)]
	for i, v := range src0 {
		pairs[i] = uint64(v) | uint64(src1[i])<<32
	}
	for i, first := range t.first {
		r, g, b := int64(pairHalf), int64(pairHalf), int64(pairHalf)
		p := pairs[3*first : 3*(first+t.width)]
		w := t.weight[i*t.width:][:t.width]
		k := 0
		if len(w) == 4 { // every enlargement, bicubic
			w0, w1, w2, w3, q := int64(w[0]), int64(w[1]), int64(w[2]), int64(w[3]), (*[12]uint64)(p)
			r += w0*int64(q[0]) + w1*int64(q[3]) + w2*int64(q[6]) + w3*int64(q[9])
			g += w0*int64(q[1]) + w1*int64(q[4]) + w2*int64(q[7]) + w3*int64(q[10])
			b += w0*int64(q[2]) + w1*int64(q[5]) + w2*int64(q[8]) + w3*int64(q[11])
			k = 4
		}
		for ; k+2 <= len(w); k += 2 {
			w0, w1, q := int64(w[k]), int64(w[k+1]), (*[6]uint64)(p[3*k:])
			r += w0*int64(q[0]) + w1*int64(q[3])
			g += w0*int64(q[1]) + w1*int64(q[4])
			b += w0*int64(q[2]) + w1*int64(q[5])
		}
		if k < len(w) {
			w, q := int64(w[k]), (*[3]uint64)(p[3*k:])
			r += w * int64(q[0])
			g += w * int64(q[1])
			b += w * int64(q[2])
		}
		d0, d1 := (*[3]uint8)(dst0[3*i:]), (*[3]uint8)(dst1[3*i:])
		d0[0], d0[1], d0[2] = clip(int32(r)), clip(int32(g)), clip(int32(b))
		d1[0], d1[1], d1[2] = clip(upper(r)), clip(upper(g)), clip(upper(b))
	}
}

// resampleColumns computes dst as the weighted sum of rows of its length, which lie
// one behind the other, byte k of eight in a pair with byte k+4.
func resampleColumns(dst, rows []uint8, weight []int32) {
	n := len(dst)
	i := 0
	for ; i+8 <= n; i += 8 {
		a, b, c, d := int64(pairHalf), int64(pairHalf), int64(pairHalf), int64(pairHalf)
		at, k := i, 0
		for ; k+2 <= len(weight); k += 2 {
			w0, w1 := int64(weight[k]), int64(weight[k+1])
			u, v := binary.LittleEndian.Uint64(rows[at:]), binary.LittleEndian.Uint64(rows[at+n:])
			a += w0*int64(u&pairLow) + w1*int64(v&pairLow)
			b += w0*int64(u>>8&pairLow) + w1*int64(v>>8&pairLow)
			c += w0*int64(u>>16&pairLow) + w1*int64(v>>16&pairLow)
			d += w0*int64(u>>24&pairLow) + w1*int64(v>>24&pairLow)
			at += 2 * n
		}
		if k < len(weight) {
			w, v := int64(weight[k]), binary.LittleEndian.Uint64(rows[at:])
			a += w * int64(v&pairLow)
			b += w * int64(v>>8&pairLow)
			c += w * int64(v>>16&pairLow)
			d += w * int64(v>>24&pairLow)
		}
		o := dst[i : i+8 : i+8]
		o[0], o[4] = clip(int32(a)), clip(upper(a))
		o[1], o[5] = clip(int32(b)), clip(upper(b))
		o[2], o[6] = clip(int32(c)), clip(upper(c))
		o[3], o[7] = clip(int32(d)), clip(upper(d))
	}
	for ; i < n; i++ {
		sum := int32(half)
		for k, w := range weight {
			sum += w * int32(rows[k*n+i])
		}
		dst[i] = clip(sum)
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
