package graph

import (
	"math"
	"slices"

	"onnxclr/importer/onnx"
)

// simplifier finds what exporters write as several nodes and the graph has as one
// operator, with one pass over the array and one gradient.
type simplifier struct {
	b       *builder
	nodes   []*onnx.Node
	maker   map[string]int // the node that computes a tensor
	readers map[string][]int
}

// simplify rewrites x·sigmoid(x), GELU as erf and the bias of a product by a weight.
// What is computed for its own sake, or read elsewhere, stays.
func (b *builder) simplify(nodes []*onnx.Node) []*onnx.Node {
	s := &simplifier{b: b, nodes: slices.Clone(nodes), maker: map[string]int{}, readers: map[string][]int{}}
	for i, n := range nodes {
		for _, out := range n.Outputs {
			s.maker[out] = i
		}
		for _, in := range n.Inputs {
			s.readers[in] = append(s.readers[in], i)
		}
	}
	for i := range s.nodes {
		s.swish(i)
		s.gelu(i)
		s.bias(i)
	}
	return slices.DeleteFunc(s.nodes, func(n *onnx.Node) bool { return n == nil })
}

// by returns the node that computes a tensor if it is of that operator.
func (s *simplifier) by(op, name string) (*onnx.Node, int) {
	i, ok := s.maker[name]
	if !ok || s.nodes[i] == nil || s.nodes[i].OpType != op || !s.nodes[i].Standard() {
		return nil, 0
	}
	return s.nodes[i], i
}

// only returns the node that is the single reader of a tensor, if it is of that
// operator.
func (s *simplifier) only(op, name string) (*onnx.Node, int) {
	r := s.readers[name]
	if len(r) != 1 || slices.Contains(s.b.opts.Outputs, name) || s.nodes[r[0]] == nil || s.nodes[r[0]].OpType != op {
		return nil, 0
	}
	return s.nodes[r[0]], r[0]
}

// other returns the operand of a node of two that is not name.
func other(n *onnx.Node, name string) string {
	if n.Input(0) == name {
		return n.Input(1)
	}
	return n.Input(0)
}

// is reports whether a tensor is a number known at import, up to float32's rounding.
func (s *simplifier) is(name string, v float64) bool {
	got, err := s.b.floats(&onnx.Node{Inputs: []string{name}}, 0)
	return err == nil && len(got) == 1 && len(s.b.shapes[name]) == 0 && math.Abs(float64(got[0])-v) < 1e-6
}

// replace puts one node in the place of the last of those it stands for.
func (s *simplifier) replace(op string, inputs []string, at int, gone ...int) {
	old := s.nodes[at]
	s.nodes[at] = &onnx.Node{Name: old.Name, OpType: op, Inputs: inputs, Outputs: old.Outputs}
	for _, i := range gone {
		s.nodes[i] = nil
	}
}

// swish: x·sigmoid(x).
func (s *simplifier) swish(i int) {
	n := s.nodes[i]
	if n == nil || n.OpType != "Sigmoid" {
		return
	}
	if m, at := s.only("Mul", n.Output(0)); m != nil && other(m, n.Output(0)) == n.Input(0) {
		s.replace("Swish", n.Inputs, at, i)
	}
}

// gelu: ½·x·(1 + erf(x/√2)), multiplied in any order.
func (s *simplifier) gelu(i int) {
	n := s.nodes[i]
	if n == nil || n.OpType != "Erf" {
		return
	}
	scaled, first := s.by("Div", n.Input(0))
	if scaled == nil {
		scaled, first = s.by("Mul", n.Input(0))
	}
	if scaled == nil {
		return
	}
	if one, _ := s.only("Erf", n.Input(0)); one == nil {
		return
	}
	x := scaled.Input(0)
	if scaled.OpType == "Div" && !s.is(scaled.Input(1), math.Sqrt2) || scaled.OpType == "Mul" && !s.is(scaled.Input(1), 1/math.Sqrt2) {
		return
	}
	add, second := s.only("Add", n.Output(0))
	if add == nil || !s.is(other(add, n.Output(0)), 1) {
		return
	}
	mul, third := s.only("Mul", add.Output(0))
	if mul == nil {
		return
	}
	switch p := other(mul, add.Output(0)); {
	case p == x || s.is(p, 0.5):
		last, at := s.only("Mul", mul.Output(0))
		if last == nil {
			return
		}
		if q := other(last, mul.Output(0)); p == x && s.is(q, 0.5) || p != x && q == x {
			s.replace("Gelu", []string{x}, at, first, i, second, third)
		}
	default:
		half, at := s.by("Mul", p)
		if half == nil || half.Input(0) != x && half.Input(1) != x || !s.is(other(half, x), 0.5) {
			return
		}
		if one, _ := s.only("Mul", p); one != nil {
			s.replace("Gelu", []string{x}, third, first, i, second, at)
		}
	}
}

// bias: a product by a weight [In,Out], and a parameter [Out] added.
func (s *simplifier) bias(i int) {
	n := s.nodes[i]
	if n == nil || n.OpType != "MatMul" || len(n.Inputs) != 2 {
		return
	}
	weights := s.b.weights.shapes
	w := weights[n.Input(1)]
	add, at := s.only("Add", n.Output(0))
	if add == nil || len(w) != 2 || len(s.b.shapes[n.Input(0)]) < 2 {
		return
	}
	if b := other(add, n.Output(0)); len(weights[b]) == 1 && weights[b][0] == w[1] {
		s.replace("MatMul", []string{n.Input(0), n.Input(1), b}, at, i)
	}
}
