package train

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"onnxclr/importer"
	"onnxclr/internal/golden"
)

// lossesOf runs a recipe and returns the loss of every step.
func lossesOf(t *testing.T, dir string, flags ...string) (losses []float32) {
	t.Helper()
	w := &watcher{step: func(m Metrics) { losses = append(losses, m.Loss) }}
	mustRun(t, dir, recipe(t, flags...), Options{Reporter: w})
	return losses
}

// weightOf returns a tensor of the run's final model.
func weightOf(t *testing.T, dir, name string) []float32 {
	t.Helper()
	m, err := importer.OpenModel(filepath.Join(dir, modelName))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	v, err := m.ONNX.Graph.Initializer(name).Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(v)
}

// TestEveryProjectorTrains, resumes to the bit, and is found in the final model.
func TestEveryProjectorTrains(t *testing.T) {
	cases := map[string][]string{
		"google":     {"projector", "mlp", "projector-bias", "hidden"},
		"solo-learn": {"projector", "mlp", "projector-batchnorm", "none"},
	}
	for _, projector := range choices["projector"] {
		cases[projector] = []string{"projector", projector}
	}
	for name, flags := range cases {
		t.Run(name, func(t *testing.T) {
			flags := append(flags, "d0", "8", "projector-groups", "4", "projector-layers", "3", "projector-hidden", "12", "seed", "3", "steps", "4", "checkpoint-every", "100", "warmup-epochs", "0")
			whole, dir := t.TempDir(), t.TempDir()
			mustRun(t, whole, recipe(t, flags...), Options{})
			ctx, cancel := context.WithCancel(t.Context())
			w := &watcher{step: func(m Metrics) {
				if m.Step == 1 {
					cancel()
				}
			}}
			if err := Run(ctx, recipe(t, flags...), Options{Dir: dir, Source: source(), Reporter: w}); !errors.Is(err, ErrInterrupted) {
				t.Fatalf("interrupted: %v", err)
			}
			mustRun(t, dir, recipe(t, flags...), Options{Resume: true})
			sameOutcome(t, "interrupted", outcome(t, dir), outcome(t, whole))

			m, err := importer.OpenModel(filepath.Join(whole, modelName))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			r := recipe(t, flags...)
			if h, ok, err := importer.AttachedHead(m.ONNX); err != nil || !ok || h.Kind != r.Head().Kind {
				t.Errorf("the model's head is %v, %v, %v", h, ok, err)
			}
			if err := importer.AttachHead(m.ONNX, r.Head()); err != nil {
				t.Errorf("the same head again: %v", err)
			}
		})
	}
}

// TestProjectorsOfNoConsequence: what the loss cannot see changes no loss. It takes the
// cosines of rows: an orthogonal map of them all is invisible, to the loss and so to the
// encoder (arXiv:2110.09348, appendix F, has 52.2 with it and 51.5 without); a group of
// all features is no group; d0 of all features are all; and lowrank-diagonal is directclr.
func TestProjectorsOfNoConsequence(t *testing.T) {
	const width = "32"
	plain := []string{"optimizer", "sgd", "lr", "0.003", "steps", "4", "warmup-epochs", "0", "method", "simclr", "projector", "none"}
	dir := t.TempDir()
	want := lossesOf(t, dir, plain...)
	encoder := weightOf(t, dir, "conv1.weight")
	with := func(flags ...string) []string { return append(slices.Clone(plain[:len(plain)-2]), flags...) }
	for name, flags := range map[string][]string{
		"orthogonal": with("projector", "orthogonal", "projector-dim", "0"),
		"group":      with("projector", "group", "projector-groups", "1"),
		"dropout":    with("projector", "random-dropout", "d0", width),
	} {
		dir := t.TempDir()
		got := lossesOf(t, dir, flags...)
		golden.Check(t, name+" losses", golden.Model, got, want)
		golden.Check(t, name+" encoder", golden.Model, weightOf(t, dir, "conv1.weight"), encoder)
		if name == "orthogonal" {
			w := weightOf(t, dir, importer.ProjectorWeight)
			d := int(math.Sqrt(float64(len(w))))
			if e := deviation(w, d, d); e > 1e-5 {
				t.Errorf("the projector is %g from orthogonal", e)
			}
		}
	}
	slice, direct := t.TempDir(), t.TempDir()
	golden.Check(t, "lowrank-diagonal", golden.Exact,
		lossesOf(t, slice, "projector", "lowrank-diagonal", "d0", "12"),
		lossesOf(t, direct, "method", "directclr", "d0", "12"))
	golden.Check(t, "encoder of lowrank-diagonal", golden.Exact, weightOf(t, slice, "conv1.weight"), weightOf(t, direct, "conv1.weight"))
}

// TestFixedProjectorIsNotTrained, nor decayed; nor is a diagonal one that begins as ones
// left as it is.
func TestFixedProjectorIsNotTrained(t *testing.T) {
	flags := []string{"optimizer", "sgd", "lr", "0.1", "weight-decay", "0.1", "d0", "8", "warmup-epochs", "0", "exclude-bias-norm", "false"}
	short, long := t.TempDir(), t.TempDir()
	lossesOf(t, short, append(flags, "projector", "lowrank", "steps", "1")...)
	lossesOf(t, long, append(flags, "projector", "lowrank", "steps", "8")...)
	golden.Check(t, "lowrank", golden.Exact, weightOf(t, long, importer.ProjectorWeight), weightOf(t, short, importer.ProjectorWeight))
	diagonal := t.TempDir()
	lossesOf(t, diagonal, append(flags, "projector", "diagonal")...)
	if !slices.ContainsFunc(weightOf(t, diagonal, importer.ProjectorWeight), func(v float32) bool { return v > 0 && v != 1 }) {
		t.Error("the diagonal projector is not trained")
	}
}

// TestNormalisationWithoutBias: its β, which ONNX and PyTorch have nevertheless, stays 0
// while its γ is trained.
func TestNormalisationWithoutBias(t *testing.T) {
	dir := t.TempDir()
	lossesOf(t, dir, "optimizer", "sgd", "lr", "0.1", "projector", "mlp", "projector-bias", "hidden", "steps", "3", "warmup-epochs", "0")
	for name, zero := range map[string]bool{"projector.1.bias": false, "projector.4.bias": true, "projector.4.weight": false} {
		if got := !slices.ContainsFunc(weightOf(t, dir, name), func(v float32) bool { return v != 0 && v != 1 }); got != zero {
			t.Errorf("%s: left as it was is %v, want %v", name, got, zero)
		}
	}
}

// TestDrawnColumns: every step has its own, the same for every run of a seed; a draw of
// all is a permutation.
func TestDrawnColumns(t *testing.T) {
	const d = 50
	a, b := make([]int, 20), make([]int, 20)
	drawColumns(a, d, 1, 7)
	drawColumns(b, d, 1, 7)
	if !slices.Equal(a, b) {
		t.Error("the same step draws other columns")
	}
	for seed, step := range map[uint64]int{1: 8, 2: 7} {
		if drawColumns(b, d, seed, step); slices.Equal(a, b) {
			t.Errorf("seed %d step %d draws those of seed 1 step 7", seed, step)
		}
	}
	counts := make([]int, d)
	for step := range 2000 {
		drawColumns(a, d, 1, step)
		for _, c := range a {
			counts[c]++
		}
	}
	for c, n := range counts {
		if n < 650 || n > 950 { // 800 is expected, 22 the standard deviation
			t.Errorf("column %d is drawn %d times in 2000 steps", c, n)
		}
	}
	all := make([]int, d)
	drawColumns(all, d, 1, 3)
	slices.Sort(all)
	for i, c := range all {
		if c != i {
			t.Fatalf("not a permutation: %v", all)
		}
	}
}

// TestMicroBatchesTakeTheSameColumns, and losses of a batch's statistics see all of it:
// without batch normalisation in training, parts of a step give what the whole gives.
func TestMicroBatchesTakeTheSameColumns(t *testing.T) {
	for _, flags := range [][]string{
		{"projector", "group", "projector-groups", "4"},
		{"projector", "random-dropout", "d0", "8"},
		{"projector", "linear", "projector-dim", "3", "loss", "barlow"},
		{"projector", "orthogonal", "loss", "vicreg"},
	} {
		flags = append(flags, "freeze-bn", "true", "optimizer", "sgd", "lr", "0.001", "warmup-epochs", "0", "steps", "3")
		whole := lossesOf(t, t.TempDir(), flags...)
		parts := lossesOf(t, t.TempDir(), append(flags, "micro-batch", "3")...)
		golden.Check(t, flags[1]+" losses", golden.Model, parts, whole)
	}
}
