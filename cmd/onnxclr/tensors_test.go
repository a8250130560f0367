package main

import (
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/importer"
	"onnxclr/internal/golden"
)

// An unknown tensor is told what is near, in the names of the program's own models and in
// those that exporters give.
func TestNearTensors(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "own.onnx")
	must(t, "convert", basic(t), "-o", own)
	for _, c := range []struct{ model, name, say string }{
		{own, "layer4.1.relu_1", "; did you mean layer1.1.relu_1?"},
		{own, "layer4.0.rleu", "; did you mean layer4.0.relu?"},
		{own, "representaton", "; did you mean representation?"},
		{own, "layer2", "; there are layer2.0.conv1_output, "},
		{own, "", `no tensor "". The outputs are`},
		{own, "qqqqqqqq", `no tensor "qqqqqqqq". The outputs are representation, logits; inspect lists`},
		{"onnx/basic_op17_training.onnx", "layer4.0.relu", "; did you mean /layer4/layer4.0/relu/Relu_output_0?"},
		{"onnx/basic_op17_training.onnx", "layer9.0.add_output", "; did you mean /layer1/layer1.0/Add_output_0?"},
		{"onnx/basic_op17_training.onnx", "representations", "; did you mean representation?"},
		{"onnx/basic_op17_training.onnx", "layer1", "; there are /layer1/layer1.0/conv1/Conv_output_0, /layer1/layer1.0/bn1/BatchNormalization_output_0, "},
		{"onnx/basic_op18_dynamo.onnx", "layer3", "The outputs are "},
	} {
		path := c.model
		if path != own {
			path = golden.Testdata(t, path)
		}
		m, err := importer.OpenModel(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := findTensor(m.ONNX, c.name); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s, %q: %v, want %q", c.model, c.name, err, c.say)
		}
		m.Close()
	}
}

// The verbs that take tensors say so alike, and --layers what it lacks.
func TestUnknownTensors(t *testing.T) {
	dir := t.TempDir()
	model := golden.Testdata(t, "onnx/basic_op17_training.onnx")
	images := []string{"--data", textures, "--image-size", "16"}
	near := "did you mean /layer4/layer4.0/relu/Relu_output_0?"
	refused(t, exitFailed, near, append([]string{"embed", "--model", model, "--node", "layer4.0.relu", "-o", filepath.Join(dir, "e.npy")}, images...)...)
	refused(t, exitFailed, near, append([]string{"spectrum", model, "--node", "layer4.0.relu", "-o", filepath.Join(dir, "s.png")}, images...)...)
	layers := must(t, append([]string{"spectrum", model, "--layers", "-o", filepath.Join(dir, "s.png")}, images...)...).out
	for _, name := range []string{"conv1", "layer1", "layer4"} {
		if !strings.Contains(layers, name) {
			t.Errorf("--layers lacks %s:\n%s", name, layers)
		}
	}
}
