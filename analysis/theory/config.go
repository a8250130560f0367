package theory

import (
	"fmt"
	"math"
	"slices"
)

// Config is every setting of one simulation: a stack of square layers trained by
// gradient descent without momentum or decay.
type Config struct {
	Dim    int  // width of data, layers and embedding
	Layers int  // 1 to 16
	ReLU   bool // between layers
	Bias   bool // in every layer

	Loss        Loss
	Temperature float64 // of all losses but Eq2

	Variance float64   // of the data, per coordinate
	Noise    []float64 // variance of the augmentation, per coordinate, [Dim]
	// BothViews adds half of the augmentation's variance to either view. Otherwise the
	// anchor is clean, as the paper's theorem 1 needs.
	BothViews bool

	Pool  int // samples that batches are drawn from
	Batch int // samples a step, without replacement
	Steps int
	LR    float64
	// After DropAt steps, where not 0, the learning rate is LRDrop times LR.
	DropAt int
	LRDrop float64

	Init Init
	Seed uint64
}

// Init is how weights begin.
type Init struct {
	// Decay makes a layer U·diag(Scale·e^{−Decay·k})·V with random orthogonal U and V, so
	// that no two singular values are equal. Without it weights (and biases) are uniform
	// in ±Scale.
	Spectral bool
	Scale    float64
	Decay    float64
	// Uniform takes U and V from the singular value decomposition of a matrix of uniform
	// numbers from 0 to 1, as the published programs do: their first columns have one
	// sign throughout, which matters to ReLU.
	Uniform bool
}

// Validate returns an error that names the first setting out of range.
func (c *Config) Validate() error {
	bad := func(name string, found any, want string) error {
		return fmt.Errorf("%s is %v, want %s", name, found, want)
	}
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	switch {
	case c.Dim < 2 || c.Dim > 256:
		return bad("dim", c.Dim, "2 to 256")
	case c.Layers < 1 || c.Layers > 16:
		return bad("layers", c.Layers, "1 to 16")
	case !slices.Contains(Losses, c.Loss):
		return bad("loss", fmt.Sprintf("%q", c.Loss), fmt.Sprintf("one of %v", Losses))
	case c.Loss != Eq2 && !(c.Temperature > 0 && finite(c.Temperature)):
		return bad("temperature", c.Temperature, "a positive number")
	case !(c.Variance > 0 && finite(c.Variance)):
		return bad("variance", c.Variance, "a positive number")
	case len(c.Noise) != c.Dim:
		return bad("noise", fmt.Sprintf("%d numbers", len(c.Noise)), fmt.Sprintf("one for each of %d coordinates", c.Dim))
	case slices.ContainsFunc(c.Noise, func(v float64) bool { return !(v >= 0 && finite(v)) }):
		return bad("noise", c.Noise, "variances from 0")
	case c.Batch < 2 || c.Batch > 4096:
		return bad("batch", c.Batch, "2 to 4096")
	case c.Pool < c.Batch || c.Pool > 1e7:
		return bad("pool", c.Pool, fmt.Sprintf("%d, the batch, to 10000000", c.Batch))
	case c.Steps < 0 || c.Steps > 1e9:
		return bad("steps", c.Steps, "0 to 1000000000")
	case !(c.LR > 0 && finite(c.LR)):
		return bad("learning rate", c.LR, "a positive number")
	case c.DropAt < 0 || c.DropAt > 0 && !(c.LRDrop > 0 && c.LRDrop <= 1):
		return bad("learning-rate drop", c.LRDrop, "above 0, up to 1, at a step from 1")
	case !(c.Init.Scale > 0 && finite(c.Init.Scale)) || !(c.Init.Decay >= 0 && finite(c.Init.Decay)):
		return bad("initial scale and decay", fmt.Sprint(c.Init.Scale, ", ", c.Init.Decay), "a positive and a non-negative number")
	}
	return nil
}

// rate returns the learning rate of a step.
func (c *Config) rate(step int) float64 {
	if c.DropAt > 0 && step >= c.DropAt {
		return c.LR * c.LRDrop
	}
	return c.LR
}

// evenNoise returns the same variance for all coordinates.
func evenNoise(dim int, variance float64) []float64 {
	return slices.Repeat([]float64{variance}, dim)
}

// halfNoise augments the last half of the coordinates, as figure 3 of the paper does.
func halfNoise(dim int, variance float64) []float64 {
	noise := make([]float64, dim)
	for k := dim - dim/2; k < dim; k++ {
		noise[k] = variance
	}
	return noise
}

// rampNoise augments coordinates by variances that rise evenly from first to last.
func rampNoise(dim int, first, last float64) []float64 {
	noise := make([]float64, dim)
	for k := range noise {
		noise[k] = first + (last-first)*float64(k)/float64(dim-1)
	}
	return noise
}

// Resize changes the width and stretches the augmentation's variances to it.
func (c *Config) Resize(dim int) {
	noise := make([]float64, max(dim, 0))
	for k := range noise {
		noise[k] = c.Noise[k*len(c.Noise)/dim]
	}
	c.Dim, c.Noise = dim, noise
}
