package vm

import (
	"sort"
	"time"
)

// Plan describes what a machine does.
type Plan struct {
	Steps          []Step
	ArenaBytes     int64 // activations, gradients and results, reused by lifetime
	NaiveBytes     int64 // the same if nothing were reused
	WorkspaceBytes int64 // scratch of the largest step
	FilterBytes    int64 // filters as the kernels read them, kept where parameters are fixed
	ParameterBytes int64 // inputs and parameters, which belong to the caller
}

// Step is one step of a plan.
type Step struct {
	Name  string
	Shape []int // of the result
	Bytes int64 // read and written
	FLOPs int64 // of convolutions and matrix products
}

// Memory returns the bytes that running the plan needs, the parameters included.
func (p *Plan) Memory() int64 { return p.Reserved() + p.ParameterBytes }

// Reserved returns the bytes that a machine takes for itself.
func (p *Plan) Reserved() int64 { return p.ArenaBytes + p.WorkspaceBytes + p.FilterBytes }

// Plan returns the machine's plan.
func (m *Machine) Plan() *Plan {
	p := &Plan{ArenaBytes: 4 * int64(m.size), WorkspaceBytes: 4 * int64(m.work), FilterBytes: 4 * int64(m.filters)}
	for _, v := range m.leaves {
		p.ParameterBytes += 4 * int64(v.size)
	}
	for _, i := range m.code {
		s := Step{Name: i.name, Shape: i.out[0].shape, FLOPs: i.work, Bytes: i.bytes()}
		for _, v := range i.out {
			p.NaiveBytes += 4 * int64(v.size)
		}
		p.Steps = append(p.Steps, s)
	}
	return p
}

func (i *instruction) bytes() int64 {
	if _, ok := i.op.(Reshape); ok && i.in[0].root() == i.out[0].root() {
		return 0 // the storage only changes its name
	}
	n := 0
	for _, v := range i.in {
		n += v.size
	}
	for _, v := range i.out {
		n += v.size
	}
	return 4 * int64(n)
}

// SetProfile begins to time single steps anew, or ends it.
func (m *Machine) SetProfile(on bool) {
	m.profiling = on
	if on {
		m.spent, m.ran = make([]time.Duration, len(m.code)), make([]int, len(m.code))
	}
}

func (m *Machine) runProfiled(n int) {
	for k, i := range m.code[:n] {
		start := time.Now()
		i.run()
		m.spent[k] += time.Since(start)
		m.ran[k]++
	}
}

// Usage is where the time of the profiled runs went, for one kind of operator.
type Usage struct {
	Name  string
	Calls int // in all runs, as are the others
	Time  time.Duration
	FLOPs int64
	Bytes int64
}

// Profile returns the profiled time by kind of operator, longest first; nil if no
// run was profiled.
func (m *Machine) Profile() []Usage {
	at := map[string]int{}
	var us []Usage
	for k, i := range m.code {
		if k >= len(m.ran) || m.ran[k] == 0 {
			continue
		}
		j, ok := at[i.name]
		if !ok {
			j = len(us)
			at[i.name] = j
			us = append(us, Usage{Name: i.name})
		}
		us[j].Calls += m.ran[k]
		us[j].Time += m.spent[k]
		us[j].FLOPs += i.work * int64(m.ran[k])
		us[j].Bytes += i.bytes() * int64(m.ran[k])
	}
	sort.SliceStable(us, func(a, b int) bool { return us[a].Time > us[b].Time })
	return us
}
