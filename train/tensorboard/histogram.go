package tensorboard

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The bits of a float32 from its sign down to the third of its fraction number a
// bucket: eight buckets between powers of two, equally wide there, all of positive
// numbers in increasing order and then all of negative ones in decreasing order.
const (
	bucketBits = 3
	shift      = 23 - bucketBits
	buckets    = 1 << (32 - shift)
	half       = buckets / 2
	infinite   = 0xff << bucketBits // the first bucket of what is not finite
)

// Histogram counts the values: how many lie in each of eight buckets between
// successive powers of two, for either sign. What is not finite is left out. It
// takes a few nanoseconds a value.
func Histogram(tag string, values []float32) Value {
	var count [buckets]int32
	var sum, squares float64
	least, greatest := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range values {
		b := math.Float32bits(v) >> shift
		count[b]++
		if b&(half-1) >= infinite {
			continue
		}
		x := float64(v)
		sum += x
		squares += x * x
		if v < least {
			least = v
		}
		if v > greatest {
			greatest = v
		}
	}
	// Zeros of either sign, and what is too small for an exponent, share the bucket
	// around 0.
	count[0] += count[half]
	count[half] = 0

	h := histogram{sum: sum, squares: squares}
	for b := infinite - 1; b > 0; b-- { // the negative, from the largest magnitude to the smallest
		h.add(count[half+b], -edge(b+1), -edge(b))
	}
	for b := range infinite {
		from := edge(b)
		if b == 0 {
			from = -edge(1)
		}
		h.add(count[b], from, edge(b+1))
	}
	if h.num > 0 {
		h.least, h.greatest = float64(least), float64(greatest)
	}
	return Value{field(begin(tag), valueHistogram, h.message())}
}

// edge returns the lower edge of bucket b of the positive numbers. Beyond the largest
// finite number it is that.
func edge(b int) float64 {
	if b >= infinite {
		return math.MaxFloat32
	}
	return float64(math.Float32frombits(uint32(b) << shift))
}

// histogram is the message HistogramProto. Bucket i holds what lies between limit[i−1]
// and limit[i]; buckets are left out at both ends, and runs of empty ones are one.
type histogram struct {
	least, greatest, num, sum, squares float64

	limit, count []float64
}

// add appends the bucket between from and to, unless it is empty.
func (h *histogram) add(n int32, from, to float64) {
	if n == 0 {
		return
	}
	if last := len(h.limit) - 1; last < 0 || h.limit[last] < from {
		h.limit = append(h.limit, from)
		h.count = append(h.count, 0)
	}
	h.limit = append(h.limit, to)
	h.count = append(h.count, float64(n))
	h.num += float64(n)
}

func (h *histogram) message() []byte {
	var b []byte
	for i, v := range []float64{h.least, h.greatest, h.num, h.sum, h.squares} {
		b = protowire.AppendTag(b, protowire.Number(i+1), protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, math.Float64bits(v))
	}
	for i, list := range [][]float64{h.limit, h.count} {
		b = protowire.AppendTag(b, protowire.Number(i+6), protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(8*len(list)))
		for _, v := range list {
			b = protowire.AppendFixed64(b, math.Float64bits(v))
		}
	}
	return b
}
