package onnx

import (
	"slices"
	"testing"

	"onnxclr/importer/weights"
)

// The skeleton has the topology in the original order and nothing of what a reader
// of 2019 trips over; that onnx-go reads it is tested where onnx-go is used.
func TestSkeleton(t *testing.T) {
	for name, file := range exports(t) {
		m := decodeFile(t, name)
		b := Skeleton(m)
		if len(b) > 25_000 || len(b) > len(file)/2 {
			t.Errorf("%s: the skeleton of %d bytes has %d", name, len(file), len(b))
		}
		s := skeletonOf(t, m)
		if len(s.Nodes) != len(m.Graph.Nodes) || len(s.ValueInfo) != 0 {
			t.Errorf("%s: %d nodes and %d value_info, want %d and 0", name, len(s.Nodes), len(s.ValueInfo), len(m.Graph.Nodes))
		}
		for i, n := range s.Nodes {
			o := m.Graph.Nodes[i]
			if n.Name != o.Name || n.OpType != o.OpType || !slices.Equal(n.Inputs, o.Inputs) || !slices.Equal(n.Outputs, o.Outputs) {
				t.Errorf("%s: node %d is %+v, want %+v", name, i, n, o)
			}
		}
	}
}

// skeletonOf decodes a skeleton. Its initializers lack their data on purpose, which
// Decode refuses, so they are taken as tensors of an unknown type.
func skeletonOf(t *testing.T, m *Model) *Graph {
	t.Helper()
	bare := *m
	g := *m.Graph
	bare.Graph = &g
	g.Initializers = nil
	for _, x := range m.Graph.Initializers {
		g.Initializers = append(g.Initializers, &Tensor{Tensor: weights.Tensor{Name: x.Name, Shape: x.Shape}, ElemType: 14})
	}
	s, err := Decode(Skeleton(&bare))
	if err != nil {
		t.Fatal(err)
	}
	return s.Graph
}

func TestSkeletonTraps(t *testing.T) {
	m := small()
	m.Graph.Inputs[0].Shape = []Dim{{Param: "n"}, {Value: -1}, {Value: 3}}
	m.Graph.ValueInfo = []*ValueInfo{FloatValue("a", Dim{Value: 1 << 40})}
	m.Graph.Initializers = append(m.Graph.Initializers, NewTensor(weights.FromFloat32("empty", []int{0, 4}, nil)))
	m.Graph.Nodes = append(m.Graph.Nodes, &Node{Name: "c", OpType: "Clip", Inputs: []string{"y", "", "w", "", ""}, Outputs: []string{"", "absent.2.in.1", ""},
		Attributes: []*Attribute{
			IntsAttr("axes", 1, 2), FloatAttr("alpha", 0.5), StringAttr("mode", "x"), {Name: "t", Type: AttrTensor}, {Name: "g", Type: AttrGraph, G: &Graph{}},
			{Name: "ref", Type: AttrInt, RefName: "k"}, {Name: "u"}, {Name: "sparse", Type: AttrSparseTensor},
		}})
	s := skeletonOf(t, m)
	n := s.Nodes[2]
	if want := []string{"y", "absent.2.in.1_", "w"}; !slices.Equal(n.Inputs, want) {
		t.Errorf("inputs %q, want %q", n.Inputs, want)
	}
	if want := []string{"absent.2.out.0", "absent.2.in.1"}; !slices.Equal(n.Outputs, want) {
		t.Errorf("outputs %q, want %q", n.Outputs, want)
	}
	if len(n.Attributes) != 3 || !slices.Equal(n.Ints("axes"), []int64{1, 2}) || n.Float("alpha", 0) != 0.5 || n.String("mode", "") != "x" {
		t.Errorf("attributes %v", n.Attributes)
	}
	var dims []int64
	for _, d := range s.Inputs[0].Shape {
		dims = append(dims, d.Value)
	}
	if !slices.Equal(dims, []int64{1, 1, 3}) {
		t.Errorf("the input's shape is %v, want [1 1 3]", dims)
	}
	if !slices.Equal(s.Initializer("empty").Shape, []int{0, 4}) {
		t.Errorf("an empty initializer has shape %v", s.Initializer("empty").Shape)
	}
}
