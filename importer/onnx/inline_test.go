package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"onnxclr/importer/weights"
)

// functionBytes spells a FunctionProto.
func functionBytes(f *Function) []byte {
	p := &message{}
	p.string(1, f.Name)
	for _, s := range f.Inputs {
		p.bytes(4, []byte(s))
	}
	for _, s := range f.Outputs {
		p.bytes(5, []byte(s))
	}
	for _, s := range f.Attributes {
		p.bytes(6, []byte(s))
	}
	for _, n := range f.Nodes {
		q, err := n.encode()
		if err != nil {
			panic(err)
		}
		p.message(7, q)
	}
	for _, o := range f.Opsets {
		p.bytes(9, msg{}.string(1, o.Domain).varint(2, uint64(o.Version)))
	}
	p.string(10, f.Domain)
	for _, a := range f.Defaults {
		q, err := a.encode()
		if err != nil {
			panic(err)
		}
		p.message(11, q)
	}
	p.string(13, f.Overload)
	return p.flat()
}

var standardAndLocal = []Opset{{Domain: "", Version: 17}, {Domain: "local", Version: 1}}

func local(f *Function) *Function {
	f.Domain = "local"
	if f.Opsets == nil {
		f.Opsets = standardAndLocal
	}
	return f
}

// withFunctions is a model of those nodes and functions as a file has it, decoded.
func withFunctions(t testing.TB, nodes []*Node, functions ...*Function) *Model {
	t.Helper()
	m := small()
	m.Opsets = append(m.Opsets, Opset{Domain: "local", Version: 1})
	m.Graph.Nodes = nodes
	for _, f := range functions {
		f.raw = functionBytes(f)
	}
	m.Functions = functions
	again, err := Decode(encode(t, m))
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func do(op string, in, out string, attributes ...*Attribute) *Node {
	n := &Node{OpType: op, Inputs: strings.Fields(in), Outputs: strings.Fields(out), Attributes: attributes}
	for _, list := range [][]string{n.Inputs, n.Outputs} {
		for i := range list {
			if list[i] == "_" {
				list[i] = ""
			}
		}
	}
	if strings.HasPrefix(op, "local.") {
		n.OpType, n.Domain = op[6:], "local"
	}
	return n
}

// program spells a graph's nodes, one a line.
func program(nodes []*Node) string {
	var lines []string
	for _, n := range nodes {
		line := fmt.Sprintf("%s = %s(%s)", strings.Join(n.Outputs, " "), n.OpType, strings.Join(n.Inputs, " "))
		for _, a := range n.Attributes {
			line += fmt.Sprintf(" %s=%v%v%v%s", a.Name, a.F, a.I, a.Ints, a.S)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestInline(t *testing.T) {
	ref := func(name, of string, t AttributeType) *Attribute {
		return &Attribute{Name: name, RefName: of, Type: t}
	}
	for _, tt := range []struct {
		name      string
		nodes     []*Node
		functions []*Function
		want      string
	}{
		{"a call", []*Node{do("local.F", "x w", "y")}, []*Function{
			local(&Function{Name: "F", Inputs: []string{"a", "b"}, Outputs: []string{"c"}, Nodes: []*Node{do("MatMul", "a b", "t"), do("Relu", "t", "c")}}),
		}, "y/t = MatMul(x w)\ny = Relu(y/t)"},
		{"two calls, and names that are taken", []*Node{do("local.F", "x", "p"), do("Relu", "p", "q/t"), do("local.F", "q/t", "q"), do("MatMul", "q w", "y")}, []*Function{
			local(&Function{Name: "F", Inputs: []string{"x"}, Outputs: []string{"y"}, Nodes: []*Node{do("Relu", "x", "t"), do("Relu", "t", "y")}}),
		}, "p/t = Relu(x)\np = Relu(p/t)\nq/t = Relu(p)\nq/t_2 = Relu(q/t)\nq = Relu(q/t_2)\ny = MatMul(q w)"},
		{"one in another, in any order", []*Node{do("local.G", "x w", "y")}, []*Function{
			local(&Function{Name: "G", Inputs: []string{"a", "b"}, Outputs: []string{"c"}, Nodes: []*Node{do("local.F", "a", "t"), do("MatMul", "t b", "c")}}),
			local(&Function{Name: "F", Inputs: []string{"a"}, Outputs: []string{"c"}, Nodes: []*Node{do("Relu", "a", "t"), do("Relu", "t", "c")}}),
		}, "y/t/t = Relu(x)\ny/t = Relu(y/t/t)\ny = MatMul(y/t w)"},
		{"attributes: given, default, absent, handed on", []*Node{do("local.G", "x", "y", FloatAttr("slope", 0.5), IntAttr("axis", 1))}, []*Function{
			local(&Function{Name: "G", Inputs: []string{"a"}, Outputs: []string{"c"}, Attributes: []string{"slope", "axis", "other"}, Nodes: []*Node{
				do("local.F", "a", "t", ref("alpha", "slope", AttrFloat)), do("Softmax", "t", "u", ref("axis", "axis", AttrInt)), do("Flatten", "u", "c", ref("axis", "other", AttrInt)),
			}}),
			local(&Function{Name: "F", Inputs: []string{"a"}, Outputs: []string{"c"}, Attributes: []string{"alpha"}, Defaults: []*Attribute{FloatAttr("more", 2)}, Nodes: []*Node{
				do("LeakyRelu", "a", "t", ref("alpha", "alpha", AttrFloat)), do("LeakyRelu", "t", "c", ref("alpha", "more", AttrFloat)),
			}}),
		}, "y/t/t = LeakyRelu(x) alpha=0.50[]\ny/t = LeakyRelu(y/t/t) alpha=20[]\ny/u = Softmax(y/t) axis=01[]\ny = Flatten(y/u)"},
		{"absent operands", []*Node{do("local.F", "x _ w", "_ y")}, []*Function{
			local(&Function{Name: "F", Inputs: []string{"a", "low", "b", "high"}, Outputs: []string{"c", "d"}, Nodes: []*Node{do("Clip", "a low high", "c"), do("MatMul", "c b", "d")}}),
		}, "/c = Clip(x  )\ny = MatMul(/c w)"},
		{"an output that is an input, and one twice", []*Node{do("local.F", "x", "p q"), do("MatMul", "q w", "y")}, []*Function{
			local(&Function{Name: "F", Inputs: []string{"a"}, Outputs: []string{"a", "c"}, Nodes: []*Node{do("Relu", "a", "c")}}),
		}, "q = Relu(x)\np = Identity(x)\ny = MatMul(q w)"},
		{"in the place of a standard operator", []*Node{do("Mish", "x", "y")}, []*Function{
			{Name: "Mish", Inputs: []string{"a"}, Outputs: []string{"c"}, Opsets: []Opset{{Version: 17}}, Nodes: []*Node{do("Softplus", "a", "t"), do("Tanh", "t", "u"), do("Mul", "a u", "c")}},
		}, "y/t = Softplus(x)\ny/u = Tanh(y/t)\ny = Mul(x y/u)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := withFunctions(t, tt.nodes, tt.functions...)
			file := encode(t, m)
			if err := Check(m); err != nil {
				t.Fatal(err)
			}
			if err := m.Inline(); err != nil {
				t.Fatal(err)
			}
			if got := program(m.Graph.Nodes); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if err := Check(m); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(encode(t, m), file) {
				t.Error("it is not written as it was read")
			}
		})
	}
}

// A graph inside a function's node reads the function's tensors under their new names.
func TestInlineGraphs(t *testing.T) {
	branch := func() *Attribute {
		g := &Graph{Name: "b", Outputs: []*ValueInfo{{Name: "r"}}, Nodes: []*Node{do("Relu", "t", "s"), do("MatMul", "s b", "r", &Attribute{Name: "k", RefName: "k", Type: AttrInt})}}
		g.AddInitializer(NewTensor(weights.FromFloat32("i", nil, []float32{1})))
		return &Attribute{Name: "then_branch", Type: AttrGraph, G: g}
	}
	m := withFunctions(t, []*Node{do("local.F", "x w", "y", IntAttr("k", 3)), do("local.F", "x w", "z", IntAttr("k", 4))},
		local(&Function{Name: "F", Inputs: []string{"a", "b"}, Outputs: []string{"c"}, Attributes: []string{"k"}, Nodes: []*Node{do("Relu", "a", "t"), do("If", "a", "c", branch())}}))
	if err := m.Inline(); err != nil {
		t.Fatal(err)
	}
	for i, out := range []string{"y", "z"} {
		g := m.Graph.Nodes[2*i+1].Attributes[0].G
		want := strings.ReplaceAll(fmt.Sprintf("o/s = Relu(o/t)\no/r = MatMul(o/s w) k=0%d[]", 3+i), "o/", out+"/")
		if got := program(g.Nodes); got != want || g.Initializers[0].Name != out+"/i" || g.Outputs[0].Name != out+"/r" {
			t.Errorf("got\n%s with %q, want\n%s", got, g.Initializers[0].Name, want)
		}
	}
}

// Calls survive new names of their operands; a body that has been changed is written
// as it is, and the functions with it.
func TestOutline(t *testing.T) {
	f := local(&Function{Name: "F", Inputs: []string{"a", "b", "unused"}, Outputs: []string{"c"}, Nodes: []*Node{do("MatMul", "a b", "t"), do("Relu", "t", "c")}})
	open := func() *Model {
		m := withFunctions(t, []*Node{do("local.F", "x w x", "y")}, f)
		if err := m.Inline(); err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, tt := range []struct {
		name string
		edit func(m *Model)
		want string
	}{
		{"renamed", func(m *Model) {
			if err := m.Graph.Rename(map[string]string{"w": "fc.weight", "y": "z", "x": "images"}); err != nil {
				t.Fatal(err)
			}
		}, "z = F(images fc.weight images)"},
		{"more nodes around it", func(m *Model) {
			m.Graph.Nodes = append([]*Node{do("Relu", "x", "before")}, append(m.Graph.Nodes, do("Relu", "y", "behind"))...)
		}, "before = Relu(x)\ny = F(x w x)\nbehind = Relu(y)"},
		{"a tensor inside that others read", func(m *Model) {
			m.Graph.Nodes = append(m.Graph.Nodes, do("Relu", "y/t", "more"))
		}, "y/t = MatMul(x w)\ny = Relu(y/t)\nmore = Relu(y/t)"},
		{"a tensor inside that is an output", func(m *Model) {
			m.Graph.Outputs = append(m.Graph.Outputs, FloatValue("y/t"))
		}, "y/t = MatMul(x w)\ny = Relu(y/t)"},
		{"a node replaced", func(m *Model) { n := *m.Graph.Nodes[1]; m.Graph.Nodes[1] = &n }, "y/t = MatMul(x w)\ny = Relu(y/t)"},
		{"a node removed", func(m *Model) { m.Graph.Nodes = m.Graph.Nodes[:1] }, "y/t = MatMul(x w)"},
		{"a node between", func(m *Model) { m.Graph.Nodes = slices.Insert(m.Graph.Nodes, 1, do("Relu", "x", "more")) }, "y/t = MatMul(x w)\nmore = Relu(x)\ny = Relu(y/t)"},
		{"another operand inside", func(m *Model) { m.Graph.Nodes[1].Inputs[0] = "x" }, "y/t = MatMul(x w)\ny = Relu(x)"},
		{"an attribute", func(m *Model) { m.Graph.Nodes[1].SetAttribute(IntAttr("k", 1)) }, "y/t = MatMul(x w)\ny = Relu(y/t) k=01[]"},
		{"an operand gone that it does not use", func(m *Model) {
			m.Graph.Nodes[0].origin.call.node.Inputs[2] = "gone"
		}, "y/t = MatMul(x w)\ny = Relu(y/t)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := open()
			tt.edit(m)
			again, err := Decode(encode(t, m))
			if err != nil {
				t.Fatal(err)
			}
			if got := program(again.Graph.Nodes); got != tt.want {
				t.Errorf("written as\n%s\nwant\n%s", got, tt.want)
			}
			if len(again.Functions) != 1 || !bytes.Equal(again.Functions[0].raw, f.raw) {
				t.Error("the function is lost")
			}
		})
	}
}

// TestOutlineOfCallsInCalls: where a call cannot be written again, those in it can; a
// domain that only functions import is imported then.
func TestOutlineOfCallsInCalls(t *testing.T) {
	f := local(&Function{Name: "F", Inputs: []string{"a"}, Outputs: []string{"c"}, Nodes: []*Node{do("Relu", "a", "t"), do("Neg", "t", "c")}})
	g := local(&Function{Name: "G", Inputs: []string{"a", "b"}, Outputs: []string{"c"}, Nodes: []*Node{do("local.F", "a", "s"), do("Add", "s b", "r"), do("local.F", "r", "c")}})
	f.Domain = "inner"
	g.Nodes[0].Domain, g.Nodes[2].Domain = "inner", "inner"
	g.Opsets = append(g.Opsets, Opset{Domain: "inner", Version: 3})
	h := local(&Function{Name: "H", Inputs: []string{"a", "b"}, Outputs: []string{"c"}, Nodes: []*Node{do("local.G", "a b", "u"), do("Relu", "u", "c")}})
	for _, tt := range []struct {
		name  string
		edit  func(m *Model)
		want  string
		inner int64 // the version of domain inner that the model imports
	}{
		{"nothing", func(m *Model) {}, "y = H(x w)", 0},
		{"behind the second call", func(m *Model) { m.Graph.Nodes = append(m.Graph.Nodes, do("Relu", "y/u", "more")) }, "y/u = G(x w)\ny = Relu(y/u)\nmore = Relu(y/u)", 0},
		{"between calls of the third", func(m *Model) { m.Graph.Nodes = append(m.Graph.Nodes, do("Relu", "y/u/r", "more")) },
			"y/u/s = F(x)\ny/u/r = Add(y/u/s w)\ny/u = F(y/u/r)\ny = Relu(y/u)\nmore = Relu(y/u/r)", 3},
		{"in one of the third", func(m *Model) { m.Graph.Nodes = append(m.Graph.Nodes, do("Relu", "y/u/s/t", "more")) },
			"y/u/s/t = Relu(x)\ny/u/s = Neg(y/u/s/t)\ny/u/r = Add(y/u/s w)\ny/u = F(y/u/r)\ny = Relu(y/u)\nmore = Relu(y/u/s/t)", 3},
		{"a node replaced in the last", func(m *Model) { n := *m.Graph.Nodes[4]; m.Graph.Nodes[4] = &n },
			"y/u/s = F(x)\ny/u/r = Add(y/u/s w)\ny/u/t = Relu(y/u/r)\ny/u = Neg(y/u/t)\ny = Relu(y/u)", 3},
	} {
		m := withFunctions(t, []*Node{do("local.H", "x w", "y")}, f, g, h)
		if err := m.Inline(); err != nil {
			t.Fatal(err)
		}
		tt.edit(m)
		again, err := Decode(encode(t, m))
		if err != nil {
			t.Fatal(err)
		}
		if got := program(again.Graph.Nodes); got != tt.want {
			t.Errorf("%s: written as\n%s\nwant\n%s", tt.name, got, tt.want)
		}
		if got := again.Opset("inner"); got != tt.inner {
			t.Errorf("%s: domain inner is imported in version %d, want %d", tt.name, got, tt.inner)
		}
		if err := Check(again); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// inlineRefusals are models whose functions must be refused, and what is said.
func inlineRefusals(t testing.TB) map[string]*Model {
	f := func(name string, nodes ...*Node) *Function {
		return local(&Function{Name: name, Inputs: []string{"a"}, Outputs: []string{"c"}, Nodes: nodes})
	}
	bomb := []*Function{f("F0", do("Relu", "a", "c"))}
	for i := 1; i <= 20; i++ {
		nodes := []*Node{}
		for k := range 10 {
			nodes = append(nodes, do(fmt.Sprintf("local.F%d", i-1), []string{"a", "t"}[min(k, 1)]+[]string{"", fmt.Sprint(k - 1)}[min(k, 1)], fmt.Sprintf("t%d", k)))
		}
		bomb = append(bomb, f(fmt.Sprintf("F%d", i), append(nodes, do("Relu", "t9", "c"))...))
	}
	var deep []*Function
	for i := range 100 {
		deep = append(deep, f(fmt.Sprintf("F%d", i), do(fmt.Sprintf("local.F%d", i+1), "a", "c")))
	}
	deep = append(deep, f("F100", do("Relu", "a", "c")))
	call := func(name string) []*Node { return []*Node{do("local."+name, "x", "y")} }
	wide := f("F")
	for i := range 4000 {
		wide.Nodes = append(wide.Nodes, do("Relu", "a", fmt.Sprint("t", i)))
	}
	wide.Nodes = append(wide.Nodes, do("Relu", "a", "c"))
	var many []*Node
	for i := range 4000 {
		many = append(many, do("local.F", "x", strings.Repeat("n", 1000)+fmt.Sprint(i)))
	}
	many = append(many, do("Relu", "x", "y"))
	return map[string]*Model{
		`calls itself: function "local.F" → function "local.F"`:                         withFunctions(t, call("F"), f("F", do("local.F", "a", "c"))),
		`function "local.F" → function "local.G" → function "local.F"`:                  withFunctions(t, call("F"), f("F", do("local.G", "a", "c")), f("G", do("local.F", "a", "c"))),
		"more nodes than 64 MiB hold":                                                   withFunctions(t, call("F20"), bomb...),
		"than 64 MiB":                                                                   withFunctions(t, many, wide),
		"call one another more than 32 deep":                                            withFunctions(t, call("F0"), deep...),
		`gives its input "a" back as output`:                                            withFunctions(t, []*Node{do("local.F", "", "y")}, local(&Function{Name: "F", Inputs: []string{"a"}, Outputs: []string{"a"}})),
		`"local.F" is written in version 9 of the operators of domain ""`:               withFunctions(t, call("F"), local(&Function{Name: "F", Inputs: []string{"a"}, Outputs: []string{"c"}, Nodes: []*Node{do("Relu", "a", "c")}, Opsets: []Opset{{Version: 9}}})),
		`Flatten): attribute axis is of type FLOAT, want INT`:                           withFunctions(t, []*Node{do("local.F", "x", "y", FloatAttr("k", 1))}, local(&Function{Name: "F", Inputs: []string{"a"}, Outputs: []string{"c"}, Attributes: []string{"k"}, Nodes: []*Node{do("Flatten", "a", "c", &Attribute{Name: "axis", RefName: "k"})}})),
		`MatMul): input 1 is missing`:                                                   withFunctions(t, []*Node{do("local.F", "x", "y")}, local(&Function{Name: "F", Inputs: []string{"a", "b"}, Outputs: []string{"c"}, Nodes: []*Node{do("MatMul", "a b", "c")}})),
		`attribute axis is of type INT, but "k", which it refers to, is given as FLOAT`: withFunctions(t, []*Node{do("local.F", "x", "y", FloatAttr("k", 1))}, local(&Function{Name: "F", Inputs: []string{"a"}, Outputs: []string{"c"}, Attributes: []string{"k"}, Nodes: []*Node{do("Flatten", "a", "c", &Attribute{Name: "axis", RefName: "k", Type: AttrInt})}})),
	}
}

func TestInlineRefuses(t *testing.T) {
	for want, m := range inlineRefusals(t) {
		if err := Check(m); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		err := m.Inline()
		var f *FormatError
		var u *UnsupportedError
		var c *CheckError
		if !errors.As(err, &f) && !errors.As(err, &u) && !errors.As(err, &c) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestCheckFunctions(t *testing.T) {
	relu := func() *Function {
		return local(&Function{Name: "F", Inputs: []string{"a"}, Outputs: []string{"c"}, Nodes: []*Node{do("Relu", "a", "c")}})
	}
	for _, tt := range []struct {
		name string
		edit func(m *Model, f *Function)
		want string
	}{
		{"twice", func(m *Model, f *Function) { m.Functions = append(m.Functions, relu()) }, `function "local.F" is defined twice`},
		{"unnamed", func(m *Model, f *Function) { f.Name = "" }, "functions[0] has no name"},
		{"undefined inside", func(m *Model, f *Function) { f.Nodes[0].Inputs[0] = "x" }, `function "local.F": node 0 "" (Relu): input 0, "x", is not defined`},
		{"no output", func(m *Model, f *Function) { f.Outputs[0] = "d" }, `function "local.F": output "d" is computed by no node`},
		{"an output twice", func(m *Model, f *Function) { f.Outputs = []string{"c", "c"} }, `output "c" is there twice`},
		{"an input twice", func(m *Model, f *Function) { f.Inputs = []string{"a", "a"} }, `"a" is assigned twice`},
		{"assigned twice", func(m *Model, f *Function) { f.Nodes = append(f.Nodes, do("Relu", "a", "c")) }, `function "local.F": the name "c" is assigned twice`},
		{"no operator set", func(m *Model, f *Function) { f.Opsets = nil }, `function "local.F": node 0 "" (Relu): opset_import lacks the domain ""`},
		{"an attribute it lacks", func(m *Model, f *Function) {
			f.Nodes[0].Attributes = []*Attribute{{Name: "k", RefName: "slope", Type: AttrInt}}
		}, `attribute k refers to the attribute "slope", which function "local.F" does not have`},
		{"an attribute of a wrong type", func(m *Model, f *Function) {
			f.Attributes = []string{"k"}
			f.Nodes[0] = do("Flatten", "a", "c", &Attribute{Name: "axis", RefName: "k", Type: AttrFloat})
		}, `function "local.F": node 0 "" (Flatten): attribute axis is of type FLOAT, want INT`},
		{"an attribute twice", func(m *Model, f *Function) { f.Attributes = []string{"k", "k"} }, `attribute "k" is declared twice`},
		{"too many operands", func(m *Model, f *Function) { m.Graph.Nodes[0].Inputs = []string{"x", "x"} }, `it has 2 inputs and 1 outputs, function "local.F" takes 1 and gives 1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := relu()
			m := withFunctions(t, []*Node{do("local.F", "x", "y")}, f)
			tt.edit(m, m.Functions[0])
			if err := Check(m); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			m.Inline() // whatever it says, it must not panic
		})
	}
}
