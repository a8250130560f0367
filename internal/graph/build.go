package graph

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
)

// Options say what program to build from a model.
type Options struct {
	Batch         int // images in one run; two views of N samples are a batch of 2N
	Channels      int
	Height, Width int
	// Views is the number of equal consecutive parts of the batch that
	// BatchNormalization normalises separately in training. 0 means 1.
	Views int
	// Train selects batch statistics; otherwise the running ones are used.
	Train bool
	// Outputs are the tensors wanted, by name; nothing else is lowered.
	Outputs []string
}

func (o *Options) validate() error {
	var errs []error
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
	Input   *G.Node            // [Batch,Channels,Height,Width]
	Outputs map[string]*G.Node // by the names asked for
	Params  []*Param           // in the order of first use
	Norms   []*Norm            // batch normalisations in order of use, in training only
}

// Param is a trainable parameter.
type Param struct {
	Name  string
	Shape []int
	Value []float32 // shared with Weights
	Node  *G.Node
	Grad  *G.Node // set by Differentiate

	users []string // the nodes that read it
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
// it has no variance, and PyTorch refuses it too.
func Build(m *onnx.Model, w *Weights, opts Options) (*Program, error) {
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
	input, err := imageInput(m)
	if err != nil {
		return nil, err
	}
	shape := []int{opts.Batch, opts.Channels, opts.Height, opts.Width}
	inferred, err := onnx.InferShapes(m, map[string][]int{input: shape})
	if err != nil {
		return nil, err
	}
	nodes, err = needed(nodes, opts.Outputs, input, m, inferred)
	if err != nil {
		return nil, err
	}
	opset := m.Opset("")
	if err := unsupported(nodes, opset); err != nil {
		return nil, err
	}
	if err := misfits(nodes, inferred.Problem, opset); err != nil {
		return nil, err
	}
	b := newBuilder(m, w, opts, inferred, input)
	b.mixed = slices.ContainsFunc(nodes, func(n *onnx.Node) bool { return n.OpType == "BatchNormalization" && trains(n, opset) })
	for _, n := range nodes {
		if err := fence("gorgonia", func() error { return operators[n.OpType](b, n) }); err != nil {
			return nil, fmt.Errorf("node %q (%s, opset %d): %w", label(n), n.OpType, opset, err)
		}
	}
	for _, name := range opts.Outputs {
		v, ok := b.values[b.resolve(name)]
		if !ok {
			return nil, fmt.Errorf("output %q is a constant, not computed from the images", name)
		}
		b.program.Outputs[name] = v
	}
	return b.program, nil
}

func newBuilder(m *onnx.Model, w *Weights, opts Options, inferred *onnx.Shapes, input string) *builder {
	g := G.NewGraph()
	x := G.NewTensor(g, tensor.Float32, 4, G.WithShape(opts.Batch, opts.Channels, opts.Height, opts.Width), G.WithName(input))
	return &builder{
		model: m, opts: opts, weights: w, shapes: inferred.Shape, problems: inferred.Problem, consts: inferred.Const,
		values: map[string]*G.Node{input: x}, params: map[string]*Param{}, buffers: map[string]*G.Node{}, aliases: map[string]string{},
		program: &Program{Graph: g, Input: x, Outputs: map[string]*G.Node{}},
	}
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
func needed(nodes []*onnx.Node, outputs []string, input string, m *onnx.Model, s *onnx.Shapes) ([]*onnx.Node, error) {
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
			if name != input && m.Graph.Initializer(name) == nil {
				return nil, fmt.Errorf("tensor %q is computed by no node of the graph", name)
			}
			continue
		}
		if keep[n] || s.Const[name] != nil {
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
