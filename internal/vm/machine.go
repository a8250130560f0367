package vm

import (
	"fmt"
	"slices"
	"time"

	G "gorgonia.org/gorgonia"

	"onnxclr/internal/kernel"
)

// Options say what a machine computes and how.
type Options struct {
	Keep    []*G.Node // what may be read after a run; nothing else is computed for its own sake
	Workers int       // 0: one a core; the number never changes a result
	Exact   bool      // direct convolutions only, no Winograd
	// Precision is that of the operands of convolutions, in all passes.
	Precision kernel.Precision
	// FixedParameters says that parameters keep their values between runs: what
	// depends on them alone is computed in the first run only.
	FixedParameters bool
	// MaxBytes refuses, with a MemoryError, a plan that needs more memory beside inputs
	// and parameters; 0 means no limit.
	MaxBytes int64
	// Share is a machine on whose workers and in whose memory this one runs, as far as
	// that is large enough; nil means none. A run of either ends the validity of what the
	// other has computed. Share is closed last.
	Share *Machine
}

// Machine runs a plan. It implements gorgonia.VM. It is not safe for concurrent use.
type Machine struct {
	code      []*instruction
	leaves    []*value
	kept      map[int64]*value
	pool      *kernel.Pool
	exact     bool
	precision kernel.Precision
	fixed     bool
	size      int // floats of the arena
	work      int // floats of the workspace
	filters   int // floats of filters kept between runs
	arena     []float32
	workspace []float32
	err       error // of a called operator, during a run
	guest     bool  // the pool is another machine's

	profiling bool
	spent     []time.Duration
	ran       []int // how often each instruction was profiled
}

var _ G.VM = (*Machine)(nil)

// Compile plans the computation of o.Keep and reserves its memory. The values of
// leaves (inputs, parameters) are read from their nodes at every run.
func Compile(g *G.ExprGraph, o Options) (*Machine, error) {
	m, constants, err := plan(g, o)
	if err != nil {
		return nil, err
	}
	if need := m.Plan().Reserved(); o.MaxBytes > 0 && need > o.MaxBytes {
		m.Close()
		return nil, &MemoryError{Need: need, Limit: o.MaxBytes}
	}
	if o.Share != nil {
		m.arena, m.workspace = o.Share.arena, o.Share.workspace
	}
	if len(m.arena) < m.size {
		m.arena = make([]float32, m.size)
	}
	if len(m.workspace) < m.work {
		m.workspace = make([]float32, m.work)
	}
	for _, i := range m.code {
		for _, v := range i.out {
			r := v.root()
			v.data = m.arena[r.offset : r.offset+v.size : r.offset+v.size]
		}
	}
	for v, c := range constants {
		if v.data, err = floats(c); err != nil {
			m.Close()
			return nil, fmt.Errorf("vm: constant %q: %w", v.name, err)
		}
	}
	return m, m.bindKept()
}

// NewPlan returns the plan that Compile would carry out, whatever o.MaxBytes says,
// without reserving its memory.
func NewPlan(g *G.ExprGraph, o Options) (*Plan, error) {
	o.Workers = 1 // no goroutines for nothing
	m, _, err := plan(g, o)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return m.Plan(), nil
}

// plan is Compile up to the reserving of memory. It also returns the values of
// constants.
func plan(g *G.ExprGraph, o Options) (*Machine, map[*value]G.Value, error) {
	t, err := translate(g, o.Keep)
	if err != nil {
		return nil, nil, err
	}
	m := &Machine{code: fuse(t.code), leaves: t.leaves, kept: map[int64]*value{}, exact: o.Exact, precision: o.Precision, fixed: o.FixedParameters}
	if o.Share != nil {
		m.pool, m.guest = o.Share.pool, true
	} else {
		m.pool = kernel.NewPool(o.Workers)
	}
	for _, n := range o.Keep {
		m.kept[n.ID()] = t.rowMajor(t.values[n.ID()])
	}
	m.size = place(m.code)
	for _, i := range m.code {
		w, err := m.lower(i)
		if err != nil {
			m.Close()
			return nil, nil, err
		}
		m.work = max(m.work, w)
	}
	return m, t.constant, nil
}

// MemoryError says that a plan needs more memory than it may use.
type MemoryError struct{ Need, Limit int64 }

func (e *MemoryError) Error() string {
	return fmt.Sprintf("the plan needs %d MB of memory, %d MB are allowed", e.Need>>20, e.Limit>>20)
}

// bindKept makes kept arrays the values of their nodes, once: they live at the same
// place in every run.
func (m *Machine) bindKept() error {
	for _, v := range m.kept {
		if v.leaf || v.node == nil || len(v.shape) == 0 {
			continue
		}
		if err := G.UnsafeLet(v.node, v.array()); err != nil {
			return fmt.Errorf("vm: node %q: %w", v.name, err)
		}
	}
	return nil
}

// RunAll executes the plan.
func (m *Machine) RunAll() error { return m.run(len(m.code)) }

// RunTo executes the plan only as far as a kept node: that one has its value after it,
// and so have the kept ones that the plan computes before, such as the batch statistics
// on the way to an embedding. The others are undefined.
func (m *Machine) RunTo(n *G.Node) error {
	v := m.kept[n.ID()]
	if v == nil {
		return fmt.Errorf("vm: node %q is not kept", n.Name())
	}
	return m.run(m.producer(v) + 1)
}

// producer returns the index of the instruction that computes v, −1 for a leaf.
func (m *Machine) producer(v *value) int {
	return slices.IndexFunc(m.code, func(i *instruction) bool { return slices.Contains(i.out, v) })
}

// run executes the first n instructions.
func (m *Machine) run(n int) error {
	if m.pool == nil {
		return fmt.Errorf("vm: the machine is closed")
	}
	for _, v := range m.leaves {
		data, err := floats(v.node.Value())
		if err != nil {
			return fmt.Errorf("vm: input %q: %w", v.name, err)
		}
		if len(data) != v.size {
			return fmt.Errorf("vm: input %q has %d elements, want %d for shape %v", v.name, len(data), v.size, v.shape)
		}
		v.data = data
	}
	m.err = nil
	if m.profiling {
		m.runProfiled(n)
	} else {
		for _, i := range m.code[:n] {
			i.run()
		}
	}
	for _, v := range m.kept {
		if len(v.shape) == 0 && !v.leaf && v.node != nil {
			if err := G.UnsafeLet(v.node, G.NewF32(v.data[0])); err != nil {
				return err
			}
		}
	}
	return m.err
}

// Values returns what a kept node holds after a run, row-major in the graph's
// layout; a scalar has length 1. The slice is valid until the next run. It is nil
// for a node that was not kept.
func (m *Machine) Values(n *G.Node) []float32 {
	v := m.kept[n.ID()]
	if v == nil {
		return nil
	}
	return v.data
}

// Reset does nothing: a plan carries no state from run to run.
func (m *Machine) Reset() {}

// Pool returns the machine's workers, for what is done between runs.
func (m *Machine) Pool() *kernel.Pool { return m.pool }

// Close stops the workers and releases the memory.
func (m *Machine) Close() error {
	if m.pool != nil && !m.guest {
		m.pool.Close()
	}
	m.pool, m.arena, m.workspace, m.code = nil, nil, nil, nil
	return nil
}
