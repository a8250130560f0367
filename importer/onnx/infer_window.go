package onnx

import "fmt"

// inferConv: X [N,C,d…], W [K,C/group,k…] → [N,K,…].
func inferConv(c *call, x [][]int) ([][]int, error) {
	in, w := x[0], x[1]
	if len(in) < 3 || len(w) != len(in) {
		return nil, fmt.Errorf("input %v and filter %v: want [N,C,…] and [K,C/group,…] with as many spatial dimensions", in, w)
	}
	group := c.n.Int("group", 1)
	if group < 1 || group > 1<<30 || w[1] > 1<<30 {
		return nil, fmt.Errorf("filter %q %v with group %d: impossible numbers of input channels", c.n.Inputs[1], w, group)
	}
	var m misfit
	if int64(w[1])*group != int64(in[1]) {
		m.addf("filter %q %v with group %d wants %d input channels, the input %q has %d", c.n.Inputs[1], w, group, int64(w[1])*group, c.n.Inputs[0], in[1])
	}
	if k := c.n.Ints("kernel_shape"); k != nil && !equal64(k, w[2:]) {
		return nil, fmt.Errorf("attribute kernel_shape is %v, the filter %q has shape %v", k, c.n.Inputs[1], w)
	}
	if b := x[2:]; len(b) > 0 && b[0] != nil && (len(b[0]) != 1 || b[0][0] != w[0]) {
		m.addf("bias %q has shape %v, want [%d]", c.n.Inputs[2], b[0], w[0])
	}
	out, err := c.window([]int{in[0], w[0]}, in[2:], w[2:], false)
	if err != nil {
		return nil, err
	}
	return out, m.orNil()
}

// inferPool: X [N,C,d…] → [N,C,…], and MaxPool's Indices of the same shape.
func inferPool(c *call, x [][]int) ([][]int, error) {
	in := x[0]
	k := c.n.Ints("kernel_shape")
	if len(in) < 3 || len(k) != len(in)-2 {
		return nil, fmt.Errorf("input %v and kernel_shape %v: want [N,C,…] and as many spatial dimensions", in, k)
	}
	kernel := make([]int, len(k))
	for i, v := range k {
		if v < 1 || v > 1<<30 {
			return nil, fmt.Errorf("attribute kernel_shape is %v", k)
		}
		kernel[i] = int(v)
	}
	shapes, err := c.window([]int{in[0], in[1]}, in[2:], kernel, c.n.Int("ceil_mode", 0) != 0)
	if err != nil {
		return nil, err
	}
	return append(shapes, shapes[0]), nil
}

// inferGlobalPool: X [N,C,d…] → [N,C,1…].
func inferGlobalPool(_ *call, x [][]int) ([][]int, error) {
	if len(x[0]) < 3 {
		return nil, fmt.Errorf("input has shape %v, want [N,C,…]", x[0])
	}
	out := []int{x[0][0], x[0][1]}
	for range x[0][2:] {
		out = append(out, 1)
	}
	return [][]int{out}, nil
}

// window appends to out the sizes that a sliding window of the sizes kernel leaves
// of in. In ceil mode a last window that would start in the padding is dropped, as
// PyTorch does.
func (c *call) window(out, in, kernel []int, ceil bool) ([][]int, error) {
	list := func(name string, n int, least, def int64) ([]int64, error) {
		v := c.n.Ints(name)
		if v == nil {
			v = make([]int64, n)
			for i := range v {
				v[i] = def
			}
		}
		if len(v) != n {
			return nil, fmt.Errorf("attribute %s is %v, want %d numbers", name, v, n)
		}
		for _, x := range v {
			if x < least || x > 1<<30 {
				return nil, fmt.Errorf("attribute %s is %v, want numbers of at least %d", name, v, least)
			}
		}
		return v, nil
	}
	rank := len(in)
	strides, err := list("strides", rank, 1, 1)
	if err != nil {
		return nil, err
	}
	dilations, err := list("dilations", rank, 1, 1)
	if err != nil {
		return nil, err
	}
	pads, err := list("pads", 2*rank, 0, 0)
	if err != nil {
		return nil, err
	}
	auto := c.n.String("auto_pad", "NOTSET")
	for i, size := range in {
		if size > 1<<40 || kernel[i] > 1<<30 {
			return nil, fmt.Errorf("a window of %v over %v is too large", kernel, in)
		}
		stride, before, after := int(strides[i]), int(pads[i]), int(pads[rank+i])
		switch auto {
		case "NOTSET":
		case "VALID":
			before, after = 0, 0
		case "SAME_UPPER", "SAME_LOWER":
			out = append(out, (size+stride-1)/stride)
			continue
		default:
			return nil, fmt.Errorf("attribute auto_pad is %q, want NOTSET, VALID, SAME_UPPER or SAME_LOWER", auto)
		}
		span := size + before + after - int(dilations[i])*(kernel[i]-1) - 1
		if span < 0 {
			return nil, fmt.Errorf("spatial size %v is too small for a window of %v", in, kernel)
		}
		n := span/stride + 1
		if ceil && span%stride != 0 && n*stride < size+before {
			n++
		}
		out = append(out, n)
	}
	return [][]int{out}, nil
}

func equal64(a []int64, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != int64(b[i]) {
			return false
		}
	}
	return true
}
