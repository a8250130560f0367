package train

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"onnxclr/internal/memory"
)

// Forecast is what a run would be. Memory is in bytes.
type Forecast struct {
	Recipe        Recipe // with every setting that the data decide
	Data          string // the source's fingerprint
	First, Steps  int    // the run makes the steps First … Steps−1
	StepsPerEpoch int
	Height, Width int // of a view

	Shapes     [][]int // of a step, where the size of the activations changes, from the input to the embedding
	Micro      int     // images computed at a time; 0: all of a step
	Tensors    int     // trained
	Parameters int     // values of those
	FLOPs      int64   // of convolutions and matrix products, a step

	Plan      int64 // activations, gradients, scratch
	Weights   int64 // and the input
	Beside    int64 // optimizer, batches
	Memory    int64 // all
	Available int64 // what may be used

	Timed []time.Duration // steps, the first, which also warms up, left out where there are others
	Wait  time.Duration   // for the data, in those together
}

// Step returns the median time of a step.
func (f *Forecast) Step() time.Duration {
	t := slices.Sorted(slices.Values(f.Timed))
	return t[len(t)/2]
}

// Remaining returns the time that the run's steps take, without checkpoints and
// monitoring.
func (f *Forecast) Remaining() time.Duration { return time.Duration(f.Steps-f.First) * f.Step() }

const (
	timedSteps = 3 // after the first
	// timedLong ends the timing of slow steps early.
	timedLong = 30 * time.Second
)

// DryRun prepares the run and makes a few of its steps, of which nothing is kept, and
// writes nothing. It fails where Run would before its first step; Options.Dir may be
// empty.
func DryRun(ctx context.Context, r Recipe, o Options) (*Forecast, error) {
	report := o.Reporter
	if report == nil {
		report = Quiet(io.Discard)
	}
	if err := errors.Join(r.Validate(), r.complete(o.Source != nil)); err != nil {
		return nil, err
	}
	if o.Dir != "" {
		if err := checkRunDir(o.Dir, o.Resume, o.Force); err != nil {
			return nil, err
		}
	}
	source := o.Source
	if source == nil {
		var err error
		if source, err = openSource(&r, report.Warn); err != nil {
			return nil, err
		}
		defer source.Close()
	}
	batch, height, width := source.Size()
	perEpoch := source.StepsPerEpoch()
	warnings, err := r.Settle(batch, perEpoch)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		report.Warn(w)
	}
	saved, err := findCheckpoint(&r, o, source, report.Warn)
	if err != nil {
		return nil, err
	}
	l, err := newLearner(ctx, &r, o, saved, source, report.Warn)
	if err != nil {
		return nil, err
	}
	defer l.close()
	f := &Forecast{
		Recipe: r, Data: source.Fingerprint(), First: l.step, Steps: r.Total(perEpoch), StepsPerEpoch: perEpoch, Height: height, Width: width,
		Micro: r.micro(), Tensors: len(l.params), Parameters: l.values(),
		Beside: l.besides, Memory: l.memory(), Available: o.Memory,
	}
	if f.Available == 0 {
		f.Available = memory.Available()
	}
	f.describe(l)
	return f, f.time(ctx, l, source, r.LRSchedule(perEpoch))
}

// describe takes shapes, work and memory from the plan.
func (f *Forecast) describe(l *learner) {
	plan := l.machine.Plan()
	f.Plan, f.Weights = plan.Reserved(), plan.ParameterBytes
	n := l.program.Input.Shape()
	f.Shapes = [][]int{slices.Clone(n)}
	var forward, all int64
	embedded := false
	for _, s := range plan.Steps {
		all += s.FLOPs
		if embedded || len(s.Shape) == 0 || s.Shape[0] != n[0] {
			continue
		}
		forward += s.FLOPs
		if last := f.Shapes[len(f.Shapes)-1]; !slices.Equal(last, s.Shape) {
			// One line for all activations of a height and width, with the most channels.
			if len(last) == 4 && len(s.Shape) == 4 && slices.Equal(last[2:], s.Shape[2:]) && len(f.Shapes) > 1 {
				f.Shapes[len(f.Shapes)-1][1] = max(last[1], s.Shape[1])
			} else {
				f.Shapes = append(f.Shapes, slices.Clone(s.Shape))
			}
		}
		embedded = slices.Equal(s.Shape, l.z.Shape())
	}
	f.FLOPs = all
	if f.Micro > 0 { // every part is computed twice up to the embedding
		f.FLOPs = (all + forward) * int64(f.Recipe.Batch) / int64(f.Micro)
	}
}

// time makes the steps.
func (f *Forecast) time(ctx context.Context, l *learner, source Source, schedule Schedule) error {
	if err := source.Seek(l.step); err != nil {
		return err
	}
	begun := time.Now()
	for i := range 1 + timedSteps {
		start := time.Now()
		b, err := source.Next(ctx)
		if err != nil {
			return err
		}
		wait := time.Since(start)
		if err := l.train(b, &Metrics{LearningRate: schedule.LR(l.step)}); err != nil {
			return err
		}
		if i == 1 {
			f.Timed, f.Wait = nil, 0
		}
		f.Timed, f.Wait = append(f.Timed, time.Since(start)), f.Wait+wait
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(begun) > timedLong {
			break
		}
	}
	return nil
}
