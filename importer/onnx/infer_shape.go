package onnx

import (
	"fmt"
	"math"
	"slices"
)

// inferFlatten: [prod(d[:axis]), prod(d[axis:])].
func inferFlatten(c *call, x [][]int) ([][]int, error) {
	rank := len(x[0])
	axis := c.n.Int("axis", 1)
	if axis < -int64(rank) || axis > int64(rank) {
		return nil, fmt.Errorf("axis %d of a tensor of %d dimensions", axis, rank)
	}
	if axis < 0 {
		axis += int64(rank)
	}
	before, err := elements(x[0][:axis])
	if err != nil {
		return nil, err
	}
	after, err := elements(x[0][axis:])
	return [][]int{{before, after}}, err
}

// inferReshape: 0 copies the input's dimension (unless allowzero), −1 takes what is
// left. The shape is an attribute before opset 5.
func inferReshape(c *call, x [][]int) ([][]int, error) {
	want, err := c.argument("shape", 1)
	if err != nil {
		return nil, err
	}
	total, err := elements(x[0])
	if err != nil {
		return nil, err
	}
	if len(want) > maxRank {
		return nil, fmt.Errorf("cannot reshape %v to %d dimensions", x[0], len(want))
	}
	allowZero := c.n.Int("allowzero", 0) != 0
	out, free := make([]int, len(want)), -1
	for i, d := range want {
		switch {
		case d == 0 && !allowZero:
			if i >= len(x[0]) {
				return nil, fmt.Errorf("cannot reshape %v to %v: there is no dimension %d to copy", x[0], want, i)
			}
			out[i] = x[0][i]
		case d == -1 && free < 0:
			free, out[i] = i, 1
		case d < 0 || d > math.MaxInt32:
			return nil, fmt.Errorf("cannot reshape %v to %v", x[0], want)
		default:
			out[i] = int(d)
		}
	}
	rest, err := elements(out)
	if err != nil {
		return nil, err
	}
	if free >= 0 && rest > 0 && total%rest == 0 {
		out[free] = total / rest
		rest = total
	}
	if rest != total || free >= 0 && rest == 0 && total != 0 {
		return nil, fmt.Errorf("cannot reshape %v to %v: %d elements are not %d", x[0], want, total, rest)
	}
	return [][]int{out}, nil
}

// inferSqueeze: axes are an attribute before opset 13; without them every
// dimension of 1 goes.
func inferSqueeze(c *call, x [][]int) ([][]int, error) {
	axes, err := c.argument("axes", 1)
	if err != nil {
		return nil, err
	}
	marked, err := axesOf(axes, len(x[0]))
	if err != nil {
		return nil, err
	}
	out := []int{}
	for i, d := range x[0] {
		drop := marked[i] || axes == nil && d == 1
		if drop && d != 1 {
			return nil, fmt.Errorf("cannot squeeze axis %d of %v: its size is not 1", i, x[0])
		}
		if !drop {
			out = append(out, d)
		}
	}
	return [][]int{out}, nil
}

func inferUnsqueeze(c *call, x [][]int) ([][]int, error) {
	axes, err := c.argument("axes", 1)
	if err != nil {
		return nil, err
	}
	if len(axes) > maxRank {
		return nil, fmt.Errorf("%d axes", len(axes))
	}
	out := make([]int, len(x[0])+len(axes))
	marked, err := axesOf(axes, len(out))
	if err != nil {
		return nil, err
	}
	rest := x[0]
	for i := range out {
		if marked[i] {
			out[i] = 1
			continue
		}
		out[i], rest = rest[0], rest[1:]
	}
	return [][]int{out}, nil
}

func inferTranspose(c *call, x [][]int) ([][]int, error) {
	perm, err := c.permutation(len(x[0]))
	if err != nil {
		return nil, err
	}
	out := make([]int, len(perm))
	for i, p := range perm {
		out[i] = x[0][p]
	}
	return [][]int{out}, nil
}

// permutation is the attribute perm; without it the axes are reversed.
func (c *call) permutation(rank int) ([]int, error) {
	p := make([]int, rank)
	given := c.n.Ints("perm")
	if given == nil {
		for i := range p {
			p[i] = rank - 1 - i
		}
		return p, nil
	}
	if len(given) != rank {
		return nil, fmt.Errorf("attribute perm is %v, the input has %d dimensions", given, rank)
	}
	if _, err := axesOf(given, rank); err != nil {
		return nil, fmt.Errorf("attribute perm: %w", err)
	}
	for i, a := range given {
		p[i], _ = axisOf(a, rank)
	}
	return p, nil
}

func inferConcat(c *call, x [][]int) ([][]int, error) {
	if len(x) == 0 || x[0] == nil {
		return nil, fmt.Errorf("there is nothing to concatenate")
	}
	axis, err := axisOf(c.n.Int("axis", 1), len(x[0]))
	if err != nil {
		return nil, err
	}
	out := slices.Clone(x[0])
	for _, s := range x[1:] {
		if len(s) != len(out) {
			return nil, fmt.Errorf("shapes %v and %v cannot be joined along axis %d", x[0], s, axis)
		}
		for i := range s {
			if i == axis {
				out[i] += s[i]
			} else if s[i] != out[i] {
				return nil, fmt.Errorf("shapes %v and %v cannot be joined along axis %d", x[0], s, axis)
			}
		}
	}
	return [][]int{out}, nil
}

// inferSplit: sizes are an attribute before opset 13; without them the parts are
// equal, the last one smaller if need be (opset 18).
func inferSplit(c *call, x [][]int) ([][]int, error) {
	axis, err := axisOf(c.n.Int("axis", 0), len(x[0]))
	if err != nil {
		return nil, err
	}
	sizes, err := c.argument("split", 1)
	if err != nil {
		return nil, err
	}
	total, parts := int64(x[0][axis]), len(c.n.Outputs)
	if sizes == nil {
		each := (total + int64(parts) - 1) / int64(parts)
		for left := total; len(sizes) < parts; left -= each {
			sizes = append(sizes, max(0, min(each, left)))
		}
	}
	if len(sizes) != parts {
		return nil, fmt.Errorf("%d sizes for %d outputs", len(sizes), parts)
	}
	out, sum := make([][]int, parts), int64(0)
	for i, n := range sizes {
		if n < 0 || n > total {
			return nil, fmt.Errorf("cannot split %d into %v", total, sizes)
		}
		sum += n
		out[i] = slices.Clone(x[0])
		out[i][axis] = int(n)
	}
	if sum != total {
		return nil, fmt.Errorf("cannot split %d into %v", total, sizes)
	}
	return out, nil
}

// inferGather: d[:axis] + indices + d[axis+1:].
func inferGather(c *call, x [][]int) ([][]int, error) {
	axis, err := axisOf(c.n.Int("axis", 0), len(x[0]))
	if err != nil {
		return nil, err
	}
	return [][]int{append(append(append([]int{}, x[0][:axis]...), x[1]...), x[0][axis+1:]...)}, nil
}

func inferExpand(c *call, x [][]int) ([][]int, error) {
	want, err := c.ints(1)
	if err != nil {
		return nil, err
	}
	shape, err := toShape(want)
	if err != nil {
		return nil, err
	}
	out, err := broadcast(x[0], shape)
	return [][]int{out}, err
}

func inferTile(c *call, x [][]int) ([][]int, error) {
	repeats, err := c.ints(1)
	if err != nil {
		return nil, err
	}
	if len(repeats) != len(x[0]) {
		return nil, fmt.Errorf("repeats %v for shape %v", repeats, x[0])
	}
	times, err := toShape(repeats)
	if err != nil {
		return nil, err
	}
	out := make([]int, len(times))
	for i, n := range times {
		if x[0][i] > 0 && n > math.MaxInt32/x[0][i] {
			return nil, fmt.Errorf("repeats %v for shape %v are too many", repeats, x[0])
		}
		out[i] = n * x[0][i]
	}
	return [][]int{out}, nil
}

// inferPad: pads are begins then ends, an attribute before opset 11; axes say which
// dimensions they are for (opset 18).
func inferPad(c *call, x [][]int) ([][]int, error) {
	pads, err := c.argument("pads", 1)
	if err != nil {
		return nil, err
	}
	axes, err := c.argument("axes", 3)
	if err != nil {
		return nil, err
	}
	if axes == nil {
		for i := range x[0] {
			axes = append(axes, int64(i))
		}
	}
	if _, err := axesOf(axes, len(x[0])); err != nil {
		return nil, err
	}
	if len(pads) != 2*len(axes) {
		return nil, fmt.Errorf("pads %v for %d axes", pads, len(axes))
	}
	out := slices.Clone(x[0])
	for i, a := range axes {
		axis, _ := axisOf(a, len(out))
		before, after := pads[i], pads[i+len(axes)]
		if max(before, -before, after, -after) > math.MaxInt32 {
			return nil, fmt.Errorf("pads %v are too large", pads)
		}
		if out[axis] += int(before + after); out[axis] < 0 {
			return nil, fmt.Errorf("pads %v leave nothing of %v", pads, x[0])
		}
	}
	return [][]int{out}, nil
}

// toShape checks that integers are dimensions.
func toShape(v []int64) ([]int, error) {
	if len(v) > maxRank {
		return nil, fmt.Errorf("a shape of %d dimensions; at most %d are supported", len(v), maxRank)
	}
	out := make([]int, len(v))
	for i, d := range v {
		if d < 0 || d > math.MaxInt32 {
			return nil, fmt.Errorf("shape %v is impossible", v)
		}
		out[i] = int(d)
	}
	_, err := elements(out)
	return out, err
}
