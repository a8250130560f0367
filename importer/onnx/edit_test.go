package onnx

import (
	"maps"
	"slices"
	"testing"

	"onnxclr/importer/weights"
)

func TestRename(t *testing.T) {
	m := small()
	inner := &Graph{Name: "i", Nodes: []*Node{{OpType: "Relu", Inputs: []string{"w"}, Outputs: []string{"b"}}}, Outputs: []*ValueInfo{{Name: "b"}}}
	m.Graph.Nodes = append(m.Graph.Nodes, &Node{OpType: "If", Inputs: []string{"a"}, Outputs: []string{"z"}, Attributes: []*Attribute{{Name: "then_branch", Type: AttrGraph, G: inner}}})
	for _, bad := range []map[string]string{{"w": "a"}, {"w": "b"}, {"w": "q", "x": "q"}, {"w": ""}} {
		if err := m.Graph.Rename(bad); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
	if err := m.Graph.Rename(map[string]string{"w": "x", "x": "w", "y": "out"}); err != nil { // a swap
		t.Fatal(err)
	}
	if err := Check(m); err != nil {
		t.Error(err)
	}
	if m.Graph.Initializer("x") == nil || m.Graph.Initializer("w") != nil || m.Graph.Inputs[0].Name != "w" || inner.Nodes[0].Inputs[0] != "x" || m.Graph.Outputs[0].Name != "out" {
		t.Errorf("the graph is %+v", m.Graph)
	}
}

// Initializer is right after any edit of the list.
func TestInitializerAfterEdits(t *testing.T) {
	g := decodeFile(t, "tiny_op13_training_view.onnx").Graph
	conv1, fc := g.Initializer("conv1.weight"), g.Initializer("fc.weight")
	if conv1 == nil || fc == nil || g.Initializer("nothing") != nil {
		t.Fatal("lookup after decoding")
	}
	g.Initializers = slices.DeleteFunc(g.Initializers, func(x *Tensor) bool { return x == conv1 })
	fc.Name = "head.weight"
	slices.Reverse(g.Initializers)
	g.SetInitializer(weights.FromFloat32("extra", []int{1}, []float32{1}))
	g.Initializers = append(g.Initializers, NewTensor(weights.FromFloat32("more", []int{1}, []float32{2})))
	for _, x := range g.Initializers {
		if g.Initializer(x.Name) != x {
			t.Errorf("%q is not found", x.Name)
		}
	}
	if g.Initializer("conv1.weight") != nil || g.Initializer("fc.weight") != nil {
		t.Error("what is gone is found")
	}
	slices.Reverse(g.Initializers) // none more, none fewer
	for _, x := range g.Initializers {
		if g.Initializer(x.Name) != x {
			t.Errorf("%q is not found in another place", x.Name)
		}
	}
	own := *g // edits of a copy do not show in the original
	own.AddInitializer(NewTensor(weights.FromFloat32("of the copy", []int{1}, []float32{1})))
	own.Initializers = slices.DeleteFunc(slices.Clone(own.Initializers), func(x *Tensor) bool { return x.Name == "extra" })
	if g.Initializer("of the copy") != nil || own.Initializer("of the copy") == nil || own.Initializer("extra") != nil {
		t.Error("a copy and its original share what they list")
	}
	extra := g.Initializer("extra")
	extra.DocString = "kept"
	g.SetInitializer(weights.FromInt64("extra", []int{2}, []int64{1, 2}))
	if again := g.Initializer("extra"); again != extra || again.ElemType != 7 || again.DocString != "kept" || again.Len() != 2 {
		t.Errorf("replaced by %+v", again)
	}
}

func TestUsesAndInputs(t *testing.T) {
	m := small()
	m.Graph.Nodes = append(m.Graph.Nodes, &Node{OpType: "Mul", Inputs: []string{"a", "a", ""}, Outputs: []string{"b"}})
	if want := map[string]int{"x": 1, "w": 1, "a": 3, "y": 1}; !maps.Equal(m.Graph.Uses(), want) {
		t.Errorf("uses %v, want %v", m.Graph.Uses(), want)
	}
	m.Graph.Inputs = append(m.Graph.Inputs, FloatValue("w", Dim{Value: 2}, Dim{Value: 3}))
	if in := m.Graph.DataInputs(); len(in) != 1 || in[0].Name != "x" {
		t.Errorf("data inputs %v", in)
	}
	if p := m.Graph.Producer("b"); p == nil || p.OpType != "Mul" || m.Graph.Producer("x") != nil || m.Graph.Producer("") != nil {
		t.Error("Producer")
	}
}

func TestAttributes(t *testing.T) {
	n := &Node{}
	n.SetAttribute(IntAttr("axis", 3))
	n.SetAttribute(FloatAttr("eps", 0))
	n.SetAttribute(IntsAttr("none"))
	n.SetAttribute(StringAttr("mode", "a"))
	n.SetAttribute(IntAttr("axis", 4))
	m := small()
	m.Graph.Nodes[0].Attributes = n.Attributes
	again, err := Decode(encode(t, m))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*Node{n, again.Graph.Nodes[0]} {
		if len(n.Attributes) != 4 || n.Int("axis", 0) != 4 || n.Float("eps", 1) != 0 || n.Ints("none") == nil || n.String("mode", "") != "a" {
			t.Errorf("attributes %v", n.Attributes)
		}
		if n.Int("eps", 7) != 7 || n.Float("no", 7) != 7 || n.Ints("no") != nil || n.Tensor("axis") != nil || n.Floats("no") != nil {
			t.Error("an attribute that is absent or of another type does not give the default")
		}
		if n.Input(9) != "" || n.Output(9) != "" {
			t.Error("an input or output beyond the last")
		}
	}
}

func TestMetadataAndOpset(t *testing.T) {
	m := small()
	m.SetMeta("a", "1")
	m.SetMeta("b", "2")
	m.SetMeta("a", "3")
	if m.Meta("a") != "3" || m.Meta("b") != "2" || m.Meta("c") != "" || len(m.Metadata) != 2 {
		t.Errorf("metadata %v", m.Metadata)
	}
	m.Opsets = []Opset{{Domain: "acme", Version: 2}, {Domain: "ai.onnx", Version: 13}}
	if m.Opset("") != 13 || m.Opset("ai.onnx") != 13 || m.Opset("acme") != 2 || m.Opset("x") != 0 {
		t.Error("opsets")
	}
}
