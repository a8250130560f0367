package data

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"onnxclr/train/augment"
)

// maxPixels bounds an image: 100 million pixels.
const maxPixels = 100 << 20

// decode reads a JPEG or PNG file as 8-bit RGB, the way PIL's convert("RGB") does:
// gray is spread to three channels, transparency is dropped, of 16-bit values the
// high byte is kept. The orientation a camera notes in EXIF is applied, which
// torchvision does not do. Size is checked before anything is allocated.
func decode(b []byte) (*augment.Image, error) {
	switch {
	case len(b) == 0:
		return nil, formatf("is an empty file")
	case bytes.HasPrefix(b, []byte("\xff\xd8")):
		return decodeJPEG(b)
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		return decodePNG(b)
	case bytes.HasPrefix(b, []byte("GIF8")), bytes.HasPrefix(b, []byte("BM")),
		bytes.HasPrefix(b, []byte("RIFF")), bytes.HasPrefix(b, []byte("II*\x00")), bytes.HasPrefix(b, []byte("MM\x00*")):
		return nil, unsupportedf("is a GIF, BMP, WebP or TIFF file whatever its name says; only JPEG and PNG are read")
	}
	return nil, formatf("is neither JPEG nor PNG (it begins with % x)", b[:min(len(b), 8)])
}

func decodeJPEG(b []byte) (*augment.Image, error) {
	h, err := readJPEGHeader(b)
	if err != nil {
		return nil, err
	}
	// Every 8×8 block takes a bit at the very least.
	if err := checkSize(h.width, h.height, len(b), 8*64); err != nil {
		return nil, err
	}
	m, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, decodeError(err)
	}
	img := toRGB(m)
	if h.orientation > 1 {
		img = upright(img, h.orientation)
	}
	return img, nil
}

func decodePNG(b []byte) (*augment.Image, error) {
	c, err := png.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, decodeError(err)
	}
	// Deflate shrinks by 1032 at most, and a byte holds at most eight pixels.
	if err := checkSize(c.Width, c.Height, len(b), 8*1032); err != nil {
		return nil, err
	}
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, decodeError(err)
	}
	return toRGB(m), nil
}

// checkSize refuses sizes that are absurd or that a file of so many bytes cannot
// hold, at perByte pixels a byte.
func checkSize(w, h, bytes, perByte int) error {
	pixels := int64(w) * int64(h)
	switch {
	case w <= 0 || h <= 0:
		return formatf("says it is %d×%d pixels", w, h)
	case pixels > maxPixels:
		return unsupportedf("is %d×%d pixels; %d million are the most that is read", w, h, maxPixels>>20)
	case pixels/int64(perByte) > int64(bytes):
		return formatf("is truncated: it has %d bytes, too few for its %d×%d pixels", bytes, w, h)
	}
	return nil
}

func decodeError(err error) error {
	var jpegLacks jpeg.UnsupportedError
	var pngLacks png.UnsupportedError
	if errors.As(err, &jpegLacks) || errors.As(err, &pngLacks) {
		return unsupportedf("is of a kind that is not read (%v)", err)
	}
	return formatf("is damaged or truncated (%v)", err)
}

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
	case *image.RGBA: // opaque: what has transparency comes as NRGBA
		each(m.Pix, m.Stride, 4, three)
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
