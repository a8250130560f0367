package onnx

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"
)

// maxInlined bounds the memory that inlined nodes and their names may take: a few
// functions that call one another ten times each describe more nodes than there is
// memory for.
const maxInlined = 64 << 20

// Inline replaces every node of the graph that calls a function of the model by the
// nodes of the function, to any depth. Attributes that refer to those of the function
// get the caller's values, or the defaults; tensors inside get names made of the
// caller's. Functions that call themselves, those that grow beyond all bounds, and
// calls whose operands and attributes do not fit the function's nodes are refused.
// Graphs in attributes are left as they are.
//
// The functions stay in the model, and Encode writes a call again where the nodes are
// still what Inline made of it, whatever its operands are called by then: of calls in
// calls the outermost that is whole.
func (m *Model) Inline() error {
	if len(m.Functions) == 0 {
		return nil
	}
	in := &inliner{model: m, functions: map[functionKey]*Function{}, taken: map[string]bool{}, copies: map[string]int{}, left: maxInlined}
	for _, f := range m.Functions {
		in.functions[f.key()] = f
	}
	m.Graph.allNames(in.taken)
	for _, n := range m.Graph.Nodes {
		if err := in.top(n); err != nil {
			return err
		}
	}
	m.Graph.Nodes = in.out
	if err := Check(m); err != nil { // an attribute of another type, an input that the call leaves out
		return fmt.Errorf("once its functions are in the place of their calls: %w", err)
	}
	return nil
}

type inliner struct {
	model     *Model
	functions map[functionKey]*Function
	taken     map[string]bool // names of tensors in use
	copies    map[string]int  // numbers tried, by name
	left      int             // bytes of maxInlined
	stack     []*Function     // being inlined
	external  bool            // the call at hand holds tensors in other files
	out       []*Node
}

// top inlines a node of the graph itself.
func (in *inliner) top(n *Node) error {
	if err := in.node(n, in.model.Opsets); err != nil {
		return within(err, "node %q (%s)", n.Name, n.OpType)
	}
	return nil
}

// node appends n, or what the function that it calls is made of, and remembers the call.
// imported are the operator sets of the graph or function that n was in.
func (in *inliner) node(n *Node, imported []Opset) error {
	f := in.functions[n.key()]
	if f == nil {
		in.out = append(in.out, n)
		return nil
	}
	in.stack = append(in.stack, f)
	defer func() { in.stack = in.stack[:len(in.stack)-1] }()
	if i := slices.Index(in.stack, f); i < len(in.stack)-1 || len(in.stack) > maxDepth {
		var names []string
		for _, f := range in.stack[max(0, i):] {
			names = append(names, f.String())
		}
		if i < len(in.stack)-1 {
			return formatErr("a function calls itself: %s", strings.Join(names, " → "))
		}
		return formatErr("functions call one another more than %d deep", maxDepth)
	}
	start, outside := len(in.out), in.external
	in.external = false
	s := &instance{inliner: in, f: f, caller: n, names: map[string]string{}}
	if err := s.expand(); err != nil {
		return err
	}
	if !in.external {
		body := in.out[start:]
		remember(n, Opset{Domain: n.Domain, Version: version(imported, n.Domain)}, body)
		if err := in.spend(8 * len(body)); err != nil {
			return err
		}
	}
	in.external = in.external || outside
	return nil
}

// identityOpset is what a model imports of the standard operators that had none of them
// before a function was put into it.
const identityOpset = 13

// instance is one function at one place.
type instance struct {
	*inliner
	f      *Function
	caller *Node // its names are those of the graph
	names  map[string]string
}

func (s *instance) expand() error {
	f, n := s.f, s.caller
	if len(n.Inputs) > len(f.Inputs) || len(n.Outputs) > len(f.Outputs) {
		return formatErr("%v takes %d inputs and gives %d outputs, it is called with %d and %d", f, len(f.Inputs), len(f.Outputs), len(n.Inputs), len(n.Outputs))
	}
	for i, name := range f.Inputs {
		s.names[name] = n.Input(i)
	}
	var same []*Node // outputs that are inputs
	for i, name := range f.Outputs {
		out := n.Output(i)
		if in, ok := s.names[name]; ok {
			if out != "" {
				if in == "" {
					return formatErr("%v gives its input %q back as output, which node %q leaves out", f, name, n.Name)
				}
				if s.model.Opset("") == 0 {
					s.model.Opsets = append(s.model.Opsets, Opset{Version: max(version(f.Opsets, ""), identityOpset)})
				}
				same = append(same, &Node{OpType: "Identity", Name: out, Inputs: []string{in}, Outputs: []string{out}})
			}
		} else if out != "" {
			s.names[name] = out
		}
	}
	if err := s.imports(); err != nil {
		return err
	}
	for _, node := range f.Nodes {
		own, err := s.clone(node)
		if err != nil {
			return within(err, "%v", f)
		}
		if own.Name != "" && n.Name != "" {
			own.Name = n.Name + "/" + own.Name
		}
		if err := s.spend(int(unsafe.Sizeof(*own)) + len(own.Name)); err != nil {
			return err
		}
		if err := s.node(own, f.Opsets); err != nil {
			return err
		}
	}
	s.out = append(s.out, same...)
	return s.spend(len(same) * int(unsafe.Sizeof(Node{})))
}

func (in *inliner) spend(n int) error {
	if in.left -= n; in.left < 0 {
		return formatErr("the functions of the model stand for more nodes than %d MiB hold; it was not made by an exporter", maxInlined>>20)
	}
	return nil
}

// imports gives the model the operator sets of the function's nodes. One version of
// each can be meant in one graph.
func (s *instance) imports() error {
	for _, n := range s.f.Nodes {
		if s.functions[n.key()] != nil {
			continue
		}
		want, have := version(s.f.Opsets, n.Domain), s.model.Opset(n.Domain)
		switch {
		case want == 0:
			return formatErr("%v lacks the domain %q of its node %q (%s) in opset_import", s.f, n.Domain, n.Name, n.OpType)
		case have == 0:
			s.model.Opsets = append(s.model.Opsets, Opset{Domain: n.Domain, Version: want})
		case have != want:
			return &UnsupportedError{Reason: fmt.Sprintf("%v is written in version %d of the operators of domain %q, the model in version %d: convert the model to one version", s.f, want, n.Domain, have)}
		}
	}
	return nil
}

// name is the graph's name of a tensor of the function.
func (s *instance) name(inside string) string {
	if inside == "" {
		return ""
	}
	if name, ok := s.names[inside]; ok {
		return name
	}
	prefix := s.caller.Name
	if prefix == "" {
		prefix = s.caller.Output(0)
	}
	base := prefix + "/" + inside
	name := base
	for s.taken[name] {
		s.copies[base]++
		name = fmt.Sprintf("%s_%d", base, s.copies[base]+1)
	}
	s.taken[name], s.names[inside] = true, name
	s.left -= 2*len(name) + 64 // clone asks whether that was too much
	return name
}

func (s *instance) rename(list []string) ([]string, error) {
	out := make([]string, len(list))
	for i, name := range list {
		out[i] = s.name(name)
	}
	return out, s.spend(16 * len(list))
}

// clone copies a node of the function with the names of the graph.
func (s *instance) clone(n *Node) (*Node, error) {
	own := *n
	var err error
	if own.Inputs, err = s.rename(n.Inputs); err != nil {
		return nil, err
	}
	if own.Outputs, err = s.rename(n.Outputs); err != nil {
		return nil, err
	}
	own.Attributes = nil
	for _, a := range n.Attributes {
		a, err := s.attribute(a)
		if err != nil {
			return nil, fmt.Errorf("node %q (%s): %w", n.Name, n.OpType, err)
		}
		if a != nil {
			own.Attributes = append(own.Attributes, a)
		}
	}
	return &own, s.spend(8 * len(n.Attributes))
}

// attribute resolves a reference; nil when the caller leaves it out.
func (s *instance) attribute(a *Attribute) (*Attribute, error) {
	own := a
	if a.RefName != "" {
		value := s.caller.Attribute(a.RefName)
		if value == nil {
			value = s.f.standard(a.RefName)
		}
		if value == nil {
			return nil, nil
		}
		if a.Type != AttrUndefined && a.Type != value.Type {
			return nil, formatErr("attribute %s is of type %v, but %q, which it refers to, is given as %v", a.Name, a.Type, a.RefName, value.Type)
		}
		copied := *value
		copied.Name = a.Name
		own = &copied
		if err := s.spend(int(unsafe.Sizeof(copied))); err != nil {
			return nil, err
		}
	}
	for _, t := range append([]*Tensor{own.T}, own.Tensors...) {
		s.external = s.external || t != nil && len(t.External) > 0
	}
	if a.RefName != "" || own.G == nil && own.Graphs == nil {
		return own, nil // the caller's graphs have the caller's names
	}
	copied := *own
	copied.Graphs = nil
	var err error
	if own.G != nil {
		if copied.G, err = s.graph(own.G); err != nil {
			return nil, err
		}
	}
	for _, g := range own.Graphs {
		inner, err := s.graph(g)
		if err != nil {
			return nil, err
		}
		copied.Graphs = append(copied.Graphs, inner)
	}
	return &copied, nil
}

// graph copies a graph in an attribute; it may read the tensors of the function.
func (s *instance) graph(g *Graph) (*Graph, error) {
	own := *g
	own.Nodes, own.Initializers, own.index = nil, nil, nil
	for _, t := range g.Initializers {
		copied := *t
		copied.Name = s.name(t.Name)
		s.external = s.external || len(t.External) > 0
		own.Initializers = append(own.Initializers, &copied)
	}
	for _, list := range []*[]*ValueInfo{&own.Inputs, &own.Outputs, &own.ValueInfo} {
		values := *list
		*list = nil
		for _, v := range values {
			copied := *v
			copied.Name = s.name(v.Name)
			*list = append(*list, &copied)
		}
		if err := s.spend(int(unsafe.Sizeof(ValueInfo{})) * len(values)); err != nil {
			return nil, err
		}
	}
	if err := s.spend(int(unsafe.Sizeof(own)) + int(unsafe.Sizeof(Tensor{}))*len(g.Initializers)); err != nil {
		return nil, err
	}
	for _, n := range g.Nodes {
		copied, err := s.clone(n)
		if err != nil {
			return nil, err
		}
		if err := s.spend(int(unsafe.Sizeof(*copied))); err != nil {
			return nil, err
		}
		own.Nodes = append(own.Nodes, copied)
	}
	return &own, nil
}
