package stream

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// Normals is a stream of standard normal numbers that are drawn many at a time, the same
// on every machine: the method of Box and Muller on numbers of 52 bits, so that none is
// beyond 8.5, of eight generators xoshiro256++ (Blackman, Vigna, 2019) side by side.
type Normals struct {
	state [4][8]uint64 // of every generator its four words
}

// NewNormals returns the stream of this seed, purpose and coordinates.
func NewNormals(seed uint64, purpose string, coords ...uint64) *Normals {
	var n Normals
	source := rand.NewPCG(words(seed, purpose, coords))
	for i := range n.state {
		for lane := range n.state[i] {
			n.state[i][lane] = source.Uint64()
		}
	}
	return &n
}

// Add adds numbers of a deviation to what it is given. They are drawn in blocks of 16;
// what is left of a last block is dropped.
func (n *Normals) Add(to []float64, deviation float64) {
	whole := len(to) / block
	n.add(to, whole, deviation)
	if rest := to[whole*block:]; len(rest) > 0 {
		var last [block]float64
		copy(last[:], rest)
		n.add(last[:], 1, deviation)
		copy(rest, last[:])
	}
}

// block is how many numbers come of one step of all generators.
const block = 16

// portable adds blocks, as does, bit by bit, the assembly. Where a product is added to
// something it is by math.FMA, lest that depended on the compiler.
func (n *Normals) portable(to []float64, blocks int, deviation float64) {
	for at := range blocks {
		for lane := range 8 {
			along, across := transform(n.next(lane), n.next(lane))
			x, y := &to[at*block+lane], &to[at*block+8+lane]
			*x, *y = math.FMA(along, deviation, *x), math.FMA(across, deviation, *y)
		}
	}
}

// next is a step of xoshiro256++.
func (n *Normals) next(lane int) uint64 {
	s := &n.state
	result := bits.RotateLeft64(s[0][lane]+s[3][lane], 23) + s[0][lane]
	t := s[1][lane] << 17
	s[2][lane] ^= s[0][lane]
	s[3][lane] ^= s[1][lane]
	s[1][lane] ^= s[2][lane]
	s[0][lane] ^= s[3][lane]
	s[2][lane] ^= t
	s[3][lane] = bits.RotateLeft64(s[3][lane], 45)
	return result
}

// transform returns √(−2·ln u)·(±cos πv, sin πv), u from 0, which it is not, to 1, and v
// from −½ to ½, with polynomials that are exact to 1e-12.
func transform(first, second uint64) (along, across float64) {
	c := &constants
	number := math.Float64frombits
	u := number(c[two]) - number(first>>12|c[one])
	i := math.Float64bits(u) + c[offset]
	e := number(i>>52|c[magic]) - number(c[bias])       // u = 2^e·(1 + f)
	f := number(i&c[mantissa]+c[root]) - number(c[one]) // from √½ − 1 to √2 − 1
	square := f * f
	slope := math.FMA(polynomial(c[logarithm+1:cosine], 2, square), f, polynomial(c[logarithm:cosine], 2, square))
	radius := math.Sqrt(math.FMA(slope, f, e*number(c[log2])))
	v := number(second>>12|c[one]) - number(c[threeHalves])
	w := v * v
	along = math.Float64frombits(math.Float64bits(radius*polynomial(c[cosine:sine], 1, w)) ^ second<<52&c[sign])
	return along, radius * (v * polynomial(c[sine:], 1, w))
}

// polynomial evaluates that of every by-th coefficient.
func polynomial(coefficients []uint64, by int, x float64) float64 {
	last := (len(coefficients) - 1) / by * by
	y := math.Float64frombits(coefficients[last])
	for i := last - by; i >= 0; i -= by {
		y = math.FMA(y, x, math.Float64frombits(coefficients[i]))
	}
	return y
}

// The places of the constants.
const (
	one = iota
	two
	threeHalves
	offset
	mantissa
	root
	magic
	bias
	log2
	sign
	logarithm                  // the coefficients of −2·ln(1+f)/f
	cosine    = logarithm + 15 // of cos π√w
	sine      = cosine + 7     // of sin(π√w)/√w
)

// constants are numbers of transform as bits. The coefficients interpolate at Chebyshev's
// points.
var constants = func() (c [sine + 7]uint64) {
	c[offset], c[mantissa], c[root], c[sign] = 1023<<52-rootHalf, 1<<52-1, rootHalf, 1<<63
	put := func(place int, numbers ...float64) {
		for i, x := range numbers {
			c[place+i] = math.Float64bits(x)
		}
	}
	put(one, 1, 2, 1.5)
	put(magic, 1<<52, 1<<52+1023, -2*math.Ln2)
	put(logarithm, -2.0000000000004343, 0.9999999999702511, -0.666666666228345, 0.5000000086625634,
		-0.40000007611025873, 0.3333326446758624, -0.2857091652187236, 0.25002150799048073,
		-0.22238826105935716, 0.1997473233792007, -0.17908325575125042, 0.1663487042175958,
		-0.17500810479518172, 0.16935752830086576, -0.08545601448582796)
	put(cosine, 0.9999999999992479, -4.93480220024985, 4.0587121075374375, -1.3352623152615726,
		0.23532543658773233, -0.025776316427394044, 0.0018399894373793194)
	put(sine, 3.141592653589635, -5.167712779987959, 2.550164035906744, -0.5992644339357178,
		0.08214479467058852, -0.007364005471959542, 0.0004474920847505261)
	return c
}()

// rootHalf is a number near √½, as bits.
const rootHalf = 0x3fe6a09e00000000
