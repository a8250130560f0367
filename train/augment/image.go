package augment

import "image"

// Image is an 8-bit RGB image.
type Image struct {
	W, H int
	Pix  []uint8 // R, G, B interleaved, row by row: 3·W·H bytes
}

// NewImage returns a black image of w×h pixels.
func NewImage(w, h int) *Image { return &Image{W: w, H: h, Pix: make([]uint8, 3*w*h)} }

// Bounds returns the whole image as a box.
func (m *Image) Bounds() image.Rectangle { return image.Rect(0, 0, m.W, m.H) }

// At returns the pixel in column x and row y.
func (m *Image) At(x, y int) [3]uint8 { return [3]uint8(m.Pix[3*(y*m.W+x):]) }

// row returns the bytes of row y between columns x0 and x1.
func (m *Image) row(y, x0, x1 int) []uint8 { return m.Pix[3*(y*m.W+x0) : 3*(y*m.W+x1)] }

// Workspace holds the buffers that transforms need, so that a worker allocates
// nothing once it has seen its largest image. Its zero value is ready. It serves one
// goroutine, and what transforms return from it is overwritten by later ones.
type Workspace struct {
	images [2]Image
	across taps
	down   taps
	rows   []uint8
	lanes  [2][]uint64
	source []uint8
	lines  []uint8
	planes []uint8
}

// fresh returns an image of the workspace with w×h pixels of any colour that is not
// img, which may be one of the workspace's too.
func (ws *Workspace) fresh(img *Image, w, h int) *Image {
	out := &ws.images[0]
	if img == out {
		out = &ws.images[1]
	}
	out.W, out.H, out.Pix = w, h, grow(out.Pix, 3*w*h)
	return out
}

// Own returns an image with img's pixels that may be changed in place: img itself if
// it is the workspace's, a copy if it is somebody else's.
func (ws *Workspace) Own(img *Image) *Image {
	if img == &ws.images[0] || img == &ws.images[1] {
		return img
	}
	out := ws.fresh(nil, img.W, img.H)
	copy(out.Pix, img.Pix)
	return out
}

// grow returns s with length n, reallocated only when its capacity is too small.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
