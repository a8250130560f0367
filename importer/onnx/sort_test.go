package onnx

import (
	"strings"
	"testing"
)

func TestSort(t *testing.T) {
	node := func(out string, in ...string) *Node {
		return &Node{Name: out, OpType: "Sum", Inputs: in, Outputs: []string{out}}
	}
	inner := &Node{Name: "if", OpType: "If", Inputs: []string{"x"}, Outputs: []string{"if"}, Attributes: []*Attribute{
		{Name: "then_branch", Type: AttrGraph, G: &Graph{Nodes: []*Node{node("in", "c")}, Outputs: []*ValueInfo{{Name: "in"}}}},
	}}
	for _, tt := range []struct {
		name  string
		nodes []*Node
		want  string // "" where the order stays
	}{
		{"sorted", []*Node{node("a", "x"), node("b", "a"), node("c", "x")}, ""},
		{"one behind", []*Node{node("b", "a"), node("c", "b"), node("a", "x")}, "a b c"},
		{"reversed", []*Node{node("d", "c", "a"), node("c", "b"), node("b", "a"), node("a", "x")}, "a b c d"},
		{"read by an inner graph", []*Node{inner, node("c", "x")}, "c if"},
		{"a cycle", []*Node{node("a", "b"), node("b", "a"), node("c", "a")}, ""},
		{"itself", []*Node{node("a", "a")}, ""},
		{"a diamond", []*Node{node("d", "b", "c"), node("b", "a"), node("c", "a"), node("a", "x"), node("e", "x")}, "a b c d e"},
	} {
		g := &Graph{Nodes: tt.nodes}
		var before, after []string
		for _, n := range g.Nodes {
			before = append(before, n.Name)
		}
		moved := g.Sort()
		for _, n := range g.Nodes {
			after = append(after, n.Name)
		}
		want := tt.want
		if want == "" {
			want = strings.Join(before, " ")
		}
		if got := strings.Join(after, " "); got != want || moved != (tt.want != "") {
			t.Errorf("%s: %s (moved %v), want %s", tt.name, got, moved, want)
		}
	}
}

// TestSortLongChain would take a stack of a million frames if it were recursive.
func TestSortLongChain(t *testing.T) {
	g := &Graph{}
	name := func(i int) string {
		return strings.Repeat("x", i%7) + string(rune('a'+i%26)) + string(rune(0x4e00+i%20000)) + string(rune(0x4e00+i/20000))
	}
	const n = 100000
	for i := n; i > 0; i-- {
		g.Nodes = append(g.Nodes, &Node{OpType: "Relu", Inputs: []string{name(i - 1)}, Outputs: []string{name(i)}})
	}
	if !g.Sort() || g.Nodes[0].Inputs[0] != name(0) || g.Nodes[n-1].Outputs[0] != name(n) {
		t.Errorf("a reversed chain begins with %v", g.Nodes[0].Inputs)
	}
}
