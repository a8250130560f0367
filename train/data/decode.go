package data

import (
	"bytes"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"onnxclr/train/augment"
)

// maxPixels bounds an image: 100 million pixels.
const maxPixels = 100 << 20

// format is a kind of image file.
type format struct {
	name, magic string
	extensions  []string
	// perByte is how many pixels a byte can stand for at the very most, which tells a
	// header that lies before anything is allocated; 0 where a few bytes may rightly
	// stand for any number.
	perByte int
	config  func(io.Reader) (image.Config, error)
	decode  func(io.Reader) (image.Image, error)
	rgb     func(image.Image) *augment.Image
	// orientation finds what EXIF says of it, 0 if nothing; nil where there is no EXIF.
	orientation func([]byte) int
}

var formats = []format{
	// Every 8×8 block takes a bit.
	{"JPEG", "\xff\xd8", []string{".jpg", ".jpeg"}, 8 * 64, nil, jpeg.Decode, toRGB, nil},
	// Deflate shrinks by 1032, and a byte holds eight pixels.
	{"PNG", "\x89PNG\r\n\x1a\n", []string{".png"}, 8 * 1032, png.DecodeConfig, png.Decode, toRGB, pngOrientation},
	{"WebP", "RIFF", []string{".webp"}, 0, webp.DecodeConfig, webp.Decode, webpRGB, webpOrientation},
	{"BMP", "BM", []string{".bmp"}, 8, bmp.DecodeConfig, bmp.Decode, toRGB, nil},
	// A code of at least nine bits stands for 4096 pixels.
	{"GIF", "GIF8", []string{".gif"}, 4096, gif.DecodeConfig, decodeGIF, toRGB, nil},
	{"TIFF", "II*\x00", []string{".tif", ".tiff"}, 0, tiff.DecodeConfig, tiff.Decode, toRGB, orientation},
	{"PPM", "P6", []string{".ppm"}, 1, netpbmConfig, decodeNetpbm, toRGB, nil},
	{"PGM", "P5", []string{".pgm"}, 1, netpbmConfig, decodeNetpbm, toRGB, nil},
	{"TIFF", "MM\x00*", nil, 0, tiff.DecodeConfig, tiff.Decode, toRGB, orientation},
}

// formatNames are the formats in messages.
const formatNames = "JPEG, PNG, WebP, BMP, GIF, TIFF, PPM, PGM"

// readable are the extensions of image files.
var readable = func() (list []string) {
	for _, f := range formats {
		list = append(list, f.extensions...)
	}
	return list
}()

// decode reads an image file as 8-bit RGB, the way PIL's convert("RGB") does: gray is
// spread to three channels, transparency is dropped, and of a film the first picture
// is taken. Of 16-bit values the high byte is kept (PIL does so with colours, but cuts
// 16-bit gray off at 255). The orientation a camera notes in EXIF is applied, as PIL's
// ImageOps.exif_transpose does and torchvision's loader does not. Size is checked
// before anything is allocated.
func decode(b []byte) (*augment.Image, error) {
	if len(b) == 0 {
		return nil, formatf("is an empty file")
	}
	for _, f := range formats {
		if bytes.HasPrefix(b, []byte(f.magic)) {
			if f.config == nil {
				return decodeJPEG(b, f)
			}
			return f.read(b)
		}
	}
	return nil, formatf("is not an image that is read (%s); it begins with % x", formatNames, b[:min(len(b), 8)])
}

func decodeJPEG(b []byte, f format) (*augment.Image, error) {
	h, err := readJPEGHeader(b)
	if err != nil {
		return nil, err
	}
	if err := checkSize(h.width, h.height, len(b), f.perByte); err != nil {
		return nil, err
	}
	m, err := f.decode(bytes.NewReader(b))
	if err != nil {
		return nil, decodeError(err)
	}
	return upright(f.rgb(m), h.orientation), nil
}

func (f format) read(b []byte) (*augment.Image, error) {
	c, err := f.config(bytes.NewReader(b))
	if err != nil {
		return nil, decodeError(err)
	}
	if err := checkSize(c.Width, c.Height, len(b), f.perByte); err != nil {
		return nil, err
	}
	m, err := f.decode(bytes.NewReader(b))
	if err != nil {
		return nil, decodeError(err)
	}
	img := f.rgb(m)
	if f.orientation != nil {
		img = upright(img, f.orientation(b))
	}
	return img, nil
}

// checkSize refuses sizes that are absurd or that a file of so many bytes cannot
// hold, at perByte pixels a byte unless that is 0.
func checkSize(w, h, bytes, perByte int) error {
	pixels := int64(w) * int64(h)
	switch {
	case w <= 0 || h <= 0:
		return formatf("says it is %d×%d pixels", w, h)
	case pixels > maxPixels:
		return unsupportedf("is %d×%d pixels; %d million are the most that is read", w, h, maxPixels>>20)
	case perByte > 0 && pixels/int64(perByte) > int64(bytes):
		return formatf("is truncated: it has %d bytes, too few for its %d×%d pixels", bytes, w, h)
	}
	return nil
}

func decodeError(err error) error {
	var jpegLacks jpeg.UnsupportedError
	var pngLacks png.UnsupportedError
	var tiffLacks tiff.UnsupportedError
	var lacks UnsupportedError
	if errors.As(err, &jpegLacks) || errors.As(err, &pngLacks) || errors.As(err, &tiffLacks) || errors.As(err, &lacks) ||
		errors.Is(err, bmp.ErrUnsupported) || strings.Contains(err.Error(), "not implemented") {
		return unsupportedf("is of a kind that is not read (%v)", err)
	}
	return formatf("is damaged or truncated (%v)", err)
}
