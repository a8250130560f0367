package graph

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/vm"
)

// lowerConv: ONNX Conv, two spatial dimensions. Inputs X [N,C,H,W], W
// [K,C/group,R,S], optional B [K].
func lowerConv(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	w, err := b.param(n, 1)
	if err != nil {
		return err
	}
	xs, ws := x.Shape(), w.Shape()
	if xs.Dims() != 4 || ws.Dims() != 4 {
		return fmt.Errorf("input %v and filter %v: want two spatial dimensions", []int(xs), []int(ws))
	}
	g := kernel.Conv{N: xs[0], C: xs[1], H: xs[2], W: xs[3], K: ws[0], R: ws[2], S: ws[3], Groups: int(n.Int("group", 1))}
	if k := n.Ints("kernel_shape"); k != nil && !slices.Equal(k, []int64{int64(g.R), int64(g.S)}) {
		return fmt.Errorf("attribute kernel_shape is %v, the filter is %v", k, []int(ws))
	}
	if g.Groups < 1 || ws[1]*g.Groups != g.C {
		return fmt.Errorf("filter %v with group %d wants %d input channels, the input has %d", []int(ws), g.Groups, ws[1]*g.Groups, g.C)
	}
	win, err := windowOf(n, g.H, g.W, g.R, g.S)
	if err != nil {
		return err
	}
	g.StrideH, g.StrideW, g.DilationH, g.DilationW = win.strideH, win.strideW, win.dilationH, win.dilationW
	g.PadTop, g.PadLeft, g.PadBottom, g.PadRight = win.top, win.left, win.bottom, win.right
	if err := g.Complete(); err != nil {
		return err
	}
	inputs := []*G.Node{x, w}
	if n.Input(2) != "" {
		bias, err := b.param(n, 2)
		if err != nil {
			return err
		}
		if s := bias.Shape(); s.Dims() != 1 || s[0] != g.K {
			return fmt.Errorf("bias %q has shape %v, want [%d]", n.Input(2), []int(s), g.K)
		}
		inputs = append(inputs, bias)
	}
	y, err := conv(g, inputs)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

func conv(g kernel.Conv, inputs []*G.Node) (*G.Node, error) {
	o := op{
		name:  "Conv",
		instr: vm.Conv{G: g},
		out:   tensor.Shape{g.N, g.K, g.P, g.Q},
		eval: func(out []float32, in [][]float32) {
			var bias []float32
			if len(in) == 3 {
				bias = in[2]
			}
			reference.Conv(g, out, in[0], in[1], bias)
		},
		diff: []bool{true, true, true}[:len(inputs)],
	}
	o.grad = func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
		dx, err := apply(op{
			name:  "ConvGradInput",
			instr: vm.ConvGradInput{G: g},
			out:   tensor.Shape{g.N, g.C, g.H, g.W},
			eval:  func(out []float32, in [][]float32) { reference.ConvGradInput(g, out, in[0], in[1]) },
		}, in[1], dy)
		if err != nil {
			return nil, err
		}
		dw, err := apply(op{
			name:  "ConvGradFilter",
			instr: vm.ConvGradFilter{G: g},
			out:   tensor.Shape{g.K, g.C / g.Groups, g.R, g.S},
			eval:  func(out []float32, in [][]float32) { reference.ConvGradFilter(g, out, in[0], in[1]) },
		}, in[0], dy)
		if err != nil {
			return nil, err
		}
		grads := G.Nodes{dx, dw}
		if len(in) == 3 {
			db, err := channelSum(dy)
			if err != nil {
				return nil, err
			}
			grads = append(grads, db)
		}
		return grads, nil
	}
	return apply(o, inputs...)
}

// channelSum is the gradient of a bias: Σ over everything but the channel axis.
func channelSum(x *G.Node) (*G.Node, error) {
	n, c, hw, err := nchw(x.Shape())
	if err != nil {
		return nil, err
	}
	return apply(op{
		name:  "ChannelSum",
		instr: vm.ChannelSum{N: n, C: c, HW: hw},
		out:   tensor.Shape{c},
		eval:  func(out []float32, in [][]float32) { reference.ChannelSum(n, c, hw, out, in[0]) },
	}, x)
}

// window is what convolutions and pools share.
type window struct {
	strideH, strideW, dilationH, dilationW int
	top, left, bottom, right               int
}

// windowOf reads strides, dilations, pads and auto_pad (ONNX Conv, MaxPool).
func windowOf(n *onnx.Node, h, w, r, s int) (window, error) {
	pair := func(name string, def int64) (int, int, error) {
		v := n.Ints(name)
		switch {
		case v == nil:
			return int(def), int(def), nil
		case len(v) != 2 || v[0] < 1 || v[1] < 1 || v[0] > 1<<20 || v[1] > 1<<20:
			return 0, 0, fmt.Errorf("attribute %s is %v, want two positive numbers", name, v)
		}
		return int(v[0]), int(v[1]), nil
	}
	var win window
	var err error
	if win.strideH, win.strideW, err = pair("strides", 1); err != nil {
		return win, err
	}
	if win.dilationH, win.dilationW, err = pair("dilations", 1); err != nil {
		return win, err
	}
	switch auto := n.String("auto_pad", "NOTSET"); auto {
	case "NOTSET":
		if p := n.Ints("pads"); p != nil {
			if len(p) != 4 {
				return win, fmt.Errorf("attribute pads is %v, want four numbers", p)
			}
			for _, v := range p {
				if v < 0 || v > 1<<20 {
					return win, fmt.Errorf("attribute pads is %v, want four numbers of at least 0", p)
				}
			}
			win.top, win.left, win.bottom, win.right = int(p[0]), int(p[1]), int(p[2]), int(p[3])
		}
	case "VALID":
	case "SAME_UPPER", "SAME_LOWER":
		win.top, win.bottom = samePads(h, r, win.strideH, win.dilationH, auto == "SAME_LOWER")
		win.left, win.right = samePads(w, s, win.strideW, win.dilationW, auto == "SAME_LOWER")
	default:
		return win, fmt.Errorf("attribute auto_pad is %q, want NOTSET, VALID, SAME_UPPER or SAME_LOWER", auto)
	}
	return win, nil
}

func samePads(in, filter, stride, dilation int, lower bool) (before, after int) {
	out := (in + stride - 1) / stride
	total := max(0, (out-1)*stride+dilation*(filter-1)+1-in)
	before = total / 2
	if lower {
		before = total - total/2
	}
	return before, total - before
}
