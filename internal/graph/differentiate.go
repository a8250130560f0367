package graph

import (
	"fmt"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/internal/kernel/reference"
)

// Differentiate adds the gradients of loss with respect to every parameter it
// depends on, and drops the parameters it does not depend on from p.Params, such as
// those of a classifier that the loss does not reach: Gorgonia's Grad fails on them.
// So it does with frozen ones.
//
// It fails when nodes share an initializer. Exporters store equal values once, behind
// Identity or directly, such as the γ = 1 of a fresh model; training would tie what
// PyTorch keeps apart.
func (p *Program) Differentiate(loss *G.Node) error {
	return p.differentiate(loss, func(wrt G.Nodes) (G.Nodes, error) { return G.Grad(loss, wrt...) })
}

// Backpropagate is Differentiate for a loss outside the graph, a function of the output
// z: the gradients it adds are those of Σ z·dz. The node it returns, an input of z's
// shape, takes the loss's gradient with respect to z.
func (p *Program) Backpropagate(z *G.Node) (dz *G.Node, err error) {
	dz = p.slope(z)
	return dz, p.differentiate(z, func(wrt G.Nodes) (G.Nodes, error) {
		return G.Backpropagate(G.Nodes{z}, G.Nodes{dz}, wrt)
	})
}

// slope adds the input that takes the gradient of a loss with respect to z.
func (p *Program) slope(z *G.Node) *G.Node {
	shape, name := z.Shape().Clone(), "gradient of the loss"
	for p.Shapes[name] != nil { // Gorgonia would take the two for one
		name += "'"
	}
	return G.NewTensor(p.Graph, tensor.Float32, shape.Dims(), G.WithShape(shape...), G.WithName(name))
}

// Gradients adds the gradients of Σ z·dz with respect to nodes that z depends on, and
// returns them and dz as Backpropagate does. A program takes either, once.
func (p *Program) Gradients(z *G.Node, wrt []*G.Node) (dz *G.Node, grads []*G.Node, err error) {
	dz = p.slope(z)
	reach := p.reach(z)
	for _, n := range wrt {
		if !reach[n.ID()] {
			return nil, nil, fmt.Errorf("the loss does not depend on tensor %q", n.Name())
		}
	}
	err = fence("gorgonia", func() error {
		grads, err = G.Backpropagate(G.Nodes{z}, G.Nodes{dz}, wrt)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("differentiating the graph: %w", err)
	}
	return dz, grads, nil
}

// differentiate sets the gradients of the trained parameters that end depends on, which
// grad returns.
func (p *Program) differentiate(end *G.Node, grad func(wrt G.Nodes) (G.Nodes, error)) error {
	reach := p.reach(end)
	var used []*Param
	var wrt G.Nodes
	for _, q := range p.Params {
		if !reach[q.Node.ID()] || q.frozen {
			continue
		}
		if len(q.users) > 1 {
			return sharedError(q.Name, q.users)
		}
		used, wrt = append(used, q), append(wrt, q.Node)
	}
	if len(used) == 0 {
		return fmt.Errorf("the loss depends on no trainable parameter")
	}
	if err := p.sharedStatistics(); err != nil {
		return err
	}
	err := fence("gorgonia", func() error {
		grads, err := grad(wrt)
		if err != nil {
			return err
		}
		for i, q := range used {
			q.Grad = grads[i]
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("differentiating the graph: %w", err)
	}
	p.Params = used
	return nil
}

// sharedStatistics fails when two batch normalisations update one running mean.
func (p *Program) sharedStatistics() error {
	owner := map[*float32]string{}
	for _, n := range p.Norms {
		for _, running := range [][]float32{n.Mean, n.Var} {
			if first, ok := owner[&running[0]]; ok {
				return sharedError("running statistics", []string{first, n.Name})
			}
			owner[&running[0]] = n.Name
		}
	}
	return nil
}

func sharedError(name string, users []string) error {
	return fmt.Errorf("initializer %q is shared by %s: whoever wrote the file found their values equal; give each its own copy before training", name, strings.Join(users, ", "))
}

// reach returns the nodes that n depends on, itself included.
func (p *Program) reach(n *G.Node) map[int64]bool {
	seen := map[int64]bool{n.ID(): true}
	stack := []int64{n.ID()}
	for len(stack) > 0 {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for it := p.Graph.From(id); it.Next(); {
			if c := it.Node().ID(); !seen[c] {
				seen[c] = true
				stack = append(stack, c)
			}
		}
	}
	return seen
}

// UpdateRunning moves the running statistics of every batch normalisation toward
// those of the step that just ran, one view after the other, as PyTorch does when it
// sees one view after the other (see reference.UpdateRunning). values returns what a
// node of Norm.Stats holds, such as the Values method of the machine that ran with
// those nodes kept; it fails when the statistics are not there.
func (p *Program) UpdateRunning(values func(*G.Node) []float32) error {
	for _, n := range p.Norms {
		stats, views, c := values(n.Stats), n.Stats.Shape()[0], len(n.Mean)
		if len(stats) != views*2*c {
			return fmt.Errorf("batch statistics of %q: %d values, want %d; they must be kept by the run", n.Name, len(stats), views*2*c)
		}
		reference.UpdateRunning(views, c, n.Count, n.Momentum, n.Mean, n.Var, stats)
	}
	return nil
}
