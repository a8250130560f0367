package importer

import (
	"math"
	"math/rand/v2"
	"strings"

	"onnxclr/importer/weights"
	"onnxclr/internal/stream"
)

// fill returns the network's tensors in their order, those of the checkpoint and, for
// what is missing, the values with which torchvision begins training: convolutions
// normal with variance 2/fan-out (He), normalisations the identity, fc uniform within
// 1/√fan-in. Equal networks get equal values.
func (r *ResNet) fill(tensors []*weights.Tensor, missing []param) []*weights.Tensor {
	if len(missing) == 0 {
		return tensors
	}
	have := map[string]*weights.Tensor{}
	for _, t := range tensors {
		have[t.Name] = t
	}
	for i, p := range missing {
		have[p.name] = p.initial(stream.New(0, "missing", uint64(i)), r.Dim())
	}
	var out []*weights.Tensor
	for _, p := range r.params() {
		if t := have[p.name]; t != nil {
			out = append(out, t)
		}
	}
	return out
}

// initial draws the values of a parameter; dim is the fan-in of fc.
func (p param) initial(rng *rand.Rand, dim int) *weights.Tensor {
	n := 1
	for _, d := range p.shape {
		n *= d
	}
	v := make([]float32, n)
	switch {
	case len(p.shape) == 4:
		deviation := math.Sqrt(2 / float64(p.shape[0]*p.shape[2]*p.shape[3]))
		for i := range v {
			v[i] = float32(rng.NormFloat64() * deviation)
		}
	case strings.HasPrefix(p.name, "fc."):
		bound := 1 / math.Sqrt(float64(dim))
		for i := range v {
			v[i] = float32((2*rng.Float64() - 1) * bound)
		}
	case strings.HasSuffix(p.name, ".weight"), strings.HasSuffix(p.name, runningVar):
		for i := range v {
			v[i] = 1
		}
	}
	return weights.FromFloat32(p.name, p.shape, v)
}
