package importer

import (
	"testing"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
)

// TestFLOPs counts by hand.
func TestFLOPs(t *testing.T) {
	g := &onnx.Graph{Name: "count"}
	zeros := func(name string, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		g.Initializers = append(g.Initializers, onnx.NewTensor(weights.FromFloat32(name, shape, make([]float32, n))))
	}
	zeros("w", 4, 2, 3, 3)
	zeros("b", 4)
	zeros("dw", 4, 1, 3, 3)
	zeros("c", 4)
	zeros("fc", 3, 4)
	zeros("fb", 3)
	b := &graphBuilder{graph: g}
	pads := []*onnx.Attribute{onnx.IntsAttr("kernel_shape", 3, 3), onnx.IntsAttr("pads", 1, 1, 1, 1)}
	b.node("Conv", "conv", "y1", []string{"input", "w", "b"}, pads...)
	b.node("Conv", "depthwise", "y2", []string{"y1", "dw"}, append(pads, onnx.IntAttr("group", 4))...)
	b.node("BatchNormalization", "bn", "y3", []string{"y2", "c", "c", "c", "c"})
	b.node("Relu", "relu", "y4", []string{"y3"})
	b.node("Add", "add", "y5", []string{"y4", "y1"})
	b.node("MaxPool", "pool", "y6", []string{"y5"}, onnx.IntsAttr("kernel_shape", 2, 2), onnx.IntsAttr("strides", 2, 2))
	b.node("GlobalAveragePool", "gap", "y7", []string{"y6"})
	b.node("Flatten", "flatten", "y8", []string{"y7"})
	b.node("Gemm", "gemm", "y9", []string{"y8", "fc", "fb"}, onnx.IntAttr("transB", 1))
	b.node("Softmax", "softmax", "y10", []string{"y9"})
	g.Inputs = []*onnx.ValueInfo{onnx.FloatValue("input", onnx.Dim{Value: 2}, onnx.Dim{Value: 2}, onnx.Dim{Value: 6}, onnx.Dim{Value: 5})}
	g.Outputs = []*onnx.ValueInfo{onnx.FloatValue("y10", onnx.Dim{Value: 2}, onnx.Dim{Value: 3})}
	m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: g}
	shapes, err := onnx.InferShapes(m, map[string][]int{"input": {2, 2, 6, 5}})
	if err != nil {
		t.Fatal(err)
	}
	maps := int64(2 * 4 * 6 * 5)
	want := map[string]int64{
		"conv":      maps * (2*2*9 + 1),
		"depthwise": maps * 2 * 9,
		"bn":        maps * 2,
		"relu":      maps,
		"add":       maps,
		"pool":      2 * 4 * 3 * 2 * 4,
		"gap":       2 * 4 * 3 * 2,
		"flatten":   0,
		"gemm":      2 * 3 * (2*4 + 1),
		"softmax":   2 * 3 * 5,
	}
	for _, n := range g.Nodes {
		if got := FLOPs(n, shapes); got != want[n.Name] {
			t.Errorf("%s: %d FLOPs, want %d", n.Name, got, want[n.Name])
		}
	}
}
