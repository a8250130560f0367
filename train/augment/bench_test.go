package augment

import (
	"fmt"
	"testing"

	"onnxclr/internal/stream"
)

// texture is an image that takes every branch of the colour operations.
func texture(w, h int) *Image {
	r := stream.New(1, "texture")
	m := NewImage(w, h)
	for y := range h {
		for x := range w {
			for c := range 3 {
				m.Pix[3*(y*w+x)+c] = uint8(100 + 60*((x>>4+y>>4+c)%3) + r.IntN(24))
			}
		}
	}
	return m
}

// Two views a step; the rate counts source images.
func BenchmarkContrastive(b *testing.B) {
	for _, s := range [][2]int{{32, 64}, {256, 224}} {
		b.Run(fmt.Sprintf("%dto%d", s[0], s[1]), func(b *testing.B) {
			img := texture(s[0], s[0])
			var ws Workspace
			dst := make([]float32, 3*s[1]*s[1])
			views := [2]Pipeline{Contrastive(1, s[1]), Contrastive(2, s[1])}
			i := uint64(0)
			for b.Loop() {
				for v, p := range views {
					ImageNet.Apply(dst, p.Apply(&ws, img, stream.New(1, "bench", i, uint64(v))))
				}
				i++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

func BenchmarkOperations(b *testing.B) {
	const size = 224
	ops := []struct {
		name string
		f    func(ws *Workspace, m *Image)
	}{
		{"flip", func(ws *Workspace, m *Image) { m.Flip() }},
		{"brightness", func(ws *Workspace, m *Image) { m.AdjustBrightness(1.01) }},
		{"contrast", func(ws *Workspace, m *Image) { m.AdjustContrast(1.01) }},
		{"saturation", func(ws *Workspace, m *Image) { m.AdjustSaturation(1.01) }},
		{"hue", func(ws *Workspace, m *Image) { m.AdjustHue(0.03) }},
		{"grayscale", func(ws *Workspace, m *Image) { m.Grayscale() }},
		{"blur0.7", func(ws *Workspace, m *Image) { ws.Blur(m, 0.7) }},
		{"blur2", func(ws *Workspace, m *Image) { ws.Blur(m, 2) }},
		{"solarize", func(ws *Workspace, m *Image) { m.Solarize(128) }},
		{"own", func(ws *Workspace, m *Image) {}},
	}
	for _, op := range ops {
		b.Run(op.name, func(b *testing.B) {
			small := texture(size, size)
			var ws Workspace
			for b.Loop() {
				op.f(&ws, ws.Own(small))
			}
		})
	}
	dst := make([]float32, 3*size*size)
	b.Run("normalize", func(b *testing.B) {
		small := texture(size, size)
		for b.Loop() {
			ImageNet.Apply(dst, small)
		}
	})
	for _, box := range []int{100, 190, 256, 400} {
		b.Run(fmt.Sprintf("resize%d", box), func(b *testing.B) {
			var ws Workspace
			img := texture(box, box)
			for b.Loop() {
				ws.Resize(img, img.Bounds(), size, size, Bicubic)
			}
		})
	}
}
