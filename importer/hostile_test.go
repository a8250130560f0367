package importer

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/file"
)

// Twenty thousand nodes, constants that nobody reads and parameters are a file of a
// megabyte or two: opening it takes time in proportion.
func TestOpenLargeGraphs(t *testing.T) {
	const n = 20_000
	g := &onnx.Graph{Name: "g", Inputs: []*onnx.ValueInfo{onnx.FloatValue("x", onnx.Dim{Value: 1}, onnx.Dim{Value: 1})}}
	last, constant := "x", "c"
	g.Nodes = append(g.Nodes, &onnx.Node{OpType: "Constant", Outputs: []string{"c"}, Attributes: []*onnx.Attribute{onnx.TensorAttr("value", onnx.NewTensor(weights.FromInt64("", []int{1}, []int64{1})))}})
	for i := range n {
		name := fmt.Sprint("w", i)
		g.AddInitializer(onnx.NewTensor(weights.FromFloat32(name, []int{1, 1}, []float32{1})))
		y, c := fmt.Sprint("y", i), fmt.Sprint("c", i)
		g.Nodes = append(g.Nodes, &onnx.Node{OpType: "Gemm", Inputs: []string{last, name}, Outputs: []string{y}},
			&onnx.Node{OpType: "Identity", Inputs: []string{constant}, Outputs: []string{c}})
		last, constant = y, c
	}
	zero := onnx.TensorAttr("value", onnx.NewTensor(weights.FromFloat32("", []int{1, 1}, []float32{2})))
	g.Nodes = append(g.Nodes, &onnx.Node{OpType: "Constant", Outputs: []string{"k"}, Attributes: []*onnx.Attribute{zero}},
		&onnx.Node{OpType: "Gemm", Inputs: []string{last, "k"}, Outputs: []string{"y"}})
	g.Outputs = []*onnx.ValueInfo{onnx.FloatValue("y", onnx.Dim{Value: 1}, onnx.Dim{Value: 1})}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := file.Write(path, (&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: g}).Encode); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	m, err := OpenModel(path)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	if d := time.Since(start); d > 40*time.Second {
		t.Errorf("opening %d nodes took %v", len(g.Nodes), d)
	} else {
		t.Log(d)
	}
}

// A thousand Identities of one initializer are no more bytes in the file.
func TestNormalizeRefusesCopies(t *testing.T) {
	g := &onnx.Graph{Name: "g"}
	g.AddInitializer(onnx.NewTensor(weights.FromFloat32("w", []int{1 << 18}, make([]float32, 1<<18))))
	for i := range 1000 {
		out := fmt.Sprint("w", i)
		g.Nodes = append(g.Nodes, &onnx.Node{OpType: "Identity", Inputs: []string{"w"}, Outputs: []string{out}},
			&onnx.Node{OpType: "Relu", Inputs: []string{out}, Outputs: []string{"y" + out}})
	}
	g.Outputs = []*onnx.ValueInfo{onnx.FloatValue("yw0", onnx.Dim{Value: 1 << 18})}
	_, err := Normalize(&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: g})
	if err == nil || !strings.Contains(err.Error(), "1000 parameters share initializers of 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}

// A width that is only declared takes no memory, whatever head is asked for.
func TestHeadOnImpossibleWidths(t *testing.T) {
	for _, h := range []Head{{Kind: HeadNone}, {Kind: HeadSlice, D0: 2}, {Kind: HeadLinear, Dim: 3}, {Kind: HeadMLP, Dim: 3}, {Kind: HeadMLP, Dim: 3, Hidden: 3}} {
		m := tinyModel(t)
		m.Graph.Outputs[0].Shape[1].Value = 1 << 60
		if err := AttachHead(m, h); err == nil || !strings.Contains(err.Error(), `"representation" is 1152921504606846976 wide, a head stands on at most 65536`) {
			t.Errorf("%v: %v", h, err)
		}
	}
	m := tinyModel(t)
	m.Graph.Outputs[0].Shape[1].Value = 1 << 16
	if err := AttachHead(m, Head{Kind: HeadMLP, Dim: 3}); err == nil || !strings.Contains(err.Error(), "say how wide") {
		t.Errorf("a hidden layer of 2^32 weights by default: %v", err)
	}
}
