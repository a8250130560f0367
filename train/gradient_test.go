package train

import (
	"slices"
	"testing"

	"onnxclr/importer"
	"onnxclr/internal/golden"
	"onnxclr/internal/graph/graphtest"
)

// The gradients with respect to the representation and to the input of the last block
// are PyTorch's; of DirectCLR's representation nothing beyond d0 has one.
func TestGradientsAgainstPyTorch(t *testing.T) {
	want := golden.Load(t, "train/gradients.npz")
	const images, size, d0, dim = 6, 16, 4, 6
	for name, head := range map[string]string{"simclr": "embedding", "directclr": "direct"} {
		m := graphtest.Residual(golden.Weights)
		if head != importer.EmbeddingName {
			for _, n := range m.Graph.Nodes {
				switch i := 0; n.Outputs[i] {
				case importer.EmbeddingName:
					n.Outputs[i] = "projected"
				case head:
					n.Outputs[i] = importer.EmbeddingName
				}
			}
		}
		h := importer.LastBlock(m, importer.RepresentationName)
		g, err := NewGradients(m, &Recipe{Loss: "infonce", Temp: 0.2, Batch: images}, images, size, []string{importer.RepresentationName, h})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(g.Shapes[0], []int{2 * images, dim}) || !slices.Equal(g.Shapes[1], []int{2 * images, 4, 8, 8}) {
			t.Errorf("shapes %v", g.Shapes)
		}
		views := golden.Views("gradients", images, size)
		for range 2 { // the second time over what the first left
			got, err := g.Of(views)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, name+" at r", golden.TorchBackward, got[0], want[name+"/r"].Float64s())
			golden.Check(t, name+" before the block", golden.TorchBackward, got[1], want[name+"/h"].Float64s())
			for i, v := range got[0] {
				if name == "directclr" && i%dim >= d0 && v != 0 {
					t.Errorf("channel %d has gradient %g", i%dim, v)
				}
			}
		}
		g.Close()
	}
	if h := importer.LastBlock(graphtest.NewModel(17, golden.Weights).Model, "input"); h != "" {
		t.Errorf("a model without blocks has one that begins at %q", h)
	}
}
