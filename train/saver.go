package train

import (
	"context"
	"errors"
	"fmt"
	"math"

	"onnxclr/train/data"
)

// trainer decides when a run is saved, which checkpoints are kept, and how it ends.
type trainer struct {
	recipe  *Recipe
	dir     string
	source  Source
	learner *learner
	metrics *lineFile
	events  *events
	monitor *monitor

	saved int       // steps in the newest checkpoint
	ours  bool      // it was written since the run was begun or continued
	good  int       // steps in the newest one known to be good; 0: none is
	epoch epochLoss // of the epoch under way
	best  *bestEpoch
}

// epochLoss sums up the losses of the last steps of an epoch.
type epochLoss struct {
	Steps int     `json:"steps"`
	Sum   float64 `json:"loss_sum"`
}

// bestEpoch is the epoch of the lowest mean loss.
type bestEpoch struct {
	Step int     `json:"step"` // at its end
	Loss float64 `json:"loss"`
}

func newTrainer(r *Recipe, dir string, source Source, l *learner, metrics *lineFile, events *events, monitor *monitor, saved *state) *trainer {
	t := &trainer{recipe: r, dir: dir, source: source, learner: l, metrics: metrics, events: events, monitor: monitor, saved: l.step}
	if saved != nil {
		t.epoch, t.best = saved.Epoch, saved.Best
	}
	return t
}

// account adds the loss of the step just made and reports whether it ended the epoch of
// the lowest mean loss so far, which is to be saved. An epoch of which steps are missing
// does not count.
func (t *trainer) account(loss float32, perEpoch int) bool {
	t.epoch.Steps++
	t.epoch.Sum += float64(loss)
	if t.learner.step%perEpoch != 0 {
		return false
	}
	e := t.epoch
	t.epoch = epochLoss{}
	mean := e.Sum / float64(e.Steps)
	if !t.recipe.KeepBest || e.Steps != perEpoch || t.best != nil && t.best.Loss <= mean {
		return false
	}
	t.best = &bestEpoch{Step: t.learner.step, Loss: mean}
	return true
}

// save writes a checkpoint. What is logged reaches the disk before it.
func (t *trainer) save() error {
	l := t.learner
	if err := l.checkFinite(); err != nil {
		return err
	}
	if err := errors.Join(t.metrics.sync(), t.events.sync(), t.monitor.sync()); err != nil {
		return err
	}
	parts, err := l.checkpointParts()
	if err != nil {
		return err
	}
	s := state{Step: l.step, Data: t.source.Fingerprint(), Recipe: t.recipe.binding(), Epoch: t.epoch, Best: t.best}
	if err := writeCheckpoint(t.dir, s, parts); err != nil {
		return err
	}
	t.saved, t.ours = l.step, true
	return t.prune()
}

// confirm is called after a step: a checkpoint is good once a step has been made from
// it. Finite weights are not enough, the next forward pass can overflow.
func (t *trainer) confirm() error {
	if t.saved == 0 || t.saved != t.learner.step-1 {
		return nil
	}
	t.good = t.saved
	return t.prune()
}

// prune removes all checkpoints but the newest, the newest good one and that of the best
// epoch.
func (t *trainer) prune() error {
	keep := []int{t.good}
	if t.best != nil {
		keep = append(keep, t.best.Step)
	}
	return pruneCheckpoints(t.dir, t.recipe.KeepCheckpoints, keep...)
}

// finish makes sure of the last checkpoint, from which no step is made, by a forward pass
// on the last batch.
func (t *trainer) finish(b *data.Batch) error {
	if err := t.learner.try(b); err != nil {
		return err
	}
	t.good = t.saved
	return t.prune()
}

// catchUp does for the last checkpoint what a run does that was killed before: see finish.
func (t *trainer) catchUp(ctx context.Context) error {
	if err := t.source.Seek(t.learner.step - 1); err != nil {
		return err
	}
	b, err := t.source.Next(ctx)
	if err == nil {
		err = t.finish(b)
	}
	return t.diverged(err)
}

// bestPath returns the checkpoint of the best epoch, "" if there is none.
func (t *trainer) bestPath() string {
	if t.best == nil {
		return ""
	}
	return checkpointPath(t.dir, t.best.Step)
}

// stop ends a run early that is in good order: interrupted, or without data.
func (t *trainer) stop(ctx context.Context, report Reporter, result Result, cause error) error {
	if t.learner.step > t.saved {
		if err := t.save(); err != nil {
			return errors.Join(cause, t.diverged(err))
		}
	}
	if ctx.Err() == nil {
		return fmt.Errorf("step %d: %w", t.learner.step, cause)
	}
	result.Interrupted = true
	report.End(result)
	return fmt.Errorf("%w after step %d; %s is saved, --resume continues it", ErrInterrupted, t.learner.step, t.dir)
}

// diverged adds to a DivergedError what there is to go back to. A checkpoint of this run
// that did not survive the next step is removed: it only looked good.
func (t *trainer) diverged(err error) error {
	var d *DivergedError
	if !errors.As(err, &d) {
		return err
	}
	broken := t.saved
	if t.saved != t.learner.step || t.saved == t.good {
		broken = 0
	}
	if broken > 0 && t.ours {
		if gone := discard(checkpointPath(t.dir, broken)); gone != nil {
			return errors.Join(err, gone)
		}
	}
	steps, listErr := checkpointSteps(t.dir)
	if listErr != nil {
		return errors.Join(err, listErr)
	}
	d.Checkpoint, d.Resumed = "", ""
	for _, s := range steps {
		if s != broken {
			d.Checkpoint = checkpointPath(t.dir, s)
		} else if !t.ours {
			d.Resumed = checkpointPath(t.dir, s)
		}
	}
	return err
}

// try fails if the model, with its present weights, does not give finite embeddings and
// a finite loss of the last batch, in micro-batches of the first of them.
func (l *learner) try(b *data.Batch) error {
	end, machine, program := l.loss, l.machine, l.program
	if l.micro != nil {
		end = l.z
		l.micro.feed(l, l.micro.whole, b, 0)
	} else if err := l.bind(b); err != nil {
		return err
	}
	if err := machine.RunTo(end); err != nil {
		return fmt.Errorf("step %d: %w", l.step, err)
	}
	if notFinite(machine.Values(end)) < 0 {
		return nil
	}
	where := brokenNorm(program, machine)
	if where == "" {
		where = "with the weights after the step only the loss is"
	}
	return &DivergedError{Step: l.step - 1, Loss: float32(math.NaN()), Where: where}
}
