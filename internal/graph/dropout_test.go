package graph_test

import (
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/graph/graphtest"
)

// TestDropout: in training the share of the input that the model says is dropped, the
// rest scaled, and the gradient with it; in inference, and without training_mode,
// nothing.
func TestDropout(t *testing.T) {
	on := func(m *graphtest.Model) string {
		return m.Node("Dropout", []string{"input", scalar(m, "ratio", 0.25), m.Scalar("train", 1)})
	}
	for name, tc := range map[string]struct {
		write network
		train bool
		ratio float64
	}{
		"training":                {on, true, 0.25},
		"inference":               {on, false, 0},
		"without training_mode":   {one("Dropout", "input"), true, 0},
		"training_mode is false":  {func(m *graphtest.Model) string { return m.Node("Dropout", []string{"input", "", m.Scalar("train", 0)}) }, true, 0},
		"before opset 12":         {older(11, one("Dropout", "input", onnx.FloatAttr("ratio", 0.25))), true, 0.25},
		"ratio of 0":              {older(11, one("Dropout", "input", onnx.FloatAttr("ratio", 0))), true, 0},
		"default ratio, opset 17": {func(m *graphtest.Model) string { return m.Node("Dropout", []string{"input", "", m.Scalar("train", 1)}) }, true, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			m := graphtest.NewModel(17, golden.Weights)
			m.Output(m.Node("Mul", []string{tc.write(m), m.Param("w", 1)}), "y")
			p := build(t, m.Model, weightsOf(t, m.Model), graph.Options{Batch: 4, Channels: 5, Height: 10, Width: 10, Train: tc.train, Outputs: []string{"y"}})
			const n = 2000
			x := golden.Uniform("x", n, 1, 2)
			feed(t, p, x)
			p.Params[0].Value[0] = 1
			y := p.Outputs["y"]
			ones := make([]float32, n)
			for i := range ones {
				ones[i] = 1
			}
			dy := G.NewTensor(p.Graph, tensor.Float32, 4, G.WithShape(y.Shape()...), G.WithName("dy"), G.WithValue(tensor.New(tensor.WithShape(y.Shape()...), tensor.WithBacking(ones))))
			grads, err := G.Backpropagate(G.Nodes{y}, G.Nodes{dy}, G.Nodes{p.Input})
			if err != nil {
				t.Fatal(err)
			}
			var last []float32
			for step := range uint64(2) {
				p.Drop(func(i int) *rand.Rand { return rand.New(rand.NewPCG(step, uint64(i))) })
				got := graphtest.Tape(t, p.Graph, y, grads[0])
				compare(t, "machine", p, []*G.Node{y, grads[0]}, got)
				dropped := 0
				for i, v := range got[y] {
					kept := float32(1 / (1 - tc.ratio))
					if v == 0 {
						dropped, kept = dropped+1, 0
					}
					if got[grads[0]][i] != kept || v != x[i]*kept {
						t.Fatalf("element %d is %g with gradient %g, want %g and %g", i, v, got[grads[0]][i], x[i]*kept, kept)
					}
				}
				if share := float64(dropped) / n; share < tc.ratio*0.85 || share > tc.ratio*1.15 {
					t.Errorf("a share of %g is dropped, want %g", share, tc.ratio)
				}
				same := true
				for i := range last {
					same = same && last[i] == got[y][i]
				}
				if step > 0 && same != (tc.ratio == 0) {
					t.Errorf("two steps drop the same: %v", same)
				}
				last = got[y]
			}
		})
	}
}
