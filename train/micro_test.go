package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"onnxclr/importer"
	"onnxclr/internal/file"
	"onnxclr/internal/golden"
	"onnxclr/internal/graph/graphtest"
	"onnxclr/train/data"
)

// tinyLearner is the network of testdata/gen/tiny.py in training on n images.
func tinyLearner(t *testing.T, n, micro int, flags ...string) *learner {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.onnx")
	if err := file.Write(path, func(w io.Writer) error { return graphtest.Residual(golden.Weights).Encode(w) }); err != nil {
		t.Fatal(err)
	}
	model, err := importer.OpenModel(path)
	if err != nil {
		t.Fatal(err)
	}
	r := recipe(t, append([]string{"model", path, "batch", strconv.Itoa(n), "micro-batch", strconv.Itoa(micro), "optimizer", "sgd", "weight-decay", "0"}, flags...)...)
	l := &learner{model: model, images: []int{2 * n, 3, 16, 16}}
	t.Cleanup(l.close)
	if err := l.compile(&r, 0); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestMicroBatchesAgainstTorch: three steps of gradient caching, batch normalisation and
// a smaller last micro-batch included, are those of the same program in PyTorch.
func TestMicroBatchesAgainstTorch(t *testing.T) {
	const n, micro = 6, 4
	want := golden.Load(t, "train/gradcache.npz")
	l := tinyLearner(t, n, micro)
	for step, loss := range want["loss"].F64 {
		var m Metrics
		m.LearningRate = 0.0002
		if err := l.train(&data.Batch{Images: golden.Views(fmt.Sprint("gradcache", step), n, 16)}, &m); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, fmt.Sprint("loss of step ", step), golden.ModelLoss, []float64{float64(m.Loss)}, []float64{loss})
		for i, p := range l.params {
			if step == 0 {
				golden.Check(t, "gradient of "+p.Name, golden.TorchBackward, l.grads[i], want["grad/"+p.Name].F64)
			}
		}
	}
	compared := 0
	for name, w := range want {
		if name, ok := strings.CutPrefix(name, "after/"); ok && w.F64 != nil {
			golden.Check(t, name+" after three steps", golden.TorchBackward, l.weights.Values(name), w.F64)
			compared++
		}
	}
	if compared < len(l.params) || len(l.params) == 0 {
		t.Errorf("%d arrays were compared", compared)
	}
	counted := want["after/bn1.num_batches_tracked"].I64[0]
	if got := l.batchesPerStep() * 3; got != counted {
		t.Errorf("bn1 saw %d batches, want %d", got, counted)
	}
}

// TestMicroBatchesAreTheBatch: without statistics of the batch the gradients are those of
// the whole batch, for every loss and size; with them and one micro-batch alone they are
// so to the bit.
func TestMicroBatchesAreTheBatch(t *testing.T) {
	const n = 6
	images := &data.Batch{Images: golden.Views("gradcache0", n, 16)}
	for _, loss := range choices["loss"] {
		flags := []string{"freeze-bn", "true", "freeze", "projector.1,projector.4", "loss", loss, "temperature", "0.5"}
		whole := tinyLearner(t, n, 0, flags...)
		var want Metrics
		if err := whole.train(images, &want); err != nil {
			t.Fatal(err)
		}
		for micro := 1; micro < n; micro++ {
			l := tinyLearner(t, n, micro, flags...)
			var m Metrics
			if err := l.train(images, &m); err != nil {
				t.Fatal(err)
			}
			golden.Check(t, loss, golden.ModelLoss, []float32{m.Loss}, []float32{want.Loss})
			golden.Check(t, "embedding", golden.Model, l.embedding, whole.embedding)
			for i, p := range l.params {
				golden.Check(t, fmt.Sprintf("%s: gradient of %s in parts of %d", loss, p.Name, micro), golden.TorchBackward, l.grads[i], whole.grads[i])
			}
			if *m.Accuracy != *want.Accuracy {
				t.Errorf("accuracy %g, want %g", *m.Accuracy, *want.Accuracy)
			}
		}
	}
}

// TestMicroBatchesAndHowTheyAreComputed: exact, precision and freeze mean for the parts of a
// step, a smaller last one included, what they mean for the whole. exact and precision
// reach every pass: without them the gradients have other bits.
func TestMicroBatchesAndHowTheyAreComputed(t *testing.T) {
	const n, micro = 6, 4
	path := wide(t)
	src := &randomSource{n: n, side: 64, perEpoch: 1, name: "random"}
	batch, err := src.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	step := func(micro int, flags ...string) (*learner, Metrics) {
		t.Helper()
		r := recipe(t, append([]string{"model", path, "batch", strconv.Itoa(n), "micro-batch", strconv.Itoa(micro), "projector", "none", "temperature", "0.5", "optimizer", "sgd", "freeze-bn", "true"}, flags...)...)
		l, err := newLearner(t.Context(), &r, Options{}, nil, src, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.close)
		m := Metrics{LearningRate: 0.01}
		if err := l.train(batch, &m); err != nil {
			t.Fatal(err)
		}
		return l, m
	}
	plain, _ := step(micro)
	for name, c := range map[string]struct {
		flags    []string
		forward  golden.Class
		backward golden.Class
		loss     golden.Class
	}{
		"exact":  {[]string{"exact", "true"}, golden.Model, golden.TorchBackward, golden.ModelLoss},
		"bf16":   {[]string{"precision", "bf16"}, golden.BFloat16Model, golden.BF16Model, golden.BF16Loss},
		"freeze": {[]string{"freeze", "conv1"}, golden.Model, golden.TorchBackward, golden.ModelLoss},
	} {
		t.Run(name, func(t *testing.T) {
			whole, want := step(0, c.flags...)
			parts, got := step(micro, c.flags...)
			golden.Check(t, "loss", c.loss, []float32{got.Loss}, []float32{want.Loss})
			golden.Check(t, "embedding", c.forward, parts.embedding, whole.embedding)
			others := 0
			for i, p := range parts.params {
				golden.Check(t, "gradient of "+p.Name, c.backward, parts.grads[i], whole.grads[i])
				golden.Check(t, p.Name+" after the step", c.forward, p.Value, whole.params[i].Value)
				if strings.HasPrefix(p.Name, "conv") && name != "freeze" && !same(parts.grads[i], plain.grads[i]) {
					others++
				}
			}
			if name != "freeze" {
				if others == 0 {
					t.Error("the gradients of convolutions are those of the defaults")
				}
				return
			}
			if len(parts.params) != len(plain.params)-1 || same(parts.weights.Values("conv1.weight"), plain.weights.Values("conv1.weight")) {
				t.Errorf("%d parameters are trained, without freeze %d", len(parts.params), len(plain.params))
			}
		})
	}
}

// TestMicroBatchesComputeTheSameTwice: the second pass sees what the first one saw, what
// Dropout drops included.
func TestMicroBatchesComputeTheSameTwice(t *testing.T) {
	src := source()
	r := recipe(t, append(simclr, "model", withDropout(t), "micro-batch", "2")...)
	l, err := newLearner(t.Context(), &r, Options{}, nil, src, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	var first []float32
	for step := range 2 {
		b, _ := src.Next(t.Context())
		if err := l.train(b, &Metrics{LearningRate: 0.1}); err != nil {
			t.Fatal(err)
		}
		last, from := l.micro.part(l.micro.parts - 1)
		again := last.machine.Values(last.z)
		l.micro.views(l.embedding, from, last.n, func(rows []float32, at int) {
			golden.Check(t, "second pass", golden.Exact, again[at:][:len(rows)], rows)
		})
		if step == 0 {
			first = append(first, last.program.Dropouts[0].Mask...)
		} else if same(first, last.program.Dropouts[0].Mask) {
			t.Error("the same is dropped in every step")
		}
	}
}

func same(a, b []float32) bool {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return true
}

// A run in micro-batches resumes to the bit, whatever its data are, counts its batches,
// and is profiled and logged as any other.
func TestMicroBatchesResume(t *testing.T) {
	views := t.TempDir()
	for k := range 3 {
		writeViews(t, filepath.Join(views, fmt.Sprintf("%d.npz", k)), pair(uint64(k), 5, 32)...)
	}
	for name, flags := range map[string][]string{
		"images": {"data", "generated:textures?train=16&size=40", "image-size", "32", "batch", "5"},
		"views":  {"views", views, "batch", "5"},
	} {
		t.Run(name, func(t *testing.T) {
			r := recipe(t, append(append(append([]string{}, simclr...), flags...), "micro-batch", "3", "tensorboard", "true")...)
			whole := t.TempDir()
			var p *Profile
			w := &watcher{}
			if err := Run(t.Context(), r, Options{Dir: whole, Reporter: w, Profile: func(q *Profile) { p = q }}); err != nil {
				t.Fatal(err)
			}
			if w.start.Memory <= 0 || w.result.Last.Accuracy == nil {
				t.Errorf("reported %+v, %+v", w.start, w.result)
			}
			calls := map[string]int{}
			for _, u := range p.Operators {
				calls[u.Name] = u.Calls
			}
			// Two micro-batches of a step run forward twice and backward once.
			if calls["InfoNCE"] != 1 || calls["GlobalAveragePool"] != 4 || calls["GlobalAveragePoolGrad"] != 2 {
				t.Errorf("a step calls %v", calls)
			}
			m, err := importer.OpenModel(filepath.Join(whole, modelName))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if counts, err := importer.BatchesTracked(m.ONNX); err != nil || counts["bn1"] != 8*2*2 {
				t.Errorf("num_batches_tracked of bn1 is %d (%v), want 32: two views of two micro-batches a step", counts["bn1"], err)
			}
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			stop := &watcher{step: func(m Metrics) {
				if m.Step == 4 {
					cancel()
				}
			}}
			if err := Run(ctx, r, Options{Dir: dir, Reporter: stop}); !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
			if err := Run(t.Context(), r, Options{Dir: dir, Resume: true}); err != nil {
				t.Fatal(err)
			}
			got, want := outcome(t, dir), outcome(t, whole)
			for _, files := range []map[string]string{got, want} { // a resumed run begins a new file of events
				for name := range files {
					if ofRun(name) && strings.Contains(name, "tfevents") {
						delete(files, name)
					}
				}
			}
			sameOutcome(t, "interrupted", got, want)
			r.MicroBatch = 2
			if err := Run(t.Context(), r, Options{Dir: dir, Resume: true}); err == nil || !strings.Contains(err.Error(), "micro_batch is 2, was 3") {
				t.Errorf("resumed in other micro-batches: %v", err)
			}
		})
	}
}

// A micro-batch as large as the batch is the batch.
func TestMicroBatchOfAll(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	mustRun(t, a, recipe(t, simclr...), Options{})
	mustRun(t, b, recipe(t, append(simclr, "micro-batch", "4")...), Options{})
	if outcome(t, a)[modelName] != outcome(t, b)[modelName] {
		t.Error("another model")
	}
}

func TestMicroBatchIsChecked(t *testing.T) {
	for want, flags := range map[string][]string{
		"--micro-batch: micro_batch is 9, want at most the batch, 4": {"micro-batch", "9"},
		"micro_batch is -1, want a whole number":                     {"micro-batch", "-1"},
	} {
		if _, _, err := Resolve(Flag(flags[0], flags[1]), Flag("batch", "4")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", flags, err, want)
		}
	}
	// The projector's batch normalisation has one value a channel.
	err := run(t, filepath.Join(t.TempDir(), "run"), recipe(t, "micro-batch", "3"), Options{})
	if err == nil || !strings.Contains(err.Error(), "micro_batch 3 leaves 1 of the batch's 4 images for the last one") || !strings.Contains(err.Error(), "no variance") {
		t.Errorf("got %v", err)
	}
	if err := run(t, filepath.Join(t.TempDir(), "run"), recipe(t, "micro-batch", "1"), Options{}); err == nil || !strings.Contains(err.Error(), "micro_batch 1: ") {
		t.Errorf("got %v", err)
	}
}

// What does not fit names the micro-batch that does, and that is the largest.
func TestLargestMicroBatchIsNamed(t *testing.T) {
	large := source()
	large.n = 256
	refused := func(room int64, flags ...string) error {
		t.Helper()
		err := run(t, filepath.Join(t.TempDir(), "run"), recipe(t, append([]string{"batch", "256", "steps", "1", "warmup-epochs", "0"}, flags...)...), Options{Source: large, Memory: room})
		large.step = 0
		return err
	}
	const room = 16 << 20
	for _, flags := range [][]string{nil, {"micro-batch", "200"}} {
		err := refused(room, flags...)
		if err == nil {
			t.Fatalf("%v: fits", flags)
		}
		_, text, _ := strings.Cut(err.Error(), "--micro-batch ")
		size, convErr := strconv.Atoi(text)
		if convErr != nil {
			t.Fatalf("no micro-batch in %q", err)
		}
		if len(flags) > 0 && !strings.Contains(err.Error(), "a step of 256 images, two views each, at 32×32 in micro-batches of 200 needs") {
			t.Error(err)
		}
		if err := refused(room, "micro-batch", strconv.Itoa(size)); err != nil {
			t.Error(err)
		}
		if err := refused(room, "micro-batch", strconv.Itoa(size+1)); err == nil {
			t.Errorf("%d fits too", size+1)
		}
	}
	if err := refused(1000, "micro-batch", "8"); err == nil || !strings.Contains(err.Error(), "not even a micro-batch of 2 fits") {
		t.Errorf("got %v", err)
	}
}

// Infinite input is found in the first pass, with the first layer that shows it.
func TestMicroBatchesDiverge(t *testing.T) {
	r := recipe(t, append(simclr, "micro-batch", "2")...)
	l, err := newLearner(t.Context(), &r, Options{}, nil, source(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	b, _ := source().Next(t.Context())
	b.Images[len(b.Images)-7] = float32(math.Inf(1))
	err = l.train(b, &Metrics{LearningRate: 0.1})
	var d *DivergedError
	if !errors.As(err, &d) || !strings.Contains(d.Where, "bn1") && !strings.Contains(d.Where, "BatchNorm") {
		t.Errorf("got %v", err)
	}
	if l.step != 0 {
		t.Errorf("the step counts: %d", l.step)
	}
}
