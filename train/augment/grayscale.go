package augment

import (
	"fmt"
	"math/rand/v2"
)

// RandomGrayscale takes the colour away with probability P.
type RandomGrayscale struct{ P float64 }

// luma is PIL's L of a colour: ITU-R 601 weights in 16-bit fixed point.
func luma(r, g, b uint8) uint8 {
	return uint8((uint32(r)*19595 + uint32(g)*38470 + uint32(b)*7471 + 1<<15) >> 16)
}

// Grayscale replaces all three channels by the luma.
func (m *Image) Grayscale() {
	for p := m.Pix[grayPixels(m.Pix):]; len(p) >= 3; p = p[3:] {
		l := luma(p[0], p[1], p[2])
		p[0], p[1], p[2] = l, l, l
	}
}

// Apply takes the colour away or not.
func (t RandomGrayscale) Apply(ws *Workspace, img *Image, r *rand.Rand) *Image {
	if r.Float64() >= t.P {
		return img
	}
	img = ws.Own(img)
	img.Grayscale()
	return img
}

func (t RandomGrayscale) String() string { return fmt.Sprintf("RandomGrayscale(p=%g)", t.P) }
