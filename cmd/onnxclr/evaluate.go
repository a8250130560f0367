package main

import (
	"errors"
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/graph"
	"onnxclr/internal/memory"
	"onnxclr/internal/vm"
)

// evaluator runs a model on images of one size, with running statistics.
type evaluator struct {
	model   *onnx.Model
	weights *graph.Weights
	size    [3]int // channels, height, width
	outputs []string
	batch   int
	exact   bool // no Winograd
	program *graph.Program
	machine *vm.Machine
}

// newEvaluator prepares to compute the tensors named, for up to batch images of
// size [C,H,W] at a time.
func newEvaluator(m *onnx.Model, size [3]int, batch int, exact bool, outputs []string) (*evaluator, error) {
	for _, name := range outputs {
		if err := findTensor(m, name); err != nil {
			return nil, err
		}
	}
	w, err := graph.NewWeights(m)
	if err != nil {
		return nil, err
	}
	e := &evaluator{model: m, weights: w, size: size, exact: exact, outputs: outputs}
	return e, e.compile(batch)
}

func (e *evaluator) compile(batch int) error {
	e.close()
	o, err := e.build(batch)
	if err != nil {
		return memory.Smaller(err, 1, batch-1, memory.Available(), e.need)
	}
	e.batch, o.MaxBytes = batch, memory.Available()
	e.machine, err = vm.Compile(e.program.Graph, o)
	var big *vm.MemoryError
	if errors.As(err, &big) {
		return e.tooLarge(big)
	}
	return err
}

// build makes the graph for batch images and says what of it is computed.
func (e *evaluator) build(batch int) (o vm.Options, err error) {
	e.program, err = graph.Build(e.model, e.weights, graph.Options{
		Batch: batch, Channels: e.size[0], Height: e.size[1], Width: e.size[2], Outputs: e.outputs,
	})
	if err != nil {
		return o, err
	}
	o = vm.Options{FixedParameters: true, Exact: e.exact}
	for _, name := range e.outputs {
		o.Keep = append(o.Keep, e.program.Outputs[name])
	}
	return o, nil
}

// tooLarge finds out which batch would fit.
func (e *evaluator) tooLarge(big *vm.MemoryError) (err error) {
	t := &memory.TooLargeError{
		What: fmt.Sprintf("computing %d images at %d×%d at a time", e.batch, e.size[1], e.size[2]),
		Need: big.Need, Available: big.Limit, Least: 1, Flag: "--batch",
	}
	t.Batch, err = memory.Largest(t.Least, e.batch-1, big.Limit, e.need)
	if err != nil {
		return err
	}
	return t
}

// need returns the bytes that a batch takes beside the weights.
func (e *evaluator) need(batch int) (int64, error) {
	o, err := e.build(batch)
	if err != nil {
		return 0, err
	}
	p, err := vm.NewPlan(e.program.Graph, o)
	if err != nil {
		return 0, err
	}
	return p.Reserved(), nil
}

// shape returns the shape of an output for n images.
func (e *evaluator) shape(output string, n int) []int {
	s := slices.Clone(e.program.Shapes[output])
	if len(s) > 0 && s[0] == e.batch {
		s[0] = n
	}
	return s
}

// run computes the outputs of images [n,C,H,W] in the order of their names; they
// are valid until the next run. n may be less than the batch, at the price of
// planning anew.
func (e *evaluator) run(images []float32) ([][]float32, error) {
	n := len(images) / (e.size[0] * e.size[1] * e.size[2])
	if n != e.batch {
		if err := e.compile(n); err != nil {
			return nil, err
		}
	}
	backing := tensor.New(tensor.WithShape(n, e.size[0], e.size[1], e.size[2]), tensor.WithBacking(images))
	if err := G.Let(e.program.Input, backing); err != nil {
		return nil, err
	}
	if err := e.machine.RunAll(); err != nil {
		return nil, err
	}
	var out [][]float32
	for _, name := range e.outputs {
		out = append(out, e.machine.Values(e.program.Outputs[name]))
	}
	return out, nil
}

func (e *evaluator) close() {
	if e.machine != nil {
		e.machine.Close()
		e.machine = nil
	}
}
