package onnx

import (
	"fmt"

	"onnxclr/importer/weights"
)

// walk calls f with the position of every element of a tensor of that shape, in
// row-major order; i counts them.
func walk(shape []int, f func(i int, at []int)) {
	n, err := elements(shape)
	if err != nil {
		return
	}
	at := make([]int, len(shape))
	for i := range n {
		f(i, at)
		for k := len(at) - 1; k >= 0; k-- {
			if at[k]++; at[k] < shape[k] {
				break
			}
			at[k] = 0
		}
	}
}

// at returns the element at a position of a shape that v broadcasts to.
func (v *value) at(at []int) int64 {
	i, skip := 0, len(at)-len(v.shape)
	for k, d := range v.shape {
		i *= d
		if d > 1 {
			i += at[skip+k]
		}
	}
	return v.v[i]
}

func foldBinary(f func(a, b int64) (int64, error)) func(*call, []*value, []int) (*value, error) {
	return func(c *call, in []*value, shape []int) (*value, error) {
		out := in[0]
		for _, next := range in[1:] {
			if next == nil {
				return nil, nil
			}
			partial, err := broadcast(out.shape, next.shape)
			if err != nil {
				return nil, err
			}
			a := out
			n, err := elements(partial)
			if err != nil {
				return nil, err
			}
			out = &value{partial, a.dtype, make([]int64, n)}
			var fault error
			walk(partial, func(i int, at []int) {
				v, err := f(a.at(at), next.at(at))
				if err != nil {
					fault = err
				}
				out.v[i] = v
			})
			if fault != nil {
				return nil, fault
			}
		}
		if c.n.OpType == "Equal" || c.n.OpType == "Less" {
			out.dtype = weights.Bool
		}
		return wrap(out), nil
	}
}

func foldWhere(_ *call, in []*value, shape []int) (*value, error) {
	if len(in) != 3 || in[1] == nil || in[2] == nil {
		return nil, nil
	}
	n, _ := elements(shape)
	out := &value{shape, in[1].dtype, make([]int64, n)}
	walk(shape, func(i int, at []int) {
		if in[0].at(at) != 0 {
			out.v[i] = in[1].at(at)
		} else {
			out.v[i] = in[2].at(at)
		}
	})
	return out, nil
}

func foldExpand(_ *call, in []*value, shape []int) (*value, error) {
	n, _ := elements(shape)
	out := &value{shape, in[0].dtype, make([]int64, n)}
	walk(shape, func(i int, at []int) { out.v[i] = in[0].at(at) })
	return out, nil
}

func foldTranspose(c *call, in []*value, shape []int) (*value, error) {
	perm, err := c.permutation(len(shape))
	if err != nil {
		return nil, err
	}
	out := &value{shape, in[0].dtype, make([]int64, len(in[0].v))}
	from := make([]int, len(shape))
	walk(shape, func(i int, at []int) {
		for k, p := range perm {
			from[p] = at[k]
		}
		out.v[i] = in[0].at(from)
	})
	return out, nil
}

func foldSlice(c *call, in []*value, shape []int) (*value, error) {
	spans, err := c.spans(in[0].shape)
	if err != nil {
		return nil, err
	}
	n, _ := elements(shape)
	out := &value{shape, in[0].dtype, make([]int64, n)}
	from := make([]int, len(shape))
	walk(shape, func(i int, at []int) {
		for k, s := range spans {
			from[k] = s.start + at[k]*s.step
		}
		out.v[i] = in[0].at(from)
	})
	return out, nil
}

func foldConcat(c *call, in []*value, shape []int) (*value, error) {
	axis, err := axisOf(c.n.Int("axis", 1), len(shape))
	if err != nil {
		return nil, err
	}
	n, _ := elements(shape)
	out := &value{shape, in[0].dtype, make([]int64, n)}
	from := make([]int, len(shape))
	walk(shape, func(i int, at []int) {
		copy(from, at)
		for _, part := range in {
			if part == nil {
				continue
			}
			if from[axis] < part.shape[axis] {
				out.v[i] = part.at(from)
				return
			}
			from[axis] -= part.shape[axis]
		}
	})
	return out, nil
}

func foldGather(c *call, in []*value, shape []int) (*value, error) {
	data, indices := in[0], in[1]
	axis, err := axisOf(c.n.Int("axis", 0), len(data.shape))
	if err != nil {
		return nil, err
	}
	size := int64(data.shape[axis])
	for _, i := range indices.v {
		if i < -size || i >= size {
			return nil, fmt.Errorf("index %d of %d elements", i, size)
		}
	}
	n, _ := elements(shape)
	out := &value{shape, data.dtype, make([]int64, n)}
	from := make([]int, len(data.shape))
	inner := axis + len(indices.shape) // first axis behind the indices'
	walk(shape, func(i int, at []int) {
		copy(from, at[:axis])
		copy(from[axis+1:], at[inner:])
		k := indices.at(at[axis:inner])
		if k < 0 {
			k += size
		}
		from[axis] = int(k)
		out.v[i] = data.at(from)
	})
	return out, nil
}

// foldReduce reduces over the axes that the output lost, or has as 1.
func foldReduce(start int64, f func(a, b int64) int64) func(*call, []*value, []int) (*value, error) {
	return func(_ *call, in []*value, shape []int) (*value, error) {
		if len(shape) != 0 && (len(shape) != 1 || shape[0] != 1) || len(in[0].shape) > 1 {
			return nil, nil // only of vectors: the number of elements of a shape
		}
		sum := start
		for _, v := range in[0].v {
			sum = f(sum, v)
		}
		return wrap(&value{shape, in[0].dtype, []int64{sum}}), nil
	}
}
