package train

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/importer"
)

// TestModelsBeyondOneFile: a model that one file cannot hold, which here is one of more
// than 4 kB, has its weights beside it in checkpoints and in the run; resume reads them.
func TestModelsBeyondOneFile(t *testing.T) {
	single := filepath.Join(t.TempDir(), "single")
	r := recipe(t, append([]string{"steps", "6"}, simclr...)...)
	mustRun(t, single, r, Options{})

	defer func(was int) { fileLimit = was }(fileLimit)
	fileLimit = 4 << 10
	whole := filepath.Join(t.TempDir(), "whole")
	mustRun(t, whole, r, Options{})
	want := outcome(t, whole)
	for _, name := range []string{dataName, "checkpoints/4/" + dataName, "checkpoints/6/" + dataName} {
		if len(want[name]) < 4<<10 {
			t.Errorf("%s has %d bytes", name, len(want[name]))
		}
	}
	a, b := must(importer.OpenModel(single)), must(importer.OpenModel(whole))
	defer a.Close()
	defer b.Close()
	for _, x := range a.ONNX.Graph.Initializers {
		if y := b.ONNX.Graph.Initializer(x.Name); y == nil || !bytes.Equal(x.Data, y.Data) {
			t.Errorf("%s differs from that of a run in one file", x.Name)
		}
	}

	halved := filepath.Join(t.TempDir(), "halved")
	ctx, cancel := context.WithCancel(t.Context())
	o := Options{Dir: halved, Source: source(), Reporter: &watcher{step: func(m Metrics) {
		if m.Step == 4 {
			cancel()
		}
	}}}
	if err := Run(ctx, r, o); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	// A flaw in the newest checkpoint's weights is found, and the one before continues.
	path := filepath.Join(checkpointPath(halved, 5), dataName)
	data := must(os.ReadFile(path))
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	w := &watcher{}
	mustRun(t, halved, r, Options{Resume: true, Reporter: w})
	if !strings.Contains(strings.Join(w.warnings, "\n"), dataName+" does not have the contents") {
		t.Errorf("warned of %q", w.warnings)
	}
	got := outcome(t, halved)
	for _, name := range []string{modelName, dataName, metricsName, "checkpoints/6/" + modelName, "checkpoints/6/" + dataName, "checkpoints/6/" + optimizerName} {
		if got[name] != want[name] {
			t.Errorf("resumed, %s differs", name)
		}
	}

	// What a new run replaces includes the weights.
	fileLimit = 1 << 30
	mustRun(t, whole, r, Options{Force: true})
	if _, ok := outcome(t, whole)[dataName]; ok {
		t.Errorf("%s is left of the run that was replaced", dataName)
	}
}
