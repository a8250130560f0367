package onnx

import (
	"fmt"
	"math"

	"onnxclr/importer/weights"
)

// inferConstant: Constant with any of its attributes but sparse and string ones.
func inferConstant(c *call, _ [][]int) ([][]int, error) {
	t := constantOf(c.n)
	if t == nil {
		return nil, errUnknown
	}
	return [][]int{append([]int{}, t.Shape...)}, nil
}

// constantOf returns the value of a Constant node; nil when it is sparse or made
// of strings.
func constantOf(n *Node) *weights.Tensor {
	for _, a := range n.Attributes {
		switch {
		case a.Name == "value" && a.Type == AttrTensor && a.T != nil && a.T.DType != weights.Invalid && len(a.T.External) == 0:
			return &a.T.Tensor
		case a.Name == "value_int" && a.Type == AttrInt:
			return weights.FromInt64("", []int{}, []int64{a.I})
		case a.Name == "value_ints" && a.Type == AttrInts:
			return weights.FromInt64("", []int{len(a.Ints)}, a.Ints)
		case a.Name == "value_float" && a.Type == AttrFloat:
			return weights.FromFloat32("", []int{}, []float32{a.F})
		case a.Name == "value_floats" && a.Type == AttrFloats:
			return weights.FromFloat32("", []int{len(a.Floats)}, a.Floats)
		}
	}
	return nil
}

func inferConstantOfShape(c *call, _ [][]int) ([][]int, error) {
	dims, err := c.ints(0)
	if err != nil {
		return nil, err
	}
	shape, err := toShape(dims)
	return [][]int{shape}, err
}

// inferRange: start, limit and delta, integers.
func inferRange(c *call, _ [][]int) ([][]int, error) {
	start, limit, delta, err := c.rangeOf()
	if err != nil {
		return nil, err
	}
	// The distance may need all 64 bits.
	distance, step := uint64(limit)-uint64(start), uint64(delta)
	if delta < 0 {
		distance, step = -distance, -step
	}
	if delta > 0 == (limit <= start) {
		return [][]int{{0}}, nil
	}
	n := (distance-1)/step + 1
	if n > math.MaxInt32 {
		return nil, fmt.Errorf("a range of %d elements", n)
	}
	return [][]int{{int(n)}}, nil
}

func (c *call) rangeOf() (start, limit, delta int64, err error) {
	var v [3]int64
	for i := range v {
		x, err := c.ints(i)
		if err != nil {
			return 0, 0, 0, err
		}
		if len(x) != 1 {
			return 0, 0, 0, fmt.Errorf("input %d has %d elements, want a scalar", i, len(x))
		}
		v[i] = x[0]
	}
	if v[2] == 0 {
		return 0, 0, 0, fmt.Errorf("a range in steps of 0")
	}
	return v[0], v[1], v[2], nil
}

func inferShape(c *call, x [][]int) ([][]int, error) {
	from, to := c.shapeSpan(len(x[0]))
	return [][]int{{to - from}}, nil
}

// shapeSpan is the range of dimensions that Shape returns (start, end: opset 15).
func (c *call) shapeSpan(rank int) (from, to int) {
	s := spanOf(c.n.Int("start", 0), c.n.Int("end", int64(rank)), 1, int64(rank))
	return s.start, s.start + s.count
}

func inferSize(*call, [][]int) ([][]int, error) { return [][]int{{}}, nil }
