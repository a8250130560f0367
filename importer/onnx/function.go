package onnx

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Function is a FunctionProto: an operator that the model defines by a list of
// nodes. A function is written as it was read; Inline puts its nodes in the place
// of the nodes that call it.
type Function struct {
	Domain, Name, Overload string
	Inputs, Outputs        []string
	Attributes             []string     // without a default
	Defaults               []*Attribute // with one
	Nodes                  []*Node
	Opsets                 []Opset

	raw []byte
}

// String names a function in messages.
func (f *Function) String() string {
	name := f.Name
	if f.Domain != "" {
		name = f.Domain + "." + name
	}
	if f.Overload != "" {
		name += ":" + f.Overload
	}
	return fmt.Sprintf("function %q", name)
}

// functionKey is what a node says of the function it calls.
type functionKey struct{ domain, name, overload string }

func keyOf(domain, name, overload string) functionKey {
	if domain == "ai.onnx" {
		domain = ""
	}
	return functionKey{domain, name, overload}
}

func (f *Function) key() functionKey { return keyOf(f.Domain, f.Name, f.Overload) }
func (n *Node) key() functionKey     { return keyOf(n.Domain, n.OpType, n.Overload) }

// takes reports whether the function has an attribute of that name.
func (f *Function) takes(attribute string) bool {
	return slices.Contains(f.Attributes, attribute) || f.standard(attribute) != nil
}

// standard returns the default of an attribute; nil when it has none.
func (f *Function) standard(attribute string) *Attribute {
	for _, a := range f.Defaults {
		if a.Name == attribute {
			return a
		}
	}
	return nil
}

func (d *decoder) function(b []byte, fn *Function) error {
	fn.raw = b
	list := func(f field, dst *[]string) error {
		var s string
		if err := f.string(&s); err != nil {
			return err
		}
		return appendTo(d, dst, s)
	}
	return fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			err = f.string(&fn.Name)
		case 4:
			err = list(f, &fn.Inputs)
		case 5:
			err = list(f, &fn.Outputs)
		case 6:
			err = list(f, &fn.Attributes)
		case 7:
			err = many(d, f, &fn.Nodes, d.node, "node")
		case 9:
			err = within(d.opset(f, &fn.Opsets), "opset_import[%d]", len(fn.Opsets))
		case 10:
			err = f.string(&fn.Domain)
		case 11:
			err = many(d, f, &fn.Defaults, d.attribute, "attribute_proto")
		case 13:
			err = f.string(&fn.Overload)
		default: // the doc string, types: kept in raw
			if f.typ == protowire.EndGroupType {
				err = formatErr("field %d ends a group that did not begin", f.num)
			}
		}
		return err
	})
}

// functions checks the functions that the model defines.
func (c *checker) functions() {
	c.known = map[functionKey]*Function{}
	for i, f := range c.model.Functions {
		if c.known[f.key()] != nil {
			c.problem("%v is defined twice", f)
		}
		if f.Name == "" {
			c.problem("functions[%d] has no name", i)
		}
		c.known[f.key()] = f
	}
	defer func() { c.opsets, c.within = c.model.Opsets, nil }()
	for _, f := range c.model.Functions {
		c.opsets, c.within = f.Opsets, f
		where := f.String()
		s := &scope{names: map[string]string{}}
		for _, name := range f.Inputs {
			c.define(s, name, where, "input")
		}
		taken := map[string]bool{}
		for _, name := range f.Attributes {
			if taken[name] || f.standard(name) != nil {
				c.problem("%s: attribute %q is declared twice", where, name)
			}
			taken[name] = true
		}
		c.nodes(&Graph{Nodes: f.Nodes}, s, where)
		taken = map[string]bool{}
		for _, name := range f.Outputs {
			switch {
			case !s.has(name):
				c.problem("%s: output %q is computed by no node", where, name)
			case taken[name]:
				c.problem("%s: output %q is there twice", where, name)
			}
			taken[name] = true
		}
	}
}
