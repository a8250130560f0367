//go:build !amd64 || purego

package augment

var vector = false // there are no functions in assembly

const (
	rowsAtOnce = 2 // rows that are resampled across together
	rowSlack   = 0
)

type packedTaps struct{}

func (t *taps) pack() {}

// resampleRows computes n rows of dst, stride apart, from those of img from row at on,
// columns x0 to x1−1.
func (ws *Workspace) resampleRows(dst []uint8, stride int, img *Image, at, n, x0, x1 int) {
	ws.rowPair(dst, dst[(n-1)*stride:], img.row(at, x0, x1), img.row(at+n-1, x0, x1))
}

// resampleColumns computes dst as the weighted sum of rows that lie stride bytes apart.
func resampleColumns(dst, rows []uint8, stride int, weight []int32) {
	columnPairs(dst, rows, stride, weight)
}

func (ws *Workspace) blurVector(*Image, box) bool { return false }

func lumaSum([]uint8) (done, sum int)             { return 0, 0 }
func grayPixels([]uint8) (done int)               { return 0 }
func saturatePixels([]uint8, float32) (done int)  { return 0 }
func blendBytes([]uint8, int, float32) (done int) { return 0 }
