package onnx

import (
	"fmt"
	"math"
	"strings"
)

// nodes checks the nodes of g in order and adds their outputs to s.
func (c *checker) nodes(g *Graph, s *scope, where string) {
	later := map[string]int{}
	for i, n := range g.Nodes {
		for _, name := range n.Outputs {
			if _, ok := later[name]; !ok && name != "" {
				later[name] = i
			}
		}
	}
	misplaced := false
	for i, n := range g.Nodes {
		what := nodeName(n, i, where)
		c.node(n, what)
		for k, name := range n.Inputs {
			if name == "" || s.has(name) {
				continue
			}
			switch at, ok := later[name]; {
			case !ok:
				c.problem("%s: input %d, %q, is not defined", what, k, name)
			case at == i:
				c.problem("%s: input %d, %q, is its own output", what, k, name)
			default:
				misplaced = true
				c.problem("%s: input %d, %q, is computed only later, by %s; nodes must be in topological order", what, k, name, nodeName(g.Nodes[at], at, ""))
			}
		}
		seen := map[string]bool{}
		for _, a := range n.Attributes {
			if seen[a.Name] && a.Name != "" {
				c.problem("%s: attribute %s is there twice", what, a.Name)
			}
			seen[a.Name] = true
			c.attribute(a, n, s, what)
		}
		for _, name := range n.Outputs {
			if name != "" {
				c.define(s, name, where, "output of "+nodeName(n, i, ""))
			}
		}
	}
	if misplaced {
		if cycle := findCycle(g, later); cycle != nil {
			c.problem("%s: nodes depend on one another in a circle: %s", where, strings.Join(cycle, " → "))
		}
	}
}

func nodeName(n *Node, i int, where string) string {
	name := fmt.Sprintf("node %d %q (%s)", i, n.Name, n.OpType)
	if where != "" && where != "graph" {
		name = where + ": " + name
	}
	return name
}

func (c *checker) node(n *Node, what string) {
	if n.OpType == "" {
		c.problem("%s: op_type is missing", what)
	}
	if len(n.Inputs) == 0 && len(n.Outputs) == 0 {
		c.problem("%s: it has neither inputs nor outputs", what)
	}
	if version(c.opsets, n.Domain) == 0 {
		c.problem("%s: opset_import lacks the domain %q", what, n.Domain)
	}
	if f := c.known[n.key()]; f != nil {
		if len(n.Inputs) > len(f.Inputs) || len(n.Outputs) > len(f.Outputs) {
			c.problem("%s: it has %d inputs and %d outputs, %v takes %d and gives %d", what, len(n.Inputs), len(n.Outputs), f, len(f.Inputs), len(f.Outputs))
		}
		return
	}
	if a, ok := arities[n.OpType]; ok && n.Standard() {
		if k := len(n.Inputs); k < a.minIn || k > a.maxIn {
			c.problem("%s: it has %d inputs, want %s", what, k, interval(a.minIn, a.maxIn))
		} else {
			for i := range a.minIn {
				if n.Inputs[i] == "" {
					c.problem("%s: input %d is missing", what, i)
				}
			}
		}
		if k := len(n.Outputs); k < a.minOut || k > a.maxOut {
			c.problem("%s: it has %d outputs, want %s", what, k, interval(a.minOut, a.maxOut))
		}
	}
}

func interval(lo, hi int) string {
	switch {
	case lo == hi:
		return fmt.Sprint(lo)
	case hi == math.MaxInt:
		return fmt.Sprintf("at least %d", lo)
	}
	return fmt.Sprintf("%d to %d", lo, hi)
}

func (c *checker) attribute(a *Attribute, n *Node, s *scope, what string) {
	if a.Name == "" {
		c.problem("%s: an attribute has no name", what)
		return
	}
	if a.RefName != "" {
		if c.within == nil {
			c.problem("%s: attribute %s refers to the attribute %q of a function, outside of one", what, a.Name, a.RefName)
		} else if !c.within.takes(a.RefName) {
			c.problem("%s: attribute %s refers to the attribute %q, which %v does not have", what, a.Name, a.RefName, c.within)
		}
		if a.Type != AttrUndefined {
			c.attributeType(a, n, what)
		}
		return
	}
	for _, v := range []struct {
		set bool
		typ AttributeType
	}{
		{a.F != 0, AttrFloat}, {a.I != 0, AttrInt}, {a.S != nil, AttrString}, {a.T != nil, AttrTensor}, {a.G != nil, AttrGraph},
		{a.Floats != nil, AttrFloats}, {a.Ints != nil, AttrInts}, {a.Strings != nil, AttrStrings}, {a.Tensors != nil, AttrTensors}, {a.Graphs != nil, AttrGraphs},
	} {
		if v.set && v.typ != a.Type {
			c.problem("%s: attribute %s is of type %v and has a value of type %v", what, a.Name, a.Type, v.typ)
		}
	}
	c.attributeType(a, n, what)
	switch {
	case a.Type == AttrUndefined || a.Type > AttrTypeProtos || a.Type < 0:
		c.problem("%s: attribute %s has no valid type (%d)", what, a.Name, int32(a.Type))
	case a.Type == AttrTensor && a.T == nil, a.Type == AttrGraph && a.G == nil:
		c.problem("%s: attribute %s has no value", what, a.Name)
	}
	for i, t := range append([]*Tensor{a.T}, a.Tensors...) {
		if t != nil {
			c.tensor(t, fmt.Sprintf("%s: attribute %s: tensor %d", what, a.Name, i))
		}
	}
	for _, g := range append([]*Graph{a.G}, a.Graphs...) {
		if g != nil {
			c.graph(g, s, fmt.Sprintf("%s: attribute %s", what, a.Name))
		}
	}
}

// attributeType checks the type that the operator of n wants the attribute to have.
func (c *checker) attributeType(a *Attribute, n *Node, what string) {
	if want, ok := attributeTypes[a.Name]; ok && n.Standard() && c.known[n.key()] == nil && rules[n.OpType].infer != nil && want != a.Type && !(a.Name == "value" && n.OpType == "Pad") {
		c.problem("%s: attribute %s is of type %v, want %v", what, a.Name, a.Type, want)
	}
}

var attributeNames = []string{"UNDEFINED", "FLOAT", "INT", "STRING", "TENSOR", "GRAPH", "FLOATS", "INTS", "STRINGS", "TENSORS", "GRAPHS",
	"SPARSE_TENSOR", "SPARSE_TENSORS", "TYPE_PROTO", "TYPE_PROTOS"}

// String returns ONNX's name of the type, such as "INTS".
func (t AttributeType) String() string {
	if t < 0 || int(t) >= len(attributeNames) {
		return fmt.Sprintf("type %d", int32(t))
	}
	return attributeNames[t]
}

// findCycle returns the names along one circle of dependencies; nil when there is
// none. producer maps a tensor to the index of its node.
func findCycle(g *Graph, producer map[string]int) []string {
	const (
		fresh = iota
		open
		done
	)
	state := make([]uint8, len(g.Nodes))
	type frame struct{ node, input int }
	for start := range g.Nodes {
		if state[start] != fresh {
			continue
		}
		state[start] = open
		for stack := []frame{{start, 0}}; len(stack) > 0; {
			f := &stack[len(stack)-1]
			n := g.Nodes[f.node]
			if f.input == len(n.Inputs) {
				state[f.node] = done
				stack = stack[:len(stack)-1]
				continue
			}
			next, ok := producer[n.Inputs[f.input]]
			f.input++
			if !ok || state[next] == done {
				continue
			}
			if state[next] == fresh {
				state[next] = open
				stack = append(stack, frame{next, 0})
				continue
			}
			// The stack from next on is the circle, from users to producers.
			names := []string{nodeName(g.Nodes[next], next, "")}
			for i := len(stack) - 1; stack[i].node != next; i-- {
				names = append(names, nodeName(g.Nodes[stack[i].node], stack[i].node, ""))
			}
			if len(names) > 10 {
				names = append(names[:10], fmt.Sprintf("… %d more", len(names)-10))
			}
			return append(names, nodeName(g.Nodes[next], next, ""))
		}
	}
	return nil
}
