package graph

import (
	"fmt"
	"slices"
	"strconv"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
)

// builder is what the operators of the table lower into.
type builder struct {
	model    *onnx.Model
	opts     Options
	weights  *Weights
	shapes   map[string][]int           // inferred, by tensor
	problems map[string]error           // why a shape could not be inferred
	consts   map[string]*weights.Tensor // known at import, by tensor
	values   map[string]*G.Node         // lowered so far, by tensor
	params   map[string]*Param
	buffers  map[string]*G.Node // running statistics and constants
	aliases  map[string]string  // Identity: output → input
	mixed    bool               // some batch normalisation is in training form
	program  *Program
}

func (b *builder) set(name string, n *G.Node) { b.values[name] = n }

func (b *builder) alias(output, input string) { b.aliases[output] = b.resolve(input) }

func (b *builder) resolve(name string) string {
	if to, ok := b.aliases[name]; ok {
		return to
	}
	return name
}

// node returns the i-th input: a tensor computed by the graph, a trainable parameter or
// a constant. A scalar is an array of shape [1].
func (b *builder) node(n *onnx.Node, i int) (*G.Node, error) {
	name := b.resolve(n.Input(i))
	if name == "" {
		return nil, fmt.Errorf("input %d is missing", i)
	}
	if v, ok := b.values[name]; ok {
		return v, nil
	}
	if b.weights.Values(name) != nil {
		return b.param(n, i)
	}
	v, err := b.floats(n, i)
	if err != nil {
		return nil, err
	}
	shape := tensor.Shape(b.shapes[name]).Clone()
	if shape.Dims() == 0 {
		shape = tensor.Shape{1}
	}
	return b.constant(name, shape, v), nil
}

// factor is node for an operand of elementwise arithmetic, where exporters put plain
// numbers: a float initializer without dimensions, or of one element that no module of
// the network has named, is a constant, not a parameter.
func (b *builder) factor(n *onnx.Node, i int) (*G.Node, error) {
	name := b.resolve(n.Input(i))
	if shape, ok := b.weights.shapes[name]; ok && (len(shape) == 0 || onnx.MadeUp(name) && tensor.Shape(shape).TotalSize() == 1) {
		return b.buffer(name), nil
	}
	return b.node(n, i)
}

// param returns the i-th input as a trainable parameter; one that is no initializer is
// returned as it is.
func (b *builder) param(n *onnx.Node, i int) (*G.Node, error) {
	name := b.resolve(n.Input(i))
	array, ok := b.weights.arrays[name]
	if !ok {
		return b.node(n, i)
	}
	p, ok := b.params[name]
	if !ok {
		p = &Param{Name: name, Shape: array.Shape().Clone(), Value: b.weights.Values(name), frozen: b.opts.frozen(name)}
		p.Node = b.leaf(name, array)
		b.params[name] = p
		b.program.Params = append(b.program.Params, p)
	}
	if user := label(n); !slices.Contains(p.users, user) {
		p.users = append(p.users, user)
	}
	return p.Node, nil
}

// result returns the inferred shape of the i-th output; that of a scalar is [1].
func (b *builder) result(n *onnx.Node, i int) (tensor.Shape, error) {
	name := n.Output(i)
	if err := b.problems[name]; err != nil {
		return nil, err
	}
	shape, ok := b.shapes[name]
	if !ok {
		return nil, fmt.Errorf("the shape of output %q is not known before the graph runs", name)
	}
	if len(shape) == 0 {
		return tensor.Shape{1}, nil
	}
	return tensor.Shape(shape).Clone(), nil
}

// isParam reports whether the i-th input is an array that trains.
func (b *builder) isParam(n *onnx.Node, i int) bool {
	return len(b.weights.shapes[b.resolve(n.Input(i))]) > 0
}

// bias returns the i-th input as a parameter [c] that is added along axis 1 of x: one
// whose shape ONNX's broadcasting makes that, such as [1,c,1,1].
func (b *builder) bias(n *onnx.Node, i int, x tensor.Shape) (*G.Node, error) {
	_, array, err := b.initializer(n, i)
	if err != nil {
		return nil, err
	}
	if !isChannels(array.Shape(), x) {
		return nil, fmt.Errorf("input %d %q of shape %v cannot be added to %v; one of %d values along axis 1 can", i, n.Input(i), []int(array.Shape()), []int(x), x[1])
	}
	v, err := b.param(n, i)
	if err != nil || v.Dims() == 1 {
		return v, err
	}
	return reshape(v, tensor.Shape{x[1]})
}

// isChannels reports whether an array of shape p, broadcast by ONNX's rules to x,
// varies along axis 1 only.
func isChannels(p, x tensor.Shape) bool {
	for i, d := range p {
		axis := x.Dims() - p.Dims() + i
		if axis < 0 || axis == 1 && d != x[1] || axis != 1 && d != 1 {
			return false
		}
	}
	return p.TotalSize() == x[1]
}

// buffer returns an initializer as an input that no gradient reaches.
func (b *builder) buffer(name string) *G.Node {
	if v, ok := b.buffers[name]; ok {
		return v
	}
	v := b.leaf(name, b.weights.arrays[name])
	b.buffers[name] = v
	return v
}

// constant returns an input that holds values; equal names mean equal values. No
// tensor of the model may have the name: Gorgonia would take the two for one.
func (b *builder) constant(name string, shape tensor.Shape, values []float32) *G.Node {
	for b.shapes[name] != nil {
		name += "'"
	}
	if v, ok := b.buffers[name]; ok {
		return v
	}
	v := b.leaf(name, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values)))
	b.buffers[name] = v
	return v
}

func (b *builder) initializer(n *onnx.Node, i int) (string, *tensor.Dense, error) {
	name := b.resolve(n.Input(i))
	if name == "" {
		return "", nil, fmt.Errorf("input %d is missing", i)
	}
	array, ok := b.weights.arrays[name]
	if !ok {
		return "", nil, fmt.Errorf("input %d %q is not a float initializer; only parameters stored in the model are supported there", i, name)
	}
	return name, array, nil
}

// leaf makes an array an input of the graph, bound without copying.
func (b *builder) leaf(name string, array *tensor.Dense) *G.Node {
	return G.NewTensor(b.program.Graph, tensor.Float32, array.Dims(), G.WithShape(array.Shape()...), G.WithName(name), G.WithValue(array))
}

// known returns the i-th input's value if it does not depend on what the graph is fed
// and is not a float initializer; else nil.
func (b *builder) known(n *onnx.Node, i int) *weights.Tensor {
	name := b.resolve(n.Input(i))
	if t := b.consts[name]; t != nil {
		return t
	}
	if init := b.model.Graph.Initializer(name); init != nil {
		return &init.Tensor
	}
	return nil
}

// ints returns the i-th input's value, which must be known at import.
func (b *builder) ints(n *onnx.Node, i int) ([]int64, error) {
	t := b.known(n, i)
	if t == nil {
		return nil, fmt.Errorf("input %d %q is not known before the graph runs", i, n.Input(i))
	}
	return t.Int64s()
}

// argument returns integers that are an attribute in older opsets and input i in newer
// ones; nil when neither is there.
func (b *builder) argument(n *onnx.Node, attribute string, i int) ([]int64, error) {
	if n.Input(i) == "" {
		return n.Ints(attribute), nil
	}
	return b.ints(n, i)
}

// floats returns the i-th input's value as float32, which must be known at import.
func (b *builder) floats(n *onnx.Node, i int) ([]float32, error) {
	if v := b.weights.Values(b.resolve(n.Input(i))); v != nil {
		return v, nil
	}
	t := b.known(n, i)
	if t == nil {
		if v := b.resolve(n.Input(i)); b.shapes[v] == nil {
			return nil, fmt.Errorf("input %d %q is not defined", i, n.Input(i))
		}
		return nil, fmt.Errorf("input %d %q is not known before the graph runs", i, n.Input(i))
	}
	if t.DType.IsFloat() {
		return t.Float32s()
	}
	v, err := t.Int64s()
	out := make([]float32, len(v))
	for k, x := range v {
		out[k] = float32(x)
	}
	return out, err
}

// decimal returns a float attribute as the number its writer meant, which is the
// shortest decimal that rounds to it: 0.9 and not 0.899999976. Momentum and epsilon
// are float64 in PyTorch.
func decimal(n *onnx.Node, name string, def float32) float64 {
	v := n.Float(name, def)
	d, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	if err != nil {
		return float64(v)
	}
	return d
}
