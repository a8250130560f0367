package onnx_test

import (
	"bytes"
	"fmt"
	"log"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
)

// A model is built, written, read, and asked for its shapes.
func Example() {
	g := &onnx.Graph{
		Name:    "linear layer",
		Inputs:  []*onnx.ValueInfo{onnx.FloatValue("x", onnx.Dim{Param: "batch"}, onnx.Dim{Value: 3})},
		Outputs: []*onnx.ValueInfo{onnx.FloatValue("y", onnx.Dim{Param: "batch"}, onnx.Dim{Value: 2})},
		Nodes: []*onnx.Node{{
			Name: "fc", OpType: "Gemm", Inputs: []string{"x", "fc.weight"}, Outputs: []string{"y"},
			Attributes: []*onnx.Attribute{onnx.IntAttr("transB", 1)},
		}},
	}
	g.SetInitializer(weights.FromFloat32("fc.weight", []int{2, 3}, []float32{1, 2, 3, 4, 5, 6}))
	m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: g}
	if err := onnx.Check(m); err != nil {
		log.Fatal(err)
	}
	var file bytes.Buffer
	if err := m.Encode(&file); err != nil {
		log.Fatal(err)
	}

	m, err := onnx.Decode(file.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("opset", m.Opset(""), "with", m.Graph.Initializer("fc.weight"))
	s, err := onnx.InferShapes(m, map[string][]int{"x": {16, 3}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("y is", s.Shape["y"])
	// Output:
	// opset 17 with "fc.weight" float32 [2 3]
	// y is [16 2]
}

func ExampleCheck() {
	m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{
		Name:    "g",
		Outputs: []*onnx.ValueInfo{onnx.FloatValue("y")},
		Nodes:   []*onnx.Node{{Name: "act", OpType: "Relu", Inputs: []string{"x"}, Outputs: []string{"y"}}},
	}}
	fmt.Println(onnx.Check(m))
	// Output: onnx: the model is not valid: node 0 "act" (Relu): input 0, "x", is not defined
}
