package train

import (
	"fmt"
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/internal/kernel"
	"onnxclr/internal/stream"
	"onnxclr/internal/vm"
	"onnxclr/train/data"
)

// micro computes the gradient of a step in micro-batches, in the memory of one of them:
// gradient caching (arXiv:2101.06983). The N images of a step are cut into parts of M,
// the last of which may be smaller. The model computes the embeddings of one part after
// the other and forgets everything else; the loss and its gradient dL/dz are those of
// all 2N embeddings; then the model computes every part again and takes its rows of
// dL/dz back to the parameters, whose gradients add up in the order of the parts.
//
// The gradient is that of the whole batch, except for batch normalisation, for which a
// part is a batch: its statistics are those of M images of one view. The running ones
// are updated once a part, in the second pass, view after view. Dropout drops the same
// in both passes.
type micro struct {
	batch        int // N
	parts        int
	whole, rest  *microBatch // rest: the last one, if it is smaller
	loss         *vm.Machine
	value, slope *G.Node   // of that: L and dL/dz
	z, dz        []float32 // [2N,D]
	grads        [][]float32
}

// microBatch is a part of a step and the machine that runs it.
type microBatch struct {
	*part
	machine *vm.Machine
	images  []float32 // [2n,3,H,W], the graph's input
	slope   []float32 // [2n,D], its dL/dz
}

// micro returns the size of a micro-batch, 0 if a step is computed in one.
func (r *Recipe) micro() int {
	if r.MicroBatch >= r.Batch {
		return 0
	}
	return r.MicroBatch
}

// newMicro takes the graph of a whole micro-batch, which the learner's machine runs, and
// makes what else a step needs. The other machines share that one's memory.
func newMicro(l *learner, r *Recipe, whole *part) (c *micro, err error) {
	c = &micro{batch: l.images[0] / 2}
	c.parts = (c.batch + whole.n - 1) / whole.n
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.whole, err = newMicroBatch(whole, l.machine); err != nil {
		return c, err
	}
	if n := c.batch % whole.n; n > 0 {
		rest, err := l.build(r, n)
		if err != nil {
			return c, fmt.Errorf("micro_batch %d leaves %d of the batch's %d images for the last one: %w", whole.n, n, c.batch, err)
		}
		o := planOptions(r, rest.keep)
		o.Share = l.machine
		m, err := vm.Compile(rest.program.Graph, o)
		if err != nil {
			return c, err
		}
		if c.rest, err = newMicroBatch(rest, m); err != nil {
			return c, err
		}
	}
	d := whole.z.Shape()[1]
	c.z, c.dz = make([]float32, 2*c.batch*d), make([]float32, 2*c.batch*d)
	g, keep, err := outerLoss(r, c.batch, d, c.z, l.taken(r, whole.z))
	if err != nil {
		return c, err
	}
	c.value, c.slope = keep[0], keep[1]
	o := planOptions(r, keep)
	o.Share = l.machine
	if c.loss, err = vm.Compile(g, o); err != nil {
		return c, err
	}
	for _, p := range l.params {
		c.grads = append(c.grads, make([]float32, len(p.Value)))
	}
	return c, nil
}

// outerLoss makes the graph of the recipe's loss of n images, whose embeddings [2n,d]
// are in z, and returns the loss and its gradient with respect to them.
func outerLoss(r *Recipe, n, d int, z []float32, columns []int) (*G.ExprGraph, []*G.Node, error) {
	g := G.NewGraph()
	options := []G.NodeConsOpt{G.WithShape(2*n, d), G.WithName("z")}
	if z != nil {
		options = append(options, G.WithValue(tensor.New(tensor.WithShape(2*n, d), tensor.WithBacking(z))))
	}
	leaf := G.NewTensor(g, tensor.Float32, 2, options...)
	value, err := addLoss(r, leaf, columns)
	if err != nil {
		return nil, nil, err
	}
	slope, err := G.Grad(value, leaf)
	if err != nil {
		return nil, nil, fmt.Errorf("differentiating the loss: %w", err)
	}
	return g, []*G.Node{value, slope[0]}, nil
}

func newMicroBatch(p *part, m *vm.Machine) (*microBatch, error) {
	b := &microBatch{part: p, machine: m}
	for _, leaf := range []struct {
		node *G.Node
		data *[]float32
	}{{p.program.Input, &b.images}, {p.dz, &b.slope}} {
		shape := leaf.node.Shape()
		*leaf.data = make([]float32, shape.TotalSize())
		if err := G.Let(leaf.node, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(*leaf.data))); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// part returns the k-th part of a step and the first of its images.
func (c *micro) part(k int) (b *microBatch, from int) {
	from = k * c.whole.n
	if c.rest != nil && k == c.parts-1 {
		return c.rest, from
	}
	return c.whole, from
}

// differentiate leaves a step's loss, embeddings and gradients.
func (c *micro) differentiate(l *learner, b *data.Batch, m *Metrics) error {
	for k := range c.parts {
		p, from := c.part(k)
		c.feed(l, p, b, k)
		if err := p.machine.RunTo(p.z); err != nil {
			return fmt.Errorf("step %d: %w", l.step, err)
		}
		l.profiler.lap(partGraph)
		z := p.machine.Values(p.z)
		if notFinite(z) >= 0 {
			where := brokenNorm(p.program, p.machine)
			if where == "" {
				where = "the embedding is the first in the forward pass that is"
			}
			return &DivergedError{Step: l.step, Loss: float32(math.NaN()), Where: where}
		}
		c.views(c.z, from, p.n, func(rows []float32, at int) { copy(rows, z[at:]) })
	}
	if err := c.loss.RunAll(); err != nil {
		return fmt.Errorf("step %d: %w", l.step, err)
	}
	l.profiler.lap(partGraph)
	m.Loss = c.loss.Values(c.value)[0]
	if !finite(float64(m.Loss)) {
		return &DivergedError{Step: l.step, Loss: m.Loss, Where: "only the loss is"}
	}
	copy(c.dz, c.loss.Values(c.slope)) // out of the memory that is shared
	l.embedding, l.grads = c.z, c.grads
	for k := range c.parts {
		p, from := c.part(k)
		c.views(c.dz, from, p.n, func(rows []float32, at int) { copy(p.slope[at:], rows) })
		c.feed(l, p, b, k)
		if err := p.machine.RunAll(); err != nil {
			return fmt.Errorf("step %d: %w", l.step, err)
		}
		l.profiler.lap(partGraph)
		for i, q := range p.program.Params {
			if g := p.machine.Values(q.Grad); k == 0 {
				copy(c.grads[i], g)
			} else {
				kernel.Add(l.machine.Pool(), c.grads[i], c.grads[i], g)
			}
		}
		if l.probe != nil {
			l.probe.take(p.machine.Values(p.r), from, p.n)
		}
		if err := p.program.UpdateRunning(p.machine.Values); err != nil {
			return fmt.Errorf("step %d: %w", l.step, err)
		}
		l.profiler.lap(partBind)
	}
	return nil
}

// views calls f with the rows of a part's n images in all, [2N,D], one view after the
// other, and where those begin in an array [2n,D] of the part alone.
func (c *micro) views(all []float32, from, n int, f func(rows []float32, at int)) {
	d := len(all) / (2 * c.batch)
	for view := range 2 {
		f(all[(view*c.batch+from)*d:][:n*d], view*n*d)
	}
}

// feed gives the k-th part its images and what Dropout drops.
func (c *micro) feed(l *learner, p *microBatch, b *data.Batch, k int) {
	_, from := c.part(k)
	pixels := len(p.images) / (2 * p.n)
	l.machine.Pool().Run(2*p.n, func(row, _ int) {
		view, image := row/p.n, row%p.n
		b.Rows(p.images[row*pixels:][:pixels], view*c.batch+from+image, 1)
	})
	p.program.Drop(func(i int) *rand.Rand {
		return stream.New(l.seed, "dropout", uint64(l.step), uint64(i), uint64(k))
	})
	l.profiler.lap(partBind)
}

// machines returns all that a step runs on.
func (l *learner) machines() []*vm.Machine {
	all := []*vm.Machine{l.machine}
	if l.micro != nil {
		all = append(all, l.micro.loss)
		if l.micro.rest != nil {
			all = append(all, l.micro.rest.machine)
		}
	}
	return all
}

// close stops the machines that are not the learner's own.
func (c *micro) close() {
	if c.rest != nil {
		c.rest.machine.Close()
	}
	if c.loss != nil {
		c.loss.Close()
	}
}
