package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Options are what a run needs besides its recipe.
type Options struct {
	Dir    string // the run directory
	Resume bool   // continue the run in Dir; one without a checkpoint starts at step 0
	Accept bool   // continue it although its recipe or data have changed
	Force  bool   // replace what is in Dir

	Memory   int64    // bytes that the run may take; 0: what the machine has free
	Reporter Reporter // nil: silent
	// Profile, if not nil, is told at the end of the run, or when it is interrupted,
	// where the time of its steps went.
	Profile func(*Profile)
	Source  Source // nil: what the recipe's data or views name; else the caller closes it
}

// ErrInterrupted is returned, wrapped, when the context ended a run, which has been
// saved and can be resumed.
var ErrInterrupted = errors.New("interrupted")

// Run trains a model as the recipe says and leaves a run directory behind:
// recipe.yaml (resolved), metrics.jsonl (one object a step), checkpoints/STEP and,
// at the end, model.onnx. A resumed run gives the same bytes as one that was never
// stopped, but for the times in metrics.jsonl.
//
// It fails before anything is written when the recipe, the model or the data cannot
// be used, with file.ErrExists when Dir is taken, and with a DivergedError when the
// loss or a gradient is no longer finite; then, and after any other failure on the
// way, the newest checkpoint is good. A run that fails in its first step leaves
// nothing behind.
func Run(ctx context.Context, r Recipe, o Options) (err error) {
	report := o.Reporter
	if report == nil {
		report = Quiet(io.Discard)
	}
	if err := errors.Join(r.Validate(), r.complete(o.Source != nil)); err != nil {
		return err
	}
	if err := checkRunDir(o.Dir, o.Resume, o.Force); err != nil {
		return err
	}
	if !o.Resume && o.Force {
		if err := checkSource(o.Dir, r.Model); err != nil {
			return err
		}
	}
	unlock, err := lockRun(o.Dir)
	if err != nil {
		return err
	}
	defer func() {
		if unlock != nil {
			unlock()
		}
	}()
	source := o.Source
	if source == nil {
		if source, err = openSource(&r, report.Warn); err != nil {
			return err
		}
		defer source.Close()
	}
	batch, height, width := source.Size()
	perEpoch := source.StepsPerEpoch()
	warnings, err := r.Settle(batch, perEpoch)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		report.Warn(w)
	}
	saved, err := findCheckpoint(&r, o, source, report.Warn)
	if err != nil {
		return err
	}
	l, err := newLearner(ctx, &r, o, saved, source, report.Warn)
	if err != nil {
		return err
	}
	defer l.close()

	_, absent := os.Stat(o.Dir)
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return fmt.Errorf("run directory: %w", err)
	}
	if unlock == nil {
		if unlock, err = lockRun(o.Dir); err != nil {
			return err
		}
	}
	defer func() {
		if err != nil && l.step == 0 && !o.Resume && !errors.Is(err, ErrInterrupted) {
			unlock()
			unlock = nil
			abandon(o.Dir, absent != nil)
		}
	}()
	if err := beginRun(o.Dir, &r, o.Resume); err != nil {
		return err
	}
	metrics, lines, err := openMetrics(filepath.Join(o.Dir, metricsName), l.step)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, metrics.close()) }()
	if lines < l.step {
		report.Warn(fmt.Sprintf("%s has %d steps of %d; the others are lost, training is not affected", metricsName, lines, l.step))
	}
	chart := newLossChart(o.Dir, r.Loss)
	draw := func(chart func() error) {
		if err := chart(); err != nil {
			report.Warn(fmt.Sprintf("%s was not drawn: %v", lossName, err))
		}
	}
	schedule := r.LRSchedule(perEpoch)
	monitor, err := openMonitor(o.Dir, &r, source, l, schedule.Total, report.Warn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, monitor.end()) }()
	events, err := openEvents(o.Dir, &r, l.step, perEpoch, schedule.Total, l.step == schedule.Total && !monitor.due(l.step))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, events.close()) }()
	t := newTrainer(&r, o.Dir, source, l, metrics, events, monitor, saved)
	report.Begin(Start{
		Dir: o.Dir, First: l.step, Total: schedule.Total, StepsPerEpoch: perEpoch,
		Batch: batch, Height: height, Width: width, Parameters: l.values(), Memory: l.memory(), Note: l.restored,
	})
	result := Result{Dir: o.Dir, Steps: l.step}
	defer func() { draw(chart.draw) }() // of a run that diverged, too
	if o.Profile != nil {
		l.profiler = newProfiler(l.machines()...)
		defer func() {
			if err == nil || errors.Is(err, ErrInterrupted) {
				o.Profile(l.profiler.profile())
			}
		}()
	}
	if err := monitor.catchUp(ctx, metrics, events); err != nil {
		return t.stop(ctx, report, result, err)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, modelName)); err != nil && saved != nil && l.step == schedule.Total {
		if err := t.catchUp(ctx); err != nil {
			return err
		}
	}
	if err := source.Seek(l.step); err != nil {
		return err
	}
	for l.step < schedule.Total {
		start := time.Now()
		l.profiler.begin()
		b, err := source.Next(ctx)
		if err != nil {
			return t.stop(ctx, report, result, err)
		}
		wait := time.Since(start)
		l.profiler.lap(partData)
		m := Metrics{Step: l.step, Epoch: l.step / perEpoch, LearningRate: schedule.LR(l.step), Skipped: len(b.Skipped)}
		if err := l.train(b, &m); err != nil {
			return t.diverged(err)
		}
		if err := t.confirm(); err != nil {
			return err
		}
		m.Time, m.Wait = time.Since(start).Seconds(), wait.Seconds()
		m.ImagesPerSecond = float64(2*batch) / m.Time
		if monitor.due(l.step) {
			if m.Monitor, err = monitor.look(ctx); err == nil {
				err = monitor.record()
			}
			if err != nil && ctx.Err() == nil {
				return err
			}
		}
		line, err := metrics.append(m)
		if err != nil {
			return err
		}
		if err := events.step(l, b, m, line); err != nil {
			return err
		}
		if m.Monitor != nil {
			if err := events.spectra(m.Step, monitor); err != nil {
				return err
			}
		}
		report.Step(m)
		result.Steps, result.Last = l.step, m
		best := t.account(m.Loss, perEpoch)
		if best || due(r.CheckpointEvery, perEpoch, l.step) || l.step == schedule.Total {
			if err := t.save(); err != nil {
				return t.diverged(err)
			}
			draw(chart.rarely)
		}
		l.profiler.lap(partRest)
		l.profiler.end()
		if l.step == schedule.Total {
			l.profiler.stop()
			if err := t.finish(b); err != nil {
				return t.diverged(err)
			}
		}
		if ctx.Err() != nil && (l.step < schedule.Total || monitor.due(l.step)) {
			return t.stop(ctx, report, result, ctx.Err())
		}
	}
	if err := l.writeFinal(o.Dir); err != nil {
		return err
	}
	if err := errors.Join(monitor.chart(), events.evolution(o.Dir)); err != nil {
		return err
	}
	result.Best = t.bestPath()
	report.End(result)
	return nil
}

// due reports whether a checkpoint is written after this many steps.
func due(every, perEpoch, steps int) bool {
	if every == 0 {
		every = perEpoch
	}
	return steps%every == 0
}
