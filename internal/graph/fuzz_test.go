package graph_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/graph/graphtest"
	"onnxclr/internal/vm"
)

// FuzzOperators: whatever attributes, shapes and constants the operators are given,
// they are refused or they run.
func FuzzOperators(f *testing.F) {
	for _, name := range slices.Sorted(maps.Keys(operatorCases)) {
		for _, write := range operatorCases[name] {
			m := graphtest.NewModel(17, golden.Weights)
			for _, p := range []string{"w", "v", "b", "c"} {
				m.Param(p, 3, 1, 1)
			}
			m.Output(write(m), "y")
			var b strings.Builder
			if err := m.Encode(&b); err != nil {
				f.Fatal(err)
			}
			f.Add([]byte(b.String()))
		}
	}
	const small = 1 << 14 // elements of one array
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := onnx.Decode(data)
		if err != nil || m.Graph == nil || len(m.Graph.Nodes) > 20 {
			return
		}
		for _, init := range m.Graph.Initializers {
			if init.Len() > small {
				return
			}
		}
		w, err := graph.NewWeights(m)
		if err != nil {
			return
		}
		p, err := graph.Build(m, w, graph.Options{Batch: 2, Channels: 3, Height: 4, Width: 5, Outputs: []string{"y"}})
		if err != nil {
			return
		}
		for _, n := range p.Graph.AllNodes() {
			if n.Shape().TotalSize() > small {
				return
			}
		}
		if err := G.Let(p.Input, tensor.New(tensor.WithShape(2, 3, 4, 5), tensor.WithBacking(golden.Uniform("x", 120, -1, 1)))); err != nil {
			t.Fatal(err)
		}
		machine, err := vm.Compile(p.Graph, vm.Options{Keep: G.Nodes{p.Outputs["y"]}, Workers: 1, MaxBytes: 1 << 26})
		if err != nil {
			return
		}
		defer machine.Close()
		if err := machine.RunAll(); err != nil {
			t.Fatal(err)
		}
	})
}
