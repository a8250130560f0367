package data

import (
	"image"

	"onnxclr/train/augment"
)

// webpRGB converts what the WebP decoder returns. Lossy images carry VP8's colours,
// which are not JPEG's: luma runs from 16 to 235 and chroma from 16 to 240 (ITU-R
// BT.601), and the interpolation of the halved chroma differs. Both are done with
// libwebp's rounding, so that the pixels are PIL's. Transparency is dropped.
func webpRGB(m image.Image) *augment.Image {
	switch m := m.(type) {
	case *image.NYCbCrA:
		return fromVP8(&m.YCbCr)
	case *image.YCbCr:
		return fromVP8(m)
	}
	return toRGB(m)
}

// fromVP8 converts 4:2:0 planes. Chroma samples lie between the pixels: a pixel takes
// 9/16 of the nearest, 3/16 of the two beside it and 1/16 of the one across, rounded
// in two steps; at the borders the last sample counts for those outside.
func fromVP8(m *image.YCbCr) *augment.Image {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	img := augment.NewImage(w, h)
	cw, ch := (w+1)/2, (h+1)/2
	buffer := make([]uint8, 2*w)
	cb, cr := buffer[:w], buffer[w:]
	for y := range h {
		near := y / 2
		far := near - 1
		if y%2 == 1 {
			far = near + 1
		}
		far = min(max(far, 0), ch-1)
		spreadVP8(cb, m.Cb[near*m.CStride:][:cw], m.Cb[far*m.CStride:][:cw])
		spreadVP8(cr, m.Cr[near*m.CStride:][:cw], m.Cr[far*m.CStride:][:cw])
		luma, dst := m.Y[y*m.YStride:][:w], img.Pix[3*y*w:][:3*w]
		for x, l := range luma {
			l, u, v := scaled(l, 19077), cb[x], cr[x]
			d := dst[3*x : 3*x+3 : 3*x+3]
			d[0] = clamp((l + scaled(v, 26149) - 14234) >> 6)
			d[1] = clamp((l - scaled(u, 6419) - scaled(v, 13320) + 8708) >> 6)
			d[2] = clamp((l + scaled(u, 33050) - 17685) >> 6)
		}
	}
	return img
}

// scaled multiplies in fixed point of 14 bits, of which 6 are kept.
func scaled(v uint8, factor int32) int32 { return int32(v) * factor >> 8 }

// spreadVP8 interpolates a row of chroma, 3/4 near and 1/4 far, over the pixels of out.
func spreadVP8(out, near, far []uint8) {
	edge := func(k int) uint8 { return uint8((3*int32(near[k]) + int32(far[k]) + 2) >> 2) }
	out[0] = edge(0)
	for k := 1; k < len(near); k++ {
		a, b := int32(near[k-1]), int32(near[k])
		c, d := int32(far[k-1]), int32(far[k])
		sum := a + b + c + d + 8
		out[2*k-1] = uint8(((sum+2*(b+c))>>3 + a) >> 1)
		if 2*k < len(out) {
			out[2*k] = uint8(((sum+2*(a+d))>>3 + b) >> 1)
		}
	}
	if len(out)%2 == 0 {
		out[len(out)-1] = edge(len(near) - 1)
	}
}
