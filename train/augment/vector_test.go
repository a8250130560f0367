package augment

import (
	"bytes"
	"image"
	"testing"

	"onnxclr/internal/stream"
)

// What is computed in assembly is what the portable code computes, at every width that
// leaves another rest, with weights of any size.
func TestVectorIsPortable(t *testing.T) {
	if !vector {
		t.Skip("this build or processor has no functions in assembly")
	}
	defer func() { vector = true }()
	r := stream.New(3, "vector")
	both := func(what string, f func(ws *Workspace) *Image) {
		t.Helper()
		var ws Workspace
		vector = false
		want := bytes.Clone(f(&ws).Pix)
		vector = true
		for _, ws := range []*Workspace{&ws, new(Workspace)} {
			if got := f(ws); !bytes.Equal(got.Pix, want) {
				at := 0
				for got.Pix[at] == want[at] {
					at++
				}
				t.Fatalf("%s: byte %d of %d is %d, portable %d", what, at, len(want), got.Pix[at], want[at])
			}
		}
	}
	for n := range 300 {
		img := NewImage(1+r.IntN(90), 1+r.IntN(70))
		for i := range img.Pix {
			img.Pix[i] = uint8(r.Uint32() >> (8 + 4*uint(n%2)))
			if n%3 == 0 {
				img.Pix[i] = 255 * (img.Pix[i] & 1) // overshoot
			}
		}
		x, y := r.IntN(img.W), r.IntN(img.H)
		box := image.Rect(x, y, x+1+r.IntN(img.W-x), y+1+r.IntN(img.H-y))
		w, h, f := 1+r.IntN(70), 1+r.IntN(70), Filter(n%2)
		if n%5 == 0 {
			h = box.Dy()
		}
		both("resize", func(ws *Workspace) *Image { return ws.Resize(img, box, w, h, f) })
		sigma := 0.05 + 2.5*r.Float64()
		both("blur", func(ws *Workspace) *Image {
			m := ws.Own(img)
			ws.Blur(m, sigma)
			return m
		})
	}
}
