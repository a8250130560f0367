package main

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/graph"
	"onnxclr/internal/memory"
	"onnxclr/internal/npy"
	"onnxclr/internal/vm"
)

// evaluateOnce computes the tensors named from one array for each of the model's
// inputs. Integers decide about shapes and indices, which must be known when the model
// is built: they become constants of m, and so do floats that integers are raised to.
func evaluateOnce(m *onnx.Model, inputs []*weights.Tensor, outputs []string, exact bool) ([]npy.Named, error) {
	for _, name := range outputs {
		if err := findTensor(m, name); err != nil {
			return nil, err
		}
	}
	options := graph.Options{Inputs: map[string][]int{}, Outputs: outputs}
	for _, x := range inputs {
		if x.DType.IsFloat() && !raises(m, x.Name) {
			options.Inputs[x.Name] = x.Shape
		} else {
			m.Graph.SetInitializer(x)
		}
	}
	w, err := graph.NewWeights(m)
	if err != nil {
		return nil, err
	}
	p, err := graph.Build(m, w, options)
	if err != nil {
		return nil, err
	}
	var keep []*G.Node
	for _, name := range outputs {
		if y := p.Outputs[name]; y != nil {
			keep = append(keep, y)
		}
	}
	value := func(*G.Node) []float32 { return nil }
	if keep != nil {
		machine, err := vm.Compile(p.Graph, vm.Options{Keep: keep, Exact: exact, MaxBytes: memory.Available()})
		if err != nil {
			return nil, err
		}
		defer machine.Close()
		if err := bind(p, inputs); err != nil {
			return nil, err
		}
		if err := machine.RunAll(); err != nil {
			return nil, err
		}
		value = machine.Values
	}
	results := make([]npy.Named, len(outputs))
	for i, name := range outputs {
		results[i] = npy.Named{Name: name, Shape: p.Shapes[name], Data: slices.Clone(value(p.Outputs[name]))}
		if c := p.Constants[name]; c != nil {
			if results[i], err = constant(name, c); err != nil {
				return nil, err
			}
		}
	}
	return results, nil
}

// raises reports whether integers, which are inputs of the graph, are raised to the
// power of an input.
func raises(m *onnx.Model, input string) bool {
	return slices.ContainsFunc(m.Graph.Nodes, func(n *onnx.Node) bool {
		base := m.Graph.Input(n.Input(0))
		return n.OpType == "Pow" && n.Standard() && n.Input(1) == input && base != nil && !onnx.DType(base.ElemType).IsFloat()
	})
}

// bind gives the program's inputs their values.
func bind(p *graph.Program, inputs []*weights.Tensor) error {
	for _, x := range inputs {
		node := p.Inputs[x.Name]
		if node == nil {
			continue
		}
		v, err := x.Float32s()
		if err != nil {
			return err
		}
		if err := G.Let(node, tensor.New(tensor.WithShape(node.Shape()...), tensor.WithBacking(v))); err != nil {
			return err
		}
	}
	return nil
}

// constant is a tensor for a .npy file: float32 or int64.
func constant(name string, t *weights.Tensor) (npy.Named, error) {
	out := npy.Named{Name: name, Shape: t.Shape}
	var err error
	if t.DType.IsFloat() {
		out.Data, err = t.Float32s()
	} else {
		out.Data, err = t.Int64s()
	}
	if err != nil {
		return out, fmt.Errorf("output %q: %w", name, err)
	}
	return out, nil
}
