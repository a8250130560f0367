package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/npy"
	probes "onnxclr/train/probe"
	"onnxclr/train/tensorboard"
)

// monitored trains on images with the monitor on.
func monitored(t *testing.T, flags ...string) Recipe {
	t.Helper()
	return imageRecipe(t, append([]string{"monitor-every", "3", "knn-bank", "12", "knn-k", "3"}, flags...)...)
}

func trainImages(t *testing.T, dir string, r Recipe, o Options) {
	t.Helper()
	o.Dir = dir
	if err := Run(t.Context(), r, o); err != nil {
		t.Fatal(err)
	}
}

func points(t *testing.T, dir string) []MonitorPoint {
	t.Helper()
	p, err := ReadMonitor(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Looking does not change a bit of the training, and misses nothing.
func TestMonitorOnlyLooks(t *testing.T) {
	plain, seen := t.TempDir(), t.TempDir()
	trainImages(t, plain, imageRecipe(t), Options{})
	var short []*Monitor
	w := &watcher{step: func(m Metrics) { short = append(short, m.Monitor) }}
	trainImages(t, seen, monitored(t), Options{Reporter: w})
	want, got := outcome(t, plain), outcome(t, seen)
	for name := range got {
		if base := filepath.Base(name); base != modelName && base != optimizerName {
			delete(want, name)
			delete(got, name)
		}
	}
	if len(got) != 7 {
		t.Fatalf("%d files, want model and optimizer of the two newest checkpoints and the best, and the last model", len(got))
	}
	sameOutcome(t, "with a monitor", got, want)

	all := points(t, seen)
	var steps []int
	for _, p := range all {
		steps = append(steps, p.Steps)
		if p.R == nil || p.Z == nil || p.KNN == nil || (p.Probe == nil) != (p.Steps == 0) || p.R.Samples != 5 || p.Z.Dim != 8 || !p.R.Normalized {
			t.Errorf("point %+v", p)
		}
	}
	if fmt.Sprint(steps) != "[0 3 6 8]" {
		t.Errorf("looked after %v steps", steps)
	}
	for i, m := range short {
		if (m != nil) != slices.Contains([]int{2, 5, 7}, i) {
			t.Errorf("step %d has monitor %+v", i, m)
		}
	}
	if m, p := short[7], all[3]; *m.RankMeR != p.R.Metrics.RankMe || *m.LiveZ != p.Z.Metrics.LiveDims || *m.KNN != *p.KNN || m.Time <= 0 {
		t.Errorf("the short form %+v is not of %+v", m, p)
	}
	series, err := ReadMetrics(filepath.Join(seen, metricsName))
	if err != nil || !slices.ContainsFunc(series, func(s Series) bool { return s.Name == "monitor.rankme_r" && len(s.Steps) == 3 }) {
		t.Errorf("the metrics have no series monitor.rankme_r (%v)", err)
	}
}

// What is lost with a kill is seen again in the same way.
func TestMonitorResumes(t *testing.T) {
	t.Run("whole batches", func(t *testing.T) { resumesMonitored(t, monitored(t)) })
	t.Run("micro-batches", func(t *testing.T) { resumesMonitored(t, monitored(t, "micro-batch", "2")) })
}

func resumesMonitored(t *testing.T, r Recipe) {
	whole, copies := t.TempDir(), t.TempDir()
	trainImages(t, whole, r, Options{})
	part := filepath.Join(copies, "run")
	w := &watcher{step: func(m Metrics) {
		if m.Step == 6 {
			killAt(t, part, filepath.Join(copies, "killed"))
		}
	}}
	trainImages(t, part, r, Options{Reporter: w})
	killed := filepath.Join(copies, "killed")
	f, err := os.OpenFile(filepath.Join(killed, monitorName), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, `{"steps":8,"r":{"samp`) // a line cut short
	f.Close()
	if n := len(points(t, killed)); n != 3 {
		t.Errorf("%d points before the kill", n)
	}
	trainImages(t, killed, r, Options{Resume: true})
	probed := filepath.Join(checkpointsName, "8", onlineProbeName)
	for _, name := range []string{monitorName, spectrumName, modelName, probed} {
		a, err := os.ReadFile(filepath.Join(whole, name))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(killed, name)); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s of the resumed run differs (%v)", name, err)
		}
	}
	// The monitor may be turned off and on on the way.
	r.MonitorEvery = 0
	trainImages(t, killed, r, Options{Resume: true})
}

// TestMonitorLooksAgain: a run that was stopped in a look, resumed, and killed when that look
// was in the metrics but not yet in the monitor's file, looks once more; nothing is lost or
// there twice, whatever the line of before was.
func TestMonitorLooksAgain(t *testing.T) {
	r := monitored(t)
	dir := t.TempDir()
	trainImages(t, dir, r, Options{})
	path := filepath.Join(dir, monitorName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cut := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	if err := os.WriteFile(path, whole[:cut], 0o644); err != nil {
		t.Fatal(err)
	}
	metrics := filepath.Join(dir, metricsName)
	text, err := os.ReadFile(metrics)
	if err != nil {
		t.Fatal(err)
	}
	longer := bytes.TrimSuffix(text, []byte("}\n"))
	if err := os.WriteFile(metrics, append(longer, []byte(`,"note":"`+strings.Repeat("x", 400)+`"}`+"\n")...), 0o644); err != nil {
		t.Fatal(err)
	}
	trainImages(t, dir, r, Options{Resume: true})
	if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, whole) {
		t.Errorf("%s differs (%v):\n%s\nwant\n%s", monitorName, err, again, whole)
	}
	after, err := os.ReadFile(metrics)
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(after, []byte("\n")); lines != bytes.Count(text, []byte("\n")) || bytes.Contains(after, []byte("note")) {
		t.Errorf("%s:\n%s", metricsName, after)
	}
	series, err := ReadMetrics(metrics)
	if err != nil || !slices.ContainsFunc(series, func(s Series) bool { return s.Name == "monitor.rankme_r" && len(s.Steps) == 3 }) {
		t.Errorf("the metrics have no series monitor.rankme_r of 3 steps (%v)", err)
	}
}

// fuse is a context that ends when it is asked for the n-th time whether it has.
type fuse struct {
	context.Context
	end context.CancelFunc
	n   atomic.Int64
}

func (f *fuse) ask() {
	if f.n.Add(-1) == 0 {
		f.end()
	}
}

func (f *fuse) Err() error            { f.ask(); return f.Context.Err() }
func (f *fuse) Done() <-chan struct{} { f.ask(); return f.Context.Done() }

// Wherever a run is interrupted, in the middle of a look included, what is left to see
// is seen when it goes on.
func TestMonitorInterrupted(t *testing.T) {
	whole := t.TempDir()
	r := monitored(t, "monitor-every", "2", "steps", "2", "knn-bank", "40", "monitor-samples", "40", "warmup-epochs", "0", "tensorboard", "true",
		"monitor-data", "generated:textures?train=40&test=40&size=32")
	trainImages(t, whole, r, Options{})
	want := monitoredOutcome(t, whole)
	looks := 0
	for n := int64(1); ; n += 4 {
		dir := t.TempDir()
		inner, end := context.WithCancel(t.Context())
		f := &fuse{Context: inner, end: end}
		f.n.Store(n)
		err := Run(f, r, Options{Dir: dir})
		end()
		if err == nil {
			if n < 10 {
				t.Errorf("the run never asks whether it is interrupted")
			}
			break
		}
		if !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		seen := points(t, dir)
		series, err := ReadMetrics(filepath.Join(dir, metricsName))
		if err != nil {
			t.Fatal(err)
		}
		if made := len(series); made > 0 && len(series[0].Steps)/2 >= len(seen) || made == 0 && len(seen) == 0 {
			looks++
		}
		trainImages(t, dir, r, Options{Resume: true})
		sameOutcome(t, fmt.Sprintf("interrupted at question %d", n), monitoredOutcome(t, dir), want)
	}
	if looks < 2 {
		t.Errorf("%d looks were interrupted, want both at least once", looks)
	}
}

// monitoredOutcome is outcome without TensorBoard's files and checkpoints on the way, of
// which an interrupted run has one more, and without the time that looking took.
func monitoredOutcome(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := outcome(t, dir)
	for name := range files {
		if tensorboard.IsEventFile(name) || strings.HasPrefix(name, checkpointsName+"/1/") {
			delete(files, name)
		}
	}
	files[metricsName] = regexp.MustCompile(`"time":[^}]+}`).ReplaceAllString(files[metricsName], "")
	return files
}

func TestMonitorData(t *testing.T) {
	pictures := filepath.Join(t.TempDir(), "pictures.npy")
	var b bytes.Buffer
	if err := npy.Write(&b, []int{6, 8, 8, 3}, make([]float32, 6*8*8*3)); err != nil {
		t.Fatal(err)
	}
	raw := bytes.Replace(b.Bytes(), []byte("'<f4'"), []byte("'|u1'"), 1)
	raw = raw[:len(raw)-3*6*8*8*3]
	for i := len(raw) - 6*8*8*3; i < len(raw); i++ {
		raw[i] = byte(i * i)
	}
	if err := os.WriteFile(pictures, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		knn        bool
		flags      []string
	}{
		{"unlabelled", "kNN and the online probe are off", false, []string{"data", pictures}},
		{"no split", "4 of the monitor's 4 images are trained on too", false, []string{"data", pictures, "monitor-samples", "4"}},
		{"trained on", "5 of the monitor's 5 images are trained on too", true, []string{"split", "all"}},
		{"other images", "", true, []string{"monitor-data", "generated:textures?train=9&test=7&size=32&seed=5"}},
		{"other classes", "no labels", false, []string{"monitor-data", pictures}},
		{"no bank", "", false, []string{"knn-bank", "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			w := &watcher{}
			r := imageRecipe(t, append([]string{"monitor-every", "2", "steps", "2", "warmup-epochs", "0"}, c.flags...)...)
			trainImages(t, dir, r, Options{Reporter: w})
			if text := strings.Join(w.warnings, "\n"); !strings.Contains(text, c.want) || c.want == "" && strings.Contains(text, "monitor") {
				t.Errorf("warnings %q, want %q", text, c.want)
			}
			p := points(t, dir)
			if len(p) != 2 || (p[1].KNN != nil) != c.knn || p[1].R == nil {
				t.Errorf("points %+v", p)
			}
		})
	}
	r := imageRecipe(t, "monitor-every", "2")
	r.Data, r.Views = "", "views"
	if err := r.Validate(); err == nil || !strings.Contains(err.Error(), "monitor_data to name the images") {
		t.Errorf("views without monitor_data: %v", err)
	}
}

// The bank and the held-out images are the same for every seed and have none in common.
func TestHeldOutImages(t *testing.T) {
	r := monitored(t, "split", "all", "monitor-samples", "5", "knn-bank", "100")
	names := func(seed uint64) (held, bank []string) {
		r.Seed = seed
		s, err := openImages(&r, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		h, err := openHeldOut(&r, s)
		if err != nil {
			t.Fatal(err)
		}
		for i := range h.held.Len() {
			held = append(held, h.held.Name(i))
		}
		for i := range h.bank.Len() {
			bank = append(bank, h.bank.Name(i))
		}
		return held, bank
	}
	held, bank := names(1)
	held2, bank2 := names(2)
	if !slices.Equal(held, held2) || !slices.Equal(bank, bank2) {
		t.Error("the seed chooses the images")
	}
	if len(held) != 5 || len(bank) != 21 || slices.ContainsFunc(bank, func(n string) bool { return slices.Contains(held, n) }) {
		t.Errorf("held out %v, bank %v", held, bank)
	}
}

// A representation that is zero for every image is a warning, not the end of the run.
func TestMonitorOfNothing(t *testing.T) {
	var warned []string
	m := &monitor{learner: &learner{step: 3}, warn: func(s string) { warned = append(warned, s) }}
	if s := m.spectrum("r", make([]float32, 12), 3); s != nil || len(warned) != 1 || !strings.Contains(warned[0], "after 3 steps: r has no spectrum") {
		t.Errorf("spectrum %v, warnings %q", s, warned)
	}
}

// The online probe learns from view 1 of the images that have labels.
func TestOnlineProbe(t *testing.T) {
	const n, dim, classes = 6, 4, 3
	r := Recipe{Batch: n, ProbeLR: 0.5, Seed: 1}
	pool := kernel.NewPool(1)
	defer pool.Close()
	node := G.NewMatrix(G.NewGraph(), tensor.Float32, G.WithShape(2*n, dim), G.WithName("r"))
	a := newOnlineProbe(&r, node, classes)
	views := make([]float32, 2*n*dim)
	for i := range views {
		views[i] = float32(i%7) - 3
	}
	a.take(views, 0, 4) // in two parts, the second view never
	a.take(views[4*dim:], 4, 2)
	a.learn(pool, []int{2, -1, 0, 1, -1, 2})
	b := probes.NewLinear(dim, classes, 1)
	var rows []float32
	for _, i := range []int{0, 2, 3, 5} {
		rows = append(rows, views[i*dim:][:dim]...)
	}
	b.Step(pool, rows, []int{2, 0, 1, 2}, probes.SGD{LR: 0.5, Momentum: 0.9, WeightDecay: 1e-6})
	golden.Check(t, "weights", golden.Exact, a.Weight, b.Weight)
	c := newOnlineProbe(&r, node, classes)
	if err := c.restore(a.State()); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "restored", golden.Exact, c.Weight, a.Weight)
	a.Weight[0] = float32(math.NaN())
	a.learn(pool, []int{0, 0, 0, 0, 0, 0})
	if !a.broken {
		t.Error("a probe that diverged goes on")
	}
}

func TestReadMonitorRefuses(t *testing.T) {
	dir := t.TempDir()
	if p, err := ReadMonitor(dir); p != nil || err != nil {
		t.Errorf("without the file: %v, %v", p, err)
	}
	os.WriteFile(filepath.Join(dir, monitorName), []byte("{\"steps\":0}\n{\n"), 0o644)
	if _, err := ReadMonitor(dir); err == nil || !strings.Contains(err.Error(), "monitor.jsonl:2:") {
		t.Errorf("error %v, want one with the line", err)
	}
}
