package train

import (
	"cmp"
	"slices"
	"time"

	"onnxclr/internal/kernel"
	"onnxclr/internal/vm"
)

// Profile says where the time of a run's steps went.
type Profile struct {
	WarmUp int           // first steps that are left out
	Steps  int           // measured ones; 0: the run was too short for any
	Step   time.Duration // mean time of a step, all that belongs to it included
	Median time.Duration // of the same

	Kernels string      // the implementation: avx512, avx2, portable
	Workers int         // goroutines that the kernels ran on
	Peak    kernel.Peak // of all workers together, measured before the first step

	Operators []vm.Usage // of the graph, by kind, longest first; means over the steps
	Others    []Part     // what lies outside the graph; with Operators, all of Step
}

// Part is a part of a step that is no operator of the graph.
type Part struct {
	Name string
	Time time.Duration // mean of a step
}

// The parts of a step that are told apart.
const (
	partData      = iota // waiting for the batch
	partBind             // handing batch, parameters and running statistics over
	partGraph            // the plan, of which the operators are told apart
	partChecks           // gradient norm, contrastive accuracy
	partOptimizer        // the update
	partRest             // metrics, report, checkpoints
	parts
)

var partNames = [parts]string{
	"waiting for data", "host copy, binding", "", "gradient norm, accuracy", "optimizer", "log, checkpoint, other",
}

// warmUp is how many first steps are not measured: they are the first to touch the
// memory, and the loader is not ahead yet.
const warmUp = 2

// profiler measures steps. A nil one measures nothing.
type profiler struct {
	machines []*vm.Machine // all on one pool
	peak     kernel.Peak
	last     time.Time
	begun    time.Time
	spent    [parts]time.Duration // by the measured steps
	steps    []time.Duration
	seen     int // steps, those of the warm-up included
}

func newProfiler(machines ...*vm.Machine) *profiler {
	return &profiler{machines: machines, peak: machines[0].Pool().Peak()}
}

// begin starts a step.
func (p *profiler) begin() {
	if p == nil {
		return
	}
	if p.seen == warmUp {
		for _, m := range p.machines {
			m.SetProfile(true)
		}
		p.spent = [parts]time.Duration{}
	}
	p.last = time.Now()
	p.begun = p.last
}

// lap says that what was done since the last lap is this part of the step.
func (p *profiler) lap(part int) {
	if p == nil {
		return
	}
	now := time.Now()
	p.spent[part] += now.Sub(p.last)
	p.last = now
}

// end ends a step with its last lap.
func (p *profiler) end() {
	if p == nil {
		return
	}
	if p.seen++; p.seen > warmUp {
		p.steps = append(p.steps, p.last.Sub(p.begun))
	}
}

// stop ends the measuring.
func (p *profiler) stop() {
	if p == nil {
		return
	}
	for _, m := range p.machines {
		m.SetProfile(false)
	}
}

// profile sums up.
func (p *profiler) profile() *Profile {
	pool := p.machines[0].Pool()
	out := &Profile{WarmUp: min(warmUp, p.seen), Steps: len(p.steps), Kernels: pool.Implementation(), Workers: pool.Workers(), Peak: p.peak}
	if out.Steps == 0 {
		return out
	}
	n := time.Duration(out.Steps)
	out.Operators = p.operators()
	// What the plan takes beside its operators is the binding of the leaves.
	inGraph := p.spent[partGraph] / n
	for _, u := range out.Operators {
		inGraph -= u.Time
	}
	for part, name := range partNames {
		mean := p.spent[part] / n
		if part == partBind {
			mean += max(inGraph, 0)
		}
		if part != partGraph {
			out.Others = append(out.Others, Part{name, mean})
		}
	}
	for _, s := range p.steps {
		out.Step += s
	}
	out.Step /= n
	slices.Sort(p.steps)
	out.Median = p.steps[len(p.steps)/2]
	return out
}

// operators returns what all machines did in a step, by kind of operator, longest first.
func (p *profiler) operators() []vm.Usage {
	at := map[string]int{}
	var us []vm.Usage
	for _, m := range p.machines {
		for _, u := range m.Profile() {
			i, ok := at[u.Name]
			if !ok {
				i = len(us)
				at[u.Name] = i
				us = append(us, vm.Usage{Name: u.Name})
			}
			us[i].Calls += u.Calls
			us[i].Time += u.Time
			us[i].FLOPs += u.FLOPs
			us[i].Bytes += u.Bytes
		}
	}
	for i := range us {
		n := len(p.steps)
		us[i].Calls, us[i].Time, us[i].FLOPs, us[i].Bytes = us[i].Calls/n, us[i].Time/time.Duration(n), us[i].FLOPs/int64(n), us[i].Bytes/int64(n)
	}
	slices.SortStableFunc(us, func(a, b vm.Usage) int { return cmp.Compare(b.Time, a.Time) })
	return us
}
