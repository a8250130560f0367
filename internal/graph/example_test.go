package graph_test

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/graph/graphtest"
	"onnxclr/internal/vm"
)

// A model becomes a graph of two stacked views, the loss joins it, and one step of
// gradient descent lowers the loss.
func Example() {
	model := graphtest.Residual(golden.Weights)
	weights, err := graph.NewWeights(model)
	if err != nil {
		panic(err)
	}
	p, err := graph.Build(model, weights, graph.Options{Batch: 8, Channels: 3, Height: 16, Width: 16, Views: 2, Train: true, Outputs: []string{"embedding"}})
	if err != nil {
		panic(err)
	}
	loss, err := graph.InfoNCE(p.Outputs["embedding"], 0.5)
	if err != nil {
		panic(err)
	}
	if err := p.Differentiate(loss); err != nil {
		panic(err)
	}
	keep := []*G.Node{loss}
	for _, q := range p.Params {
		keep = append(keep, q.Grad)
	}
	for _, n := range p.Norms {
		keep = append(keep, n.Stats)
	}
	machine, err := vm.Compile(p.Graph, vm.Options{Keep: keep})
	if err != nil {
		panic(err)
	}
	defer machine.Close()
	if err := G.Let(p.Input, tensorOf(p.Input, golden.Views("example", 4, 16))); err != nil {
		panic(err)
	}
	var losses []float32
	for range 2 {
		if err := machine.RunAll(); err != nil {
			panic(err)
		}
		losses = append(losses, machine.Values(loss)[0])
		for _, q := range p.Params {
			for i, g := range machine.Values(q.Grad) {
				q.Value[i] -= 0.01 * g
			}
		}
		if err := p.UpdateRunning(machine.Values); err != nil {
			panic(err)
		}
	}
	fmt.Println(len(p.Params), "parameters,", len(p.Norms), "batch normalisations, lower loss:", losses[1] < losses[0])
	// Output: 24 parameters, 8 batch normalisations, lower loss: true
}
