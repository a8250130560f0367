package train

import "testing"

// meanLosses runs a recipe and returns the mean losses of its first and last quarter.
func meanLosses(t *testing.T, flags ...string) (first, last float64) {
	t.Helper()
	var losses []float64
	w := &watcher{step: func(m Metrics) { losses = append(losses, float64(m.Loss)) }}
	mustRun(t, t.TempDir(), recipe(t, flags...), Options{Reporter: w})
	quarter := len(losses) / 4
	for i := range quarter {
		first += losses[i] / float64(quarter)
		last += losses[len(losses)-1-i] / float64(quarter)
	}
	return first, last
}

// TestEveryLossIsLearned: some steps on few images lower it.
func TestEveryLossIsLearned(t *testing.T) {
	for _, loss := range choices["loss"] {
		lr := "0.03"
		if loss == "vicreg" { // weighs 25 times as much
			lr = "0.001"
		}
		first, last := meanLosses(t, "loss", loss, "projector", "linear", "optimizer", "sgd", "lr", lr, "projector-dim", "4", "steps", "32", "warmup-steps", "0", "warmup-epochs", "0")
		if !(last < 0.97*first) {
			t.Errorf("%s: %.4g in the first quarter, %.4g in the last", loss, first, last)
		}
	}
}
