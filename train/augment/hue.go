package augment

import (
	"math"
	"sync"
)

// AdjustHue turns the hue by shift of a turn, −0.5…0.5, as torchvision does on PIL
// images: through 8-bit HSV, whose hue has 255 steps a turn, there and back. Even a
// shift of 0 therefore rounds the colours.
func (m *Image) AdjustHue(shift float64) {
	hues := hueTable()
	turn := uint8(int(shift * 255)) // truncated towards zero, then modulo 256
	for i := 0; i+3 <= len(m.Pix); i += 3 {
		p := m.Pix[i : i+3 : i+3]
		r, g, b := int32(p[0]), int32(p[1]), int32(p[2])
		v, low := max(r, g, b), min(r, g, b)
		chroma := v - low
		if chroma == 0 {
			continue // gray stays
		}
		// Which channel is largest and which smallest, without branches: in noise
		// they would be mispredicted.
		sector := sectors[(g-r)>>31&1|(b-g)>>31&2|(r-b)>>31&4]
		fromMax := 2*v + low - r - g - b // max − mid
		h := hues.of[sector][chroma*(chroma+1)/2+fromMax] + turn
		faded := &hues.faded[int(v)<<8|int(chroma)]
		back := &sixths[h]
		product := float64(unit[faded.saturation]) * back.part
		if back.single {
			product = float64(float32(product))
		}
		value := float64(v)
		p[back.high] = uint8(v)
		p[back.mid] = uint8(int(float64(value*(1-product)) + 0.5))
		p[back.low] = faded.low
	}
}

// sectors gives the order of the channels by r > g, g > b and b > r, a bit each. It
// does not matter which order equal channels are given.
var sectors = [8]uint8{3: 0, 1: 1, 2: 2, 6: 3, 4: 4, 5: 5}

// unit[s] is s/255 in float32.
var unit = func() (t [256]float32) {
	for s := range t {
		t[s] = float32(float64(s) / 255)
	}
	return t
}()

// sixth is what an 8-bit hue says of the colour on the way back to RGB: which
// channel is v, v·(1−s) and v·(1−s·part).
type sixth struct {
	high, mid, low uint8
	single         bool // PIL rounds s·part to float32
	part           float64
}

var sixths = func() (t [256]sixth) {
	order := [6][3]uint8{{0, 1, 2}, {1, 0, 2}, {1, 2, 0}, {2, 1, 0}, {2, 0, 1}, {0, 2, 1}}
	for h := range t {
		i := int(math.Floor(float64(h) * 6 / 255))
		f := float32(float64(h)*6/255 - float64(i))
		e := sixth{high: order[i%6][0], mid: order[i%6][1], low: order[i%6][2]}
		if i%2 == 0 {
			e.part = 1 - float64(f)
		} else {
			e.part, e.single = float64(f), true
		}
		t[h] = e
	}
	return t
}()

// hueTable returns the 8-bit hues of all colours. A hue depends on three things only:
// the order of the channels, the chroma max−min and max−mid.
var hueTable = sync.OnceValue(func() *hues {
	t := new(hues)
	for chroma := 1; chroma <= 255; chroma++ {
		for d := range chroma + 1 {
			c := float32(chroma)
			mid := float32(d) / c // PIL's (max − channel)/chroma; 0 for the largest, 1 for the smallest
			at := chroma*(chroma+1)/2 + d
			for sector, h := range [6]float64{
				float64(1 - mid), float64(mid - 1), // r largest; b or g smallest
				2 + float64(mid) - 1, 2 + 1 - float64(mid), // g; b or r
				4 + float64(mid) - 1, 4 + 1 - float64(mid), // b; r or g
			} {
				t.of[sector][at] = hue8(float32(h))
			}
		}
	}
	for v := 1; v <= 255; v++ {
		for chroma := 1; chroma <= v; chroma++ {
			s := uint8(int(float64(float32(chroma)/float32(v)) * 255))
			low := uint8(int(float64(float64(v)*(1-float64(unit[s]))) + 0.5))
			t.faded[v<<8|chroma] = faded{s, low}
		}
	}
	return t
})

type hues struct {
	of    [6][256 * 257 / 2]uint8
	faded [256 << 8]faded // by value and chroma
}

// faded is the 8-bit saturation of a colour and its smallest channel on the way back.
type faded struct{ saturation, low uint8 }

func hue8(h float32) uint8 {
	_, part := math.Modf(float64(h)/6 + 1)
	return uint8(int(float64(float32(part)) * 255))
}
