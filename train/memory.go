package train

import (
	"fmt"
	"math"

	"onnxclr/internal/memory"
	"onnxclr/internal/vm"
)

// beside returns the bytes that training takes besides the plan of p and the weights:
// the optimizer's moving sums, and the batch in use with the one in preparation. With
// micro-batches these are bytes, and the sums of the gradients, the embeddings, their
// gradients and the plan of the loss come to it.
func (l *learner) beside(r *Recipe, p *part) (int64, error) {
	image := int64(l.images[1]) * int64(l.images[2]) * int64(l.images[3])
	batch, n, values := 2*int64(r.Batch), 2*int64(p.n), int64(0)
	for _, q := range p.program.Params {
		values += 4 * int64(len(q.Value))
	}
	sums := int64(movingSums(r)) * values
	if p.r != nil { // the rows of the online probe
		sums += 4 * int64(r.Batch) * int64(p.r.Shape()[1])
	}
	if r.micro() == 0 {
		return sums + 2*4*batch*image, nil
	}
	d := p.z.Shape()[1]
	g, keep, err := outerLoss(r, r.Batch, d, nil, l.taken(r, p.z))
	if err != nil {
		return 0, err
	}
	loss, err := vm.NewPlan(g, planOptions(r, keep))
	if err != nil {
		return 0, err
	}
	held := 2 * batch * image
	if r.Views != "" {
		held = 4 * batch * image
	}
	return sums + values + held + 4*n*image + 4*(2*batch+n)*int64(d) + loss.Reserved(), nil
}

// need returns the bytes that training takes beside the weights.
func (l *learner) need(r *Recipe, n int) (int64, error) {
	part, err := l.build(r, n)
	if err != nil {
		return 0, err
	}
	plan, err := vm.NewPlan(part.program.Graph, planOptions(r, part.keep))
	if err != nil {
		return 0, err
	}
	beside, err := l.beside(r, part)
	return plan.Reserved() + beside, err
}

// needOfBatch is need as a function of the batch.
func (l *learner) needOfBatch(r Recipe) func(batch int) (int64, error) {
	return func(batch int) (int64, error) {
		r.Batch = batch
		return l.need(&r, batch)
	}
}

// needOfMicroBatch is need as a function of the micro-batch. One of which there can be
// no plan needs too much.
func (l *learner) needOfMicroBatch(r Recipe) func(size int) (int64, error) {
	return func(size int) (int64, error) {
		r.MicroBatch = size
		n, err := l.need(&r, size)
		if err != nil {
			n = math.MaxInt64
		}
		return n, nil
	}
}

// leastBatch is the smallest batch and micro-batch that makes sense: one image has no
// negatives, and no variance behind global pooling.
const leastBatch = 2

// smaller adds to the error of a step that cannot be planned what can.
func (l *learner) smaller(r *Recipe, err error, limit int64) error {
	if r.micro() > 0 {
		return fmt.Errorf("micro_batch %d: %w", r.micro(), err)
	}
	return memory.Smaller(err, leastBatch, r.Batch-1, limit, l.needOfBatch(*r))
}

// tooLarge finds out which batch would fit, and which micro-batch.
func (l *learner) tooLarge(r *Recipe, need, limit int64) (err error) {
	e := &memory.TooLargeError{
		What: fmt.Sprintf("a step of %d images, two views each, at %d×%d", r.Batch, l.images[2], l.images[3]),
		Unit: "batch", Need: need, Available: limit, Least: leastBatch, Flag: "--batch",
	}
	const flag = "--micro-batch"
	if micro := r.micro(); micro > 0 {
		e.What += fmt.Sprintf(" in micro-batches of %d", micro)
		e.Unit, e.Flag = "micro-batch", flag
		e.Batch, _ = memory.Largest(leastBatch, micro-1, limit, l.needOfMicroBatch(*r))
		return e
	}
	if r.Views != "" {
		e.Flag = ""
	}
	if e.Batch, err = memory.Largest(leastBatch, r.Batch-1, limit, l.needOfBatch(*r)); err != nil {
		return err
	}
	if micro, _ := memory.Largest(leastBatch, r.Batch-1, limit, l.needOfMicroBatch(*r)); micro > 0 {
		e.Also = fmt.Sprintf("or compute this one in parts: %s %d", flag, micro)
	}
	return e
}

// memory returns the bytes of the plans, the weights, the optimizer and the batches.
func (l *learner) memory() int64 {
	n := l.machine.Plan().Memory() + l.besides
	if l.micro != nil && l.micro.rest != nil {
		n += 4 * int64(len(l.micro.rest.images)+len(l.micro.rest.slope))
	}
	return n
}
