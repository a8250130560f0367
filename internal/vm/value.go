package vm

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// value is one array of the plan: a leaf of the graph, or what an instruction
// computes.
type value struct {
	name  string
	shape []int
	size  int
	// pixelMajor says that an activation [N,C,…] is stored as [N,…,C]. It is false
	// where the two orders are the same.
	pixelMajor bool

	node *G.Node // of a leaf or of a kept value
	leaf bool
	keep bool

	// Storage: set by placement, or at the start of a run for leaves.
	data     []float32
	home     *value // the value whose storage this one shares; nil: its own
	offset   int
	def, end int // first and last instruction that need the storage
}

func (v *value) root() *value {
	for v.home != nil {
		v = v.home
	}
	return v
}

// imageShape splits [N,C,…] into images, channels and pixels.
func imageShape(s []int) (n, c, hw int) {
	if len(s) < 2 {
		return 1, 1, volume(s)
	}
	return s[0], s[1], volume(s[2:])
}

// ordered reports whether the order of axes matters: whether a row-major and a
// pixel-major array of this shape differ.
func ordered(s []int) bool {
	_, c, hw := imageShape(s)
	return len(s) > 2 && c > 1 && hw > 1
}

func volume(s []int) int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// array is what a node is bound to once its storage is known.
func (v *value) array() G.Value {
	if len(v.shape) == 0 {
		return G.NewF32(0)
	}
	return tensor.New(tensor.WithShape(v.shape...), tensor.WithBacking(v.data))
}
