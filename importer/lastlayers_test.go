package importer_test

import (
	"slices"
	"testing"

	"onnxclr/importer"
	"onnxclr/internal/golden"
)

func TestLastLayers(t *testing.T) {
	c, err := importer.OpenCheckpoint(golden.Path(t, "importer/basic.pth"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, _, err := importer.Convert(c, importer.ConvertOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := importer.AttachHead(m, importer.Head{Kind: importer.HeadMLP, Dim: 5, Hidden: 7}); err != nil {
		t.Fatal(err)
	}
	layers, err := importer.LastLayers(m, importer.EmbeddingName, 4)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range layers {
		names = append(names, l.Name)
		w := m.Graph.Initializer(l.Name + ".weight")
		want, err := w.Float32s()
		if err != nil || len(l.Values) != len(want) || l.Out*l.In*l.Taps != len(want) {
			t.Fatalf("%s: %d values for %d×%d×%d, error %v", l.Name, len(l.Values), l.Out, l.In, l.Taps, err)
		}
		for i, v := range want { // all of these are stored [Out,In,…]
			if l.Values[i] != float64(v) {
				t.Fatalf("%s: value %d is %v, want %v", l.Name, i, l.Values[i], v)
			}
		}
	}
	if !slices.Equal(names[2:], []string{"projector.0", "projector.3"}) {
		t.Errorf("layers %v, want those of the projector at the end", names)
	}
	if !layers[3].FedByPrior || layers[2].FedByPrior {
		t.Errorf("fed by the layer before: %v, %v, want the projector's second only: a residual sum stands before the first", layers[2].FedByPrior, layers[3].FedByPrior)
	}
	if _, err := importer.LastLayers(m, "input", 3); err == nil {
		t.Error("the input depends on layers")
	}
}
