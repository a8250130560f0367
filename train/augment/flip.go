package augment

import (
	"fmt"
	"math/rand/v2"
)

// HorizontalFlip mirrors left and right with probability P.
type HorizontalFlip struct{ P float64 }

// Flip mirrors the image left to right.
func (m *Image) Flip() {
	for y := range m.H {
		row := m.row(y, 0, m.W)
		for i, j := 0, len(row)-3; i < j; i, j = i+3, j-3 {
			a, b := row[i:i+3:i+3], row[j:j+3:j+3]
			a[0], a[1], a[2], b[0], b[1], b[2] = b[0], b[1], b[2], a[0], a[1], a[2]
		}
	}
}

// Apply flips or not.
func (t HorizontalFlip) Apply(ws *Workspace, img *Image, r *rand.Rand) *Image {
	if r.Float64() >= t.P {
		return img
	}
	img = ws.Own(img)
	img.Flip()
	return img
}

func (t HorizontalFlip) String() string { return fmt.Sprintf("HorizontalFlip(p=%g)", t.P) }
