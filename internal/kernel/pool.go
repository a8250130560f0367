package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Pool owns the goroutines and the scratch memory that kernels run on. A kernel
// splits its work into tasks by output or into fixed chunks, never by worker, so
// the number of workers does not change a bit of a result. One kernel runs at a
// time: concurrent callers wait for their turn, and a kernel must not be called
// from inside a task. After the first call of a shape nothing is allocated.
type Pool struct {
	m       *machine
	workers []*worker
	mu      sync.Mutex // held by the running kernel
	closed  bool

	// The tasks being run: run(p, i, worker) for those in the workers' shares.
	run     func(p *Pool, task int, w *worker)
	epoch   atomic.Uint32
	pending atomic.Int32
	waiting atomic.Bool
	done    chan struct{}
	failure atomic.Pointer[failure]

	// Operands of the running kernel, here so that tasks need no closures.
	generic     func(task, worker int)
	flat        flatArgs
	channel     channelArgs
	conv        implicit
	squares     winograd
	squaresGrad squaresGrad
	filter      filterGrad
	product     productArgs
	window      windowArgs
	contrast    contrastArgs
	columns     columnArgs

	partial []float64 // per-chunk results of reductions, grown when needed
	ones    []float32 // as many as the most channels seen
	zeros   []float32
}

// worker is what one goroutine of the pool owns. Worker 0 is the caller.
type worker struct {
	id     int
	seen   uint32
	asleep atomic.Bool
	wake   chan struct{}
	tile   tile
	// Operands of the shape of a product that multiply prefetches, tile by tile.
	fetches []operand
	stream  stream
	memory  []float32 // scratchFloats, aligned to a cache line

	widened []float32 // bfloat16 operands as float32, where they must be

	_     [cacheLine]byte
	share atomic.Uint64 // tasks not yet begun: see share
	_     [cacheLine]byte
}

// share is the tasks [first, end).
func share(first, end int) uint64 { return uint64(first)<<32 | uint64(end) }

// take returns the first task of the worker's share, or the last one, and whether
// there was one.
func (w *worker) take(last bool) (task int, ok bool) {
	for {
		s := w.share.Load()
		first, end := int(s>>32), int(s&(1<<32-1))
		if first >= end {
			return 0, false
		}
		task, rest := first, share(first+1, end)
		if last {
			task, rest = end-1, share(first, end-1)
		}
		if w.share.CompareAndSwap(s, rest) {
			return task, true
		}
	}
}

type failure struct{ value any }

// scratchFloats is a worker's scratch memory: packed rows, a block of results and
// what the Winograd transforms keep between them. About the second-level cache.
const scratchFloats = 1 << 20

// NewPool returns a pool of workers goroutines, the caller's included, that runs
// the fastest kernels of this processor. With workers ≤ 0 there are GOMAXPROCS.
// Close ends the goroutines.
func NewPool(workers int) *Pool { return newPool(workers, best()) }

func newPool(workers int, m *machine) *Pool {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	p := &Pool{m: m, done: make(chan struct{}, 1)}
	for id := range workers {
		w := &worker{id: id, wake: make(chan struct{}, 1), memory: alignedFloats(scratchFloats)}
		p.workers = append(p.workers, w)
		if id > 0 {
			go p.serve(w)
		}
	}
	return p
}

// Workers returns the number of workers.
func (p *Pool) Workers() int { return len(p.workers) }

// Implementation names the kernels in use: avx512, avx2 or portable.
func (p *Pool) Implementation() string { return p.m.name }

// Close ends the pool's goroutines. The pool must not be used afterwards.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.epoch.Add(1)
	for _, w := range p.workers[1:] {
		w.wake <- struct{}{}
	}
}

// Run calls f(task, worker) for every task in [0, tasks) and returns when all are
// done. The order is arbitrary; worker is in [0, Workers()), and no two calls run
// at the same time with the same worker. A panic of f ends the tasks not yet
// started and is raised again in the caller.
func (p *Pool) Run(tasks int, f func(task, worker int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.generic = f
	defer func() { p.generic = nil }()
	p.dispatch(tasks, func(p *Pool, task int, w *worker) { p.generic(task, w.id) })
}

// dispatch runs the tasks on all workers. The caller holds p.mu.
func (p *Pool) dispatch(tasks int, run func(p *Pool, task int, w *worker)) {
	if p.closed {
		panic("kernel: the Pool is closed")
	}
	if tasks <= 1 || len(p.workers) == 1 {
		for i := range tasks {
			run(p, i, p.workers[0])
		}
		return
	}
	p.run = run
	n := len(p.workers)
	for i, w := range p.workers {
		w.share.Store(share(tasks*i/n, tasks*(i+1)/n))
	}
	p.pending.Store(int32(len(p.workers) - 1))
	p.epoch.Add(1)
	for _, w := range p.workers[1:] {
		if w.asleep.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
	p.work(p.workers[0])
	p.wait()
	if f := p.failure.Swap(nil); f != nil {
		panic(f.value)
	}
}

// work does the tasks of the worker's share, from the first on, then takes from the
// ends of the others' shares. Shares are contiguous so that a worker finds in its own
// cache what the kernel before, split alike, left there.
func (p *Pool) work(w *worker) {
	defer func() {
		if v := recover(); v != nil {
			p.failure.CompareAndSwap(nil, &failure{v})
			for _, other := range p.workers {
				other.share.Store(0)
			}
		}
	}()
	for i := range p.workers {
		from := p.workers[(w.id+i)%len(p.workers)]
		for {
			task, ok := from.take(i > 0)
			if !ok {
				break
			}
			p.run(p, task, w)
		}
	}
}

// A goroutine that waits looks again quickSpins times, some microseconds, which is
// more than the pause between two kernels of a plan. Then it looks slowSpins times,
// some milliseconds, giving its processor away in between: it stays ready to run, so
// that a system that woke two workers on one processor sees that another one is
// idle. Then it goes to sleep.
const (
	quickSpins = 1 << 12
	slowSpins  = 1 << 13
)

// wait returns when every other worker has finished.
func (p *Pool) wait() {
	for i := 0; i < quickSpins+slowSpins; i++ {
		if p.pending.Load() == 0 {
			return
		}
		yield(i)
	}
	for {
		p.waiting.Store(true)
		if p.pending.Load() == 0 && p.waiting.CompareAndSwap(true, false) {
			return
		}
		<-p.done
		// A worker that was slow to leave the tasks before may have been the caller.
		if p.pending.Load() == 0 {
			return
		}
	}
}

// serve is the life of a worker other than the caller.
func (p *Pool) serve(w *worker) {
	for {
		epoch := p.await(w)
		w.seen = epoch
		if p.closed {
			return
		}
		p.work(w)
		if p.pending.Add(-1) == 0 && p.waiting.CompareAndSwap(true, false) {
			p.done <- struct{}{}
		}
	}
}

// await returns the next epoch, looking for a while and then sleeping. A caller that
// was held up between starting an epoch and waking the sleepers may wake one that has
// already done its part: it looks again.
func (p *Pool) await(w *worker) uint32 {
	for {
		for i := 0; i < quickSpins+slowSpins; i++ {
			if e := p.epoch.Load(); e != w.seen {
				return e
			}
			yield(i)
		}
		w.asleep.Store(true)
		if p.epoch.Load() == w.seen || !w.asleep.CompareAndSwap(true, false) {
			<-w.wake
		}
		if e := p.epoch.Load(); e != w.seen {
			return e
		}
	}
}

// yield lets other goroutines run now and then while its caller looks for work, and
// after a while other threads too.
func yield(i int) {
	if i >= quickSpins {
		yieldProcessor()
	}
	if i >= quickSpins || i%64 == 63 {
		runtime.Gosched()
	}
}

// constants returns n ones and n zeros.
func (p *Pool) constants(n int) (ones, zeros []float32) {
	if len(p.ones) < n {
		p.ones, p.zeros = make([]float32, n), make([]float32, n)
		for i := range p.ones {
			p.ones[i] = 1
		}
	}
	return p.ones[:n], p.zeros[:n]
}

// partials returns n float64s of undefined content.
func (p *Pool) partials(n int) []float64 {
	if len(p.partial) < n {
		p.partial = make([]float64, n)
	}
	return p.partial[:n]
}

const cacheLine = 64

// alignedFloats returns n floats that start at a cache line.
func alignedFloats(n int) []float32 { return align(make([]float32, n+cacheLine/4))[:n] }

// align drops elements until the slice starts at a cache line.
func align(s []float32) []float32 {
	if len(s) == 0 {
		return s
	}
	past := int(uintptr(unsafe.Pointer(&s[0])) % cacheLine)
	return s[min((cacheLine-past)%cacheLine/4, len(s)):]
}
