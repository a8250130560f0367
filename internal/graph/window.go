package graph

import (
	"fmt"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel/reference"
)

// windowOf reads what convolutions and pools share: strides, dilations, pads and
// auto_pad. in and out are the spatial sizes before and after.
func windowOf(n *onnx.Node, in, size, out []int) (reference.Window, error) {
	rank := len(in)
	w := reference.Window{In: in, Kernel: size, Out: out, Before: make([]int, rank), After: make([]int, rank)}
	var err error
	if w.Stride, err = sizes(n, "strides", rank, 1, 1); err != nil {
		return w, err
	}
	if w.Dilation, err = sizes(n, "dilations", rank, 1, 1); err != nil {
		return w, err
	}
	switch auto := n.String("auto_pad", "NOTSET"); auto {
	case "NOTSET":
		pads, err := sizes(n, "pads", 2*rank, 0, 0)
		if err != nil {
			return w, err
		}
		w.Before, w.After = pads[:rank], pads[rank:]
	case "VALID":
	case "SAME_UPPER", "SAME_LOWER":
		for i := range rank {
			w.Before[i], w.After[i] = samePads(in[i], size[i], w.Stride[i], w.Dilation[i], auto == "SAME_LOWER")
		}
	default:
		return w, fmt.Errorf("attribute auto_pad is %q, want NOTSET, VALID, SAME_UPPER or SAME_LOWER", auto)
	}
	return w, nil
}

// sizes reads an attribute of count numbers, none below least; def stands for one that
// is absent.
func sizes(n *onnx.Node, name string, count, least, def int) ([]int, error) {
	out, given := make([]int, count), n.Ints(name)
	if given != nil && len(given) != count {
		return nil, fmt.Errorf("attribute %s is %v, want %d numbers", name, given, count)
	}
	for i := range out {
		out[i] = def
		if given != nil {
			if given[i] < int64(least) || given[i] > 1<<20 {
				return nil, fmt.Errorf("attribute %s is %v, want numbers from %d to %d", name, given, least, 1<<20)
			}
			out[i] = int(given[i])
		}
	}
	return out, nil
}

// samePads keeps the size ⌈in/stride⌉; the odd element goes behind, or with lower
// before.
func samePads(in, filter, stride, dilation int, lower bool) (before, after int) {
	out := (in + stride - 1) / stride
	total := max(0, (out-1)*stride+dilation*(filter-1)+1-in)
	before = total / 2
	if lower {
		before = total - total/2
	}
	return before, total - before
}

// flatten makes a window over a signal one over an image of height 1.
func flatten(w reference.Window) reference.Window {
	return reference.Window{In: []int{1, w.In[0]}, Kernel: []int{1, w.Kernel[0]}, Stride: []int{1, w.Stride[0]}, Dilation: []int{1, w.Dilation[0]},
		Before: []int{0, w.Before[0]}, After: []int{0, w.After[0]}, Out: []int{1, w.Out[0]}}
}
