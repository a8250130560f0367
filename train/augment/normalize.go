package augment

import "fmt"

// Mean and Std are ImageNet's, per channel, of values between 0 and 1: what
// torchvision's models were trained with.
var (
	Mean = [3]float32{0.485, 0.456, 0.406}
	Std  = [3]float32{0.229, 0.224, 0.225}
)

// normalized holds (v/255 − mean)/std in float32 steps, which are torchvision's.
var normalized = func() (t [3][256]float32) {
	for c := range t {
		for v := range t[c] {
			t[c][v] = (float32(float32(v)/255) - Mean[c]) / Std[c]
		}
	}
	return t
}()

// Normalize writes img into dst [3,H,W] as (v/255 − Mean)/Std, torchvision's ToTensor
// and Normalize to the bit. dst must have 3·H·W elements.
func Normalize(dst []float32, img *Image) {
	n := img.W * img.H
	if len(dst) != 3*n {
		panic(fmt.Sprintf("augment: %d values for an image of 3·%d·%d", len(dst), img.H, img.W))
	}
	r, g, b := dst[:n], dst[n:2*n], dst[2*n:]
	pix := img.Pix[:3*n]
	tr, tg, tb := &normalized[0], &normalized[1], &normalized[2]
	for i := range r {
		p := pix[3*i : 3*i+3 : 3*i+3]
		r[i], g[i], b[i] = tr[p[0]], tg[p[1]], tb[p[2]]
	}
}
