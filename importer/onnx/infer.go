package onnx

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"onnxclr/importer/weights"
)

// Shapes is what InferShapes finds out. A tensor that is in no map is unknown.
type Shapes struct {
	// Shape holds the shapes of inputs, initializers and computed tensors.
	Shape map[string][]int
	// Type holds their element types, by the same names and more.
	Type map[string]weights.DType
	// Const holds the tensors computed by nodes whose values depend on nothing but
	// shapes: Constant nodes, integer arithmetic, and what only moves elements of
	// these. Float initializers are parameters: nothing computed from them is here.
	Const map[string]*weights.Tensor
	// Problem says, by output, why a node cannot be computed although its operator is
	// known and its inputs' shapes are: they do not fit together. Where it is a
	// parameter that does not fit, the outputs have the shape that they would have if
	// it did, so that what does not fit behind them is found as well.
	Problem map[string]error
}

// rule infers the output shapes of an operator. It is asked once the shapes of the
// first need inputs are known (all that are present, when need is all); x[i] is nil
// for inputs that are absent or unknown. A nil entry of the result, or
// errUnknown, leaves an output unknown; another error is a Problem.
type rule struct {
	need  int
	infer func(c *call, x [][]int) ([][]int, error)
}

const all = -1

// errUnknown says that an output's shape depends on values not known yet.
var errUnknown = errors.New("unknown")

// maxRank bounds shapes, so that none can be used to exhaust memory.
const maxRank = 64

// call is one node with what is known about its inputs.
type call struct {
	*Shapes
	n            *Node
	initializers map[string]*Tensor
	opset        int64
	left         *int // elements that may still be read and written in folding
}

// InferShapes finds the shape of every tensor it can, for the given shapes of
// inputs, and folds the integer arithmetic with which exporters compute shapes.
// Inputs that are not given have their declared shape if it is static. Sizes given
// need not agree with declared ones (a convolutional network exported for one size
// runs at another); only the number of dimensions must. Operators without a rule
// leave their outputs unknown.
func InferShapes(m *Model, inputs map[string][]int) (*Shapes, error) {
	g := m.Graph
	s := &Shapes{Shape: map[string][]int{}, Type: map[string]weights.DType{}, Const: map[string]*weights.Tensor{}, Problem: map[string]error{}}
	initializers := make(map[string]*Tensor, len(g.Initializers))
	for _, t := range g.Initializers {
		initializers[t.Name] = t
		s.Type[t.Name] = t.DType
		s.Shape[t.Name] = append([]int{}, t.Shape...)
	}
	for _, v := range g.Inputs {
		s.Type[v.Name] = DType(v.ElemType)
		if shape, ok := staticShape(v); ok && s.Shape[v.Name] == nil {
			s.Shape[v.Name] = shape
		}
	}
	for name, shape := range inputs {
		v := g.Input(name)
		if v == nil {
			return nil, fmt.Errorf("onnx: the graph has no input %q", name)
		}
		if v.HasShape && len(v.Shape) != len(shape) {
			return nil, fmt.Errorf("onnx: input %q has shape %v, the model declares %d dimensions", name, shape, len(v.Shape))
		}
		if _, err := elements(shape); err != nil {
			return nil, fmt.Errorf("onnx: input %q: %w", name, err)
		}
		s.Shape[name] = append([]int{}, shape...)
	}
	left := 1 << 24
	for _, n := range g.Nodes {
		(&call{Shapes: s, n: n, initializers: initializers, opset: m.Opset(n.Domain), left: &left}).run()
	}
	return s, nil
}

func staticShape(v *ValueInfo) ([]int, bool) {
	shape := make([]int, len(v.Shape))
	for i, d := range v.Shape {
		if d.Param != "" || d.Value < 0 || d.Value > math.MaxInt32 {
			return nil, false
		}
		shape[i] = int(d.Value)
	}
	return shape, v.HasShape
}

// run records what can be said about the outputs of the node.
func (c *call) run() {
	if !c.n.Standard() || len(c.n.Outputs) == 0 {
		return
	}
	c.types()
	shapes, err := c.shapes()
	var m misfit
	if errors.As(err, &m) {
		c.problem(err)
		err = nil
	}
	if err == nil {
		for i, shape := range shapes {
			if name := c.n.Output(i); name != "" && shape != nil {
				if _, err := elements(shape); err != nil {
					c.fail(err)
					return
				}
				c.Shape[name] = shape
			}
		}
		err = c.fold(shapes)
	}
	if err != nil && !errors.Is(err, errUnknown) {
		c.fail(err)
	}
}

func (c *call) fail(err error) {
	c.problem(err)
	for _, name := range c.n.Outputs {
		delete(c.Shape, name)
	}
}

func (c *call) problem(err error) {
	err = fmt.Errorf("node %q (%s): %w", c.n.Name, c.n.OpType, err)
	for _, name := range c.n.Outputs {
		if name != "" {
			c.Problem[name] = err
		}
	}
}

// misfit is the error of parameters whose shapes leave no doubt of the output's.
type misfit []string

func (m misfit) Error() string { return strings.Join(m, "; ") }

func (m *misfit) addf(format string, args ...any) { *m = append(*m, fmt.Sprintf(format, args...)) }

// orNil returns what does not fit, or nil.
func (m misfit) orNil() error {
	if m == nil {
		return nil
	}
	return m
}

func (c *call) shapes() ([][]int, error) {
	r, ok := rules[c.n.OpType]
	if !ok {
		return nil, errUnknown
	}
	need := r.need
	if need == all {
		need = len(c.n.Inputs)
	}
	x := make([][]int, max(need, len(c.n.Inputs)))
	for i := range x {
		name := c.n.Input(i)
		shape, known := c.Shape[name]
		if name == "" && r.need != all && i < need {
			return nil, fmt.Errorf("input %d is missing", i)
		}
		if name != "" && !known && i < need {
			return nil, errUnknown
		}
		if known {
			x[i] = shape
		}
	}
	return r.infer(c, x)
}

// ints returns the i-th input's value, if it is a known integer tensor.
func (c *call) ints(i int) ([]int64, error) {
	v := c.value(i)
	if v == nil {
		return nil, errUnknown
	}
	return v.v, nil
}

// argument returns integers that are an attribute in older opsets and an input in
// newer ones; nil when neither is there.
func (c *call) argument(attribute string, input int) ([]int64, error) {
	if c.n.Input(input) != "" {
		return c.ints(input)
	}
	return c.n.Ints(attribute), nil
}

// elements is the number of elements of a shape; an error when it has a negative
// dimension, too many of them, or too many elements to count.
func elements(shape []int) (int, error) {
	if len(shape) > maxRank {
		return 0, fmt.Errorf("a shape of %d dimensions; at most %d are supported", len(shape), maxRank)
	}
	n, err := weights.ByteSize(shape, weights.Uint8)
	if err != nil {
		return 0, fmt.Errorf("shape %v is impossible", shape)
	}
	return n, nil
}

// axisOf brings an axis into [0,rank).
func axisOf(axis int64, rank int) (int, error) {
	if axis < -int64(rank) || axis >= int64(rank) {
		return 0, fmt.Errorf("axis %d of a tensor of %d dimensions", axis, rank)
	}
	if axis < 0 {
		axis += int64(rank)
	}
	return int(axis), nil
}

// axesOf marks axes among rank ones; an axis given twice is an error.
func axesOf(axes []int64, rank int) ([]bool, error) {
	marked := make([]bool, rank)
	for _, a := range axes {
		i, err := axisOf(a, rank)
		if err != nil {
			return nil, err
		}
		if marked[i] {
			return nil, fmt.Errorf("axis %d occurs twice in %v", a, axes)
		}
		marked[i] = true
	}
	return marked, nil
}
