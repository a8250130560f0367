package data

import (
	"image"

	"onnxclr/train/augment"
)

// fromYCbCr converts as libjpeg does by default: halved chroma is interpolated with
// weights 3/4 and 1/4 ("fancy upsampling", jdsample.c) instead of repeated, and the
// colours are turned in 16-bit fixed point (jdcolor.c).
func fromYCbCr(dst *augment.Image, m *image.YCbCr) {
	w, h := dst.W, dst.H
	cw, ch := w, h
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420:
		cw = (w + 1) / 2
	case image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410:
		cw = (w + 3) / 4
	}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio410:
		ch = (h + 1) / 2
	}
	buffer := make([]uint8, 2*(w+1))
	sums := make([]int32, cw)
	cb, cr := buffer[:w+1], buffer[w+1:]
	for y := range h {
		for i, plane := range [2][]uint8{m.Cb, m.Cr} {
			out := [2][]uint8{cb, cr}[i]
			at := func(row int) []uint8 { return plane[row*m.CStride:][:cw] }
			if ch == h {
				acrossOnly(out, at(y), w)
				continue
			}
			near := at(y / 2)
			far := at(max(y/2-1, 0))
			if y%2 == 1 {
				far = at(min(y/2+1, ch-1))
			}
			switch {
			case m.SubsampleRatio == image.YCbCrSubsampleRatio410 || cw <= 2 && cw != w:
				acrossOnly(out, near, w)
			case cw == w:
				bias := int32(1 + y%2)
				for x := range near {
					out[x] = uint8((3*int32(near[x]) + int32(far[x]) + bias) >> 2)
				}
			default:
				spread(out, sums, near, far)
			}
		}
		rowToRGB(dst.Pix[3*y*w:][:3*w], m.Y[y*m.YStride:][:w], cb[:w], cr[:w])
	}
}

// both computes what spread does of the samples from lo to hi−1. sums has room for as
// many values as there are samples.
func both(out []uint8, sums []int32, near, far []uint8, lo, hi int) {
	n := len(near)
	for x := max(lo-1, 0); x < min(hi+1, n); x++ {
		sums[x] = 3*int32(near[x]) + int32(far[x])
	}
	for i := lo; i < hi; i++ {
		s, last, next := sums[i], sums[max(i-1, 0)], sums[min(i+1, n-1)]
		out[2*i] = uint8((3*s + last + 8) >> 4)
		if 2*i+1 < len(out) {
			out[2*i+1] = uint8((3*s + next + 7) >> 4)
		}
	}
}

// acrossOnly spreads a chroma row over w pixels.
func acrossOnly(out, row []uint8, w int) {
	n := len(row)
	switch {
	case n == w:
		copy(out, row)
	case n == (w+1)/2 && n > 2:
		last := int32(row[0])
		for i := range row {
			v, next := int32(row[i]), int32(row[min(i+1, n-1)])
			out[2*i] = uint8((3*v + last + 1) >> 2)
			if 2*i+1 < len(out) {
				out[2*i+1] = uint8((3*v + next + 2) >> 2)
			}
			last = v
		}
	default:
		step := (w + n - 1) / n
		for x := range out[:w] {
			out[x] = row[min(x/step, n-1)]
		}
	}
}

// chroma holds the parts of red, green and blue that Cb and Cr bring, the green ones
// in 16-bit fixed point.
var chroma = func() (t struct{ redCr, greenCr, greenCb, blueCb [256]int32 }) {
	for v := range 256 {
		c := int32(v) - 128
		t.redCr[v] = (91881*c + 1<<15) >> 16
		t.blueCb[v] = (116130*c + 1<<15) >> 16
		t.greenCr[v] = -46802 * c
		t.greenCb[v] = -22554*c + 1<<15
	}
	return t
}()

// pixelsToRGB is rowToRGB, pixel by pixel.
func pixelsToRGB(dst, luma, cb, cr []uint8) {
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for i, y := range luma {
		y, b, r := int32(y), cb[i], cr[i]
		d := dst[3*i : 3*i+3 : 3*i+3]
		d[0] = clamp(y + chroma.redCr[r])
		d[1] = clamp(y + (chroma.greenCb[b]+chroma.greenCr[r])>>16)
		d[2] = clamp(y + chroma.blueCb[b])
	}
}

func clamp(v int32) uint8 {
	if uint32(v) > 255 {
		return uint8(^v >> 31)
	}
	return uint8(v)
}
