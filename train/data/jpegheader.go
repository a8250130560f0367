package data

import (
	"bytes"
	"encoding/binary"

	"onnxclr/train/augment"
)

// jpegHeader is what has to be known before a JPEG file is decoded.
type jpegHeader struct {
	width, height int
	orientation   int // EXIF's 1…8; 1, upright, when there is none
}

// readJPEGHeader walks the segments up to the frame header (ITU-T T.81, B.2).
func readJPEGHeader(b []byte) (jpegHeader, error) {
	h := jpegHeader{orientation: 1}
	for p := 2; ; {
		for p < len(b) && b[p] != 0xff { // decoders skip what stands between segments
			p++
		}
		for p < len(b) && b[p] == 0xff {
			p++
		}
		if p+3 > len(b) {
			return h, formatf("is truncated: it ends before the image begins")
		}
		marker := b[p]
		p++
		if marker == 0 || marker == 1 || marker >= 0xd0 && marker <= 0xd8 {
			continue // no segment follows
		}
		if marker == 0xd9 || marker == 0xda {
			return h, formatf("has no frame header before its data")
		}
		size := int(binary.BigEndian.Uint16(b[p:]))
		if size < 2 || size > len(b)-p {
			return h, formatf("is truncated: segment %#02x at byte %d needs %d bytes, %d are left", marker, p-2, size, len(b)-p)
		}
		segment := b[p+2 : p+size]
		p += size
		switch {
		case marker == 0xe1:
			if o := orientation(segment); o != 0 {
				h.orientation = o
			}
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			if len(segment) < 6 {
				return h, formatf("has a frame header of %d bytes", len(segment))
			}
			h.height = int(binary.BigEndian.Uint16(segment[1:]))
			h.width = int(binary.BigEndian.Uint16(segment[3:]))
			return h, nil
		}
	}
}

// orientation reads tag 0x0112 of the first directory of an EXIF segment, 0 if there
// is none or it makes no sense.
func orientation(segment []byte) int {
	tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00"))
	if !ok || len(tiff) < 8 {
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

// upright turns and mirrors an image as its orientation asks.
func upright(m *augment.Image, orientation int) *augment.Image {
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
			default:
				sx, sy = x, y
			}
			copy(out.Pix[3*(y*w+x):][:3], m.Pix[3*(sy*m.W+sx):][:3])
		}
	}
	return out
}
