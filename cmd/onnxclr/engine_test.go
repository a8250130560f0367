package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/vm"
	"onnxclr/train"
)

// wide is a model with convolutions that Winograd's filtering takes.
func wide(t *testing.T, dir string) string {
	t.Helper()
	model := filepath.Join(dir, "wide.onnx")
	must(t, "convert", golden.Testdata(t, "checkpoints/demo.pth"), "-o", model)
	return model
}

// TestExact: --exact changes the arithmetic, not the result.
func TestExact(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	model := wide(t, dir)
	x := saveArray(t, dir, "x.npy", []int{4, 3, 64, 64}, golden.Views("exact", 2, 64))
	for _, line := range [][]string{
		{"run", model, "--input", x},
		{"embed", "--model", model, "--data", "generated:textures?test=4&size=64", "--split", "test", "--image-size", "64"},
	} {
		must(t, append(line, "-o", in(line[0]+".npy"))...)
		must(t, append(line, "-o", in(line[0]+"-exact.npy"), "--exact")...)
		fast, exact := readAll(t, in(line[0]+".npy")), readAll(t, in(line[0]+"-exact.npy"))
		golden.Check(t, line[0], golden.Model, fast, exact)
		same := true
		for i := range fast {
			same = same && math.Float32bits(fast[i]) == math.Float32bits(exact[i])
		}
		if same {
			t.Errorf("%s --exact changed nothing", line[0])
		}
	}
	run := trained(t, dir, "--exact")
	recipe, err := os.ReadFile(filepath.Join(run, "recipe.yaml"))
	if err != nil || !strings.Contains(string(recipe), "\nexact: true ") {
		t.Errorf("the resolved recipe does not say exact: %v\n%s", err, recipe)
	}
	refused(t, exitFailed, "exact is false, was true", "train", "-o", run, "--resume", "--exact=false")
}

// TestTooLargeForMemory: what cannot fit is refused before it starts.
func TestTooLargeForMemory(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	model := wide(t, dir)
	x := saveArray(t, dir, "x.npy", []int{512, 3, 64, 64}, make([]float32, 512*3*64*64))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	before := contents(t, dir)
	for _, c := range []struct {
		left int64 // bytes, about
		want string
		line []string
	}{
		{64 << 20, "; the largest batch that fits is ", []string{"train", "--model", model, "--data", "generated:textures?train=5000&size=16", "--image-size", "32", "--batch", "4096", "--steps", "1", "--warmup-steps", "0"}},
		{0, "not even a batch of 2 fits", []string{"train", "--model", model, "--data", textures, "--image-size", "32", "--batch", "8", "--steps", "1", "--warmup-steps", "0"}},
		{64 << 20, "; the largest batch that fits is ", []string{"embed", "--model", model, "--data", "generated:textures?test=5000&size=16", "--split", "test", "--image-size", "64", "--batch", "5000"}},
		{0, "not even a batch of 1 fits", []string{"embed", "--model", model, "--data", textures, "--image-size", "64"}},
		{80 << 20, "; the largest batch that fits is ", []string{"run", model, "--input", x, "--batch", "512"}},
	} {
		limit := c.left
		if limit > 0 {
			debug.FreeOSMemory()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			limit += int64(m.Sys - m.HeapReleased)
		}
		debug.SetMemoryLimit(limit)
		refused(t, exitFailed, c.want, append(c.line, "-o", in("out.npy"))...)
	}
	if after := contents(t, dir); after != before {
		t.Errorf("left behind: %s, was %s", after, before)
	}
}

// TestKernelsAreNamed: portable kernels say that they are slow, others only with -v.
func TestKernelsAreNamed(t *testing.T) {
	for _, c := range []struct {
		name, reason   string
		verbose, quiet bool
		want           string
	}{
		{"portable", "this CPU has no AVX2+FMA", false, false, "portable kernels, slow (this CPU has no AVX2+FMA)\n"},
		{"portable", "built with -tags purego", false, true, ""},
		{"avx512", "", false, false, ""},
		{"avx512", "", true, false, "avx512 kernels\n"},
	} {
		var err bytes.Buffer
		(&terminal{err: &err, verbose: c.verbose, quiet: c.quiet}).announce(c.name, c.reason)
		if got := err.String(); got != c.want {
			t.Errorf("%s (%s): says %q, want %q", c.name, c.reason, got, c.want)
		}
	}
	if r := must(t, "version", "-v"); !strings.Contains(r.err, " kernels") {
		t.Errorf("version -v does not name the kernels: %q", r.err)
	}
}

func TestTrainProfile(t *testing.T) {
	dir := t.TempDir()
	run := trained(t, dir)
	r := must(t, "train", "--model", filepath.Join(dir, "m.onnx"), "--data", textures, "--image-size", "16", "--batch", "8", "--method", "directclr", "--d0", "6", "--steps", "3", "--warmup-steps", "1", "-o", run, "--force", "--profile")
	for _, want := range []string{"operator ", "Conv+BatchStats ", "waiting for data ", "optimizer ", "total ", " 100.0 ", "means of 1 steps, after 2 of warm-up", "GB/s;"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %q in\n%s", want, r.out)
		}
	}
	r = must(t, "train", "--model", filepath.Join(dir, "m.onnx"), "--data", textures, "--image-size", "16", "--batch", "8", "--steps", "1", "--warmup-steps", "0", "-o", run, "--force", "--profile")
	if !strings.Contains(r.out, "no profile: the run made 1 steps") {
		t.Errorf("one step gives\n%s", r.out)
	}
}

// TestPrintProfile checks the arithmetic of the table on round numbers.
func TestPrintProfile(t *testing.T) {
	p := &train.Profile{
		WarmUp: 2, Steps: 5, Step: 100 * time.Millisecond, Median: 90 * time.Millisecond, Kernels: "avx2", Workers: 2,
		Peak: kernel.Peak{FLOPs: 200e9, Bytes: 20e9},
		Operators: []vm.Usage{
			{Name: "Conv", Calls: 3, Time: 50 * time.Millisecond, FLOPs: 8e9, Bytes: 100e6},
			{Name: "Relu", Calls: 2, Time: 20 * time.Millisecond, Bytes: 100e6},
		},
		Others: []train.Part{{Name: "optimizer", Time: 30 * time.Millisecond}},
	}
	table := func() string {
		var out bytes.Buffer
		printProfile(&terminal{out: &out, err: &out}, p)
		return out.String()
	}
	const want = `
operator   calls/step  ms/step  share %  GFLOP/s  GB/s  % of peak  bound by
Conv                3    50.00     50.0    160.0   2.0         80     FLOPs
Relu                2    20.00     20.0            5.0         25     bytes
optimizer                30.00     30.0
total               5   100.00    100.0     80.0   2.0         40     FLOPs

means of 5 steps, after 2 of warm-up that are left out; the median step took 90.00 ms
peaks of 2 workers with avx2 kernels, measured before the first step: 200 GFLOP/s, 20.0 GB/s;
% of peak is of the one that bounds an operator more
`
	if got := table(); got != want[1:] {
		t.Errorf("got\n%swant%s", got, want)
	}
	p.Operators[0].FLOPs = 20e9
	if got := table(); !strings.Contains(got, "above 100 %: Winograd") {
		t.Errorf("200 %% of the peak are not explained:\n%s", got)
	}
}
