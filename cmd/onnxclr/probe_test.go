package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/importer"
	"onnxclr/internal/npy"
)

func probeOf(t *testing.T, args ...string) probeReport {
	t.Helper()
	var r probeReport
	if err := json.Unmarshal([]byte(must(t, append([]string{"probe", "--json"}, args...)...).out), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestProbe(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	run := trained(t, dir)
	images := []string{"--model", run, "--data", textures}

	knn := probeOf(t, append(images, "--kind", "knn", "--k", "3", "--cache", in("cache"), "-o", run)...)
	if knn.TrainSamples != 16 || knn.TestSamples != 10 || knn.Dim != 32 || knn.ImageSize != 16 || *knn.K != 3 || len(knn.Encoder) != 64 || knn.Top5 == nil {
		t.Errorf("report %+v", knn)
	}
	for _, name := range []string{"probe-knn.json", "probe-knn-confusion.csv", "probe-knn-confusion.png"} {
		if _, err := os.Stat(filepath.Join(run, name)); err != nil {
			t.Error(err)
		}
	}
	table, err := os.ReadFile(filepath.Join(run, "probe-knn-confusion.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(table), "\n"); lines != knn.Classes+1 {
		t.Errorf("the confusion matrix has %d lines for %d classes", lines, knn.Classes)
	}
	refused(t, exitFailed, "already exists", append([]string{"probe", "--kind", "knn", "-o", run}, images...)...)

	// Kept rows are those that are computed, also for another kind of probe.
	again := must(t, append([]string{"probe", "--kind", "linear", "--epochs", "4", "--cache", in("cache")}, images...)...)
	if strings.Count(again.err, "rows of ") != 2 {
		t.Errorf("the kept rows are not used:\n%s", again.err)
	}
	if fresh := must(t, append([]string{"probe", "--kind", "linear", "--epochs", "4"}, images...)...); fresh.out != again.out {
		t.Errorf("with kept rows\n%s, without\n%s", again.out, fresh.out)
	}

	// Rows computed by embed give what the model does.
	for _, split := range []string{"train", "test"} {
		must(t, "embed", "--model", run, "--data", textures, "--split", split, "-o", in(split+".npy"), "--labels", in(split+"-labels.npy"))
	}
	ready := []string{"--train-features", in("train.npy"), "--train-labels", in("train-labels.npy"), "--test-features", in("test.npy"), "--test-labels", in("test-labels.npy")}
	if r := probeOf(t, append(ready, "--kind", "knn", "--k", "3")...); r.Top1 != knn.Top1 {
		t.Errorf("top-1 of ready-made rows is %v, of the model's %v", r.Top1, knn.Top1)
	}

	if r := probeOf(t, append(images, "--kind", "knn", "--on", "r[:5]")...); r.Dim != 5 {
		t.Errorf("r[:5] has %d values", r.Dim)
	}
	if r := probeOf(t, append(images, "--kind", "knn", "--on", "z")...); r.Dim == 32 {
		t.Error("z is r")
	}
	one := probeOf(t, append(images, "--kind", "linear", "--epochs", "3", "--lr-schedule", "cosine", "--augment", "2", "--on", "r[5:]")...)
	two := probeOf(t, append(images, "--kind", "linear", "--epochs", "3", "--lr-schedule", "cosine", "--augment", "2", "--on", "r[5:]", "--seed", "1")...)
	if l := one.Linear; one.Dim != 27 || len(l.Epochs) != 3 || l.AugmentedPasses != 2 || l.Epochs[2].LR >= l.Epochs[1].LR || l.Epochs[2].Loss == two.Linear.Epochs[2].Loss {
		t.Errorf("report %+v", one)
	}
}

// Labels far apart cost no matrix of all pairs of numbers between.
func TestProbeOfManyClasses(t *testing.T) {
	dir := t.TempDir()
	rows := saveArray(t, dir, "rows.npy", []int{4, 2}, []float32{1, 0, 1, 0.1, 0, 1, 0.1, 1})
	labels := saveArray(t, dir, "labels.npy", []int{4}, []int64{0, 0, 131071, 131071})
	out := filepath.Join(dir, "out")
	said := must(t, "probe", "--kind", "knn", "--k", "1", "--train-features", rows, "--train-labels", labels, "--test-features", rows, "--test-labels", labels, "-o", out)
	if !strings.Contains(said.out, "100.00 %") || !strings.Contains(said.err, "the confusion matrix of 131072 classes is left out") || contents(t, out) != "probe-knn.json" {
		t.Errorf("%s%swrote %s", said.out, said.err, contents(t, out))
	}
}

// Test rows of classes that training lacks are told of: labels of two counts, say.
func TestProbeOfUnseenClasses(t *testing.T) {
	dir := t.TempDir()
	rows := saveArray(t, dir, "rows.npy", []int{4, 2}, []float32{1, 0, 1, 0.1, 0, 1, 0.1, 1})
	from0, from1 := saveArray(t, dir, "from0.npy", []int{4}, []int64{0, 0, 1, 1}), saveArray(t, dir, "from1.npy", []int{4}, []int64{1, 1, 2, 2})
	said := must(t, "probe", "--kind", "knn", "--k", "1", "--train-features", rows, "--train-labels", from0, "--test-features", rows, "--test-labels", from1).err
	if !strings.Contains(said, "the test rows are the training ones") || !strings.Contains(said, "2 of 4 test rows are of classes that no training row is of, the first of class 2") {
		t.Error(said)
	}
}

func TestProbeRefuses(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	run := trained(t, dir)
	usage := func(want string, args ...string) {
		t.Helper()
		refused(t, exitUsage, want, append([]string{"probe"}, args...)...)
	}
	usage("want knn or linear", "--model", run, "--data", textures)
	usage("name a model", "--kind", "knn", "--data", textures)
	usage("name the images", "--kind", "knn", "--model", run)
	usage("--epochs is for --kind linear", "--kind", "knn", "--model", run, "--data", textures, "--epochs", "3")
	usage("--k is for --kind knn", "--kind", "linear", "--model", run, "--data", textures, "--k", "3")
	usage("want r, z, or columns", "--kind", "knn", "--model", run, "--data", textures, "--on", "q")
	usage("take all of", "--kind", "knn", "--train-features", in("x.npy"))
	usage("momentum is 1", "--kind", "linear", "--model", run, "--data", textures, "--momentum", "1")

	failed := func(want string, args ...string) {
		t.Helper()
		refused(t, exitFailed, want, append([]string{"probe", "--kind", "knn"}, args...)...)
	}
	failed("no such columns", "--model", run, "--data", textures, "--on", "r[30:33]")
	pictures := in("pictures.npy")
	raw := append([]byte("\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (4, 16, 16, 3), }"), make([]byte, 118-66+4*16*16*3)...)
	for i := 10 + 68; i < 10+118; i++ {
		raw[i] = ' '
	}
	raw[127] = '\n'
	if err := os.WriteFile(pictures, raw[:128+4*16*16*3], 0o644); err != nil {
		t.Fatal(err)
	}
	failed("has no train and test (or val) splits", "--model", run, "--data", pictures)
	failed("has no labels to probe for", "--model", run, "--data", textures, "--test-data", pictures)
	npyFile := func(name string, shape []int, values any) string {
		f, err := os.Create(in(name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := npy.Write(f, shape, values); err != nil {
			t.Fatal(err)
		}
		return in(name)
	}
	x, y := npyFile("x.npy", []int{3, 2}, []float32{1, 2, 3, 4, 5, 6}), npyFile("y.npy", []int{3}, []int64{0, 1, 2})
	ready := func(x, y string) []string {
		return []string{"--train-features", x, "--train-labels", y, "--test-features", in("x.npy"), "--test-labels", in("y.npy")}
	}
	must(t, append([]string{"probe", "--kind", "knn"}, ready(x, y)...)...)
	failed("2 labels, want one for each of the 3 rows", ready(x, npyFile("y2.npy", []int{2}, []int64{0, 1}))...)
	failed("label 1 is -1", ready(x, npyFile("y3.npy", []int{3}, []int64{0, -1, 1}))...)
	failed("rows of 3 values", ready(npyFile("x3.npy", []int{2, 3}, make([]float32, 6)), npyFile("y4.npy", []int{2}, []int64{0, 1}))...)
}

// A probe does not report on an encoder that changed under it.
func TestProbeSeal(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	must(t, "convert", basic(t), "-o", path)
	m, err := importer.OpenModel(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	e, err := newEmbedder(m.ONNX, importer.RepresentationName, 16, 2, false)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	before := sealOf(m, e)
	if _, err := e.run(make([]float32, 2*3*16*16)); err != nil {
		t.Fatal(err)
	}
	if err := before.check(sealOf(m, e)); err != nil {
		t.Errorf("running the encoder changes its hash: %v", err)
	}
	e.weights.Values(e.weights.Names()[0])[0] += 1e-6
	if err := before.check(sealOf(m, e)); err == nil || !strings.Contains(err.Error(), "weights changed while it was probed") {
		t.Errorf("a changed weight: %v", err)
	}
	if err := before.checkFile(path); err != nil {
		t.Errorf("an unchanged file: %v", err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1]++
	if err := os.WriteFile(path+".new", b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if err := before.checkFile(path); err == nil || !strings.Contains(err.Error(), "file changed while it was probed") {
		t.Errorf("a changed file: %v", err)
	}
}
