package graph

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
)

// Weights are a model's float initializers in memory, by name. Programs built
// from one Weights share the arrays: what one trains, another sees.
type Weights struct {
	arrays map[string]*tensor.Dense
	shapes map[string][]int // as in the model; a scalar's array is [1]
	order  []string
}

// NewWeights copies every float initializer of m, converted to float32. It fails on
// one without elements or whose data is missing.
func NewWeights(m *onnx.Model) (*Weights, error) {
	w := &Weights{arrays: map[string]*tensor.Dense{}, shapes: map[string][]int{}}
	for _, t := range m.Graph.Initializers {
		if !t.DType.IsFloat() {
			continue
		}
		v, err := t.Float32s()
		if err != nil {
			return nil, fmt.Errorf("initializer: %w", err)
		}
		if len(v) == 0 {
			return nil, fmt.Errorf("initializer %q has shape %v and no elements", t.Name, t.Shape)
		}
		shape := slices.Clone(t.Shape)
		if len(shape) == 0 {
			shape = []int{1}
		}
		w.arrays[t.Name] = tensor.New(tensor.WithShape(shape...), tensor.WithBacking(v))
		w.shapes[t.Name] = slices.Clone(t.Shape)
		w.order = append(w.order, t.Name)
	}
	return w, nil
}

// Values returns the array of an initializer, to be read or trained in place, or
// nil when there is none.
func (w *Weights) Values(name string) []float32 {
	a, ok := w.arrays[name]
	if !ok {
		return nil
	}
	return a.Data().([]float32)
}

// Names lists the initializers in the model's order.
func (w *Weights) Names() []string { return w.order }

// Tensor returns an initializer for writing to a file, in the model's shape and as
// float32; nil when there is none. It may share the array: what is trained later shows
// in it.
func (w *Weights) Tensor(name string) *weights.Tensor {
	v := w.Values(name)
	if v == nil {
		return nil
	}
	return weights.View(name, slices.Clone(w.shapes[name]), v)
}
