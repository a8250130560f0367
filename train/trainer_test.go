package train

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"onnxclr/importer"
	"onnxclr/internal/file"
	"onnxclr/internal/golden"
	"onnxclr/internal/stream"
	"onnxclr/train/data"
)

// randomSource gives batches that are a function of the step, and can be told to
// fail at one.
type randomSource struct {
	n, side, perEpoch int
	name              string
	step              int
	failAt            int     // 0: never
	scale             float64 // of the images; 0: 1
}

func (s *randomSource) Size() (int, int, int) { return s.n, s.side, s.side }
func (s *randomSource) StepsPerEpoch() int    { return s.perEpoch }
func (s *randomSource) Seek(step int) error   { s.step = step; return nil }
func (s *randomSource) Fingerprint() string   { return s.name }
func (s *randomSource) Close() error          { return nil }

func (s *randomSource) Next(ctx context.Context) (*data.Batch, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if s.failAt > 0 && s.step == s.failAt {
		return nil, errors.New("cat.jpg cannot be read")
	}
	r := stream.New(1, "source", uint64(s.step))
	b := &data.Batch{Images: make([]float32, 2*s.n*3*s.side*s.side), Step: s.step, Epoch: s.step / s.perEpoch}
	for i := range b.Images {
		b.Images[i] = float32(r.NormFloat64())
		if s.scale != 0 {
			b.Images[i] *= float32(s.scale)
		}
	}
	s.step++
	return b, nil
}

func source() *randomSource { return &randomSource{n: 4, side: 32, perEpoch: 3, name: "random"} }

// watcher is a Reporter that calls a function after each step.
type watcher struct {
	step     func(Metrics)
	warnings []string
	start    Start
	result   Result
}

func (w *watcher) Begin(s Start)    { w.start = s }
func (w *watcher) End(r Result)     { w.result = r }
func (w *watcher) Warn(text string) { w.warnings = append(w.warnings, text) }
func (w *watcher) Step(m Metrics) {
	if w.step != nil {
		w.step(m)
	}
}

// recipe resolves flags on top of a small run.
func recipe(t testing.TB, flags ...string) Recipe {
	t.Helper()
	settings := []Setting{Flag("model", golden.Testdata(t, "onnx/basic_op17_training.onnx")), Flag("batch", "4"), Flag("steps", "8"), Flag("checkpoint-every", "2"), Flag("warmup-epochs", "1"), Flag("projector-dim", "8")}
	for i := 0; i < len(flags); i += 2 {
		settings = append(settings, Flag(flags[i], flags[i+1]))
	}
	r, _, err := Resolve(settings...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var simclr = []string{"method", "simclr", "lr", "0.3"}
var directclr = []string{"method", "directclr", "d0", "12", "optimizer", "sgd", "lr", "0.05", "loss", "ntxent", "schedule", "step"}
var adamw = []string{"optimizer", "adamw", "lr", "0.01", "lr-scaling", "sqrt", "clip-gradient", "0.5", "parameter-groups", "[{match: projector.*, lr_factor: 3, weight_decay: 0}]"}

func run(t testing.TB, dir string, r Recipe, o Options) error {
	t.Helper()
	o.Dir = dir
	if o.Source == nil {
		o.Source = source()
	}
	return Run(t.Context(), r, o)
}

func mustRun(t testing.TB, dir string, r Recipe, o Options) {
	t.Helper()
	if err := run(t, dir, r, o); err != nil {
		t.Fatal(err)
	}
}

// outcome is a run directory without what a clock has written.
func outcome(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := tree(t, dir)
	var lines []string
	s := bufio.NewScanner(strings.NewReader(files[metricsName]))
	for s.Scan() {
		var m Metrics
		if err := json.Unmarshal(s.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		if m.Time <= 0 || m.Wait < 0 || m.ImagesPerSecond <= 0 {
			t.Errorf("step %d: time %g, wait %g, %g images/s", m.Step, m.Time, m.Wait, m.ImagesPerSecond)
		}
		m.Time, m.Wait, m.ImagesPerSecond = 0, 0, 0
		line, _ := json.Marshal(m)
		lines = append(lines, string(line))
	}
	files[metricsName] = strings.Join(lines, "\n")
	return files
}

func sameOutcome(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: %s differs", what, name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s is new", what, name)
		}
	}
}

func TestRunLeavesARunDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	r := recipe(t, simclr...)
	w := &watcher{}
	mustRun(t, dir, r, Options{Reporter: w})
	files := outcome(t, dir)
	var names []string
	for _, name := range []string{"recipe.yaml", "metrics.jsonl", "loss.png", "model.onnx", "checkpoints/6/model.onnx", "checkpoints/8/model.onnx", "checkpoints/8/optimizer.safetensors", "checkpoints/8/state.json"} {
		if files[name] == "" {
			names = append(names, name)
		}
	}
	if names != nil || len(files) != 10 {
		t.Errorf("missing %v in %d files", names, len(files))
	}
	if files["model.onnx"] != files["checkpoints/8/model.onnx"] {
		t.Error("the final model is not that of the last checkpoint")
	}
	lines := strings.Split(files[metricsName], "\n")
	if len(lines) != 8 {
		t.Fatalf("%d lines of metrics", len(lines))
	}
	for i, line := range lines {
		var m Metrics
		json.Unmarshal([]byte(line), &m)
		if m.Step != i || m.Epoch != i/3 || math.IsNaN(float64(m.Loss)) || m.Loss <= 0 || m.GradNorm <= 0 || m.Accuracy == nil || (m.LearningRate == 0) != (i == 0) {
			t.Errorf("line %d: %s", i, line)
		}
	}
	m, err := importer.OpenModel(filepath.Join(dir, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	counts, err := importer.BatchesTracked(m.ONNX)
	if err != nil || counts["bn1"] != 16 {
		t.Errorf("num_batches_tracked of bn1 is %d (%v), want 16: two views a step", counts["bn1"], err)
	}
	if m.ONNX.Graph.Output("embedding") == nil || m.ONNX.Graph.Initializer("projector.0.weight") == nil {
		t.Error("the trained model lost its head")
	}
	settings, err := RunRecipe(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := Resolve(settings...)
	if d := Diff(r, again); err != nil || len(d) != 0 {
		t.Errorf("recipe.yaml differs: %v, %v", d, err)
	}
	if w.start.Total != 8 || w.start.Parameters == 0 || w.start.Memory == 0 || w.result.Steps != 8 || w.result.Last.Step != 7 {
		t.Errorf("reported %+v %+v", w.start, w.result)
	}
	if path, err := FinalModel(dir); err != nil || path != filepath.Join(dir, "model.onnx") {
		t.Errorf("final model %q, %v", path, err)
	}
}

// A run interrupted after any step and resumed is the run that was never stopped.
func TestResumeEqualsNeverStopping(t *testing.T) {
	for name, flags := range map[string][]string{"simclr": simclr, "directclr": directclr, "adamw": adamw} {
		t.Run(name, func(t *testing.T) {
			whole := t.TempDir()
			r := recipe(t, flags...)
			mustRun(t, whole, r, Options{})
			want := outcome(t, whole)

			// Ctrl-C after steps 0, 2 and 5.
			dir := t.TempDir()
			for _, at := range []int{0, 2, 5} {
				ctx, cancel := context.WithCancel(t.Context())
				w := &watcher{step: func(m Metrics) {
					if m.Step == at {
						cancel()
					}
				}}
				err := Run(ctx, r, Options{Dir: dir, Resume: true, Source: source(), Reporter: w})
				if !errors.Is(err, ErrInterrupted) || !w.result.Interrupted || w.result.Steps != at+1 {
					t.Fatalf("interrupted at %d: %v, %+v", at, err, w.result)
				}
			}
			mustRun(t, dir, r, Options{Resume: true})
			sameOutcome(t, "interrupted three times", outcome(t, dir), want)

			// Once more: nothing is left to do.
			mustRun(t, dir, r, Options{Resume: true})
			sameOutcome(t, "resumed when complete", outcome(t, dir), want)

			// Killed: the directory as it was after each step, with what a crash can
			// leave in it.
			copies := t.TempDir()
			w := &watcher{step: func(m Metrics) { killAt(t, filepath.Join(copies, "run"), filepath.Join(copies, strconv.Itoa(m.Step))) }}
			mustRun(t, filepath.Join(copies, "run"), r, Options{Reporter: w})
			for at := range 8 {
				dir := filepath.Join(copies, strconv.Itoa(at))
				mustRun(t, dir, r, Options{Resume: true})
				sameOutcome(t, fmt.Sprintf("killed after step %d", at), outcome(t, dir), want)
			}
		})
	}
}

// killAt copies a run directory as a crash would leave it: a line of metrics and a
// checkpoint half-written.
func killAt(t *testing.T, dir, copied string) {
	t.Helper()
	err := os.CopyFS(copied, os.DirFS(dir))
	half := filepath.Join(copied, checkpointsName, ".4.tmp")
	err = errors.Join(err, os.MkdirAll(half, 0o755), os.WriteFile(filepath.Join(half, modelName), []byte("half"), 0o644))
	f, openErr := os.OpenFile(filepath.Join(copied, metricsName), os.O_APPEND|os.O_WRONLY, 0)
	if err = errors.Join(err, openErr); err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"step":`)
	f.Close()
}

func TestDamagedCheckpointFallsBack(t *testing.T) {
	r := recipe(t, simclr...)
	whole, dir := t.TempDir(), t.TempDir()
	mustRun(t, whole, r, Options{})
	mustRun(t, dir, r, Options{})
	if err := os.Truncate(filepath.Join(dir, "checkpoints/8/model.onnx"), 1000); err != nil {
		t.Fatal(err)
	}
	w := &watcher{}
	mustRun(t, dir, r, Options{Resume: true, Reporter: w})
	if len(w.warnings) != 1 || !strings.Contains(w.warnings[0], "continuing from step 6") {
		t.Errorf("warned %q", w.warnings)
	}
	got := outcome(t, dir)
	for name := range got {
		if strings.Contains(name, ".damaged/") {
			delete(got, name)
		}
	}
	sameOutcome(t, "after a damaged checkpoint", got, outcome(t, whole))
}

func TestRunDirectoryIsProtected(t *testing.T) {
	dir := t.TempDir()
	r := recipe(t, simclr...)
	mustRun(t, dir, r, Options{})
	want := outcome(t, dir)
	refused := func(what, contains string, r Recipe, o Options) {
		t.Helper()
		if err := run(t, dir, r, o); err == nil || !strings.Contains(err.Error(), contains) {
			t.Errorf("%s: %v, want %q", what, err, contains)
		}
		sameOutcome(t, what, outcome(t, dir), want)
	}
	refused("existing run", "--resume continues it, --force replaces it", r, Options{})
	if err := run(t, dir, r, Options{}); !errors.Is(err, file.ErrExists) {
		t.Errorf("existing run: %v, want ErrExists", err)
	}
	refused("changed recipe", "temperature is 0.2, was 0.1; steps is 9, was 8", recipe(t, append(simclr, "temperature", "0.2", "steps", "9")...), Options{Resume: true})
	other := source()
	other.name = "other pictures"
	refused("changed data", "cannot resume "+dir+" with other data: they are other pictures, were random", r, Options{Resume: true, Source: other})
	refused("broken model", "absent.onnx", recipe(t, append(simclr, "model", "absent.onnx")...), Options{Force: true})

	free := r
	free.Workers, free.CheckpointEvery, free.KeepCheckpoints = 7, 5, 1
	if err := run(t, dir, free, Options{Resume: true}); err != nil {
		t.Errorf("free settings: %v", err)
	}
	mustRun(t, dir, r, Options{Force: true})
	sameOutcome(t, "forced", outcome(t, dir), want)

	notRun := t.TempDir()
	os.WriteFile(filepath.Join(notRun, "thesis.tex"), []byte("x"), 0o644)
	for _, o := range []Options{{}, {Resume: true}} {
		if err := run(t, notRun, r, o); err == nil || !strings.Contains(err.Error(), "is not a run") {
			t.Errorf("someone's folder: %v", err)
		}
	}
	// Not even by force does someone's own file make way for one of the run's.
	os.WriteFile(filepath.Join(notRun, "model.onnx"), []byte("x"), 0o644)
	if err := run(t, notRun, r, Options{Force: true}); err == nil || !strings.Contains(err.Error(), "would replace its model.onnx") {
		t.Errorf("someone's model: %v", err)
	}
	if files := tree(t, notRun); len(files) != 2 {
		t.Errorf("written: %v", files)
	}
	for _, model := range []string{"model.onnx", "checkpoints/8/model.onnx"} {
		own := recipe(t, append(simclr, "model", filepath.Join(dir, model))...)
		if err := run(t, dir, own, Options{Force: true}); err == nil || !strings.Contains(err.Error(), "which would be replaced") {
			t.Errorf("from the run that is replaced: %v", err)
		}
	}
	sameOutcome(t, "own model", outcome(t, dir), want)
}

// unreadable is a source whose first image is damaged.
type unreadable struct{ *randomSource }

func (unreadable) Next(context.Context) (*data.Batch, error) { return nil, io.ErrUnexpectedEOF }

// What fails before the first step is done can be run again as it is.
func TestFailureInTheFirstStepLeavesNothing(t *testing.T) {
	parent := t.TempDir()
	made := filepath.Join(parent, "made")
	if err := os.Mkdir(made, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(parent, "new"), made} {
		if err := run(t, dir, recipe(t, simclr...), Options{Source: unreadable{source()}}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("error %v, want that of the source", err)
		}
	}
	if files := tree(t, parent); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 1 {
		t.Errorf("left %v (%v), want the folder that was there", entries, err)
	}
}

// wide is a model with convolutions that Winograd's filtering takes.
func wide(t testing.TB) string {
	t.Helper()
	c, err := importer.OpenCheckpoint(golden.Testdata(t, "checkpoints/demo.pth"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, _, err := importer.Convert(c, importer.ConvertOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "wide.onnx")
	if err := file.Write(path, m.Encode); err != nil {
		t.Fatal(err)
	}
	return path
}

// Exact is part of what is computed: other bits, nearly the same losses, and no
// resuming across.
func TestExact(t *testing.T) {
	fast, exact := t.TempDir(), t.TempDir()
	flags := append(simclr, "model", wide(t), "steps", "1", "warmup-epochs", "0", "batch", "4")
	src := func() *randomSource { return &randomSource{n: 4, side: 64, perEpoch: 3, name: "random"} }
	var a, b watcher
	mustRun(t, fast, recipe(t, flags...), Options{Source: src(), Reporter: &a})
	r := recipe(t, append(flags, "exact", "true")...)
	mustRun(t, exact, r, Options{Source: src(), Reporter: &b})
	if outcome(t, fast)[modelName] == outcome(t, exact)[modelName] {
		t.Error("exact changed nothing")
	}
	golden.Check(t, "loss", golden.Model, []float32{a.result.Last.Loss}, []float32{b.result.Last.Loss})
	if err := run(t, fast, r, Options{Resume: true, Source: src()}); err == nil || !strings.Contains(err.Error(), "exact is true, was false") {
		t.Errorf("resumed otherwise: %v", err)
	}
}

// While one process trains into a directory, no other may, by force or otherwise.
func TestOneRunADirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	second := []error{}
	during := &watcher{step: func(m Metrics) {
		if m.Step == 1 {
			for _, o := range []Options{{Resume: true}, {Force: true}} {
				second = append(second, run(t, dir, recipe(t, simclr...), o))
			}
		}
	}}
	mustRun(t, dir, recipe(t, simclr...), Options{Reporter: during})
	for _, err := range second {
		if err == nil || !strings.Contains(err.Error(), dir+" is in use: another process is training into it") {
			t.Errorf("a second run into the same directory: %v", err)
		}
	}
	if len(second) != 2 {
		t.Errorf("%d of 2 were tried", len(second))
	}
	whole := t.TempDir()
	mustRun(t, whole, recipe(t, simclr...), Options{})
	sameOutcome(t, "the first run", outcome(t, dir), outcome(t, whole))
	mustRun(t, dir, recipe(t, simclr...), Options{Force: true}) // it is free again
}

// So is the precision. With bf16 the loss of a short run stays near that of fp32.
func TestPrecision(t *testing.T) {
	fp32, bf16 := t.TempDir(), t.TempDir()
	flags := append(simclr, "model", wide(t), "data", "generated:textures", "image-size", "32", "batch", "16", "steps", "10", "warmup-epochs", "0", "lr", "0.02")
	loss := func(dir string, flags ...string) (Recipe, float32) {
		var w watcher
		var sum float32
		w.step = func(m Metrics) { sum += m.Loss / 10 }
		r := recipe(t, flags...)
		if err := Run(t.Context(), r, Options{Dir: dir, Reporter: &w}); err != nil {
			t.Fatal(err)
		}
		return r, sum
	}
	_, want := loss(fp32, flags...)
	r, got := loss(bf16, append(flags, "precision", "bf16")...)
	golden.Check(t, "mean loss", golden.BF16Loss, []float32{got}, []float32{want})
	if outcome(t, fp32)[modelName] == outcome(t, bf16)[modelName] {
		t.Error("bf16 changed nothing")
	}
	if err := Run(t.Context(), r, Options{Dir: fp32, Resume: true}); err == nil || !strings.Contains(err.Error(), "precision is bf16, was fp32") {
		t.Errorf("resumed otherwise: %v", err)
	}
}

// A profile accounts for all of a step, leaves the warm-up out, and changes nothing.
func TestProfile(t *testing.T) {
	plain, profiled := t.TempDir(), t.TempDir()
	mustRun(t, plain, recipe(t, simclr...), Options{})
	var p *Profile
	tell := func(q *Profile) { p = q }
	mustRun(t, profiled, recipe(t, simclr...), Options{Profile: tell})
	sameOutcome(t, "profiled", outcome(t, profiled), outcome(t, plain))
	if p == nil || p.WarmUp != 2 || p.Steps != 6 || p.Workers < 1 || p.Peak.FLOPs <= 0 || p.Peak.Bytes <= 0 {
		t.Fatalf("profile %+v", p)
	}
	var sum time.Duration
	calls := map[string]int{}
	for _, u := range p.Operators {
		sum += u.Time
		calls[u.Name] += u.Calls
	}
	for _, o := range p.Others {
		sum += o.Time
	}
	// Each mean is rounded down to a nanosecond.
	if off := p.Step - sum; off < -time.Millisecond || off > time.Millisecond {
		t.Errorf("the parts sum to %v of %v", sum, p.Step)
	}
	if calls["Conv+BatchStats"] != 12 || len(p.Others) != 5 {
		t.Errorf("operators %v, others %v", calls, p.Others)
	}

	p = nil
	ctx, cancel := context.WithCancel(t.Context())
	stop := &watcher{step: func(m Metrics) {
		if m.Step == 3 {
			cancel()
		}
	}}
	if err := Run(ctx, recipe(t, simclr...), Options{Dir: t.TempDir(), Source: source(), Reporter: stop, Profile: tell}); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if p == nil || p.Steps != 2 {
		t.Errorf("profile of an interrupted run: %+v", p)
	}
	mustRun(t, t.TempDir(), recipe(t, append(simclr, "steps", "1", "warmup-epochs", "0")...), Options{Profile: tell})
	if p == nil || p.Steps != 0 || p.WarmUp != 1 {
		t.Errorf("profile of one step: %+v", p)
	}
}

// One step's bits do not depend on how many goroutines may run at once: neither the
// kernels' nor the loader's.
func TestResultsDoNotDependOnGOMAXPROCS(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	model := wide(t)
	var first map[string]string
	for _, workers := range []int{1, 2, 7} {
		runtime.GOMAXPROCS(workers)
		r := imageRecipe(t, "model", model, "steps", "2", "warmup-epochs", "0", "image-size", "48")
		dir := t.TempDir()
		if err := Run(t.Context(), r, Options{Dir: dir}); err != nil {
			t.Fatal(err)
		}
		got := outcome(t, dir)
		if first == nil {
			first = got
			continue
		}
		sameOutcome(t, fmt.Sprintf("GOMAXPROCS %d beside 1", workers), got, first)
	}
}

// Resuming what has not begun begins it.
func TestResumeWithoutCheckpointStartsAtZero(t *testing.T) {
	r := recipe(t, append(simclr, "checkpoint-every", "100")...)
	want := t.TempDir()
	mustRun(t, want, r, Options{})
	dir := filepath.Join(t.TempDir(), "new")
	ctx, cancel := context.WithCancel(t.Context())
	// Stopped hard: no checkpoint was written, some metrics were.
	if err := beginRun(dir, &r, false); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, metricsName), []byte("{\"step\":0}\n{\"step\":1}\n"), 0o644)
	cancel()
	if err := Run(ctx, r, Options{Dir: dir, Resume: true, Source: source()}); !errors.Is(err, ErrInterrupted) {
		t.Errorf("cancelled at once: %v", err)
	}
	mustRun(t, dir, r, Options{Resume: true})
	sameOutcome(t, "resumed", outcome(t, dir), outcome(t, want))
}

// The data fail on the way: what was learned is saved.
func TestBrokenDataLeaveACheckpoint(t *testing.T) {
	dir, whole := t.TempDir(), t.TempDir()
	r := recipe(t, simclr...)
	src := source()
	src.failAt = 5
	err := run(t, dir, r, Options{Source: src})
	if err == nil || err.Error() != "step 5: cat.jpg cannot be read" {
		t.Errorf("got %v", err)
	}
	if _, err := readCheckpoint(dir, 5); err != nil {
		t.Error(err)
	}
	mustRun(t, dir, r, Options{Resume: true})
	mustRun(t, whole, r, Options{})
	sameOutcome(t, "after the data were mended", outcome(t, dir), outcome(t, whole))
}

func TestDivergenceKeepsTheLastGoodCheckpoint(t *testing.T) {
	for name, flags := range map[string][]string{
		"sgd":  {"optimizer", "sgd", "momentum", "0"},
		"lars": {"weight-decay", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r := recipe(t, append(flags, "lr", "1e30", "schedule", "constant", "warmup-epochs", "0", "checkpoint-every", "1")...)
			err := run(t, dir, r, Options{})
			var d *DivergedError
			if !errors.As(err, &d) {
				t.Fatalf("got %v, want a DivergedError", err)
			}
			// What is left can be trained from.
			steps, _ := checkpointSteps(dir)
			for _, s := range steps {
				if _, err := readCheckpoint(dir, s); err != nil {
					t.Error(err)
				}
				l, err := newLearner(t.Context(), &r, Options{Dir: dir}, &state{Step: s}, source(), func(string) {})
				if err != nil {
					t.Fatal(err)
				}
				src := source()
				src.Seek(s)
				b, _ := src.Next(t.Context())
				if err := l.train(b, &Metrics{}); err != nil {
					t.Errorf("a step from checkpoint %d: %v", s, err)
				}
				l.close()
			}
			if _, err := os.Stat(filepath.Join(dir, modelName)); err == nil {
				t.Error("a final model was written")
			}
			if len(steps) > 0 && d.Checkpoint != checkpointPath(dir, steps[len(steps)-1]) || len(steps) == 0 && d.Checkpoint != "" {
				t.Errorf("checkpoint %q, there are %v", d.Checkpoint, steps)
			}
			if text := err.Error(); !strings.Contains(text, fmt.Sprintf("at step %d", d.Step)) || !strings.Contains(text, "not finite") {
				t.Error(text)
			}
		})
	}
}

// Infinite input breaks the first layer of the forward pass, and that is named.
func TestDivergenceNamesTheFirstLayer(t *testing.T) {
	r := recipe(t, simclr...)
	l, err := newLearner(t.Context(), &r, Options{}, nil, source(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	b, _ := source().Next(t.Context())
	b.Images[7] = float32(math.Inf(1))
	before := append([]float32(nil), l.params[0].Value...)
	err = l.train(b, &Metrics{LearningRate: 0.1})
	var d *DivergedError
	if !errors.As(err, &d) || !strings.Contains(d.Where, "bn1") && !strings.Contains(d.Where, "BatchNorm") {
		t.Errorf("got %v", err)
	}
	golden.Check(t, "weights after the refused step", golden.Exact, l.params[0].Value, before)
	if l.step != 0 {
		t.Errorf("the step counts: %d", l.step)
	}
	grads := make([][]float32, len(l.params))
	for i, p := range l.params {
		grads[i] = make([]float32, len(p.Value))
	}
	grads[3][0] = float32(math.NaN())
	b.Images[7] = 0
	if err := l.train(b, &Metrics{}); err != nil {
		t.Fatal(err)
	}
	if where := l.notFinite(grads); !strings.Contains(where, l.params[3].Name) {
		t.Errorf("got %q, want %q", where, l.params[3].Name)
	}
	if norm := l.norm(grads); !math.IsNaN(norm) {
		t.Errorf("norm %g hides a NaN", norm)
	}
}

func TestUnusableModelsAreRefused(t *testing.T) {
	folded := golden.Testdata(t, "onnx/basic_op17_eval.onnx")
	for _, c := range []struct {
		name  string
		flags []string
		want  []string
	}{
		{"folded", []string{"model", folded}, []string{"folded", "convert", "training=torch.onnx.TrainingMode.TRAINING", "do_constant_folding=False", "dynamo=False", "optimize=False", "--batchnorm none"}},
		{"not folded", []string{"batchnorm", "none"}, []string{"batchnorm none"}},
		{"d0", []string{"method", "directclr", "d0", "33", "projector-dim", "8"}, []string{"d0 is 33, want 1 to 32", "; --d0 6 would be the same share"}},
		{"default d0", []string{"method", "directclr"}, []string{"d0 is 360, want 1 to 32, the width of the representation; 360 is the default, the paper's of a ResNet-50's 2048 channels; --d0 6 would be the same share"}},
		{"default rank", []string{"projector", "lowrank"}, []string{"; 360 is the default", "; --d0 6 "}},
		{"default random features", []string{"projector", "random-dropout"}, []string{"; 360 is the default", "; --d0 6 "}},
		{"default lowrank-diagonal", []string{"projector", "lowrank-diagonal"}, []string{"; 360 is the default", "; --d0 6 "}},
		{"groups", []string{"projector", "group", "projector-groups", "12"}, []string{"32 features do not divide into 12 equal groups; --projector-groups 8 would do"}},
		{"absent", []string{"model", "absent.onnx"}, []string{"absent.onnx"}},
		{"no model", []string{"model", ""}, []string{"model is missing"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			err := run(t, dir, recipe(t, c.flags...), Options{})
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("a run directory was left behind")
			}
		})
	}
	t.Run("folded, accepted", func(t *testing.T) {
		dir := t.TempDir()
		mustRun(t, dir, recipe(t, "model", folded, "batchnorm", "none", "projector", "linear", "steps", "2", "warmup-epochs", "0"), Options{})
		a, b := tensorsOf(t, folded), tensorsOf(t, filepath.Join(dir, modelName))
		if reflect.DeepEqual(a, b) {
			t.Error("nothing was trained")
		}
	})
	t.Run("too large", func(t *testing.T) {
		large := source()
		large.n = 1 << 12
		refuse := func(memory int64, want string) string {
			t.Helper()
			dir := filepath.Join(t.TempDir(), "run")
			err := run(t, dir, recipe(t, "batch", "4096"), Options{Source: large, Memory: memory})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("in %d bytes: error %v, want %q", memory, err, want)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("a run directory was left behind")
			}
			return err.Error()
		}
		refuse(1000, "not even a batch of 2 fits")
		const room = 3 << 20
		text := refuse(room, "a step of 4096 images, two views each, at 32×32 needs 496 MB of memory, 3.0 MB are available; the largest batch that fits is ")
		_, fits, _ := strings.Cut(text, "--batch ")
		batch, err := strconv.Atoi(fits)
		if err != nil {
			t.Fatalf("no batch in %q", text)
		}
		// What it says fits does, and no more does.
		for _, more := range []int{0, 1} {
			src := source()
			src.n = batch + more
			err := run(t, t.TempDir(), recipe(t, "batch", strconv.Itoa(src.n), "steps", "1", "warmup-epochs", "0"), Options{Source: src, Memory: room})
			if (err == nil) != (more == 0) {
				t.Errorf("batch %d in %d bytes: %v", src.n, room, err)
			}
		}
	})
	t.Run("one image", func(t *testing.T) {
		r := recipe(t)
		r.Given = nil
		src := source()
		src.n = 1
		if err := run(t, filepath.Join(t.TempDir(), "run"), r, Options{Source: src}); err == nil || !strings.Contains(err.Error(), "at least 2") {
			t.Errorf("got %v", err)
		}
	})
}

// tensorsOf returns the model's float initializers as bytes.
func tensorsOf(t *testing.T, path string) map[string]string {
	t.Helper()
	m, err := importer.OpenModel(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	all := map[string]string{}
	for _, x := range m.ONNX.Graph.Initializers {
		all[x.Name] = string(x.Data)
	}
	return all
}

func TestViewsTrain(t *testing.T) {
	views := t.TempDir()
	for i := range 3 {
		writeViews(t, filepath.Join(views, fmt.Sprintf("%d.npz", i)), pair(uint64(i), 4, 32)...)
	}
	dir := t.TempDir()
	settings := []Setting{Flag("model", golden.Testdata(t, "onnx/basic_op17_training.onnx")), Flag("views", views), Flag("epochs", "2"), Flag("projector", "none")}
	r, _, err := Resolve(settings...)
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{}
	if err := Run(t.Context(), r, Options{Dir: dir, Reporter: w}); err != nil {
		t.Fatal(err)
	}
	if w.result.Steps != 6 || len(w.warnings) != 1 || !strings.Contains(w.warnings[0], "warm-up of 30 steps") {
		t.Errorf("%+v, warned %q", w.result, w.warnings)
	}
	again, err := RunRecipe(dir)
	if err != nil {
		t.Fatal(err)
	}
	if r, _, err = Resolve(again...); err != nil || r.Batch != 4 || r.LR != 0.3*4/256 {
		t.Errorf("resolved batch %d, lr %g, %v", r.Batch, r.LR, err)
	}
	r, _, _ = Resolve(append(settings, Flag("batch", "8"))...)
	if err := Run(t.Context(), r, Options{Dir: filepath.Join(dir, "x")}); err == nil || !strings.Contains(err.Error(), "batch is 8, but the data come in batches of 4") {
		t.Errorf("got %v", err)
	}
}
