package augment

import (
	"fmt"
	"math/rand/v2"
)

// ColorJitter changes brightness, contrast, saturation and hue, in random order,
// with probability P. A strength of 0 leaves its property out.
type ColorJitter struct {
	P                                float64
	Brightness, Contrast, Saturation float64 // s: the factor is uniform in [max(0, 1−s), 1+s)
	Hue                              float64 // s ≤ 0.5: the shift is uniform in [−s, s) of a turn
}

// Jitter is one draw of a ColorJitter.
type Jitter struct {
	Order                                 [4]int // 0 brightness, 1 contrast, 2 saturation, 3 hue
	Brightness, Contrast, Saturation, Hue float64
}

// Draw returns the order and the factors, distributed as torchvision's get_params.
func (t ColorJitter) Draw(r *rand.Rand) Jitter {
	j := Jitter{Order: [4]int{0, 1, 2, 3}}
	for i := 3; i > 0; i-- {
		k := r.IntN(i + 1)
		j.Order[i], j.Order[k] = j.Order[k], j.Order[i]
	}
	factor := func(s float64) float64 { return uniform(r, max(0, 1-s), 1+s) }
	j.Brightness, j.Contrast, j.Saturation = factor(t.Brightness), factor(t.Contrast), factor(t.Saturation)
	j.Hue = uniform(r, -t.Hue, t.Hue)
	return j
}

// Apply jitters or not.
func (t ColorJitter) Apply(ws *Workspace, img *Image, r *rand.Rand) *Image {
	if r.Float64() >= t.P {
		return img
	}
	img = ws.Own(img)
	j := t.Draw(r)
	for _, property := range j.Order {
		switch {
		case property == 0 && t.Brightness != 0:
			img.AdjustBrightness(j.Brightness)
		case property == 1 && t.Contrast != 0:
			img.AdjustContrast(j.Contrast)
		case property == 2 && t.Saturation != 0:
			img.AdjustSaturation(j.Saturation)
		case property == 3 && t.Hue != 0:
			img.AdjustHue(j.Hue)
		}
	}
	return img
}

func (t ColorJitter) String() string {
	return fmt.Sprintf("ColorJitter(p=%g, brightness=%g, contrast=%g, saturation=%g, hue=%g)",
		t.P, t.Brightness, t.Contrast, t.Saturation, t.Hue)
}

// blend is PIL's: a + factor·(b − a) in float32, cut to 0…255 and truncated. The
// conversions keep the compiler from fusing the two roundings into one.
func blend(a, b int, factor float32) uint8 {
	v := float32(a) + float32(factor*float32(b-a))
	return uint8(min(max(v, 0), 255))
}

// AdjustBrightness blends black with the image: factor 0 is black, 1 the image, and
// more is brighter.
func (m *Image) AdjustBrightness(factor float64) { m.blendWith(0, factor) }

// AdjustContrast blends a gray of the mean luma with the image.
func (m *Image) AdjustContrast(factor float64) {
	done, sum := lumaSum(m.Pix)
	for i := done; i+3 <= len(m.Pix); i += 3 {
		p := m.Pix[i : i+3 : i+3]
		sum += int(luma(p[0], p[1], p[2]))
	}
	m.blendWith(int(float64(sum)/float64(m.W*m.H)+0.5), factor)
}

func (m *Image) blendWith(gray int, factor float64) {
	var table [256]uint8
	for v := range table {
		table[v] = blend(gray, v, float32(factor))
	}
	rest := Image{Pix: m.Pix[blendBytes(m.Pix, gray, float32(factor)):]}
	rest.lookUp(&table)
}

// AdjustSaturation blends the grayscale image with the image.
func (m *Image) AdjustSaturation(factor float64) {
	// scaled[255+d] is factor·d, blend's second term.
	var scaled [511]float32
	for i := range scaled {
		scaled[i] = float32(factor) * float32(i-255)
	}
	for p := m.Pix[saturatePixels(m.Pix, float32(factor)):]; len(p) >= 3; p = p[3:] {
		l := luma(p[0], p[1], p[2])
		gray, at := float32(l), 255-int(l)
		p[0] = saturate(gray + scaled[at+int(p[0])])
		p[1] = saturate(gray + scaled[at+int(p[1])])
		p[2] = saturate(gray + scaled[at+int(p[2])])
	}
}

func saturate(v float32) uint8 {
	i := int32(v)
	if uint32(i) > 255 {
		return uint8(^i >> 31)
	}
	return uint8(i)
}
