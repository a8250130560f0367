package graph_test

import (
	"testing"

	G "gorgonia.org/gorgonia"

	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/graph/graphtest"
	"onnxclr/internal/vm"
)

// TestColumns: what stands in the slice when the graph runs is taken, by Gorgonia's
// machine and by ours, and the gradient goes back to those columns alone.
func TestColumns(t *testing.T) {
	const d = 12
	m := graphtest.NewModel(17, golden.Weights)
	m.Output(m.Linear(m.Node("Flatten", []string{"input"}), "w", 3*8*8, d, false), "y")
	p := build(t, m.Model, weightsOf(t, m.Model), graph.Options{Batch: 4, Channels: 3, Height: 8, Width: 8, Views: 2, Train: true, Outputs: []string{"y"}})
	columns := []int{0, 1, 2}
	z, err := graph.Columns(p.Outputs["y"], columns)
	if err != nil {
		t.Fatal(err)
	}
	loss, err := graph.InfoNCE(z, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Differentiate(loss); err != nil {
		t.Fatal(err)
	}
	feed(t, p, golden.Views("columns", 2, 8))
	y, grad := p.Outputs["y"], p.Params[0].Grad
	machine, err := vm.Compile(p.Graph, vm.Options{Keep: []*G.Node{y, z, loss, grad}})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	for _, now := range [][]int{{0, 1, 2}, {11, 3, 5}, {4, 0, 9}} {
		copy(columns, now)
		want := graphtest.Tape(t, p.Graph, y, z, loss, grad)
		if err := machine.RunAll(); err != nil {
			t.Fatal(err)
		}
		for i, v := range machine.Values(z) {
			golden.CheckValue(t, "column", golden.Exact, v, machine.Values(y)[i/3*d+now[i%3]])
		}
		golden.Check(t, "loss", golden.TorchForward, machine.Values(loss), want[loss])
		golden.Check(t, "gradient", golden.TorchBackward, machine.Values(grad), want[grad])
		for i, v := range machine.Values(grad) {
			row := i / (3 * 8 * 8)
			if taken := row == now[0] || row == now[1] || row == now[2]; taken == (v == 0) {
				t.Fatalf("columns %v: the gradient of row %d of the weight holds %g", now, row, v)
			}
		}
	}
	for _, bad := range [][]int{nil, {12}, {-1}, make([]int, 13)} {
		if _, err := graph.Columns(y, bad); err == nil {
			t.Errorf("columns %v were accepted", bad)
		}
	}
}
