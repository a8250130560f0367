package data

import (
	"bytes"
	"encoding/binary"
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
			if bytes.HasPrefix(segment, []byte("Exif\x00\x00")) {
				if o := exifOrientation(segment); o != 0 {
					h.orientation = o
				}
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
