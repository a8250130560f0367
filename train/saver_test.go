package train

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"onnxclr/internal/golden"
)

// losses returns those in a run's metrics.
func losses(t *testing.T, dir string) (all []float64) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, metricsName))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var m Metrics
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		all = append(all, float64(m.Loss))
	}
	return all
}

// The epoch of the lowest mean loss is saved and kept beside the newest, an interruption
// within it or not.
func TestBestEpochIsKept(t *testing.T) {
	r := recipe(t, append(simclr, "checkpoint-every", "7", "keep-checkpoints", "1", "steps", "13", "lr", "0.02")...)
	whole, dir := t.TempDir(), t.TempDir()
	w := &watcher{}
	mustRun(t, whole, r, Options{Reporter: w})
	all := losses(t, whole)
	best, lowest := 0, math.Inf(1)
	for end := 3; end <= 13; end += 3 {
		if mean := (all[end-3] + all[end-2] + all[end-1]) / 3; mean < lowest {
			best, lowest = end, mean
		}
	}
	steps, err := checkpointSteps(whole)
	if err != nil || !reflect.DeepEqual(steps, []int{best, 13}) {
		t.Errorf("kept %v (%v), want the best, %d, and the last, 13", steps, err, best)
	}
	s, err := readCheckpoint(whole, 13)
	if err != nil || s.Best == nil || s.Best.Step != best || s.Epoch.Steps != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	golden.Check(t, "mean loss", golden.Closed, []float64{s.Best.Loss}, []float64{lowest})
	if w.result.Best != checkpointPath(whole, best) {
		t.Errorf("reported %q", w.result.Best)
	}
	for _, at := range []int{1, 4, 9} {
		ctx, cancel := context.WithCancel(t.Context())
		stop := &watcher{step: func(m Metrics) {
			if m.Step == at {
				cancel()
			}
		}}
		if err := Run(ctx, r, Options{Dir: dir, Resume: true, Source: source(), Reporter: stop}); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
	}
	mustRun(t, dir, r, Options{Resume: true})
	sameOutcome(t, "interrupted", outcome(t, dir), outcome(t, whole))

	none := t.TempDir()
	r.KeepBest = false
	mustRun(t, none, r, Options{Reporter: w})
	if steps, _ := checkpointSteps(none); !reflect.DeepEqual(steps, []int{13}) || w.result.Best != "" {
		t.Errorf("without keep_best: kept %v, reported %q", steps, w.result.Best)
	}
}

// explosive gives weights that are finite after the second step and overflow in the next
// forward pass. Its first step has learning rate 0.
func explosive(t *testing.T, flags ...string) Recipe {
	return recipe(t, append([]string{"optimizer", "sgd", "momentum", "0", "weight-decay", "0", "lr", "1e31", "schedule", "constant", "warmup-epochs", "0", "warmup-steps", "4", "checkpoint-every", "1"}, flags...)...)
}

// A checkpoint whose weights are finite but do not survive the next step is not the last
// good one, not even as the last of a run; going back with a lower learning rate works.
func TestGoodCheckpointSurvivesAStep(t *testing.T) {
	for _, keep := range []string{"1", "3"} {
		for name, steps := range map[string]string{"in the next step": "8", "at the end": "2"} {
			if name == "at the end" && keep == "3" {
				continue
			}
			t.Run(name+", keep "+keep, func(t *testing.T) {
				dir := t.TempDir()
				flags := []string{"keep-checkpoints", keep, "steps", steps}
				if steps == "2" {
					flags = append(flags, "warmup-steps", "2")
				}
				r := explosive(t, flags...)
				err := run(t, dir, r, Options{})
				var d *DivergedError
				if !errors.As(err, &d) || d.Checkpoint != checkpointPath(dir, 1) {
					t.Fatalf("got %v, want the checkpoint of step 1", err)
				}
				if text := err.Error(); !strings.Contains(text, "--resume --accept-changes --lr") || strings.Contains(text, "inf") {
					t.Error(text)
				}
				if steps, _ := checkpointSteps(dir); !reflect.DeepEqual(steps, []int{1}) {
					t.Errorf("kept %v", steps)
				}
				if _, err := os.Stat(filepath.Join(dir, modelName)); err == nil {
					t.Error("a final model was written")
				}
				r.LR = 0.01
				mustRun(t, dir, r, Options{Resume: true, Accept: true})
				for _, loss := range losses(t, dir) {
					if !finite(loss) {
						t.Errorf("a loss of %g", loss)
					}
				}
			})
		}
	}
}

// A checkpoint that a run continues from is not removed when its first step diverges:
// it may have been good with other settings.
func TestResumedCheckpointIsNotRemoved(t *testing.T) {
	dir := t.TempDir()
	r := recipe(t, append(simclr, "steps", "4")...)
	mustRun(t, dir, r, Options{})
	r = recipe(t, append(simclr, "steps", "8")...)
	src := source()
	src.scale = math.Inf(1)
	err := run(t, dir, r, Options{Resume: true, Accept: true, Source: src})
	var d *DivergedError
	if !errors.As(err, &d) || d.Resumed != checkpointPath(dir, 4) || d.Checkpoint != checkpointPath(dir, 3) && d.Checkpoint != checkpointPath(dir, 2) {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), "which it was resumed from, does not survive a step") {
		t.Error(err)
	}
	mustRun(t, dir, r, Options{Resume: true, Accept: true})
}
