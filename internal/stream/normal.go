package stream

import (
	"math"
	"math/bits"
)

// Normals is a stream that draws normal numbers many at a time. It is the source that
// Source returns, and its numbers are those of NormFloat64 over it.
type Normals struct{ hi, lo uint64 }

// NewNormals returns the stream of this seed, purpose and coordinates.
func NewNormals(seed uint64, purpose string, coords ...uint64) *Normals {
	hi, lo := words(seed, purpose, coords)
	return &Normals{hi, lo}
}

// Uint64 returns the next 64 bits: Normals is a rand.Source.
func (n *Normals) Uint64() uint64 {
	n.hi, n.lo = next(n.hi, n.lo)
	return output(n.hi, n.lo)
}

// next and output are the steps of math/rand/v2's PCG-DXSM.
func next(hi, lo uint64) (uint64, uint64) {
	const mulHi, mulLo, incHi, incLo = 2549297995355413924, 4865540595714422341, 6364136223846793005, 1442695040888963407
	h, l := bits.Mul64(lo, mulLo)
	h += hi*mulLo + lo*mulHi
	l, c := bits.Add64(l, incLo, 0)
	h, _ = bits.Add64(h, incHi, c)
	return h, l
}

func output(hi, lo uint64) uint64 {
	hi ^= hi >> 32
	hi *= 0xda942042e4dd58b5
	hi ^= hi >> 48
	return hi * (lo | 1)
}

// Fill draws standard normal numbers by the ziggurat method (Marsaglia, Tsang, 2000).
func (n *Normals) Fill(to []float64) {
	hi, lo := n.hi, n.lo
	for i := 0; i < len(to); {
		hi, lo = next(hi, lo)
		u := output(hi, lo)
		j, strip := int32(u), u>>32&127
		x := float64(j) * ziggurat.width[strip]
		if max(j, -j) >= ziggurat.inside[strip] {
			n.hi, n.lo = hi, lo
			var accepted bool
			x, accepted = n.edge(j, int(strip), x)
			hi, lo = n.hi, n.lo
			if !accepted {
				continue
			}
		}
		to[i] = x
		i++
	}
	n.hi, n.lo = hi, lo
}

// edge decides on a number that its strip does not hold whole; the base strip goes on
// to infinity.
func (n *Normals) edge(j int32, strip int, x float64) (float64, bool) {
	uniform := func() float64 { return float64(n.Uint64()<<11>>11) / (1 << 53) }
	if strip == 0 {
		for {
			x := -math.Log(uniform()) * (1.0 / tail)
			if y := -math.Log(uniform()); y+y >= x*x {
				return math.Copysign(tail+x, float64(j)), true
			}
		}
	}
	z := &ziggurat.height
	return x, z[strip]+float32(uniform())*(z[strip-1]-z[strip]) < float32(math.Exp(-.5*x*x))
}

// tail is where the base strip's tail begins.
const tail = 3.442619855899

// ziggurat holds the strips: of 31 bits with a sign the bound below which a number is
// inside, the width of one bit, and the height of the upper edge. Widths and heights are
// float32, as in math/rand/v2.
var ziggurat = func() (z struct {
	inside [128]int32
	width  [128]float64
	height [128]float32
}) {
	const area, unit = 9.91256303526217e-3, 1 << 31
	density := func(x float64) float64 { return math.Exp(-.5 * x * x) }
	right, outer := tail, tail
	base := area / density(right)
	z.inside[0], z.inside[1] = int32(right/base*unit), 0
	z.width[0], z.width[127] = float64(float32(base/unit)), float64(float32(right/unit))
	z.height[0], z.height[127] = 1, float32(density(right))
	for i := 126; i >= 1; i-- {
		right = math.Sqrt(-2 * math.Log(area/right+density(right)))
		z.inside[i+1] = int32(right / outer * unit)
		outer = right
		z.width[i], z.height[i] = float64(float32(right/unit)), float32(density(right))
	}
	return z
}()
