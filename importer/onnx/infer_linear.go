package onnx

import "fmt"

// inferGemm: A [M,K] or transposed, B [K,N] or transposed → [M,N].
func inferGemm(c *call, x [][]int) ([][]int, error) {
	a, b := x[0], x[1]
	if len(a) != 2 || len(b) != 2 {
		return nil, fmt.Errorf("inputs %v and %v: want two matrices", a, b)
	}
	m, k, k2, n := a[0], a[1], b[0], b[1]
	if c.n.Int("transA", 0) != 0 {
		m, k = k, m
	}
	if c.n.Int("transB", 0) != 0 {
		k2, n = n, k2
	}
	var misfits misfit
	if k != k2 {
		misfits.addf("input %q has %d features, the weight %q %v wants %d", c.n.Inputs[0], k, c.n.Inputs[1], b, k2)
	}
	out := []int{m, n}
	if len(x) > 2 && x[2] != nil {
		if sum, err := broadcast(out, x[2]); err != nil || len(sum) != 2 || sum[0] != m || sum[1] != n {
			misfits.addf("bias %q has shape %v, which does not broadcast to %v", c.n.Inputs[2], x[2], out)
		}
	}
	return [][]int{out}, misfits.orNil()
}

// inferMatMul: NumPy's matmul.
func inferMatMul(c *call, x [][]int) ([][]int, error) {
	a, b := x[0], x[1]
	if len(a) == 0 || len(b) == 0 {
		return nil, fmt.Errorf("inputs %v and %v: a scalar cannot be multiplied", a, b)
	}
	if len(a) == 1 {
		a = []int{1, a[0]}
	}
	if len(b) == 1 {
		b = []int{b[0], 1}
	}
	k, k2 := a[len(a)-1], b[len(b)-2]
	if k != k2 {
		return nil, fmt.Errorf("input %q has %d features, the weight %q %v wants %d", c.n.Inputs[0], k, c.n.Inputs[1], x[1], k2)
	}
	out, err := broadcast(a[:len(a)-2], b[:len(b)-2])
	if err != nil {
		return nil, err
	}
	if len(x[0]) > 1 {
		out = append(out, a[len(a)-2])
	}
	if len(x[1]) > 1 {
		out = append(out, b[len(b)-1])
	}
	return [][]int{out}, nil
}

// inferReduce: axes are an attribute, or the second input from opset 18 (ReduceSum:
// 13) on; without them all axes are reduced, unless noop_with_empty_axes.
func inferReduce(c *call, x [][]int) ([][]int, error) {
	axes, err := c.argument("axes", 1)
	if err != nil {
		return nil, err
	}
	if len(axes) == 0 && c.n.Int("noop_with_empty_axes", 0) != 0 {
		return [][]int{x[0]}, nil
	}
	return reduced(x[0], axes, c.n.Int("keepdims", 1) != 0)
}

// inferArg: ArgMax and ArgMin.
func inferArg(c *call, x [][]int) ([][]int, error) {
	return reduced(x[0], []int64{c.n.Int("axis", 0)}, c.n.Int("keepdims", 1) != 0)
}

func reduced(in []int, axes []int64, keep bool) ([][]int, error) {
	marked, err := axesOf(axes, len(in))
	if err != nil {
		return nil, err
	}
	out := []int{}
	for i, d := range in {
		switch {
		case !marked[i] && len(axes) > 0:
			out = append(out, d)
		case keep:
			out = append(out, 1)
		}
	}
	return [][]int{out}, nil
}
