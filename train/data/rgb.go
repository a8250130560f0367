package data

import (
	"image"
	"image/color"

	"onnxclr/train/augment"
)

// toRGB converts what Go's decoders return.
func toRGB(m image.Image) *augment.Image {
	r := m.Bounds()
	img := augment.NewImage(r.Dx(), r.Dy())
	each := func(src []uint8, stride, step int, f func(d, s []uint8)) {
		for y := range img.H {
			d, s := img.Pix[3*y*img.W:][:3*img.W], src[y*stride:][:img.W*step]
			for ; len(s) >= step && len(d) >= 3; s, d = s[step:], d[3:] {
				f(d, s)
			}
		}
	}
	three := func(d, s []uint8) { d[0], d[1], d[2] = s[0], s[1], s[2] }
	switch m := m.(type) {
	case *image.YCbCr:
		fromYCbCr(img, m)
	case *image.Gray:
		each(m.Pix, m.Stride, 1, func(d, s []uint8) { d[0], d[1], d[2] = s[0], s[0], s[0] })
	case *image.Gray16:
		each(m.Pix, m.Stride, 2, func(d, s []uint8) { d[0], d[1], d[2] = s[0], s[0], s[0] })
	case *image.RGBA:
		each(m.Pix, m.Stride, 4, func(d, s []uint8) {
			three(d, s)
			if a := int(s[3]); a != 255 && a != 0 { // of TIFF files only
				for c := range d[:3] {
					d[c] = uint8(min(255*int(s[c])/a, 255))
				}
			}
		})
	case *image.NRGBA:
		each(m.Pix, m.Stride, 4, three)
	case *image.RGBA64:
		each(m.Pix, m.Stride, 8, func(d, s []uint8) { d[0], d[1], d[2] = s[0], s[2], s[4] })
	case *image.NRGBA64:
		each(m.Pix, m.Stride, 8, func(d, s []uint8) { d[0], d[1], d[2] = s[0], s[2], s[4] })
	case *image.CMYK:
		each(m.Pix, m.Stride, 4, func(d, s []uint8) {
			for c := range d[:3] {
				d[c] = inked(s[c], s[3])
			}
		})
	case *image.Paletted:
		var colors [256][3]uint8
		for i, c := range m.Palette[:min(len(m.Palette), 256)] {
			n := color.NRGBAModel.Convert(c).(color.NRGBA)
			colors[i] = [3]uint8{n.R, n.G, n.B}
		}
		each(m.Pix, m.Stride, 1, func(d, s []uint8) { copy(d, colors[s[0]][:]) })
	default:
		for y := range img.H {
			for x := range img.W {
				n := color.NRGBAModel.Convert(m.At(r.Min.X+x, r.Min.Y+y)).(color.NRGBA)
				three(img.Pix[3*(y*img.W+x):], []uint8{n.R, n.G, n.B})
			}
		}
	}
	return img
}

// inked is the light left by one ink and black, in PIL's rounding.
func inked(ink, black uint8) uint8 {
	left := 255 - int(black)
	t := int(ink)*left + 128
	return uint8(max(left-(t>>8+t)>>8, 0))
}
