package train

import (
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
	machine *vm.Machine
	peak    kernel.Peak
	last    time.Time
	begun   time.Time
	spent   [parts]time.Duration // by the measured steps
	steps   []time.Duration
	seen    int // steps, those of the warm-up included
}

func newProfiler(m *vm.Machine) *profiler { return &profiler{machine: m, peak: m.Pool().Peak()} }

// begin starts a step.
func (p *profiler) begin() {
	if p == nil {
		return
	}
	if p.seen == warmUp {
		p.machine.SetProfile(true)
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

// profile sums up.
func (p *profiler) profile() *Profile {
	pool := p.machine.Pool()
	out := &Profile{WarmUp: min(warmUp, p.seen), Steps: len(p.steps), Kernels: pool.Implementation(), Workers: pool.Workers(), Peak: p.peak}
	if out.Steps == 0 {
		return out
	}
	n := time.Duration(out.Steps)
	out.Operators = p.machine.Profile()
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
