package data

import (
	"bufio"
	"errors"
	"image"
	"image/color"
	"io"
	"math"
)

// netpbm is the header of a binary PGM or PPM file (netpbm.sourceforge.net/doc/ppm.html).
type netpbm struct {
	width, height, most int
	channels            int // 1 or 3
}

// readNetpbm reads a header: numbers apart by blanks, comments from # to the line's
// end, and one blank before the pixels.
func readNetpbm(r *bufio.Reader) (h netpbm, err error) {
	var magic [2]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return h, err
	}
	h.channels = map[[2]byte]int{{'P', '5'}: 1, {'P', '6'}: 3}[magic]
	for _, to := range []*int{&h.width, &h.height, &h.most} {
		digits := 0
		for comment := false; ; {
			b, err := r.ReadByte()
			if err != nil {
				return h, err
			}
			switch blank := b == ' ' || b >= '\t' && b <= '\r'; {
			case comment:
				comment = b != '\n'
				continue
			case b == '#':
				comment = true
				continue
			case blank && digits == 0:
				continue
			case b >= '0' && b <= '9' && digits < 9:
				*to = 10**to + int(b-'0')
				digits++
				continue
			case !blank:
				return h, errors.New("a header that is no list of numbers")
			}
			break
		}
	}
	if h.most < 1 || h.most > 65535 {
		return h, errors.New("a largest value that is not between 1 and 65535")
	}
	return h, nil
}

func netpbmConfig(r io.Reader) (image.Config, error) {
	h, err := readNetpbm(bufio.NewReader(r))
	return image.Config{ColorModel: color.RGBAModel, Width: h.width, Height: h.height}, err
}

// decodeNetpbm scales values to 255 as PIL does, rounding to the nearest.
func decodeNetpbm(r io.Reader) (image.Image, error) {
	in := bufio.NewReader(r)
	h, err := readNetpbm(in)
	if err != nil {
		return nil, err
	}
	size := 1
	if h.most > 255 {
		size = 2
	}
	row := make([]byte, h.width*h.channels*size)
	m := image.NewRGBA(image.Rect(0, 0, h.width, h.height))
	scaled := make([]uint8, h.most+1)
	for v := range scaled {
		scaled[v] = uint8(math.RoundToEven(float64(v) / float64(h.most) * 255))
	}
	for y := range h.height {
		if _, err := io.ReadFull(in, row); err != nil {
			return nil, err
		}
		value := func(i int) uint8 {
			v := int(row[i*size])
			if size == 2 {
				v = v<<8 | int(row[2*i+1])
			}
			return scaled[min(v, h.most)]
		}
		to := m.Pix[y*m.Stride:][:4*h.width]
		for x := range h.width {
			for c := range 3 {
				to[4*x+c] = value(x*h.channels + c%h.channels)
			}
			to[4*x+3] = 255
		}
	}
	return m, nil
}
