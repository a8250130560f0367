package augment

import (
	"fmt"
	"math/rand/v2"
)

// Solarize inverts the bright values with probability P.
type Solarize struct {
	P         float64
	Threshold uint8 // values from here on are inverted; PIL's default is 128
}

// Solarize inverts every value of at least threshold.
func (m *Image) Solarize(threshold uint8) {
	var table [256]uint8
	for v := range table {
		table[v] = uint8(v)
		if v >= int(threshold) {
			table[v] = uint8(255 - v)
		}
	}
	m.lookUp(&table)
}

// lookUp replaces every value by its entry in the table.
func (m *Image) lookUp(table *[256]uint8) {
	pix := m.Pix
	for i, v := range pix {
		pix[i] = table[v]
	}
}

// Apply solarises or not.
func (t Solarize) Apply(ws *Workspace, img *Image, r *rand.Rand) *Image {
	if r.Float64() >= t.P {
		return img
	}
	img = ws.Own(img)
	img.Solarize(t.Threshold)
	return img
}

func (t Solarize) String() string {
	return fmt.Sprintf("Solarize(p=%g, threshold=%d)", t.P, t.Threshold)
}
