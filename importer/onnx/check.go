package onnx

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"onnxclr/importer/weights"
)

// CheckError lists what is wrong with a model.
type CheckError struct {
	Problems []string // at most maxProblems
	More     int      // that are not listed
}

const maxProblems = 50

func (e *CheckError) Error() string {
	text := "onnx: the model is not valid: "
	if len(e.Problems) > 1 || e.More > 0 {
		text += fmt.Sprintf("%d problems:\n  ", len(e.Problems)+e.More)
	}
	text += strings.Join(e.Problems, "\n  ")
	if e.More > 0 {
		text += fmt.Sprintf("\n  and %d more", e.More)
	}
	return text
}

// The IR versions that are understood: version 3, of 2017, is the first whose nodes
// carry a versioned operator set; fields of newer ones are kept as they are.
const (
	minIR = 3
	maxIR = 14
)

// Check reports everything for which ONNX's own checker would refuse the model: a
// version out of range, missing names, opset imports or types, a value assigned
// twice or used before it is computed, cycles, attributes and tensors that
// contradict themselves, and, for the operators this package knows, the number of
// inputs and the types of attributes. The error is a *CheckError.
func Check(m *Model) error {
	c := &checker{model: m, opsets: m.Opsets}
	switch {
	case m.IRVersion == 0:
		c.problem("ir_version is missing")
	case m.IRVersion < minIR || m.IRVersion > maxIR:
		c.problem("ir_version is %d, want %d to %d", m.IRVersion, minIR, maxIR)
	}
	if len(m.Opsets) == 0 {
		c.problem("opset_import is missing")
	}
	seen := map[string]bool{}
	for _, o := range m.Opsets {
		domain := o.Domain
		if domain == "ai.onnx" {
			domain = ""
		}
		if seen[domain] {
			c.problem("opset_import has domain %q twice", o.Domain)
		}
		seen[domain] = true
		if o.Version < 1 {
			c.problem("opset_import has version %d of domain %q", o.Version, o.Domain)
		}
	}
	c.functions()
	if m.Graph == nil {
		c.problem("there is no graph")
	} else {
		c.graph(m.Graph, nil, "graph")
	}
	if len(c.found.Problems) == 0 {
		return nil
	}
	return &c.found
}

type checker struct {
	model  *Model
	found  CheckError
	depth  int
	opsets []Opset // imported by the model, or by the function at hand
	within *Function
	known  map[functionKey]*Function
}

func (c *checker) problem(format string, args ...any) {
	if len(c.found.Problems) >= maxProblems {
		c.found.More++
		return
	}
	c.found.Problems = append(c.found.Problems, fmt.Sprintf(format, args...))
}

// scope is the names defined so far in a graph and in those around it.
type scope struct {
	names map[string]string // what defines the name
	outer *scope
}

func (s *scope) has(name string) bool {
	for ; s != nil; s = s.outer {
		if _, ok := s.names[name]; ok {
			return true
		}
	}
	return false
}

// graph checks g; where is "graph", or says which node's attribute it is.
func (c *checker) graph(g *Graph, outer *scope, where string) {
	if c.depth++; c.depth > maxDepth {
		c.problem("%s: graphs are nested more than %d deep", where, maxDepth)
		return
	}
	defer func() { c.depth-- }()
	if g.Name == "" {
		c.problem("%s: it has no name", where)
	}
	s := &scope{map[string]string{}, outer}
	for _, v := range g.Inputs {
		c.define(s, v.Name, where, "input")
		c.value(v, where, "input", outer == nil)
	}
	initializers := map[string]bool{}
	for _, t := range g.Initializers {
		what := fmt.Sprintf("%s: initializer %q", where, t.Name)
		if initializers[t.Name] {
			c.problem("%s: the name %q is used by two initializers", where, t.Name)
		}
		initializers[t.Name] = true
		if kind, ok := s.names[t.Name]; !ok || kind != "input" {
			if c.model.IRVersion == 3 && outer == nil && t.Name != "" {
				c.problem("%s is not an input, which IR version 3 demands", what)
			}
			if !ok {
				c.define(s, t.Name, where, "initializer")
			}
		}
		c.tensor(t, what)
	}
	c.nodes(g, s, where)
	for _, v := range g.Outputs {
		c.value(v, where, "output", outer == nil)
		if v.Name != "" && !s.has(v.Name) {
			c.problem("%s: output %q is computed by no node", where, v.Name)
		}
	}
	if len(g.Outputs) == 0 {
		c.problem("%s: it has no outputs", where)
	}
}

// define adds a name to the scope; every name may be defined once.
func (c *checker) define(s *scope, name, where, kind string) {
	switch first, ok := s.names[name]; {
	case name == "":
		c.problem("%s: an %s has no name", where, kind)
		return
	case !utf8.ValidString(name):
		c.problem("%s: the name %q is not UTF-8", where, name)
	case ok:
		c.problem("%s: the name %q is assigned twice, by an %s and by an %s", where, name, first, kind)
	}
	s.names[name] = kind
}

func (c *checker) value(v *ValueInfo, where, kind string, top bool) {
	switch {
	case !top || len(v.ofType) > 0: // inner graphs may leave types out; sequences and maps are not looked into
	case v.ElemType == 0:
		c.problem("%s: %s %q has no element type", where, kind, v.Name)
	case !v.HasShape:
		c.problem("%s: %s %q has no shape", where, kind, v.Name)
	}
}

func (c *checker) tensor(t *Tensor, what string) {
	switch {
	case t.DType == weights.Invalid && t.ElemType == 0:
		c.problem("%s has no element type", what)
	case len(t.External) > 0:
		for _, p := range t.External {
			if p.Key == "location" && p.Value != "" {
				return
			}
		}
		c.problem("%s has its data in another file, but no location", what)
	case t.DType != weights.Invalid:
		if size, err := weights.ByteSize(t.Shape, t.DType); err != nil {
			c.problem("%s: %v", what, err)
		} else if len(t.Data) != size {
			c.problem("%s has %d bytes of data, want %d for shape %v of %v", what, len(t.Data), size, t.Shape, t.DType)
		}
	}
}
