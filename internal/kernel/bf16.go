package kernel

import (
	"math"
	"unsafe"
)

// Precision is the number format of the operands of a convolution's products. Sums,
// results and everything else are float32.
type Precision uint8

const (
	FP32 Precision = iota
	// BF16 rounds both operands of every product to bfloat16: 8 bits of exponent and 8
	// of significand.
	BF16
)

// Operands of bfloat16 are stored two to a word, the size of a float32, neighbours
// along the sum: the lower half first. A word takes the place of a float in the
// layouts of blocks and panels, whose depth halves.

// halfSet are the inner loops of bfloat16 operands. Every field has the meaning of
// the portable function that portableHalf names.
type halfSet struct {
	multiplyRows func(t *tile) // nil: the products are those of widened operands
	multiplyCols func(t *tile)

	narrowRows       func(dst *float32, ldd int, src *float32, lds, rows, cols int)
	affineNarrowRows func(dst *float32, ldd int, src *float32, lds, rows, cols int, scale, shift *float32, floor float32)
	pairRows         func(dst *float32, ldd int, lo, hi *float32, lds, rows, cols int)
	affinePairRows   func(dst *float32, ldd int, lo, hi *float32, lds, rows, cols int, scale, shift *float32, floor float32)

	// winogradSet.input, rounded to pairs of channels: dsth and dstw are in words.
	input4, input2 transformFunc
}

// portableHalf is the meaning of the inner loops of bfloat16 operands.
var portableHalf = halfSet{
	multiplyRows:     func(t *tile) { multiplyPairs(t, t.lda, 1) },
	multiplyCols:     func(t *tile) { multiplyPairs(t, 1, t.lda) },
	narrowRows:       narrowRows,
	affineNarrowRows: affineNarrowRows,
	pairRows:         pairRows,
	affinePairRows:   affinePairRows,
	input4:           narrowTransform(portableWinograd4.input, 6),
	input2:           narrowTransform(portableWinograd2.input, 4),
}

// widenedHalf is for machines without products of bfloat16: theirs of float32, of
// the rounded operands.
func widenedHalf(four, two *winogradSet) *halfSet {
	h := portableHalf
	h.multiplyRows, h.multiplyCols = nil, nil
	h.input4, h.input2 = narrowTransform(four.input, 6), narrowTransform(two.input, 4)
	return &h
}

// FastBF16 reports whether the processor multiplies bfloat16 numbers. If not, the
// products of BF16 are right, but take longer than those of FP32.
func (p *Pool) FastBF16() bool { return p.m.half.multiplyRows != nil && p.m != &portableMachine }

// half rounds to bfloat16, to nearest and ties to even; subnormal numbers become 0,
// as on the processors that know the format.
func half(v float32) uint32 {
	bits := math.Float32bits(v)
	switch {
	case bits&0x7f800000 == 0:
		return bits >> 31 << 15
	case v != v:
		return bits>>16 | 0x40
	}
	return (bits + 0x7fff + bits>>16&1) >> 16
}

// halves returns the two numbers of a word.
func halves(w float32) (lo, hi float32) {
	bits := math.Float32bits(w)
	return math.Float32frombits(bits << 16), math.Float32frombits(bits &^ 0xffff)
}

// words views the n words from p as integers, which copying cannot change.
func words(p *float32, n int) []uint32 { return unsafe.Slice((*uint32)(unsafe.Pointer(p)), n) }

// atHalf returns the address i bfloat16 numbers after p.
func atHalf(p *float32, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), 2*i))
}

// halfView returns the n bfloat16 numbers from p.
func halfView(p *float32, n int) []uint16 { return unsafe.Slice((*uint16)(unsafe.Pointer(p)), n) }

// pairsOf returns how many words n numbers fill.
func pairsOf(n int) int { return (n + 1) / 2 }

// multiplyPairs writes or adds c[i,j] = Σ_l a[i,l]·b[l,j] over pairs, where pair l of
// row i is stored at i·row + l·col. Of each pair the upper half is added first.
func multiplyPairs(t *tile, row, col int) {
	a := words(t.a, (t.rows-1)*row+(t.k-1)*col+1)
	b := words(t.b, (t.k-1)*t.ldb+t.cols)
	c := view(t.c, (t.rows-1)*t.ldc+t.cols)
	for i := range t.rows {
		for j := range t.cols {
			var s float32
			for l := range t.k {
				x, y := a[i*row+l*col], b[l*t.ldb+j]
				s += math.Float32frombits(x&^0xffff) * math.Float32frombits(y&^0xffff)
				s += math.Float32frombits(x<<16) * math.Float32frombits(y<<16)
			}
			if t.add != 0 {
				c[i*t.ldc+j] += s
			} else {
				c[i*t.ldc+j] = s
			}
		}
	}
}

// narrowRows rounds rows, ldd bfloat16 numbers apart in dst.
func narrowRows(dst *float32, ldd int, src *float32, lds, rows, cols int) {
	for i := range rows {
		y := halfView(atHalf(dst, i*ldd), cols)
		for j, v := range view(at(src, i*lds), cols) {
			y[j] = uint16(half(v))
		}
	}
}

// affineNarrowRows rounds max(src·scale + shift, floor), with a scale and a shift for
// each column.
func affineNarrowRows(dst *float32, ldd int, src *float32, lds, rows, cols int, scale, shift *float32, floor float32) {
	s, b := view(scale, cols), view(shift, cols)
	for i := range rows {
		y := halfView(atHalf(dst, i*ldd), cols)
		for j, v := range view(at(src, i*lds), cols) {
			y[j] = uint16(half(max(v*s[j]+b[j], floor)))
		}
	}
}

// pairRows rounds rows lo and hi, lds floats apart, to the lower and the upper halves
// of the words of dst, which may be lo.
func pairRows(dst *float32, ldd int, lo, hi *float32, lds, rows, cols int) {
	for i := range rows {
		x, y := view(at(lo, i*lds), cols), view(at(hi, i*lds), cols)
		out := words(at(dst, i*ldd), cols)
		for j := range out {
			out[j] = half(x[j]) | half(y[j])<<16
		}
	}
}

// affinePairRows is pairRows of max(x·scale + shift, floor).
func affinePairRows(dst *float32, ldd int, lo, hi *float32, lds, rows, cols int, scale, shift *float32, floor float32) {
	s, b := view(scale, cols), view(shift, cols)
	for i := range rows {
		x, y := view(at(lo, i*lds), cols), view(at(hi, i*lds), cols)
		out := words(at(dst, i*ldd), cols)
		for j := range out {
			out[j] = half(max(x[j]*s[j]+b[j], floor)) | half(max(y[j]*s[j]+b[j], floor))<<16
		}
	}
}

// narrowTransform returns a transform to n×n squares whose results are rounded to
// pairs of channels.
func narrowTransform(f transformFunc, n int) transformFunc {
	return func(dst *float32, dsth, dstw int, src *float32, srch, srcw, channels int) {
		const lanes = 16
		var square [36 * lanes]float32
		for c := 0; c < channels; c += lanes {
			f(&square[0], n*lanes, lanes, at(src, c), srch, srcw, lanes)
			for i := range n {
				for j := range n {
					narrowRows(at(dst, i*dsth+j*dstw+c/2), 0, &square[(i*n+j)*lanes], 0, 1, lanes)
				}
			}
		}
	}
}
