package data

import (
	"bytes"
	"encoding/binary"

	"onnxclr/train/augment"
)

// orientation reads tag 0x0112 of the first directory of a TIFF file, which is what
// EXIF data are: 1…8, or 0 if there is none or it makes no sense.
func orientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	if tiff[0] == 'M' {
		order = binary.BigEndian
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 0
	}
	n := int(order.Uint16(tiff[at:]))
	for entry := tiff[at+2:]; n > 0 && len(entry) >= 12; n, entry = n-1, entry[12:] {
		if order.Uint16(entry) == 0x0112 && order.Uint16(entry[2:]) == 3 {
			if v := order.Uint16(entry[8:]); v >= 1 && v <= 8 {
				return int(v)
			}
			return 0
		}
	}
	return 0
}

// exifOrientation is that of EXIF data behind their usual mark, which JPEG files must
// have and other writers put there too.
func exifOrientation(segment []byte) int {
	tiff, _ := bytes.CutPrefix(segment, []byte("Exif\x00\x00"))
	return orientation(tiff)
}

// pngOrientation finds the eXIf chunk (PNG 1.5 extensions, 3.7).
func pngOrientation(b []byte) int {
	for b = b[8:]; len(b) >= 12; {
		n := uint64(binary.BigEndian.Uint32(b))
		if n > uint64(len(b)-12) {
			return 0
		}
		if string(b[4:8]) == "eXIf" {
			return exifOrientation(b[8 : 8+n])
		}
		b = b[12+n:]
	}
	return 0
}

// webpOrientation finds the EXIF chunk of the RIFF file.
func webpOrientation(b []byte) int {
	for b = b[min(12, len(b)):]; len(b) >= 8; {
		n := uint64(binary.LittleEndian.Uint32(b[4:]))
		if n > uint64(len(b)-8) {
			return 0
		}
		if string(b[:4]) == "EXIF" {
			return exifOrientation(b[8 : 8+n])
		}
		b = b[min(8+n+n%2, uint64(len(b))):]
	}
	return 0
}

// upright turns and mirrors an image as its orientation asks.
func upright(m *augment.Image, orientation int) *augment.Image {
	if orientation <= 1 {
		return m
	}
	w, h := m.W, m.H
	if orientation >= 5 {
		w, h = h, w
	}
	out := augment.NewImage(w, h)
	for y := range h {
		for x := range w {
			var sx, sy int
			switch orientation {
			case 2:
				sx, sy = w-1-x, y
			case 3:
				sx, sy = w-1-x, h-1-y
			case 4:
				sx, sy = x, h-1-y
			case 5:
				sx, sy = y, x
			case 6:
				sx, sy = y, w-1-x
			case 7:
				sx, sy = h-1-y, w-1-x
			case 8:
				sx, sy = h-1-y, x
			}
			copy(out.Pix[3*(y*w+x):][:3], m.Pix[3*(sy*m.W+sx):][:3])
		}
	}
	return out
}
