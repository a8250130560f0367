package graph

import (
	"fmt"
	"slices"
	"strings"

	"onnxclr/importer/onnx"
)

// UnsupportedError lists all operators that keep a model from being built.
type UnsupportedError struct {
	Operators []UnsupportedOperator // in the order of the graph
	Opset     int64
}

// UnsupportedOperator is an operator that there are no kernels for.
type UnsupportedOperator struct {
	Name  string   // with its domain, where that is not ONNX's own
	Nodes []string // by name, or by first output where they have none
}

// shownNodes is how many nodes of an operator a message names.
const shownNodes = 3

// String names the operator, how many nodes there are, and the first of them.
func (o UnsupportedOperator) String() string {
	var names []string
	for _, n := range o.Nodes[:min(len(o.Nodes), shownNodes)] {
		names = append(names, fmt.Sprintf("%q", n))
	}
	if len(o.Nodes) == 1 {
		return fmt.Sprintf("%s in node %s", o.Name, names[0])
	}
	more := ""
	if n := len(o.Nodes) - len(names); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%s in %d nodes (%s%s)", o.Name, len(o.Nodes), strings.Join(names, ", "), more)
}

func (e *UnsupportedError) Error() string {
	var lines []string
	for _, o := range e.Operators {
		lines = append(lines, o.String())
	}
	text := fmt.Sprintf("operators that are not supported (opset %d): %s", e.Opset, strings.Join(lines, "; "))
	if e.Quantized() {
		return text + ". The model is quantised; take the float model that it was made from"
	}
	return text + "; supported are " + strings.Join(Supported(), ", ")
}

// Quantized reports whether it is for integers in the place of floats that the model
// cannot be built.
func (e *UnsupportedError) Quantized() bool {
	return slices.ContainsFunc(e.Operators, func(o UnsupportedOperator) bool {
		name := o.Name[strings.LastIndexByte(o.Name, '.')+1:]
		return strings.Contains(name, "QuantizeLinear") || strings.Contains(name, "DequantizeLinear") || strings.HasPrefix(name, "QLinear") ||
			strings.HasSuffix(name, "Integer") || name == "QGemm" || name == "QAttention"
	})
}

// Supports returns nil if there are kernels for all operators that the outputs named
// depend on, all of the graph if none is named; else an *UnsupportedError. Those that
// only compute shapes need none: whether they can be is known with the images' size.
func Supports(m *onnx.Model, outputs ...string) error {
	nodes := m.Graph.Nodes
	if len(outputs) > 0 {
		var err error
		if nodes, err = needed(nodes, outputs, m, &onnx.Shapes{}); err != nil {
			return err
		}
	}
	return unsupported(slices.DeleteFunc(slices.Clone(nodes), func(n *onnx.Node) bool {
		return n.Standard() && operators[n.OpType] == nil && onnx.Folds(n.OpType)
	}), m.Opset(""))
}

// unsupported lists the operators among nodes that the table lacks. What only computes
// shapes is known when the model is built, unless one of the others hides it.
func unsupported(nodes []*onnx.Node, opset int64) error {
	e := &UnsupportedError{Opset: opset}
	var folding []UnsupportedOperator
	at := map[string]int{}
	for _, n := range nodes {
		list, name := &e.Operators, n.OpType
		switch {
		case !n.Standard():
			name = n.Domain + "." + n.OpType
		case operators[n.OpType] != nil:
			continue
		case onnx.Folds(n.OpType):
			list = &folding
		}
		i, ok := at[name]
		if !ok {
			i = len(*list)
			at[name] = i
			*list = append(*list, UnsupportedOperator{Name: name})
		}
		(*list)[i].Nodes = append((*list)[i].Nodes, label(n))
	}
	if len(e.Operators) == 0 {
		e.Operators = folding
	}
	if len(e.Operators) == 0 {
		return nil
	}
	return e
}
