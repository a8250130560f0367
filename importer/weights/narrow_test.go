package weights

import (
	"math"
	"testing"
)

// TestRounding holds the roundings to what their definition says: the nearest number,
// the even one of two.
func TestRounding(t *testing.T) {
	for h := range 0x7c00 - 1 { // finite positive float16 numbers and their successors
		low, high := HalfToFloat32(uint16(h)), HalfToFloat32(uint16(h+1))
		if h == 0x7bff {
			high = 65536
		}
		middle := (low + high) / 2
		even := uint16(h + h&1)
		for _, c := range []struct {
			x    float32
			want uint16
		}{{low, uint16(h)}, {middle, even}, {math.Nextafter32(middle, 0), uint16(h)}, {math.Nextafter32(middle, high), uint16(h + 1)}} {
			if got := Half(math.Float32bits(c.x)); got != c.want {
				t.Fatalf("%v rounds to %#04x, want %#04x", c.x, got, c.want)
			}
			if got := Half(math.Float32bits(-c.x)); got != c.want|0x8000 {
				t.Fatalf("%v rounds to %#04x, want %#04x", -c.x, got, c.want|0x8000)
			}
		}
	}
	for x, want := range map[float32]uint16{65519: 0x7bff, 65520: 0x7c00, 1e30: 0x7c00, float32(math.Inf(-1)): 0xfc00, float32(math.NaN()): 0x7e00} {
		if got := Half(math.Float32bits(x)); got != want {
			t.Errorf("%v rounds to %#04x, want %#04x", x, got, want)
		}
	}
	for bits, want := range map[uint32]uint16{0x3f800000: 0x3f80, 0x3f808000: 0x3f80, 0x3f808001: 0x3f81, 0x3f818000: 0x3f82, 0x7f7fffff: 0x7f80, 0x7f800001: 0x7fc0, 0xff800000: 0xff80} {
		if got := BrainFloat(bits); got != want {
			t.Errorf("%#08x rounds to %#04x, want %#04x", bits, got, want)
		}
	}
}

// TestExactHalf goes through all 65536 float16 numbers, and numbers between them.
func TestExactHalf(t *testing.T) {
	for h := range 1 << 16 {
		f := HalfToFloat32(uint16(h))
		if got, ok := exactHalf(math.Float32bits(f)); !ok || got != uint16(h) {
			t.Fatalf("%#04x (%v) became %#04x, %v", h, f, got, ok)
		}
	}
	for _, f := range []float32{0.1, 65520, 1e-8, 1 + 1.0/2048, 3.0e38, -1e-40} {
		if got, ok := exactHalf(math.Float32bits(f)); ok {
			t.Errorf("%v became %#04x, but is no float16", f, got)
		}
	}
}
