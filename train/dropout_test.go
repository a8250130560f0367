package train

import (
	"context"
	"errors"
	"slices"
	"testing"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
)

// TestDropoutResumes: what Dropout drops depends on the seed and the step alone, so that
// a run that was interrupted ends as one that never was.
func TestDropoutResumes(t *testing.T) {
	path := withDropout(t)
	whole, without := t.TempDir(), t.TempDir()
	mustRun(t, whole, recipe(t, append(simclr, "model", path)...), Options{})
	mustRun(t, without, recipe(t, simclr...), Options{})
	want := outcome(t, whole)
	if got := outcome(t, without); got[modelName] == want[modelName] {
		t.Error("Dropout changes nothing")
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{step: func(m Metrics) {
		if m.Step == 3 {
			cancel()
		}
	}}
	r := recipe(t, append(simclr, "model", path)...)
	if err := Run(ctx, r, Options{Dir: dir, Source: source(), Reporter: w}); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("interrupted: %v", err)
	}
	mustRun(t, dir, r, Options{Resume: true})
	sameOutcome(t, "interrupted", outcome(t, dir), want)
}

// withDropout writes the model of the tests with a Dropout in it.
func withDropout(t *testing.T) string {
	t.Helper()
	opened, err := importer.OpenModel(golden.Testdata(t, "onnx/basic_op17_training.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	g := opened.ONNX.Graph
	g.SetInitializer(weights.FromFloat32("ratio", []int{}, []float32{0.3}))
	g.SetInitializer(&weights.Tensor{Name: "on", DType: weights.Bool, Shape: []int{}, Data: []byte{1}})
	at := slices.IndexFunc(g.Nodes, func(n *onnx.Node) bool { return n.OpType == "MaxPool" })
	drop := &onnx.Node{Name: "drop", OpType: "Dropout", Inputs: []string{g.Nodes[at].Outputs[0], "ratio", "on"}, Outputs: []string{"dropped"}}
	for _, n := range g.Nodes[at+1:] {
		for i, in := range n.Inputs {
			if in == drop.Inputs[0] {
				n.Inputs[i] = "dropped"
			}
		}
	}
	g.Nodes = slices.Insert(g.Nodes, at+1, drop)
	return writeModel(t, opened.ONNX)
}
