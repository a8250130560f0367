package onnx

import (
	"fmt"
	"slices"
)

// span is the part of one axis that a Slice takes: count elements from start in
// steps of step.
type span struct{ start, step, count int }

// spans reads starts, ends, axes and steps: attributes before opset 10, inputs 1
// to 4 since.
func (c *call) spans(in []int) ([]span, error) {
	var arg [4][]int64
	for i, name := range []string{"starts", "ends", "axes", "steps"} {
		v, err := c.argument(name, i+1)
		if err != nil {
			return nil, err
		}
		arg[i] = v
	}
	starts, ends, axes, steps := arg[0], arg[1], arg[2], arg[3]
	if axes == nil {
		for i := range starts {
			axes = append(axes, int64(i))
		}
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || steps != nil && len(steps) != len(starts) {
		return nil, fmt.Errorf("starts %v, ends %v, axes %v and steps %v differ in length", starts, ends, axes, steps)
	}
	if _, err := axesOf(axes, len(in)); err != nil {
		return nil, err
	}
	out := make([]span, len(in))
	for i, d := range in {
		out[i] = span{0, 1, d}
	}
	for i, a := range axes {
		axis, _ := axisOf(a, len(in))
		step := int64(1)
		if steps != nil {
			step = steps[i]
		}
		if step == 0 || step == -1<<63 {
			return nil, fmt.Errorf("step %d", step)
		}
		out[axis] = spanOf(starts[i], ends[i], step, int64(in[axis]))
	}
	return out, nil
}

// spanOf clamps as NumPy does; negative positions count from the end.
func spanOf(start, end, step, size int64) span {
	low, high := int64(0), size // where start and end may lie
	if step < 0 {
		low, high = -1, size-1
	}
	clamp := func(v int64) int64 {
		if v < 0 {
			v += size
		}
		return min(max(v, low), high)
	}
	start, end = clamp(start), clamp(end)
	length, stride := end-start, step
	if step < 0 {
		length, stride = -length, -step
	}
	count := int64(0)
	if length > 0 {
		count = (length-1)/stride + 1
	}
	if count <= 1 {
		step = 1 // not used; keeps positions small
	}
	return span{int(start), int(step), int(count)}
}

func inferSlice(c *call, x [][]int) ([][]int, error) {
	spans, err := c.spans(x[0])
	if err != nil {
		return nil, err
	}
	out := slices.Clone(x[0])
	for i, s := range spans {
		out[i] = s.count
	}
	return [][]int{out}, nil
}
