package train

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/internal/graph"
	"onnxclr/internal/memory"
	"onnxclr/internal/vm"
)

// Gradients computes the gradient of a recipe's loss with respect to tensors of a model
// that has its head, with running statistics: what the loss would have each image's
// tensors do (arXiv:2110.09348, figure 10).
//
//	N images in two views  M rows computed at a time  D width of the embedding
type Gradients struct {
	program *graph.Program
	machine *vm.Machine // of M rows
	outer   *vm.Machine // of the loss of 2N embeddings
	z, dz   *G.Node     // [M,D]
	slope   *G.Node     // [2N,D]
	wrt     []*G.Node   // the gradients, [M,…]
	rows    []float32   // z of all, [2N,D]
	into    []float32   // dz's values
	images  []int       // [M,3,H,W]
	Shapes  [][]int     // of the gradients of all rows, [2N,…]
}

// NewGradients prepares for n images of size×size pixels at a time, which are each
// other's negatives. The tensors are those that the embedding depends on.
func NewGradients(m *onnx.Model, r *Recipe, n, size int, tensors []string) (g *Gradients, err error) {
	const most = 64
	at := min(most, 2*n)
	for 2*n%at != 0 {
		at--
	}
	g = &Gradients{images: []int{at, 3, size, size}}
	defer func() {
		if err != nil {
			g.Close()
		}
	}()
	w, err := graph.NewWeights(m)
	if err != nil {
		return g, err
	}
	g.program, err = graph.Build(m, w, graph.Options{
		Batch: at, Channels: 3, Height: size, Width: size, Outputs: append([]string{importer.EmbeddingName}, tensors...),
	})
	if err != nil {
		return g, err
	}
	g.z = g.program.Outputs[importer.EmbeddingName]
	var nodes []*G.Node
	for _, name := range tensors {
		node := g.program.Outputs[name]
		nodes = append(nodes, node)
		g.Shapes = append(g.Shapes, append([]int{2 * n}, node.Shape()[1:]...))
	}
	if g.dz, g.wrt, err = g.program.Gradients(g.z, nodes); err != nil {
		return g, err
	}
	o := planOptions(r, append([]*G.Node{g.z}, g.wrt...))
	o.FixedParameters, o.MaxBytes = true, memory.Available()
	if g.machine, err = vm.Compile(g.program.Graph, o); err != nil {
		var big *vm.MemoryError
		if errors.As(err, &big) {
			err = fmt.Errorf("gradients of %d images at %d×%d take %s of memory, %s are available", at, size, size, memory.Text(big.Need), memory.Text(big.Limit))
		}
		return g, err
	}
	d := g.z.Shape()[1]
	g.rows, g.into = make([]float32, 2*n*d), make([]float32, at*d)
	if err := G.Let(g.dz, tensor.New(tensor.WithShape(at, d), tensor.WithBacking(g.into))); err != nil {
		return g, err
	}
	outer, keep, err := outerLoss(r, n, d, g.rows, new(learner).taken(r, g.z))
	if err != nil {
		return g, err
	}
	g.slope = keep[1]
	g.outer, err = vm.Compile(outer, planOptions(r, keep))
	return g, err
}

// Of returns the gradients, in the order of the tensors, for views [2N,3,H,W], view 1 of
// all images first.
func (g *Gradients) Of(views []float32) ([][]float32, error) {
	at := g.images[0]
	pixels, d := g.images[1]*g.images[2]*g.images[3], g.z.Shape()[1]
	all := len(g.rows) / d
	feed := func(first int) error {
		part := views[first*pixels:][:at*pixels]
		return G.Let(g.program.Input, tensor.New(tensor.WithShape(g.images...), tensor.WithBacking(part)))
	}
	for first := 0; first < all; first += at {
		if err := feed(first); err != nil {
			return nil, err
		}
		if err := g.machine.RunTo(g.z); err != nil {
			return nil, err
		}
		copy(g.rows[first*d:], g.machine.Values(g.z))
	}
	if err := g.outer.RunAll(); err != nil {
		return nil, err
	}
	slope := g.outer.Values(g.slope)
	out := make([][]float32, len(g.wrt))
	for first := 0; first < all; first += at {
		if err := feed(first); err != nil {
			return nil, err
		}
		copy(g.into, slope[first*d:])
		if err := g.machine.RunAll(); err != nil {
			return nil, err
		}
		for i, n := range g.wrt {
			out[i] = append(out[i], g.machine.Values(n)...)
		}
	}
	return out, nil
}

// Close frees the machines.
func (g *Gradients) Close() {
	for _, m := range []*vm.Machine{g.machine, g.outer} {
		if m != nil {
			m.Close()
		}
	}
}
