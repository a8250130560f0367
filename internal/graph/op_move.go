package graph

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/vm"
)

// move is every operator that only moves elements: y's elements come from x as m says,
// or are fill, a scalar, if there is one, or 0. The gradient adds up where each element
// went.
func move(name string, m reference.Map, out tensor.Shape, x, fill *G.Node) (*G.Node, error) {
	inputs := []*G.Node{x}
	if fill != nil {
		inputs = append(inputs, fill)
	}
	return apply(op{
		name:  name,
		instr: vm.Gather{M: kernel.Map(m)},
		out:   out,
		eval: func(y []float32, in [][]float32) {
			var fill float32
			if len(in) > 1 {
				fill = in[1][0]
			}
			reference.Gather(m, fill, y, in[0])
		},
		diff: []bool{true, false}[:len(inputs)],
		grad: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			dx, err := apply(op{
				name:  name + "Grad",
				instr: vm.Scatter{M: kernel.Map(m)},
				out:   in[0].Shape().Clone(),
				eval:  func(dx []float32, in [][]float32) { reference.Scatter(m, dx, in[0]) },
			}, dy)
			return G.Nodes{dx, nil}[:len(in)], err
		},
	}, inputs...)
}

// identityMap takes every element of an array of the shape from its own place.
func identityMap(s tensor.Shape) reference.Map {
	m := reference.Map{Offset: make([][]int, len(s))}
	stride := 1
	for axis := len(s) - 1; axis >= 0; axis-- {
		m.Offset[axis] = make([]int, s[axis])
		for i := range m.Offset[axis] {
			m.Offset[axis][i] = i * stride
		}
		stride *= s[axis]
	}
	return m
}

// lowerMove reads x and the shape of the result, and moves as f says.
func lowerMove(f func(b *builder, n *onnx.Node, s, out tensor.Shape) (m reference.Map, fill *G.Node, err error)) func(*builder, *onnx.Node) error {
	return func(b *builder, n *onnx.Node) error {
		x, err := b.node(n, 0)
		if err != nil {
			return err
		}
		out, err := b.result(n, 0)
		if err != nil {
			return err
		}
		m, fill, err := f(b, n, x.Shape(), out)
		if err != nil {
			return err
		}
		y, err := move(n.OpType, m, out, x, fill)
		if err != nil {
			return err
		}
		b.set(n.Outputs[0], y)
		return nil
	}
}

// lowerTranspose: ONNX Transpose; without perm the axes are reversed.
func lowerTranspose(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	y, err := permute(x, permutation(n, x.Dims()))
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

// permute makes axis perm[i] of x axis i of the result.
func permute(x *G.Node, perm []int) (*G.Node, error) {
	s := x.Shape()
	from, m := identityMap(s), reference.Map{Offset: make([][]int, len(s))}
	out, back := make(tensor.Shape, len(s)), make([]int, len(s))
	for i, p := range perm {
		m.Offset[i], out[i], back[p] = from.Offset[p], s[p], i
	}
	return apply(op{
		name:  "Transpose",
		instr: vm.Permute{Perm: perm},
		out:   out,
		eval:  func(y []float32, in [][]float32) { reference.Gather(m, 0, y, in[0]) },
		diff:  []bool{true},
		grad: func(_ G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			dx, err := permute(dy, back)
			return G.Nodes{dx}, err
		},
	}, x)
}

func permutation(n *onnx.Node, rank int) []int {
	perm := make([]int, rank)
	given := n.Ints("perm")
	for i := range perm {
		perm[i] = rank - 1 - i
		if given != nil {
			perm[i] = (int(given[i]) + rank) % rank
		}
	}
	return perm
}

// gatherMap: ONNX Gather; negative indices count from the end.
func gatherMap(b *builder, n *onnx.Node, s, out tensor.Shape) (reference.Map, *G.Node, error) {
	indices, err := b.ints(n, 1)
	if err != nil {
		return reference.Map{}, nil, err
	}
	m := identityMap(s)
	axis := int(n.Int("axis", 0))
	if axis < 0 {
		axis += len(s)
	}
	from := m.Offset[axis]
	m.Offset[axis] = make([]int, len(indices))
	for i, v := range indices {
		if v < 0 {
			v += int64(s[axis])
		}
		if v < 0 || v >= int64(s[axis]) {
			return m, nil, fmt.Errorf("index %d lies outside axis %d of %v", indices[i], axis, []int(s))
		}
		m.Offset[axis][i] = from[v]
	}
	return m, nil, nil
}

// sliceMap: ONNX Slice; starts, ends, axes and steps are attributes before opset 10.
// How many elements each axis keeps was inferred.
func sliceMap(b *builder, n *onnx.Node, s, out tensor.Shape) (reference.Map, *G.Node, error) {
	var arg [4][]int64 // starts, ends, axes, steps
	for i, name := range []string{"starts", "ends", "axes", "steps"} {
		v, err := b.argument(n, name, i+1)
		if err != nil {
			return reference.Map{}, nil, err
		}
		arg[i] = v
	}
	m := identityMap(s)
	for i, start := range arg[0] {
		axis, step := i, 1
		if arg[2] != nil {
			axis = (int(arg[2][i]) + len(s)) % len(s)
		}
		if arg[3] != nil && out[axis] > 1 {
			step = int(arg[3][i])
		}
		d := int64(s[axis])
		if start < 0 {
			start += d
		}
		from := int(min(max(start, 0), d-1))
		offsets := make([]int, out[axis])
		for k := range offsets {
			offsets[k] = m.Offset[axis][from+k*step]
		}
		m.Offset[axis] = offsets
	}
	return m, nil, nil
}

// padMap: ONNX Pad by a constant, the edge, a reflection or (opset 19) around; negative
// pads cut off. Pads are an attribute before opset 11.
func padMap(b *builder, n *onnx.Node, s, out tensor.Shape) (reference.Map, *G.Node, error) {
	m := identityMap(s)
	pads, err := b.argument(n, "pads", 1)
	if err != nil {
		return m, nil, err
	}
	axes, err := b.argument(n, "axes", 3)
	if err != nil {
		return m, nil, err
	}
	if axes == nil {
		for i := range s {
			axes = append(axes, int64(i))
		}
	}
	var fill *G.Node
	if n.Input(2) != "" {
		if fill, err = b.factor(n, 2); err != nil {
			return m, nil, err
		}
		if fill.Shape().TotalSize() != 1 {
			return m, nil, fmt.Errorf("input 2 %q has shape %v, want a scalar", n.Input(2), []int(fill.Shape()))
		}
	} else if v := n.Float("value", 0); v != 0 {
		fill = b.constant(fmt.Sprintf("%g", v), tensor.Shape{1}, []float32{v})
	}
	source, ok := padding[n.String("mode", "constant")]
	if !ok {
		return m, nil, fmt.Errorf("attribute mode is %q, want constant, edge, reflect or wrap", n.String("mode", "constant"))
	}
	for i, a := range axes {
		axis := (int(a) + len(s)) % len(s)
		offsets := make([]int, out[axis])
		for k := range offsets {
			offsets[k] = -1
			if from := source(k-int(pads[i]), s[axis]); from >= 0 {
				offsets[k] = m.Offset[axis][from]
			}
		}
		m.Offset[axis] = offsets
	}
	return m, fill, nil
}

// padding says which of d elements stands at position i of the padded axis, −1 for
// none.
var padding = map[string]func(i, d int) int{
	"constant": func(i, d int) int {
		if i < 0 || i >= d {
			return -1
		}
		return i
	},
	"edge": func(i, d int) int { return min(max(i, 0), d-1) },
	"reflect": func(i, d int) int {
		if d == 1 {
			return 0
		}
		period := 2 * (d - 1)
		i = ((i % period) + period) % period
		return min(i, period-i)
	},
	"wrap": func(i, d int) int { return (i%d + d) % d },
}

// lowerSplit: ONNX Split.
func lowerSplit(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	if _, err := b.result(n, 0); err != nil {
		return err
	}
	axis := int(n.Int("axis", 0))
	if axis < 0 {
		axis += x.Dims()
	}
	sizes, err := b.argument(n, "split", 1)
	if err != nil {
		return err
	}
	// Without sizes the parts are equal, the last one smaller if need be.
	each := (x.Shape()[axis] + len(n.Outputs) - 1) / len(n.Outputs)
	from := 0
	for i, name := range n.Outputs {
		to := min(from+each, x.Shape()[axis])
		if sizes != nil {
			to = from + int(sizes[i])
		}
		if name != "" && to > from {
			y, err := sliceAxis(x, axis, from, to)
			if err != nil {
				return err
			}
			b.set(name, y)
		}
		from = to
	}
	return nil
}

// sliceAxis takes the elements from:to along an axis.
func sliceAxis(x *G.Node, axis, from, to int) (*G.Node, error) {
	s := x.Shape().Clone()
	m := identityMap(s)
	m.Offset[axis] = m.Offset[axis][from:to]
	out := s.Clone()
	out[axis] = to - from
	return apply(op{
		name:  "Slice",
		instr: vm.Cut{Shape: s, Axis: axis, From: from},
		out:   out,
		eval:  func(y []float32, in [][]float32) { reference.Gather(m, 0, y, in[0]) },
		diff:  []bool{true},
		grad: func(_ G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			dx, err := apply(op{
				name:  "SliceGrad",
				instr: vm.CutGrad{Shape: s, Axis: axis, From: from},
				out:   s,
				eval:  func(dx []float32, in [][]float32) { reference.Scatter(m, dx, in[0]) },
			}, dy)
			return G.Nodes{dx}, err
		},
	}, x)
}

// lowerConcat: ONNX Concat.
func lowerConcat(b *builder, n *onnx.Node) error {
	out, err := b.result(n, 0)
	if err != nil {
		return err
	}
	axis := int(n.Int("axis", 1))
	if axis < 0 {
		axis += len(out)
	}
	var inputs []*G.Node
	for i, name := range n.Inputs {
		if b.shapes[name] != nil && b.shapes[name][axis] == 0 {
			continue
		}
		x, err := b.node(n, i)
		if err != nil {
			return err
		}
		inputs = append(inputs, x)
	}
	y, err := concat(axis, out, inputs)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

// concat joins arrays along an axis; the gradient cuts them apart.
func concat(axis int, out tensor.Shape, inputs []*G.Node) (*G.Node, error) {
	inner := 1
	for _, d := range out[axis+1:] {
		inner *= d
	}
	widths, diff := make([]int, len(inputs)), make([]bool, len(inputs))
	for i, x := range inputs {
		widths[i], diff[i] = x.Shape()[axis]*inner, true
	}
	row := out[axis] * inner
	return apply(op{
		name:  "Concat",
		instr: vm.Concat{Shape: out, Axis: axis},
		out:   out,
		eval: func(y []float32, in [][]float32) {
			at := 0
			for k, x := range in {
				for i := range len(y) / row {
					copy(y[i*row+at:][:widths[k]], x[i*widths[k]:])
				}
				at += widths[k]
			}
		},
		diff: diff,
		grad: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			grads, from := make(G.Nodes, len(in)), 0
			for i, x := range in {
				to := from + x.Shape()[axis]
				var err error
				if grads[i], err = sliceAxis(dy, axis, from, to); err != nil {
					return nil, err
				}
				from = to
			}
			return grads, nil
		},
	}, inputs...)
}
