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

// lowerConv: ONNX Conv. Inputs X [N,C,…], W [K,C/group,…], optional B [K].
func lowerConv(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	w, err := b.param(n, 1)
	if err != nil {
		return err
	}
	out, err := b.result(n, 0)
	if err != nil {
		return err
	}
	xs, ws, groups := x.Shape(), w.Shape(), int(n.Int("group", 1))
	if xs.Dims() < 3 || ws.Dims() != xs.Dims() {
		return fmt.Errorf("input %v and filter %v: want [N,C,…] and [K,C/group,…]", []int(xs), []int(ws))
	}
	if k := n.Ints("kernel_shape"); k != nil && !slices.EqualFunc(k, ws[2:], func(a int64, b int) bool { return a == int64(b) }) {
		return fmt.Errorf("attribute kernel_shape is %v, the filter is %v", k, []int(ws))
	}
	if groups < 1 || ws[1]*groups != xs[1] {
		return fmt.Errorf("filter %v with group %d wants %d input channels, the input has %d", []int(ws), groups, ws[1]*groups, xs[1])
	}
	win, err := windowOf(n, xs[2:], ws[2:], out[2:])
	if err != nil {
		return err
	}
	inputs := []*G.Node{x, w}
	if n.Input(2) != "" {
		bias, err := b.param(n, 2)
		if err != nil {
			return err
		}
		if s := bias.Shape(); s.Dims() != 1 || s[0] != ws[0] {
			return fmt.Errorf("bias %q has shape %v, want [%d]", n.Input(2), []int(s), ws[0])
		}
		inputs = append(inputs, bias)
	}
	y, err := convAny(win, groups, out, inputs)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

// convAny is a convolution over any number of axes. Over one it is that of an image of
// height 1.
func convAny(w reference.Window, groups int, out tensor.Shape, inputs []*G.Node) (y *G.Node, err error) {
	switch len(w.In) {
	case 1:
		wide := slices.Clone(inputs)
		for i := range 2 {
			if wide[i], err = reshape(inputs[i], heighten(inputs[i].Shape())); err != nil {
				return nil, err
			}
		}
		if y, err = convAny(flatten(w), groups, heighten(out), wide); err != nil {
			return nil, err
		}
		return reshape(y, out)
	case 2:
		xs := inputs[0].Shape()
		g := kernel.Conv{N: xs[0], C: xs[1], H: xs[2], W: xs[3], K: out[1], R: w.Kernel[0], S: w.Kernel[1], Groups: groups,
			StrideH: w.Stride[0], StrideW: w.Stride[1], DilationH: w.Dilation[0], DilationW: w.Dilation[1],
			PadTop: w.Before[0], PadLeft: w.Before[1], PadBottom: w.After[0], PadRight: w.After[1]}
		if err := g.Complete(); err != nil {
			return nil, err
		}
		return conv(g, inputs)
	}
	if y, err = convVolume(w, groups, out, inputs[0], inputs[1]); err != nil || len(inputs) < 3 {
		return y, err
	}
	along := tensor.Shape{out[1]}
	for range w.In {
		along = append(along, 1)
	}
	bias, err := reshape(inputs[2], along)
	if err != nil {
		return nil, err
	}
	return pairwises["Add"].apply("Add", y, bias)
}

// convVolume is a convolution over three or more axes, by the reference kernel alone.
func convVolume(w reference.Window, groups int, out tensor.Shape, x, filter *G.Node) (*G.Node, error) {
	n, c, k := out[0], x.Shape()[1], out[1]
	return apply(op{
		name: "Conv",
		out:  out,
		eval: func(y []float32, in [][]float32) { reference.ConvAny(w, n, c, k, groups, y, in[0], in[1]) },
		diff: []bool{true, true},
		grad: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			dx, err := apply(op{
				name: "ConvGradInput",
				out:  in[0].Shape().Clone(),
				eval: func(dx []float32, in [][]float32) {
					reference.ConvAnyGradInput(w, n, c, k, groups, dx, in[0], in[1])
				},
			}, in[1], dy)
			if err != nil {
				return nil, err
			}
			dw, err := apply(op{
				name: "ConvGradFilter",
				out:  in[1].Shape().Clone(),
				eval: func(dw []float32, in [][]float32) {
					reference.ConvAnyGradFilter(w, n, c, k, groups, dw, in[0], in[1])
				},
			}, in[0], dy)
			return G.Nodes{dx, dw}, err
		},
	}, x, filter)
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
