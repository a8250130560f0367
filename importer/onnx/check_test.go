package onnx

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"onnxclr/importer/weights"
)

// small is a valid model: y = relu(x·w), x [n,2].
func small() *Model {
	g := &Graph{Name: "g",
		Inputs:  []*ValueInfo{FloatValue("x", Dim{Param: "n"}, Dim{Value: 2})},
		Outputs: []*ValueInfo{FloatValue("y", Dim{Param: "n"}, Dim{Value: 3})},
		Nodes: []*Node{
			{Name: "mul", OpType: "MatMul", Inputs: []string{"x", "w"}, Outputs: []string{"a"}},
			{Name: "act", OpType: "Relu", Inputs: []string{"a"}, Outputs: []string{"y"}},
		}}
	g.SetInitializer(weights.FromFloat32("w", []int{2, 3}, make([]float32, 6)))
	return &Model{IRVersion: 8, Opsets: []Opset{{Version: 17}}, Graph: g}
}

func TestCheck(t *testing.T) {
	if err := Check(small()); err != nil {
		t.Fatal(err)
	}
	relu := func(in, out string) *Node {
		return &Node{Name: out, OpType: "Relu", Inputs: []string{in}, Outputs: []string{out}}
	}
	for _, tt := range []struct {
		name string
		edit func(m *Model)
		want []string // one a problem
	}{
		{"no IR version", func(m *Model) { m.IRVersion = 0 }, []string{"ir_version is missing"}},
		{"IR version of the future", func(m *Model) { m.IRVersion = 99 }, []string{"ir_version is 99"}},
		{"no opset", func(m *Model) { m.Opsets = nil }, []string{"opset_import is missing", `node 0 "mul" (MatMul): opset_import lacks the domain ""`, `node 1 "act"`}},
		{"opset twice", func(m *Model) { m.Opsets = append(m.Opsets, Opset{Domain: "ai.onnx", Version: 9}) }, []string{"twice"}},
		{"opset 0", func(m *Model) { m.Opsets[0].Version = 0 }, []string{"version 0", "lacks", "lacks"}},
		{"no graph", func(m *Model) { m.Graph = nil }, []string{"no graph"}},
		{"unnamed graph", func(m *Model) { m.Graph.Name = "" }, []string{"no name"}},
		{"foreign domain", func(m *Model) { m.Graph.Nodes[1].Domain = "acme" }, []string{`node 1 "act" (Relu): opset_import lacks the domain "acme"`}},
		{"no operator", func(m *Model) { m.Graph.Nodes[1].OpType = "" }, []string{"op_type is missing"}},
		{"undefined input", func(m *Model) { m.Graph.Nodes[1].Inputs[0] = "b" }, []string{`node 1 "act" (Relu): input 0, "b", is not defined`}},
		{"too early", func(m *Model) { n := m.Graph.Nodes; n[0], n[1] = n[1], n[0] }, []string{`input 0, "a", is computed only later, by node 1 "mul" (MatMul)`}},
		{"cycle", func(m *Model) {
			m.Graph.Nodes = append(m.Graph.Nodes, relu("d", "b"), relu("b", "c"), relu("c", "d"))
		}, []string{`input 0, "d", is computed only later`, `in a circle: node 2 "b" (Relu) → node 3 "c" (Relu) → node 4 "d" (Relu) → node 2 "b" (Relu)`}},
		{"own output", func(m *Model) { m.Graph.Nodes[1].Inputs[0] = "y" }, []string{"is its own output"}},
		{"assigned twice", func(m *Model) { m.Graph.Nodes = append(m.Graph.Nodes, relu("a", "y")) }, []string{`"y" is assigned twice, by an output of node 1 "act" (Relu) and by an output of node 2 "y" (Relu)`}},
		{"input assigned", func(m *Model) { m.Graph.Nodes = append(m.Graph.Nodes, relu("a", "x")) }, []string{`"x" is assigned twice, by an input`}},
		{"initializer assigned", func(m *Model) { m.Graph.Nodes = append(m.Graph.Nodes, relu("a", "w")) }, []string{`"w" is assigned twice, by an initializer`}},
		{"input twice", func(m *Model) { m.Graph.Inputs = append(m.Graph.Inputs, m.Graph.Inputs[0]) }, []string{"assigned twice"}},
		{"initializer twice", func(m *Model) { m.Graph.Initializers = append(m.Graph.Initializers, m.Graph.Initializers[0]) }, []string{`"w" is used by two initializers`}},
		{"unnamed input", func(m *Model) { m.Graph.Inputs = append(m.Graph.Inputs, FloatValue("")) }, []string{"an input has no name"}},
		{"unnamed initializer", func(m *Model) {
			m.Graph.Initializers = append(m.Graph.Initializers, NewTensor(weights.FromFloat32("", nil, []float32{1})))
		}, []string{"an initializer has no name"}},
		{"not UTF-8", func(m *Model) { m.Graph.Inputs[0].Name, m.Graph.Nodes[0].Inputs[0] = "x\xff", "x\xff" }, []string{"not UTF-8"}},
		{"output not computed", func(m *Model) { m.Graph.Outputs[0].Name = "z" }, []string{`output "z" is computed by no node`}},
		{"no outputs", func(m *Model) { m.Graph.Outputs = nil }, []string{"no outputs"}},
		{"no type", func(m *Model) { m.Graph.Inputs[0].ElemType = 0 }, []string{`input "x" has no element type`}},
		{"no shape", func(m *Model) { m.Graph.Outputs[0].HasShape = false }, []string{`output "y" has no shape`}},
		{"initializer is not an input in IR 3", func(m *Model) { m.IRVersion = 3 }, []string{`initializer "w" is not an input`}},
		{"tensor size", func(m *Model) { m.Graph.Initializers[0].Shape = []int{2, 2} }, []string{`initializer "w" has 24 bytes of data, want 16`}},
		{"tensor type", func(m *Model) { m.Graph.Initializers[0].DType, m.Graph.Initializers[0].ElemType = 0, 0 }, []string{"no element type"}},
		{"external location", func(m *Model) { m.Graph.Initializers[0].External = []Property{{Key: "offset", Value: "0"}} }, []string{"no location"}},
		{"too few inputs", func(m *Model) { m.Graph.Nodes[0].Inputs = []string{"x"} }, []string{"it has 1 inputs, want 2"}},
		{"absent input", func(m *Model) { m.Graph.Nodes[0].Inputs[1] = "" }, []string{"input 1 is missing"}},
		{"too many outputs", func(m *Model) { m.Graph.Nodes[0].Outputs = []string{"a", "b"} }, []string{"it has 2 outputs, want 1"}},
		{"nothing at all", func(m *Model) { m.Graph.Nodes = append(m.Graph.Nodes, &Node{OpType: "X"}) }, []string{"neither inputs nor outputs"}},
		{"unnamed attribute", func(m *Model) { m.Graph.Nodes[0].Attributes = []*Attribute{IntAttr("", 1)} }, []string{"an attribute has no name"}},
		{"attribute twice", func(m *Model) {
			m.Graph.Nodes[0].Attributes = []*Attribute{IntAttr("k", 1), IntAttr("k", 1)}
		}, []string{"attribute k is there twice"}},
		{"attribute of two types", func(m *Model) {
			m.Graph.Nodes[0].Attributes = []*Attribute{{Name: "k", Type: AttrInt, I: 1, F: 2}}
		}, []string{"attribute k is of type INT and has a value of type FLOAT"}},
		{"attribute of a wrong type", func(m *Model) {
			m.Graph.Nodes[1] = &Node{Name: "s", OpType: "Softmax", Inputs: []string{"a"}, Outputs: []string{"y"}, Attributes: []*Attribute{FloatAttr("axis", 1)}}
		}, []string{"attribute axis is of type FLOAT, want INT"}},
		{"attribute without a type", func(m *Model) { m.Graph.Nodes[0].Attributes = []*Attribute{{Name: "k"}} }, []string{"no valid type"}},
		{"attribute without a value", func(m *Model) { m.Graph.Nodes[0].Attributes = []*Attribute{{Name: "k", Type: AttrTensor}} }, []string{"no value"}},
		{"reference outside of a function", func(m *Model) {
			m.Graph.Nodes[0].Attributes = []*Attribute{{Name: "k", Type: AttrInt, RefName: "alpha"}}
		}, []string{"outside of one"}},
		{"inner graph", func(m *Model) {
			inner := &Graph{Name: "i", Nodes: []*Node{relu("a", "b"), relu("nowhere", "c")}, Outputs: []*ValueInfo{{Name: "b"}}}
			m.Graph.Nodes = append(m.Graph.Nodes, &Node{Name: "if", OpType: "If", Inputs: []string{"a"}, Outputs: []string{"z"}, Attributes: []*Attribute{{Name: "then_branch", Type: AttrGraph, G: inner}}})
		}, []string{`node 2 "if" (If): attribute then_branch: node 1 "c" (Relu): input 0, "nowhere", is not defined`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := small()
			tt.edit(m)
			err := Check(m)
			var c *CheckError
			if !errors.As(err, &c) {
				t.Fatalf("got %v, want a CheckError", err)
			}
			if len(c.Problems) != len(tt.want) {
				t.Errorf("%d problems, want %d:\n%v", len(c.Problems), len(tt.want), err)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not contain %q", err, w)
				}
			}
		})
	}
}

// A model that is wrong everywhere gives a list of bounded length.
func TestCheckBoundsTheList(t *testing.T) {
	m := small()
	for i := range 500 {
		m.Graph.Nodes = append(m.Graph.Nodes, &Node{OpType: "Relu", Inputs: []string{"no"}, Outputs: []string{fmt.Sprint("o", i)}})
	}
	var c *CheckError
	if err := Check(m); !errors.As(err, &c) || len(c.Problems) != maxProblems || c.More != 450 || !strings.Contains(err.Error(), "500 problems") {
		t.Errorf("got %v", err)
	}
}
