//go:build amd64 && !purego

package augment

import "golang.org/x/sys/cpu"

//go:generate sh -c "cd asm && go run . -out ../avx2_amd64.s -stubs ../avx2_amd64.go -pkg augment"

// vector says that the functions in assembly are used: they give the same bytes as
// the portable ones, sooner. Tests turn it off.
var vector = cpu.X86.HasAVX2

const (
	rowsAtOnce = 4  // rows that are resampled across together
	rowSlack   = 32 // bytes behind a row that may be written or read
)

// packedTaps are taps in groups of four, their weights split in two of 16 bits.
type packedTaps struct {
	groups int
	offset []int32 // bytes to the first pixel
	weight []int16 // per group four times weight mod 2^14, four times weight/2^14 rounded down
}

func (t *taps) pack() {
	if !vector {
		return
	}
	p := &t.packed
	n := len(t.first)
	p.groups = (t.width + 3) / 4
	p.offset, p.weight = grow(p.offset, n), grow(p.weight, 8*n*p.groups)
	clear(p.weight)
	for i, first := range t.first {
		p.offset[i] = int32(3 * first)
		to := p.weight[8*i*p.groups:]
		for k, w := range t.weight[i*t.width:][:t.width] {
			at := k/4*8 + k%4
			to[at], to[at+4] = int16(w&(1<<14-1)), int16(w>>14)
		}
	}
}

// resampleRows computes n rows of dst, stride apart, from those of img from row at on,
// columns x0 to x1−1. Up to rowsAtOnce rows of dst are overwritten.
func (ws *Workspace) resampleRows(dst []uint8, stride int, img *Image, at, n, x0, x1 int) {
	if !vector {
		for k := 0; k < n; k += 2 {
			last := min(k+1, n-1)
			ws.rowPair(dst[k*stride:], dst[last*stride:], img.row(at+k, x0, x1), img.row(at+last, x0, x1))
		}
		return
	}
	// Of a group of four taps up to three lie behind the row, and of the sixteen bytes
	// that are read for it four.
	size := 3*(x1-x0) + 9 + 4
	ws.source = grow(ws.source, rowsAtOnce*size)
	for k := range n {
		copy(ws.source[k*size:], img.row(at+k, x0, x1))
	}
	t := &ws.across
	_ = dst[(rowsAtOnce-1)*stride+3*len(t.first)]
	weighRowsAVX2(&dst[0], stride, &ws.source[0], size, &t.packed.offset[0], &t.packed.weight[0], t.packed.groups, len(t.first))
}

// resampleColumns computes dst as the weighted sum of rows that lie stride bytes apart.
func resampleColumns(dst, rows []uint8, stride int, weight []int32) {
	done := 0
	if vector && len(dst) >= 8 {
		done = len(dst) &^ 7
		_ = rows[(len(weight)-1)*stride+done-1]
		weighColumnsAVX2(&dst[0], &rows[0], stride, done, &weight[0], len(weight))
	}
	columnPairs(dst[done:], rows[done:], stride, weight)
}

// wholePixels returns how many of the bytes of pixels functions in assembly do, those of
// eight pixels at a time: 0 if there are none.
func wholePixels(pix []uint8) int {
	if !vector {
		return 0
	}
	return len(pix) / 24 * 24
}

// lumaSum adds the lumas of the first pixels, and returns how many bytes they have.
func lumaSum(pix []uint8) (done, sum int) {
	if done = wholePixels(pix); done > 0 {
		sum = lumaSumAVX2(&pix[0], done/3)
	}
	return done, sum
}

// grayPixels is Grayscale of the first pixels; it returns how many bytes they have.
func grayPixels(pix []uint8) (done int) {
	if done = wholePixels(pix); done > 0 {
		grayscaleAVX2(&pix[0], done/3)
	}
	return done
}

// saturatePixels is AdjustSaturation of the first pixels; it returns how many bytes
// they have.
func saturatePixels(pix []uint8, factor float32) (done int) {
	if done = wholePixels(pix); done > 0 {
		saturateAVX2(&pix[0], done/3, factor)
	}
	return done
}

// blendBytes is blend of a gray with the first bytes; it returns how many they are.
func blendBytes(pix []uint8, gray int, factor float32) (done int) {
	if done = len(pix) &^ 7; done == 0 || !vector {
		return 0
	}
	blendBytesAVX2(&pix[0], done, int32(gray), factor)
	return done
}
