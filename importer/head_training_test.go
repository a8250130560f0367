package importer

import (
	"testing"

	"onnxclr/importer/onnx"
	"onnxclr/internal/golden"
)

// TestHeadOfTrainingExport: beside normalisations in training form, which leave those
// in inference form frozen, the head's are in training form too.
func TestHeadOfTrainingExport(t *testing.T) {
	for name, outputs := range map[string]int{
		"basic_op11_training": 5, "basic_op13_training": 5, "basic_op15_training": 3, "basic_op17_training": 3,
	} {
		m, err := OpenModel(golden.Testdata(t, "onnx/"+name+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		before := m.BatchNorm
		if err := AttachHead(m.ONNX, Head{Kind: HeadMLP, Dim: 8}); err != nil {
			t.Fatal(err)
		}
		if err := onnx.Check(m.ONNX); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		seen := 0
		for _, n := range m.ONNX.Graph.Nodes {
			if n.OpType != "BatchNormalization" || !ofHead(n) {
				continue
			}
			seen++
			if len(n.Outputs) != outputs || !trains(n, m.ONNX.Opset("")) {
				t.Errorf("%s: %s has %d outputs, want %d and training form", name, n.Name, len(n.Outputs), outputs)
			}
		}
		if seen != 2 {
			t.Errorf("%s: %d normalisations in the head, want 2", name, seen)
		}
		if after := DetectBatchNorm(m.ONNX); after != before {
			t.Errorf("%s: with the head %v, without %v", name, after, before)
		}
	}
}

// TestFoldedModelStaysFoldedUnderItsHead: training a folded model once, as
// --batchnorm none allows, does not make it look like one that is normalised.
func TestFoldedModelStaysFoldedUnderItsHead(t *testing.T) {
	m, err := OpenModel(golden.Testdata(t, "onnx/basic_op17_eval.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := AttachHead(m.ONNX, Head{Kind: HeadMLP, Dim: 8}); err != nil {
		t.Fatal(err)
	}
	if s := DetectBatchNorm(m.ONNX); s.Folded == 0 {
		t.Errorf("with a head the folded model reads %v", s)
	}
}
