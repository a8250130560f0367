package augment

import "fmt"

// Normalization turns bytes into what a network takes: (v/255 − mean)/std per channel,
// torchvision's ToTensor and Normalize to the bit.
type Normalization struct {
	Mean, Std [3]float32 // of values between 0 and 1: red, green, blue
	values    [3][256]float32
}

// ImageNet is what torchvision's models were trained with.
var ImageNet = NewNormalization([3]float32{0.485, 0.456, 0.406}, [3]float32{0.229, 0.224, 0.225})

// NewNormalization returns the normalisation with a mean and a standard deviation a
// channel, which must not be 0.
func NewNormalization(mean, std [3]float32) *Normalization {
	n := &Normalization{Mean: mean, Std: std}
	for c := range n.values {
		for v := range n.values[c] {
			n.values[c][v] = (float32(float32(v)/255) - mean[c]) / std[c]
		}
	}
	return n
}

// Apply writes img into dst [3,H,W]. dst must have 3·H·W elements.
func (n *Normalization) Apply(dst []float32, img *Image) {
	plane := img.W * img.H
	if len(dst) != 3*plane {
		panic(fmt.Sprintf("augment: %d values for an image of 3·%d·%d", len(dst), img.H, img.W))
	}
	r, g, b := dst[:plane], dst[plane:2*plane], dst[2*plane:]
	pix := img.Pix[:3*plane]
	tr, tg, tb := &n.values[0], &n.values[1], &n.values[2]
	for i := range r {
		p := pix[3*i : 3*i+3 : 3*i+3]
		r[i], g[i], b[i] = tr[p[0]], tg[p[1]], tb[p[2]]
	}
}

// Level is the byte that became v in channel c, rounded and cut to 0 to 255.
func (n *Normalization) Level(c int, v float32) uint8 {
	return uint8(min(max((v*n.Std[c]+n.Mean[c])*255+0.5, 0), 255))
}
