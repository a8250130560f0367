package stream

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// Normals is a stream of standard normal numbers that are drawn many at a time, the same
// on every machine: the method of Box and Muller on numbers of 52 bits, so that none is
// beyond 8.5, of eight generators xoshiro256+ (Blackman, Vigna, 2019) side by side.
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

// next is a step of xoshiro256+, whose lowest bits are not for use.
func (n *Normals) next(lane int) uint64 {
	s := &n.state
	result := s[0][lane] + s[3][lane]
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
// from −½ to ½, with polynomials that are exact to 4e-12.
func transform(first, second uint64) (along, across float64) {
	c := &constants
	number := math.Float64frombits
	u := number(c[two]) - number(first>>12|c[one])
	i := math.Float64bits(u) + c[offset]
	e := number(i>>52|c[magic]) - number(c[bias]) // u = 2^e·m
	m := number(i&c[mantissa] + c[root])          // from 0.69 to 1.38
	place := i >> 48 & 15
	f := math.FMA(m, number(c[reciprocals+place]), number(c[minusOne])) // near 0
	radius := math.Sqrt(math.FMA(polynomial(c[logarithm:cosine], f), f, math.FMA(e, number(c[log2]), number(c[logarithms+place]))))
	v := number(second>>12|c[one]) - number(c[threeHalves])
	w := v * v
	along = math.Float64frombits(math.Float64bits(radius*polynomial(c[cosine:sine], w)) ^ second<<52&c[sign])
	return along, radius * (v * polynomial(c[sine:reciprocals], w))
}

// polynomial evaluates that of the coefficients, the first of degree 0.
func polynomial(coefficients []uint64, x float64) float64 {
	last := len(coefficients) - 1
	y := math.Float64frombits(coefficients[last])
	for i := last - 1; i >= 0; i-- {
		y = math.FMA(y, x, math.Float64frombits(coefficients[i]))
	}
	return y
}

// The places of the constants.
const (
	one = iota
	two
	threeHalves
	minusOne
	offset
	mantissa
	root
	magic
	bias
	log2
	sign
	last                        // place of a table
	logarithm                   // the coefficients of −2·ln(1+f)/f
	cosine      = logarithm + 6 // of cos π√w
	sine        = cosine + 7    // of sin(π√w)/√w
	reciprocals = sine + 7      // of what lies in the middle of sixteenths of m, 1 where m may be 1
	logarithms  = reciprocals + 16
	numbers     = logarithms + 16
)

// constants are numbers of transform as bits. The coefficients interpolate at Chebyshev's
// points, f from −0.03025 to 0.03025; the second table has twice the logarithms of the
// first.
var constants = func() (c [numbers]uint64) {
	c[offset], c[mantissa], c[root], c[sign], c[last] = 1023<<52-lowest, 1<<52-1, lowest, 1<<63, 15
	put := func(place int, numbers ...float64) {
		for i, x := range numbers {
			c[place+i] = math.Float64bits(x)
		}
	}
	put(one, 1, 2, 1.5, -1)
	put(magic, 1<<52, 1<<52+1023, -2*math.Ln2)
	put(logarithm, -2.0000000000068487, 1.0000000000059928, -0.6666665319558065, 0.4999998821245339,
		-0.40039248388474824, 0.3336767645925312)
	put(cosine, 0.9999999999992479, -4.93480220024985, 4.0587121075374375, -1.3352623152615726,
		0.23532543658773233, -0.025776316427394044, 0.0018399894373793194)
	put(sine, 3.141592653589635, -5.167712779987959, 2.550164035906744, -0.5992644339357178,
		0.08214479467058852, -0.007364005471959542, 0.0004474920847505261)
	put(reciprocals, 1.416015625, 1.3564453125, 1.30078125, 1.25, 1.203125, 1.1591796875, 1.119140625, 1.0810546875,
		1.0458984375, 1, 0.9638671875, 0.9091796875, 0.8603515625, 0.81640625, 0.7763671875, 0.7412109375)
	put(logarithms, 0.695694059630334, 0.6097350743097814, 0.5259300910017627, 0.44628710262841953,
		0.369844676988024, 0.2954251780204299, 0.22512218335046355, 0.15587425421836756,
		0.08975252969659135, 0, -0.07360353233194303, -0.19042505664477205,
		-0.30082835932654717, -0.40568638502950294, -0.5062593818902423, -0.5989400564076464)
	return c
}()

// lowest is the least m, as bits, so that 1 lies near the end of a sixteenth: of those
// beyond 1, which are twice as wide, it has little.
const lowest = 0x3fe6190000000000
