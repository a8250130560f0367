package train

import (
	"fmt"
	"math"
)

// Schedule is the learning rate as a function of the step alone.
type Schedule struct {
	Kind   string  // cosine, constant or step
	Base   float64 // the peak
	Warmup int     // steps of linear growth from exactly 0
	Total  int     // steps of the run, the warm-up included

	Final      float64   // cosine: the last value is near Final·Base
	StepAt     []float64 // step: fractions of Total at which the rate drops
	StepFactor float64   // step: what each drop multiplies it by
}

// LR returns the learning rate of a step, counted from 0. With w warm-up steps of
// T in all,
//
//	step < w:  base·step/w
//	cosine:    q = ½(1 + cos(π(step−w)/(T−w))), base·q + final·base·(1−q)
//	constant:  base
//	step:      base·factor^(number of fractions f with step ≥ f·T)
//
// Source: the published code of arXiv:2110.09348 (warm-up and cosine, with 10
// epochs and final = 0.001).
func (s Schedule) LR(step int) float64 {
	if step < s.Warmup {
		return s.Base * float64(step) / float64(s.Warmup)
	}
	switch s.Kind {
	case "cosine":
		q := 0.5 * (1 + math.Cos(math.Pi*float64(step-s.Warmup)/float64(s.Total-s.Warmup)))
		return s.Base*q + s.Final*s.Base*(1-q)
	case "step":
		lr := s.Base
		for _, f := range s.StepAt {
			if float64(step) >= f*float64(s.Total) {
				lr *= s.StepFactor
			}
		}
		return lr
	}
	return s.Base
}

// LRSchedule returns the learning rate of every step of a settled recipe.
func (r *Recipe) LRSchedule(stepsPerEpoch int) Schedule {
	return Schedule{
		Kind: r.Schedule, Base: r.PeakLR(), Warmup: r.warmup(stepsPerEpoch), Total: r.Total(stepsPerEpoch),
		Final: r.FinalFactor, StepAt: r.StepAt, StepFactor: r.StepFactor,
	}
}

// PeakLR returns the learning rate of a settled recipe for its whole batch.
func (r *Recipe) PeakLR() float64 {
	switch r.LRScaling {
	case "linear":
		return r.LR * float64(r.Batch) / 256
	case "sqrt":
		return r.LR * math.Sqrt(float64(r.Batch))
	}
	return r.LR
}

// Total returns the number of steps of the run.
func (r *Recipe) Total(stepsPerEpoch int) int {
	if r.Steps > 0 {
		return r.Steps
	}
	return r.Epochs * stepsPerEpoch
}

func (r *Recipe) warmup(stepsPerEpoch int) int {
	if r.WarmupSteps > 0 {
		return r.WarmupSteps
	}
	return int(math.Round(r.WarmupEpochs * float64(stepsPerEpoch)))
}

// Settle fills in what depends on the data, whose source gives batch images a
// step and stepsPerEpoch steps an epoch: the learning rate when none was given;
// a default warm-up longer than the run becomes a tenth of it, as in the paper, and
// is a warning returned, as is one that takes most of the run. A warm-up or batch
// that was given and cannot be had is an error.
func (r *Recipe) Settle(batch, stepsPerEpoch int) (warnings []string, err error) {
	if r.Given["batch"] && r.Batch != batch {
		return nil, fmt.Errorf("batch is %d, but the data come in batches of %d", r.Batch, batch)
	}
	if batch < 2 {
		return nil, fmt.Errorf("a step has %d image; the contrastive loss needs at least 2, of which one is the other's negative", batch)
	}
	r.Batch = batch
	if r.MicroBatch > batch {
		return nil, fmt.Errorf("micro_batch is %d, but the data come in batches of %d", r.MicroBatch, batch)
	}
	if r.LR == 0 {
		r.LR = DefaultLR(r.Optimizer, r.Batch)
	}
	total, warmup := r.Total(stepsPerEpoch), r.warmup(stepsPerEpoch)
	switch given := r.Given["warmup_steps"] || r.Given["warmup_epochs"]; {
	case given && warmup > total:
		return nil, fmt.Errorf("the warm-up of %d steps is longer than the run of %d steps; shorten warmup_epochs or warmup_steps, or train longer", warmup, total)
	case given || 2*warmup <= total:
		return nil, nil
	case warmup <= total:
		return []string{fmt.Sprintf("the default warm-up takes %d steps of the run's %d; a long run needs it, a short one learns little meanwhile (set it with warmup_epochs)", warmup, total)}, nil
	}
	r.WarmupEpochs, r.WarmupSteps = 0, total/10
	return []string{fmt.Sprintf("the warm-up of %d steps is longer than the run of %d steps, shortened to %d (set it with warmup_steps)", warmup, total, r.WarmupSteps)}, nil
}
