package graph

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/vm"
)

// pairwise is a function of two numbers, applied to every pair of elements of two arrays
// that broadcast to one shape. da and db are its partial derivatives times dy.
type pairwise struct {
	f      func(a, b float64) float64
	da, db func(a, b, dy float64) float64
	fast   vm.Piecewise // f in float32
}

// pieces is f for the machine.
func (o pairwise) pieces() vm.Piecewise {
	if o.fast != nil {
		return o.fast
	}
	return func(y []float32, x ...[]float32) {
		for i, v := range x[0] {
			y[i] = float32(o.f(float64(v), float64(x[1][i])))
		}
	}
}

// gradPieces is a partial derivative times dy for the machine.
func gradPieces(d func(a, b, dy float64) float64) vm.Piecewise {
	return func(dx []float32, x ...[]float32) {
		for i, v := range x[0] {
			dx[i] = float32(d(float64(v), float64(x[1][i]), float64(x[2][i])))
		}
	}
}

// pairwises is the one list of such operators. Where Max and Min tie, each operand gets
// half the gradient, as in PyTorch.
var pairwises = map[string]pairwise{
	"Add": {
		f: func(a, b float64) float64 { return a + b }, fast: kernel.Sum,
		da: func(_, _, dy float64) float64 { return dy },
		db: func(_, _, dy float64) float64 { return dy },
	},
	"Sub": {
		f: func(a, b float64) float64 { return a - b }, fast: kernel.Difference,
		da: func(_, _, dy float64) float64 { return dy },
		db: func(_, _, dy float64) float64 { return -dy },
	},
	"Mul": {
		f: func(a, b float64) float64 { return a * b }, fast: kernel.Product,
		da: func(_, b, dy float64) float64 { return dy * b },
		db: func(a, _, dy float64) float64 { return dy * a },
	},
	"Div": {
		f: func(a, b float64) float64 { return a / b }, fast: kernel.Quotient,
		da: func(_, b, dy float64) float64 { return dy / b },
		db: func(a, b, dy float64) float64 { return -dy * a / (b * b) },
	},
	"Pow": {
		f: math.Pow,
		da: func(a, b, dy float64) float64 {
			if b == 0 {
				return 0
			}
			return dy * b * math.Pow(a, b-1)
		},
		db: func(a, b, dy float64) float64 {
			if a == 0 && b >= 0 {
				return 0
			}
			return dy * math.Pow(a, b) * math.Log(a)
		},
	},
	"Max": {
		f:  func(a, b float64) float64 { return max(a, b) },
		da: func(a, b, dy float64) float64 { return dy * share(a, b) },
		db: func(a, b, dy float64) float64 { return dy * share(b, a) },
	},
	"Min": {
		f:  func(a, b float64) float64 { return min(a, b) },
		da: func(a, b, dy float64) float64 { return dy * share(b, a) },
		db: func(a, b, dy float64) float64 { return dy * share(a, b) },
	},
}

// share is 1 where a is larger than b, ½ where they tie.
func share(a, b float64) float64 {
	switch {
	case a > b:
		return 1
	case a < b:
		return 0
	}
	return 0.5
}

// lowerPairwise: an operator of pairwises with two operands or, for Max and Min, any
// number; and Sum and Mean, which are Add.
func lowerPairwise(b *builder, n *onnx.Node) error {
	name := n.OpType
	if name == "Sum" || name == "Mean" {
		name = "Add"
	}
	y, err := b.factor(n, 0)
	if err != nil {
		return err
	}
	for i := range n.Inputs[1:] {
		x, err := b.factor(n, i+1)
		if err != nil {
			return err
		}
		if y, err = pairwises[name].apply(name, y, x); err != nil {
			return err
		}
	}
	if n.OpType == "Mean" && len(n.Inputs) > 1 {
		if y, err = scaled(y, 1/float64(len(n.Inputs))); err != nil {
			return err
		}
	}
	b.set(n.Outputs[0], y)
	return nil
}

func scaled(x *G.Node, s float64) (*G.Node, error) {
	times := kernel.Scale(float32(s))
	return pointwise{
		f: func(x float64) float64 { return x * s }, ofOutput: func(float64) float64 { return s },
		fast: times, fastGrad: func(dx []float32, x ...[]float32) { times(dx, x[1]) },
	}.apply("Scale", x)
}

func (o pairwise) apply(name string, x, y *G.Node) (*G.Node, error) {
	sx, sy := x.Shape(), y.Shape()
	out, err := broadcastShape(sx, sy)
	if err != nil {
		return nil, err
	}
	return apply(op{
		name:  name,
		instr: vm.Broadcast{Shape: out, F: o.pieces()},
		out:   out,
		eval:  func(z []float32, in [][]float32) { reference.Broadcast(out, sx, sy, z, in[0], in[1], o.f) },
		diff:  []bool{true, true},
		grad: func(in G.Nodes, _, dz *G.Node) (G.Nodes, error) {
			grads := make(G.Nodes, 2)
			for k, d := range []func(a, b, dy float64) float64{o.da, o.db} {
				full, err := o.partial(name, k, d, out, in, dz)
				if err != nil {
					return nil, err
				}
				if grads[k], err = sumTo(full, in[k].Shape().Clone(), 1); err != nil {
					return nil, err
				}
			}
			return grads, nil
		},
	}, x, y)
}

// partial is the gradient with respect to operand k, before the broadcast is undone.
// Where it needs not all three of a, b and dz, it is an operator of those it needs.
func (o pairwise) partial(name string, k int, d func(a, b, dy float64) float64, out tensor.Shape, in G.Nodes, dz *G.Node) (*G.Node, error) {
	switch {
	case name == "Add" || name == "Sub" && k == 0:
		return dz, nil
	case name == "Sub":
		return scaled(dz, -1)
	case name == "Mul":
		return pairwises["Mul"].apply("Mul", dz, in[1-k])
	case name == "Div" && k == 0:
		return pairwises["Div"].apply("Div", dz, in[1])
	}
	sx, sy := in[0].Shape(), in[1].Shape()
	return apply(op{
		name:  name + "Grad",
		instr: vm.Broadcast{Shape: out, F: gradPieces(d)},
		out:   out,
		eval: func(dx []float32, v [][]float32) {
			reference.BroadcastGrad(out, sx, sy, dx, v[0], v[1], v[2], d)
		},
	}, in[0], in[1], dz)
}

// broadcastShape is the shape that two arrays are broadcast to (ONNX's multidirectional
// broadcasting).
func broadcastShape(a, b tensor.Shape) (tensor.Shape, error) {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := a.Clone()
	for i, d := range b {
		axis := len(a) - len(b) + i
		switch {
		case out[axis] == 1:
			out[axis] = d
		case d != 1 && d != out[axis]:
			return nil, fmt.Errorf("shapes %v and %v do not broadcast", []int(a), []int(b))
		}
	}
	return out, nil
}

// sumTo undoes a broadcast: scale·Σx over the axes along which an array of shape to
// was repeated.
func sumTo(x *G.Node, to tensor.Shape, scale float64) (*G.Node, error) {
	from := x.Shape()
	if from.Eq(to) && scale == 1 {
		return x, nil
	}
	return apply(op{
		name:  "ReduceSum",
		instr: vm.ReduceSum{Shape: from.Clone(), To: to.Clone(), Scale: scale},
		out:   to,
		eval:  func(out []float32, in [][]float32) { reference.ReduceSum(from, to, scale, out, in[0]) },
		diff:  []bool{true},
		grad: func(_ G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			dx, err := expand(dy, from.Clone(), scale)
			return G.Nodes{dx}, err
		},
	}, x)
}

// expand broadcasts x to a shape and multiplies it.
func expand(x *G.Node, to tensor.Shape, scale float64) (*G.Node, error) {
	from := x.Shape()
	return apply(op{
		name:  "Expand",
		instr: vm.Broadcast{Shape: to, F: kernel.Scale(float32(scale))},
		out:   to,
		eval: func(out []float32, in [][]float32) {
			reference.Broadcast(to, from, from, out, in[0], in[0], func(a, _ float64) float64 { return scale * a })
		},
		diff: []bool{true},
		grad: func(_ G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			dx, err := sumTo(dy, from.Clone(), scale)
			return G.Nodes{dx}, err
		},
	}, x)
}

// lowerExpand: ONNX Expand.
func lowerExpand(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	to, err := b.result(n, 0)
	if err != nil {
		return err
	}
	y, err := expand(x, to, 1)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

// lowerReduce: ONNX ReduceMean and ReduceSum over any axes. The mean over the pixels of
// an image is a global average pool.
func lowerReduce(b *builder, n *onnx.Node) error {
	out, err := b.result(n, 0)
	if err != nil {
		return err
	}
	if slices.Contains(b.shapes[n.Input(0)], 0) && n.OpType == "ReduceSum" { // the sum of nothing
		b.set(n.Outputs[0], b.constant(fmt.Sprintf("zeros of %v", []int(out)), out, make([]float32, out.TotalSize())))
		return nil
	}
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	axes, err := b.argument(n, "axes", 1)
	if err != nil {
		return err
	}
	if len(axes) == 0 && n.Int("noop_with_empty_axes", 0) != 0 {
		return lowerIdentity(b, n)
	}
	s := x.Shape()
	var y *G.Node
	if n.OpType == "ReduceMean" && s.Dims() == 4 && isPixels(axes) {
		y, err = globalAveragePool(x, n.Int("keepdims", 1) != 0)
	} else {
		kept, count := keptAxes(s, axes)
		scale := 1.0
		if n.OpType == "ReduceMean" {
			scale = 1 / float64(count)
		}
		if y, err = sumTo(x, kept, scale); err == nil && !kept.Eq(out) {
			y, err = reshape(y, out)
		}
	}
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

// keptAxes is s with the axes (all, if there are none) reduced to 1, and the number of
// elements that each result is made of.
func keptAxes(s tensor.Shape, axes []int64) (kept tensor.Shape, count int) {
	kept, count = s.Clone(), 1
	for i, d := range s {
		if len(axes) == 0 {
			kept[i], count = 1, count*d
		}
	}
	for _, a := range axes {
		if a < 0 {
			a += int64(len(s))
		}
		count *= s[a]
		kept[a] = 1
	}
	return kept, count
}
