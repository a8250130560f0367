package importer

import (
	"slices"
	"testing"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
)

// Exports for batches of 2 give one row an image for any number of images; in
// internal/graph their values are compared with PyTorch's at another batch size.
func TestNormalizeFreesBatch(t *testing.T) {
	for _, name := range []string{"tiny_op13_training_view_batch2", "tiny_op18_dynamo_batch2"} {
		t.Run(name, func(t *testing.T) {
			m := torchExport(t, name)
			n, err := Normalize(m)
			if err != nil {
				t.Fatal(err)
			}
			if n.Unbatched != 1 {
				t.Errorf("%d nodes freed, want 1", n.Unbatched)
			}
			for _, batch := range []int{1, 2, 6} {
				if got := outputShape(t, m, batch); !slices.Equal(got, []int{batch, 10}) {
					t.Errorf("%d images give %v", batch, got)
				}
			}
		})
	}
}

func outputShape(t *testing.T, m *onnx.Model, batch int) []int {
	t.Helper()
	shapes, err := onnx.InferShapes(m, map[string][]int{m.Graph.DataInputs()[0].Name: {batch, 3, 48, 48}})
	if err != nil {
		t.Fatal(err)
	}
	name := m.Graph.Outputs[0].Name
	if err := shapes.Problem[name]; err != nil {
		t.Error(err)
	}
	return shapes.Shape[name]
}

// Reshapes that say something else than the batch, or do not say it alone, stay.
func TestNormalizeFreesBatchOnly(t *testing.T) {
	dims := func(d ...int64) (out []onnx.Dim) {
		for _, v := range d {
			out = append(out, onnx.Dim{Value: v})
		}
		return out
	}
	for _, tt := range []struct {
		name      string
		in        []onnx.Dim
		to        []int64
		allowZero int64
		want      []int64
	}{
		{"rows", dims(2, 8, 1, 1), []int64{2, 8}, 0, []int64{0, 8}},
		{"rows and the rest", dims(2, 8, 1, 1), []int64{2, -1}, 0, []int64{0, -1}},
		{"allowzero without a zero", dims(2, 8, 1, 1), []int64{2, 8}, 1, []int64{0, 8}},
		{"open height and width", []onnx.Dim{{Value: 2}, {Value: 8}, {Param: "h"}, {Param: "w"}}, []int64{2, -1}, 0, []int64{0, -1}},
		{"a zero that is one", dims(2, 8, 0, 1), []int64{2, 0}, 1, []int64{2, 0}},
		{"other rows", dims(2, 8, 1, 1), []int64{4, 4}, 0, []int64{4, 4}},
		{"the images one after another", dims(2, 8, 1, 1), []int64{1, 16}, 0, []int64{1, 16}},
		{"any batch already", []onnx.Dim{{Param: "n"}, {Value: 8}, {Value: 1}, {Value: 1}}, []int64{2, 8}, 0, []int64{2, 8}},
		{"a size no image has", dims(2, 1<<40, 1<<40, 1<<40), []int64{2, -1}, 0, []int64{2, -1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := &onnx.Graph{Name: "g",
				Inputs:  []*onnx.ValueInfo{onnx.FloatValue("x", tt.in...)},
				Outputs: []*onnx.ValueInfo{onnx.FloatValue("y"), onnx.FloatValue("z")},
				Nodes: []*onnx.Node{
					{OpType: "Reshape", Inputs: []string{"x", "to"}, Outputs: []string{"y"}, Attributes: []*onnx.Attribute{onnx.IntAttr("allowzero", tt.allowZero)}},
					// Another reader of the same argument, of something else.
					{OpType: "Add", Inputs: []string{"to", "to"}, Outputs: []string{"z"}},
				}}
			g.SetInitializer(weights.FromInt64("to", []int{len(tt.to)}, tt.to))
			m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 14}}, Graph: g}
			if _, err := Normalize(m); err != nil {
				t.Fatal(err)
			}
			got, err := g.Initializer(g.Nodes[0].Inputs[1]).Int64s()
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("reshapes to %v (%v), want %v", got, err, tt.want)
			}
			if to, _ := g.Initializer("to").Int64s(); !slices.Equal(to, tt.to) {
				t.Errorf("the other reader has %v", to)
			}
		})
	}
}
