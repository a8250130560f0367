package kernel

// flatArgs are the operands of a pass over arrays of equal length.
type flatArgs struct {
	n       int
	y, a, b []float32
	mask    []float32
	step    stepScalars
	adam    adamScalars
}

// flatChunk is how many elements one task of a flat pass takes.
const flatChunk = 1 << 15

// sweep runs a flat pass over n elements in chunks.
func (p *Pool) sweep(args flatArgs, run func(p *Pool, task int, w *worker)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flat = args
	p.dispatch(ceilDiv(args.n, flatChunk), run)
	p.flat = flatArgs{}
}

// span returns the elements [from, from+n) of a task.
func (f *flatArgs) span(task int) (from, n int) {
	from = task * flatChunk
	return from, min(flatChunk, f.n-from)
}

// ReLU writes y = max(x, 0); a NaN stays NaN. y and x have equal length and may be
// the same slice.
func ReLU(p *Pool, y, x []float32) {
	mustLen("ReLU", "y", len(y), len(x))
	p.sweep(flatArgs{n: len(x), y: y, a: x}, func(p *Pool, task int, w *worker) {
		f := &p.flat
		i, n := f.span(task)
		p.m.relu(&f.y[i], &f.a[i], n)
	})
}

// ReLUGrad writes dx = dy where y > 0 (or NaN) and 0 elsewhere, y being ReLU's
// output. All have equal length; dx may be y or dy.
func ReLUGrad(p *Pool, dx, y, dy []float32) {
	mustLen("ReLUGrad", "dx", len(dx), len(y))
	mustLen("ReLUGrad", "dy", len(dy), len(y))
	p.sweep(flatArgs{n: len(y), y: dx, mask: y, a: dy}, func(p *Pool, task int, w *worker) {
		f := &p.flat
		i, n := f.span(task)
		p.m.reluGrad(&f.y[i], &f.mask[i], &f.a[i], n)
	})
}

// Add writes y = a + b. All have equal length; y may be a or b.
func Add(p *Pool, y, a, b []float32) {
	mustLen("Add", "y", len(y), len(a))
	mustLen("Add", "b", len(b), len(a))
	p.sweep(flatArgs{n: len(y), y: y, a: a, b: b}, func(p *Pool, task int, w *worker) {
		f := &p.flat
		i, n := f.span(task)
		p.m.add(&f.y[i], &f.a[i], &f.b[i], n, negInf)
	})
}
