package kernel

import "time"

// Peak is what the workers of a pool can do at most, all together.
type Peak struct {
	FLOPs float64 // floating-point operations a second, of the micro-kernel on cached panels
	Bytes float64 // a second, read and written, of arrays too large for the caches
}

// Peak measures, in about half a second, what the pool can do at most: the best of
// repeated rounds, since others may use the machine too.
func (p *Pool) Peak() Peak {
	const rounds = 400
	for _, w := range p.workers {
		clear(w.memory) // numbers that slow processors down may have been left in it
	}
	var peak Peak
	p.multiplyCached(rounds) // wakes the workers, and the processor's wide units
	peak.FLOPs = bestRate(float64(p.cachedWork(rounds)), func() { p.multiplyCached(rounds) })
	const n = 1 << 24 // 64 MB
	y, a, b := make([]float32, n), make([]float32, n), make([]float32, n)
	Add(p, a, y, b) // the system provides the memory at the first touch
	peak.Bytes = bestRate(3*4*n, func() { Add(p, y, a, b) })
	return peak
}

// bestRate returns how much work was done a second in the best of at least four rounds,
// for 0.2 s where rounds are short.
func bestRate(work float64, round func()) float64 {
	best, begin := 0.0, time.Now()
	for k := 0; k < 4 || k < 100 && time.Since(begin) < 200*time.Millisecond; k++ {
		start := time.Now()
		round()
		best = max(best, work/time.Since(start).Seconds())
	}
	return best
}

const (
	cachedDepth = 192 // of the panels that multiplyCached multiplies
	cachedTasks = 8   // for each worker
)

// multiplyCached has all workers multiply panels that stay in the first-level cache.
func (p *Pool) multiplyCached(rounds int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dispatch(len(p.workers)*cachedTasks, func(p *Pool, task int, w *worker) {
		a, b := operand{&w.memory[0], cachedDepth + blockPad}, operand{&w.memory[1<<14], p.m.cols}
		c := operand{&w.memory[1<<16], p.m.cols}
		for range rounds {
			w.multiply(p.m, c, a, false, b, cachedDepth*p.m.cols, p.m.rows, p.m.cols, cachedDepth, false)
		}
	})
}

// cachedWork returns multiplyCached's floating-point operations.
func (p *Pool) cachedWork(rounds int) int64 {
	return int64(len(p.workers) * cachedTasks * rounds * 2 * p.m.rows * p.m.cols * cachedDepth)
}
