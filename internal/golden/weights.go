package golden

import (
	"hash/fnv"
	"math"
	"strings"
)

// The weights and images of whole-model goldens are too large to be stored. Both
// sides make them, this file and testdata/gen/seeded.py, from a counter-based hash,
// equal to the last bit.

// Uniform returns n float32 values in [low, high): element i of the array called
// name is low + (high−low)·k/2²⁴, rounded once, where k is the upper 24 bits of
// splitmix64's i-th output from the FNV-1a hash of the name.
func Uniform(name string, n int, low, high float64) []float32 {
	values := make([]float32, n)
	state := seedOf(name)
	for i := range values {
		k := float64(splitmix(state, i) >> 40)
		// The conversion keeps the product from being fused with the sum.
		values[i] = float32(low + float64((high-low)*0x1p-24*k))
	}
	return values
}

// Weights returns the array of a state_dict by its key and shape. Convolutions are
// He-uniform and linear weights LeCun-uniform, so that activations keep their scale;
// γ, β and the running statistics are non-trivial: γ in [½,1½), running_var too, β
// and biases and running_mean in [−0.2,0.2).
func Weights(key string, shape []int) []float32 {
	n, fanIn := 1, 1
	for i, d := range shape {
		n *= d
		if i > 0 {
			fanIn *= d
		}
	}
	last := key[strings.LastIndexByte(key, '.')+1:]
	switch {
	case len(shape) == 4:
		bound := math.Sqrt(6 / float64(fanIn))
		return Uniform(key, n, -bound, bound)
	case len(shape) == 2:
		bound := math.Sqrt(3 / float64(fanIn))
		return Uniform(key, n, -bound, bound)
	case last == "running_var", last == "weight":
		return Uniform(key, n, 0.5, 1.5)
	default:
		return Uniform(key, n, -0.2, 0.2)
	}
}

// Views returns two views of n images, stacked: [2n,3,size,size], view 1 first. An
// image is a grid of 8×8 flat patches, the same in both views, under noise of its
// own in each. size is a multiple of 8.
func Views(name string, n, size int) []float32 {
	grid := Uniform(name+".grid", n*3*8*8, -2, 2)
	images := Uniform(name+".noise", 2*n*3*size*size, -0.5, 0.5)
	patch := size / 8
	for i := range images {
		x, y, plane := i%size, i/size%size, i/(size*size)%(n*3)
		images[i] += grid[(plane*8+y/patch)*8+x/patch]
	}
	return images
}

// Samples returns the positions at which an array of n elements is compared: all of
// them up to count, beyond that count pseudo-random ones.
func Samples(name string, n, count int) []int {
	at := make([]int, min(n, count))
	state := seedOf(name + "#samples")
	for i := range at {
		at[i] = i
		if n > count {
			at[i] = int(splitmix(state, i) % uint64(n))
		}
	}
	return at
}

func seedOf(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// splitmix returns output i of the splitmix64 generator that starts at state.
// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
// OOPSLA 2014.
func splitmix(state uint64, i int) uint64 {
	z := state + uint64(i+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
