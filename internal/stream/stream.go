// Package stream derives independent random streams. Every random draw of the
// project comes from a stream named by what it is for and where it is used, such
// as (seed, "augment", epoch, sample, view); there is no random state to carry,
// so runs resume exactly and workers cannot change a bit.
package stream

import "math/rand/v2"

// New returns the stream of this seed, purpose and coordinates. Equal arguments
// give equal streams; any difference gives an unrelated one.
func New(seed uint64, purpose string, coords ...uint64) *rand.Rand {
	return rand.New(Source(seed, purpose, coords...))
}

// Source is New without the rand.Rand around it, for callers that reuse one.
func Source(seed uint64, purpose string, coords ...uint64) *rand.PCG {
	return rand.NewPCG(words(seed, purpose, coords))
}

// words are the state that a stream begins with.
func words(seed uint64, purpose string, coords []uint64) (a, b uint64) {
	a, b = mix(seed^0x9e3779b97f4a7c15), mix(seed^0xc2b2ae3d27d4eb4f)
	for i := 0; i < len(purpose); i++ {
		a = mix(a ^ uint64(purpose[i]))
		b = mix(b + uint64(purpose[i]))
	}
	// The purpose's length separates it from the coordinates.
	a, b = mix(a^uint64(len(purpose))), mix(b+uint64(len(purpose)))
	for _, c := range coords {
		a = mix(a ^ c)
		b = mix(b + c*0x9e3779b97f4a7c15 + 1)
	}
	return a, b
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
