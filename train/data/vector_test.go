package data

import (
	"bytes"
	"image"
	"testing"

	"onnxclr/internal/stream"
	"onnxclr/train/augment"
)

// What is computed in assembly is what the portable code computes: every colour, and
// every width that leaves another rest.
func TestVectorIsPortable(t *testing.T) {
	if !vector {
		t.Skip("this build or processor has no functions in assembly")
	}
	defer func() { vector = true }()
	both := func(what string, f func() []uint8) {
		t.Helper()
		vector = false
		want := bytes.Clone(f())
		vector = true
		if got := f(); !bytes.Equal(got, want) {
			t.Errorf("%s: other bytes than the portable ones", what)
		}
	}
	const n = 256
	luma, cb, cr, dst := make([]uint8, n), make([]uint8, n), make([]uint8, n), make([]uint8, 3*n)
	for b := range 256 {
		for r := range 256 {
			for i := range n {
				luma[i], cb[i], cr[i] = uint8(i), uint8(b), uint8(r)
			}
			vector = false
			rowToRGB(dst, luma, cb, cr)
			want := [3 * n]uint8(dst)
			vector = true
			rowToRGB(dst, luma, cb, cr)
			if want != [3 * n]uint8(dst) {
				t.Fatalf("chroma %d, %d: other colours than the portable ones", b, r)
			}
		}
	}
	r := stream.New(4, "vector")
	for w := 1; w < 120; w++ {
		m := image.NewYCbCr(image.Rect(0, 0, w, 5), image.YCbCrSubsampleRatio420)
		for _, plane := range [][]uint8{m.Y, m.Cb, m.Cr} {
			for i := range plane {
				plane[i] = uint8(r.Uint32())
			}
		}
		img := augment.NewImage(w, 5)
		both("image", func() []uint8 { fromYCbCr(img, m); return img.Pix })
	}
}
