package graph

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
)

// Options say what program to build from a model.
type Options struct {
	Batch         int // images in one run; two views of N samples are a batch of 2N
	Channels      int
	Height, Width int
	// Inputs are the shapes of the model's inputs by name, where it is not one batch of
	// images; Batch, Channels, Height and Width are then of no account. A scalar's is [].
	Inputs map[string][]int
	// Views is the number of equal consecutive parts of the batch that
	// BatchNormalization normalises separately in training. 0 means 1.
	Views int
	// Train selects batch statistics; otherwise the running ones are used.
	Train bool
	// Frozen says, by name, which parameters are not trained; nil means none. In
	// training a BatchNormalization whose γ is frozen uses its running statistics.
	Frozen func(parameter string) bool
	// Outputs are the tensors wanted, by name; nothing else is lowered.
	Outputs []string
}

func (o *Options) frozen(parameter string) bool { return o.Frozen != nil && o.Frozen(parameter) }

func (o *Options) validate() error {
	var errs []error
	if o.Inputs != nil {
		if o.Train {
			errs = append(errs, errors.New("training is for models of one input, the images"))
		}
		if len(o.Outputs) == 0 {
			errs = append(errs, errors.New("no output is asked for"))
		}
		return errors.Join(errs...)
	}
	for _, v := range []struct {
		name  string
		value int
	}{{"batch", o.Batch}, {"channels", o.Channels}, {"height", o.Height}, {"width", o.Width}, {"views", o.Views}} {
		if v.value < 1 || v.value > 1<<24 {
			errs = append(errs, fmt.Errorf("%s is %d, want 1 to %d", v.name, v.value, 1<<24))
		}
	}
	if o.Views > 0 && o.Batch%o.Views != 0 {
		errs = append(errs, fmt.Errorf("a batch of %d images does not divide into %d views", o.Batch, o.Views))
	}
	if len(o.Outputs) == 0 {
		errs = append(errs, errors.New("no output is asked for"))
	}
	return errors.Join(errs...)
}

// Program is a model lowered to one expression graph of fixed batch size.
type Program struct {
	Graph   *G.ExprGraph
	Input   *G.Node            // [Batch,Channels,Height,Width]; nil when Options.Inputs were given
	Inputs  map[string]*G.Node // all inputs by name; a scalar's shape is [1]
	Outputs map[string]*G.Node // by the names asked for; a scalar's shape is [1]
	// Constants are outputs that do not depend on the values of the inputs, such as the
	// result of Shape. There are none in a program of images.
	Constants map[string]*weights.Tensor
	Shapes    map[string][]int // of the tensors of the model, as far as they are known
	Params    []*Param         // in the order of first use
	Norms     []*Norm          // batch normalisations in order of use, in training only
	// Dropouts are those that drop, in order of use, in training only; see Drop.
	Dropouts []*Dropout
}

// Param is a trainable parameter.
type Param struct {
	Name  string
	Shape []int
	Value []float32 // shared with Weights
	Node  *G.Node
	Grad  *G.Node // set by Differentiate

	users  []string // the nodes that read it
	frozen bool     // see Options.Frozen
}

// Norm is a batch normalisation that trains. Its Stats, [Views,2,C], hold the mean
// and the biased variance of each view; UpdateRunning takes them into Mean and Var.
type Norm struct {
	Name      string // its γ's name without the last part, such as "layer1.0.bn1"
	Stats     *G.Node
	Mean, Var []float32 // running statistics, shared with Weights
	Momentum  float64   // PyTorch's: the weight of the new value
	Count     int       // values a channel in each view
}

// Build lowers the part of m that Outputs need. Parameters and running statistics
// are those of w: programs of one w, such as one that trains and one that embeds,
// share them.
//
// Errors name the node, its operator and the opset; unsupported operators are all
// named at once. In training it fails where a channel has a single value in a view:
// it has no variance, and PyTorch refuses it too. Where images of the size that the model
// declares would do, the error says so.
func Build(m *onnx.Model, w *Weights, opts Options) (*Program, error) {
	p, err := build(m, w, opts)
	if err == nil || opts.Inputs != nil {
		return p, err
	}
	at := opts
	if at.Height, at.Width = declaredSize(m); at.Height == 0 || at.Height == opts.Height && at.Width == opts.Width {
		return nil, err
	}
	if _, atSize := build(m, w, at); atSize != nil {
		return nil, err
	}
	return nil, fmt.Errorf("images are of %d×%d, and the model is one for %d×%d: %w", opts.Height, opts.Width, at.Height, at.Width, err)
}

// declaredSize is the height and width of the images that a model declares, 0 where it
// leaves them open.
func declaredSize(m *onnx.Model) (height, width int) {
	name, err := imageInput(m)
	if err != nil {
		return 0, 0
	}
	for _, in := range m.Graph.DataInputs() {
		if in.Name == name && len(in.Shape) == 4 && in.Shape[2].Value > 0 && in.Shape[3].Value > 0 {
			height, width = int(in.Shape[2].Value), int(in.Shape[3].Value)
		}
	}
	return height, width
}

func build(m *onnx.Model, w *Weights, opts Options) (*Program, error) {
	if opts.Views == 0 {
		opts.Views = 1
	}
	if err := opts.validate(); err != nil {
		return nil, err
	}
	nodes, err := decode(m)
	if err != nil {
		return nil, err
	}
	inputs, image := opts.Inputs, ""
	if inputs == nil {
		if image, err = imageInput(m); err != nil {
			return nil, err
		}
		inputs = map[string][]int{image: {opts.Batch, opts.Channels, opts.Height, opts.Width}}
	}
	inferred, err := onnx.InferShapes(m, inputs)
	if err != nil {
		return nil, err
	}
	nodes, err = needed(nodes, opts.Outputs, m, inferred)
	if err != nil {
		return nil, err
	}
	opset := m.Opset("")
	if err := unsupported(nodes, opset); err != nil {
		return nil, err
	}
	if err := integers(nodes, inferred, opset); err != nil {
		return nil, err
	}
	if err := misfits(nodes, inferred.Problem, opset); err != nil {
		return nil, err
	}
	b := newBuilder(m, w, opts, inferred, inputs)
	b.program.Input = b.values[image]
	b.mixed = slices.ContainsFunc(nodes, func(n *onnx.Node) bool { return n.OpType == "BatchNormalization" && trains(n, opset) })
	for _, n := range b.simplify(nodes) {
		if err := fence("gorgonia", func() error { return operators[n.OpType](b, n) }); err != nil {
			return nil, fmt.Errorf("node %q (%s, opset %d): %w", label(n), n.OpType, opset, err)
		}
	}
	for _, name := range opts.Outputs {
		v, ok := b.values[b.resolve(name)]
		switch {
		case ok:
			b.program.Outputs[name] = v
		case opts.Inputs != nil && constantOutput(inferred, b.resolve(name)) != nil:
			b.program.Constants[name] = constantOutput(inferred, b.resolve(name))
		case slices.ContainsFunc(nodes, func(n *onnx.Node) bool { return slices.Index(n.Outputs, name) > 0 }):
			return nil, fmt.Errorf("output %q is not the first of its operator: such outputs are not computed", name)
		default:
			return nil, fmt.Errorf("output %q is a constant, not computed from the images", name)
		}
	}
	return b.program, nil
}

// constantOutput is the value of a tensor that is known: one folded at import, or one
// without elements.
func constantOutput(s *onnx.Shapes, name string) *weights.Tensor {
	if t := s.Const[name]; t != nil {
		return t
	}
	if isEmpty(s, name) && s.Type[name] == weights.Float32 {
		return weights.FromFloat32(name, s.Shape[name], nil)
	}
	return nil
}

// isEmpty reports whether a tensor is known to have no elements: there is nothing to
// compute.
func isEmpty(s *onnx.Shapes, name string) bool { return slices.Contains(s.Shape[name], 0) }

func newBuilder(m *onnx.Model, w *Weights, opts Options, inferred *onnx.Shapes, inputs map[string][]int) *builder {
	b := &builder{
		model: m, opts: opts, weights: w, shapes: inferred.Shape, problems: inferred.Problem, consts: inferred.Const,
		values: map[string]*G.Node{}, params: map[string]*Param{}, buffers: map[string]*G.Node{}, aliases: map[string]string{},
		program: &Program{Graph: G.NewGraph(), Inputs: map[string]*G.Node{}, Outputs: map[string]*G.Node{}, Constants: map[string]*weights.Tensor{}, Shapes: inferred.Shape},
	}
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		shape := inputs[name]
		if isEmpty(inferred, name) {
			continue
		}
		if len(shape) == 0 {
			shape = []int{1}
		}
		x := G.NewTensor(b.program.Graph, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(name))
		b.values[name], b.program.Inputs[name] = x, x
	}
	return b
}

// integers names every node whose result would be integers that are not known before
// the graph runs: it computes in float32 alone.
func integers(nodes []*onnx.Node, s *onnx.Shapes, opset int64) error {
	var found []string
	for _, n := range nodes {
		if d, ok := s.Type[n.Output(0)]; ok && !d.IsFloat() {
			found = append(found, fmt.Sprintf("node %q (%s) computes %v", label(n), n.OpType, d))
		}
	}
	if found == nil {
		return nil
	}
	return fmt.Errorf("%s, which are not known before the graph runs; only floats are (opset %d)", strings.Join(found, ", "), opset)
}

// misfits names every node whose tensors do not fit together.
func misfits(nodes []*onnx.Node, problems map[string]error, opset int64) error {
	var found []string
	for _, n := range nodes {
		if err := problems[n.Output(0)]; err != nil {
			found = append(found, err.Error())
		}
	}
	switch len(found) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s (opset %d)", found[0], opset)
	}
	return fmt.Errorf("%d nodes do not fit their inputs (opset %d):\n  %s", len(found), opset, strings.Join(found, "\n  "))
}

// label is the node's name, or its first output's where it has none: names are
// optional in ONNX.
func label(n *onnx.Node) string {
	if n.Name != "" {
		return n.Name
	}
	return n.Output(0)
}

// imageInput returns the one graph input that is not an initializer.
func imageInput(m *onnx.Model) (string, error) {
	var names []string
	for _, in := range m.Graph.Inputs {
		if m.Graph.Initializer(in.Name) == nil {
			names = append(names, in.Name)
		}
	}
	if len(names) != 1 {
		return "", fmt.Errorf("the graph has inputs %q, want exactly one, the images", names)
	}
	return names[0], nil
}

// needed keeps the nodes that the outputs depend on and that are not constants.
func needed(nodes []*onnx.Node, outputs []string, m *onnx.Model, s *onnx.Shapes) ([]*onnx.Node, error) {
	producer := map[string]*onnx.Node{}
	for _, n := range nodes {
		for _, out := range n.Outputs {
			if out != "" {
				producer[out] = n
			}
		}
	}
	keep := map[*onnx.Node]bool{}
	stack := append([]string(nil), outputs...)
	for len(stack) > 0 {
		name := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		n, ok := producer[name]
		if !ok {
			if m.Graph.Input(name) == nil && m.Graph.Initializer(name) == nil {
				return nil, fmt.Errorf("tensor %q is computed by no node of the graph", name)
			}
			continue
		}
		if keep[n] || s.Const[name] != nil || isEmpty(s, name) {
			continue
		}
		keep[n] = true
		for _, in := range n.Inputs {
			if in != "" {
				stack = append(stack, in)
			}
		}
	}
	var out []*onnx.Node
	for _, n := range nodes {
		if keep[n] {
			out = append(out, n)
		}
	}
	return out, nil
}
