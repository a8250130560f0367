package importer_test

import (
	"slices"
	"testing"

	"onnxclr/importer"
	"onnxclr/internal/golden"
)

func TestParts(t *testing.T) {
	for file, want := range map[string][]string{
		"onnx/basic_op17_preserve.onnx":              {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc"},
		"onnx/families/vgg_op16_training.onnx":       {"features.0", "features.1", "features.4", "features.5"},
		"onnx/families/mobilenetv2_op18_dynamo.onnx": {"features.0", "features.1", "features.2"},
		"onnx/families/convnext_op18_dynamo.onnx":    {"features.0", "features.1", "features.2", "features.3", "classifier.0"},
	} {
		m, err := importer.OpenModel(golden.Testdata(t, file))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range importer.Parts(m.ONNX) {
			names = append(names, s.Name)
			switch n := m.ONNX.Graph.Producer(s.Output); {
			case n == nil:
				t.Errorf("%s: stage %s ends in %q, which nothing computes", file, s.Name, s.Output)
			case n.OpType == "Transpose":
				t.Errorf("%s: stage %s ends with channels last", file, s.Name)
			}
		}
		if len(names) < len(want) || !slices.Equal(names[:len(want)], want) {
			t.Errorf("%s: stages %v, want %v first", file, names, want)
		}
		m.Close()
	}
}
