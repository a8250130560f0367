package data

import (
	"bytes"
	"image"
	"image/gif"
	"io"
)

// decodeGIF reads the first picture, which has to fill the screen. The colour that
// stands for transparency is kept: Go's decoder replaces it by black, so the mark
// that makes it transparent is taken out before.
func decodeGIF(r io.Reader) (image.Image, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	c, err := gif.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	m, err := gif.Decode(bytes.NewReader(opaqueGIF(b)))
	if err != nil {
		return nil, err
	}
	if screen := image.Rect(0, 0, c.Width, c.Height); m.Bounds() != screen {
		return nil, unsupportedf("its first picture is %v of a screen of %v", m.Bounds(), screen)
	}
	return m, nil
}

// opaqueGIF clears the flag of the transparent colour in the extensions before the
// first picture of the file (GIF89a, 23), which it changes.
func opaqueGIF(b []byte) []byte {
	if len(b) < 13 {
		return b
	}
	p := 13
	if b[10]&0x80 != 0 { // a table of 2^(n+1) colours
		p += 3 << (b[10]&7 + 1)
	}
	for p+3 < len(b) && b[p] == 0x21 {
		if b[p+1] == 0xf9 && b[p+2] >= 1 {
			b[p+3] &^= 1
		}
		p += 2
		for p < len(b) && b[p] != 0 {
			p += 1 + int(b[p])
		}
		p++
	}
	return b
}
