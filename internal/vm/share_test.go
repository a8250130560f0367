package vm_test

import (
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/graph/graphtest"
	"onnxclr/internal/vm"
)

// outside is the small residual network whose loss is computed outside its graph.
func outside(t *testing.T, w *graph.Weights, n int) (p *graph.Program, dz *G.Node, keep []*G.Node) {
	t.Helper()
	p, err := graph.Build(graphtest.Residual(golden.Weights), w, graph.Options{Batch: 2 * n, Channels: 3, Height: size, Width: size, Views: 2, Train: true, Outputs: []string{"embedding"}})
	if err != nil {
		t.Fatal(err)
	}
	z := p.Outputs["embedding"]
	if dz, err = p.Backpropagate(z); err != nil {
		t.Fatal(err)
	}
	keep = []*G.Node{z}
	for _, q := range p.Params {
		keep = append(keep, q.Grad)
	}
	for _, n := range p.Norms {
		keep = append(keep, n.Stats)
	}
	bind(t, p, golden.Views("tiny", n, size))
	return p, dz, keep
}

// TestLossOutside: a run up to the embedding, the loss on a machine of its own that
// shares the memory, and a whole run with the loss's gradient give, to the bit, what one
// graph with the loss in it gives.
func TestLossOutside(t *testing.T) {
	p, keep := program(t, true, "embedding")
	whole := compile(t, p, vm.Options{Keep: keep})
	run(t, whole)

	w, err := graph.NewWeights(graphtest.Residual(golden.Weights))
	if err != nil {
		t.Fatal(err)
	}
	q, dz, kept := outside(t, w, images)
	z := q.Outputs["embedding"]
	up := make([]float32, z.Shape().TotalSize())
	if err := G.Let(dz, tensor.New(tensor.WithShape(z.Shape()...), tensor.WithBacking(up))); err != nil {
		t.Fatal(err)
	}
	m := compile(t, q, vm.Options{Keep: kept})
	if err := m.RunTo(z); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "embedding", golden.Exact, m.Values(z), whole.Values(p.Outputs["embedding"]))
	for i, n := range q.Norms {
		golden.Check(t, n.Name, golden.Exact, m.Values(n.Stats), whole.Values(p.Norms[i].Stats))
	}

	g := G.NewGraph()
	embedding := append([]float32(nil), m.Values(z)...)
	leaf := G.NewTensor(g, tensor.Float32, 2, G.WithShape(z.Shape()...), G.WithName("z"), G.WithValue(tensor.New(tensor.WithShape(z.Shape()...), tensor.WithBacking(embedding))))
	loss, err := graph.InfoNCE(leaf, 0.1)
	if err != nil {
		t.Fatal(err)
	}
	grad, err := G.Grad(loss, leaf)
	if err != nil {
		t.Fatal(err)
	}
	l, err := vm.Compile(g, vm.Options{Keep: []*G.Node{loss, grad[0]}, Share: m})
	if err != nil {
		t.Fatal(err)
	}
	if l.Pool() != m.Pool() {
		t.Error("the loss has workers of its own")
	}
	run(t, l)
	golden.Check(t, "loss", golden.Exact, l.Values(loss), whole.Values(keep[1]))
	copy(up, l.Values(grad[0]))
	l.Close()
	run(t, m) // the workers live on
	golden.Check(t, "embedding again", golden.Exact, m.Values(z), embedding)
	for i, r := range q.Params {
		golden.Check(t, r.Name, golden.Exact, m.Values(r.Grad), whole.Values(p.Params[i].Grad))
	}
	if err := m.RunTo(loss); err == nil {
		t.Error("runs to a node of another graph")
	}
}

// TestShareMemory: a smaller machine fits into a larger one's memory, a larger one takes
// its own, and neither changes what the other computes.
func TestShareMemory(t *testing.T) {
	w, err := graph.NewWeights(graphtest.Residual(golden.Weights))
	if err != nil {
		t.Fatal(err)
	}
	alone := map[int][]float32{}
	var first *vm.Machine
	for _, n := range []int{4, 2, 6} {
		q, dz, keep := outside(t, w, n)
		z := q.Outputs["embedding"]
		up := golden.Views("up", images*2, size)[:z.Shape().TotalSize()]
		if err := G.Let(dz, tensor.New(tensor.WithShape(z.Shape()...), tensor.WithBacking(up))); err != nil {
			t.Fatal(err)
		}
		m := compile(t, q, vm.Options{Keep: keep})
		run(t, m)
		grad := q.Params[0].Grad
		alone[n] = append([]float32(nil), m.Values(grad)...)
		if first == nil {
			first = m
			continue
		}
		guest, err := vm.Compile(q.Graph, vm.Options{Keep: keep, Share: first})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			run(t, first)
			run(t, guest)
			golden.Check(t, "guest", golden.Exact, guest.Values(grad), alone[n])
		}
		guest.Close()
	}
}
