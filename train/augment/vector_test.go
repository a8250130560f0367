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
		factor := 3 * r.Float64()
		for what, f := range map[string]func(m *Image){
			"contrast": func(m *Image) { m.AdjustContrast(factor) }, "saturation": func(m *Image) { m.AdjustSaturation(factor) },
			"grayscale": (*Image).Grayscale, "brightness": func(m *Image) { m.AdjustBrightness(factor) },
		} {
			both(what, func(ws *Workspace) *Image {
				m := ws.Own(img)
				f(m)
				return m
			})
		}
		sigma := 0.05 + 2.5*r.Float64()
		both("blur", func(ws *Workspace) *Image {
			m := ws.Own(img)
			ws.Blur(m, sigma)
			return m
		})
	}
}

// Lumas and saturations of colours all over the cube, its corners included.
func TestVectorColours(t *testing.T) {
	if !vector {
		t.Skip("this build or processor has no functions in assembly")
	}
	defer func() { vector = true }()
	var levels []uint8
	for v := 0; v < 256; v += 5 {
		levels = append(levels, uint8(v))
	}
	img := NewImage(len(levels)*len(levels), len(levels))
	p := img.Pix
	for _, r := range levels {
		for _, g := range levels {
			for _, b := range levels {
				p[0], p[1], p[2] = r, g, b
				p = p[3:]
			}
		}
	}
	for _, factor := range []float64{0, 0.37, 0.8, 0.999, 1, 1.2, 1.73, 1e6} {
		var results [2][]uint8
		for k := range results {
			vector = k == 1
			m := &Image{W: img.W, H: img.H, Pix: bytes.Clone(img.Pix)}
			if factor == 1 {
				m.Grayscale()
			}
			m.AdjustSaturation(factor)
			m.AdjustContrast(factor)
			m.AdjustBrightness(min(factor, 3))
			results[k] = m.Pix
		}
		if !bytes.Equal(results[0], results[1]) {
			t.Errorf("factor %g: other bytes than the portable ones", factor)
		}
	}
}
