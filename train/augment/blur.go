package augment

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
)

// GaussianBlur blurs with probability P, with a standard deviation in pixels drawn
// uniformly from Radius.
type GaussianBlur struct {
	P      float64
	Radius [2]float64
}

// blurPasses is how many box blurs stand for one Gaussian, as in PIL.
const blurPasses = 3

// box is an extended box blur in 24-bit fixed point: the 2·reach+1 middle pixels
// weigh inner each, their two neighbours outer. The weights sum to at most 2^24.
type box struct {
	reach        int
	inner, outer uint64
}

// gaussianBox returns the box whose three-fold application has the variance of a
// Gaussian (Gwosdek et al., SSVM 2011, equations 7, 11 and 14), in PIL's precision.
func gaussianBox(sigma float64) box {
	variance := float32(sigma) * float32(sigma) / blurPasses
	length := float32(math.Sqrt(float64(12*float64(variance)) + 1))
	l := float32(math.Floor((float64(length) - 1) / 2))
	a := (2*l + 1) * (float32(l*(l+1)) - float32(3*variance))
	a /= 6 * (variance - float32((l+1)*(l+1)))
	radius := l + a
	reach := int(radius)
	inner := uint64(float32(1<<24) / (float32(radius*2) + 1))
	return box{reach, inner, (1<<24 - uint64(2*reach+1)*inner) / 2}
}

// Blur blurs the image, which it changes in place, with a standard deviation of sigma
// pixels, as PIL's GaussianBlur: three box blurs across, then three down, each
// rounded to 8 bits, the border repeated outwards.
//
// Two values travel in one 64-bit lane pair, so that one multiplication serves both:
// every weighted sum stays below 2^32.
func (ws *Workspace) Blur(img *Image, sigma float64) {
	if sigma <= 0 || img.W == 0 || img.H == 0 {
		return
	}
	b := gaussianBox(sigma)
	if !ws.blurVector(img, b) {
		ws.blurRows(img, b)
		ws.blurColumns(img, b)
	}
}

// blurRows blurs two rows at a time, one in each half of a lane pair.
func (ws *Workspace) blurRows(img *Image, b box) {
	stride := 3 * img.W
	for y := 0; y < img.H; y += 2 {
		upper := img.Pix[y*stride:][:stride]
		lower := upper
		if y+1 < img.H {
			lower = img.Pix[(y+1)*stride:][:stride]
		}
		line := ws.line(img.W, 3, b)
		for i, v := range upper {
			line[i] = uint64(v) | uint64(lower[i])<<32
		}
		line = ws.passes(img.W, 3, b)
		for i, v := range line[:len(upper)] {
			upper[i], lower[i] = uint8(v), uint8(v>>32)
		}
	}
}

// strip is how many bytes of a row blurColumns takes at a time.
const strip = 16

// blurColumns blurs strips of columns. Byte k of eight shares a lane pair with k+4.
func (ws *Workspace) blurColumns(img *Image, b box) {
	stride := 3 * img.W
	var edge [strip]uint8
	for x := 0; x < stride; x += strip {
		whole := x+strip <= stride
		line := ws.line(img.H, strip/2, b)
		for y := range img.H {
			at := img.Pix[y*stride+x:]
			if !whole {
				copy(edge[:], at[:stride-x])
				at = edge[:]
			}
			v, w := binary.LittleEndian.Uint64(at), binary.LittleEndian.Uint64(at[8:])
			to := line[y*8 : y*8+8 : y*8+8]
			to[0], to[1], to[2], to[3] = v&pairLow, v>>8&pairLow, v>>16&pairLow, v>>24&pairLow
			to[4], to[5], to[6], to[7] = w&pairLow, w>>8&pairLow, w>>16&pairLow, w>>24&pairLow
		}
		line = ws.passes(img.H, strip/2, b)
		for y := range img.H {
			from := line[y*8 : y*8+8 : y*8+8]
			v := from[0] | from[1]<<8 | from[2]<<16 | from[3]<<24
			w := from[4] | from[5]<<8 | from[6]<<16 | from[7]<<24
			at := img.Pix[y*stride+x:]
			if whole {
				binary.LittleEndian.PutUint64(at, v)
				binary.LittleEndian.PutUint64(at[8:], w)
				continue
			}
			binary.LittleEndian.PutUint64(edge[:], v)
			binary.LittleEndian.PutUint64(edge[8:], w)
			copy(at[:stride-x], edge[:])
		}
	}
}

// line returns the lane pairs to be filled with n positions of width pairs each.
// Room for the repeated border surrounds them in the buffer.
func (ws *Workspace) line(n, width int, b box) []uint64 {
	margin := (b.reach + 1) * width
	for i := range ws.lanes {
		ws.lanes[i] = grow(ws.lanes[i], n*width+2*margin)
	}
	return ws.lanes[0][margin : margin+n*width]
}

// passes blurs the line three times and returns it.
func (ws *Workspace) passes(n, width int, b box) []uint64 {
	margin := (b.reach + 1) * width
	from, to := ws.lanes[0], ws.lanes[1]
	for range blurPasses {
		for i := range margin { // the border repeats outwards
			from[i] = from[margin+i%width]
			from[margin+n*width+i] = from[margin+(n-1)*width+i%width]
		}
		b.apply(to[margin:margin+n*width], from, width)
		from, to = to, from
	}
	return from[margin : margin+n*width]
}

// apply blurs once: dst[i] from src[i] to src[i+2·margin], margin = (reach+1)·width.
func (b box) apply(dst, src []uint64, width int) {
	const round = 1<<23 | 1<<(23+32) // half of 2^24, in both halves
	n := len(dst)
	inner, outer := b.inner, b.outer
	switch b.reach {
	case 0:
		left, mid, right := src[:n], src[width:][:n], src[2*width:][:n]
		for i := range dst {
			dst[i] = (mid[i]*inner + (left[i]+right[i])*outer + round) >> 24 & pairLow
		}
	case 1:
		far, left, mid, right, end := src[:n], src[width:][:n], src[2*width:][:n], src[3*width:][:n], src[4*width:][:n]
		for i := range dst {
			dst[i] = ((left[i]+mid[i]+right[i])*inner + (far[i]+end[i])*outer + round) >> 24 & pairLow
		}
	default:
		for c := range width {
			sum := uint64(0)
			for k := 1; k <= 2*b.reach+1; k++ {
				sum += src[k*width+c]
			}
			last := (2*b.reach + 2) * width
			for i := c; i < n; i += width {
				dst[i] = (sum*inner + (src[i]+src[i+last])*outer + round) >> 24 & pairLow
				sum += src[i+last] - src[i+width]
			}
		}
	}
}

// Draw returns a standard deviation.
func (t GaussianBlur) Draw(r *rand.Rand) float64 { return uniform(r, t.Radius[0], t.Radius[1]) }

// Apply blurs or not.
func (t GaussianBlur) Apply(ws *Workspace, img *Image, r *rand.Rand) *Image {
	if r.Float64() >= t.P {
		return img
	}
	img = ws.Own(img)
	ws.Blur(img, t.Draw(r))
	return img
}

func (t GaussianBlur) String() string {
	return fmt.Sprintf("GaussianBlur(p=%g, radius=%g..%g)", t.P, t.Radius[0], t.Radius[1])
}
