package kernel

// Implementations names the implementations that run on this processor.
func Implementations() []string {
	var names []string
	for _, m := range machines() {
		names = append(names, m.name)
	}
	return names
}

// NewPoolOf is NewPool for one implementation.
func NewPoolOf(workers int, name string) *Pool {
	for _, m := range machines() {
		if m.name == name {
			return newPool(workers, m)
		}
	}
	panic("kernel: no implementation " + name)
}

// PeakLoop returns a function in which every worker multiplies panels that stay in
// its first-level cache, and its floating-point operations.
func PeakLoop(p *Pool, rounds int) (run func(), work int64) {
	const depth = 192
	m := p.m
	run = func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.dispatch(len(p.workers)*8, func(p *Pool, task int, w *worker) {
			a, b := operand{&w.memory[0], depth + blockPad}, operand{&w.memory[1<<14], p.m.cols}
			c := operand{&w.memory[1<<16], p.m.cols}
			for range rounds {
				w.multiply(p.m, c, a, false, b, depth*p.m.cols, p.m.rows, p.m.cols, depth, false)
			}
		})
	}
	return run, int64(len(p.workers) * 8 * rounds * 2 * m.rows * m.cols * depth)
}

// UsesWinograd reports whether a convolution is not direct unless told to be exact.
func UsesWinograd(g Conv) bool { return winogradTile(g, g.P, g.Q) > 0 }
