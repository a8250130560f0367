package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"onnxclr/importer"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
	"onnxclr/internal/npy"
)

// textures is the smallest data set that trains.
const textures = "generated:textures?train=16&test=10&size=16"

// basic is a ResNet of BasicBlocks that PyTorch saved, one a stage.
func basic(t *testing.T) string { return golden.Path(t, "importer/basic.pth") }

// trained returns a run of a few steps, made once for all tests of the process.
func trained(t *testing.T, dir string, more ...string) string {
	t.Helper()
	model := filepath.Join(dir, "m.onnx")
	if _, err := os.Stat(model); err != nil {
		must(t, "convert", basic(t), "-o", model)
	}
	run := filepath.Join(dir, "run")
	must(t, append([]string{"train", "--model", model, "--data", textures, "--image-size", "16", "--batch", "8",
		"--method", "directclr", "--d0", "6", "--steps", "3", "--warmup-steps", "1", "-o", run}, more...)...)
	return run
}

func tensorsOf(t *testing.T, path string) []*weights.Tensor {
	t.Helper()
	c, err := importer.OpenCheckpoint(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.Dicts[0].Tensors
}

func TestConvertAndExportLoseNothing(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	r := must(t, "convert", basic(t), "-o", in("m.onnx"))
	if !strings.Contains(r.out, "resnet-basic-2-1-1-1") || !strings.Contains(r.err, "wrote") {
		t.Errorf("convert says %q and %q", r.out, r.err)
	}
	want := tensorsOf(t, basic(t))
	for _, name := range []string{"m.pth", "m.safetensors"} {
		must(t, "export", in("m.onnx"), "-o", in(name))
		got := tensorsOf(t, in(name))
		if len(got) != len(want) {
			t.Fatalf("%s has %d tensors, want %d", name, len(got), len(want))
		}
		for _, w := range want {
			i := slices.IndexFunc(got, func(g *weights.Tensor) bool { return g.Name == w.Name })
			if i < 0 || got[i].DType != w.DType || !bytes.Equal(got[i].Data, w.Data) {
				t.Errorf("%s: tensor %s is not the checkpoint's, bit for bit", name, w.Name)
			}
		}
	}
	must(t, "export", in("m.onnx"), "-o", in("again.onnx"))
	if must(t, "convert", basic(t), "-o", in("n.onnx"), "--head", "drop"); strings.Contains(must(t, "inspect", in("n.onnx")).out, "logits") {
		t.Error("--head drop keeps the classifier")
	}
	var report importer.Report
	if err := json.Unmarshal([]byte(must(t, "convert", basic(t), "-o", in("o.onnx"), "--json").out), &report); err != nil || report.Classes == 0 {
		t.Errorf("convert --json: %v, %+v", err, report)
	}
}

func TestRunGivesPyTorchsOutputs(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	want := golden.Load(t, "../onnx/basic.npz")
	images := golden.Views("onnx", 2, 48)
	x := saveArray(t, dir, "x.npy", []int{4, 3, 48, 48}, images)
	for _, export := range []string{"basic_op11_eval", "basic_op17_training", "basic_op18_dynamo"} {
		model := golden.Testdata(t, "onnx/"+export+".onnx")
		must(t, "run", model, "--input", x, "-o", in("y.npz"), "--force")
		z, err := npy.ReadZip(in("y.npz"))
		if err != nil {
			t.Fatal(err)
		}
		a, err := z.Get(z.Names[0])
		if err != nil {
			t.Fatal(err)
		}
		got, _ := a.Float32s()
		golden.Check(t, export, golden.Model, got, want["eval.logits"].F32)
		z.Close()
	}
	model := in("m.onnx")
	must(t, "convert", basic(t), "-o", model)
	r := must(t, "run", model, "--input", "input="+x, "-o", in("y.npy"))
	if !strings.Contains(r.out, "representation [4,") {
		t.Errorf("the first output is not the representation: %s", r.out)
	}
	must(t, "run", model, "--input", x, "--output", "layer2.0.add_output", "-o", in("maps.npy"))
	a, err := npy.Open(in("maps.npy"))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if len(a.Shape) != 4 {
		t.Errorf("an inner tensor has shape %v", a.Shape)
	}
}

func TestInspect(t *testing.T) {
	model := golden.Testdata(t, "onnx/basic_op17_training.onnx")
	text := must(t, "inspect", model, "--plan", "--batch", "2", "--image-size", "32").out
	for _, want := range []string{"opset 17", "pytorch", "batch normalisation:", "Conv", "total", "inference plan for images [2,3,32,32]", "memory", "of packed filters"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if text := must(t, "inspect", golden.Testdata(t, "onnx/basic_op13_eval.onnx")).out; !strings.Contains(text, "folded") {
		t.Errorf("it does not say that batch normalisation is folded:\n%s", text)
	}
	broken := operatorModel(t, filepath.Join(t.TempDir(), "hardmax.onnx"), model)
	if text := must(t, "inspect", broken).out; !strings.Contains(text, `cannot run: operator Hardmax in node "/relu/Relu" is not supported`) {
		t.Errorf("it does not say that an operator is not supported:\n%s", text)
	}
	for _, name := range []string{"basic_op18_dynamo_unoptimized", "tiny_op13_training_view"} {
		if text := must(t, "inspect", golden.Testdata(t, "onnx/"+name+".onnx")).out; strings.Contains(text, "cannot run") {
			t.Errorf("of %s it says\n%s", name, text)
		}
	}
	var d description
	text = must(t, "inspect", model, "--json", "--plan=train", "--batch", "4", "--image-size", "32").out
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	var steps [2]int64
	for _, s := range d.Plan.Steps {
		steps[0], steps[1] = steps[0]+s.FLOPs, steps[1]+s.Bytes
	}
	if p := d.Plan; steps != [2]int64{p.FLOPs, p.Bytes} || p.Bytes == 0 || p.Memory != p.Arena+p.Workspace+p.Filters+p.Parameters {
		t.Errorf("the plan's steps sum to %d FLOPs and bytes; its totals are %d, %d and %d bytes of memory", steps, p.FLOPs, p.Bytes, p.Memory)
	}
	// More than any machine has: it can be looked at all the same.
	if text := must(t, "inspect", model, "--plan=train", "--batch", "32768", "--image-size", "64").out; !strings.Contains(text, "of activations and gradients") {
		t.Errorf("no plan of a step that does not fit:\n%s", text)
	}
	if d.Kind != "model" || d.Model.Parameters == 0 || len(d.Model.Layers) == 0 || d.Plan.FLOPs == 0 || !slices.Equal(d.Plan.Input, []int{8, 3, 32, 32}) {
		t.Errorf("the JSON says %+v", d)
	}
	var flops, adds int64
	var parameters, shares float64
	for _, l := range d.Model.Layers {
		flops += l.FLOPs
		if l.Op == "Conv" || l.Op == "Gemm" {
			adds += l.FLOPs / 2
		}
		parameters += l.ParameterShare
		shares += l.FLOPsShare
	}
	if flops != d.Model.FLOPs || adds != d.Model.MultiplyAdds || math.Abs(parameters-1) > 1e-9 || math.Abs(shares-1) > 1e-9 {
		t.Errorf("layers sum to %d FLOPs, %d multiply-adds and shares of %v and %v; the totals are %d and %d", flops, adds, parameters, shares, d.Model.FLOPs, d.Model.MultiplyAdds)
	}
	dot := must(t, "inspect", model, "--dot").out
	if !strings.HasPrefix(dot, "digraph") || strings.Count(dot, "->") < len(d.Model.Layers) {
		t.Errorf("the graph is\n%s", dot)
	}
	text = must(t, "inspect", basic(t)).out
	for _, want := range []string{"resnet-basic-2-1-1-1", "layer4.0.bn2.running_var", "recognised by", "in the model", "the model that convert writes of it", "GFLOPs for images [1,3,224,224]", "from basic.pth (float32, sha256 "} {
		if !strings.Contains(text, want) {
			t.Errorf("of a checkpoint it does not say %q\n%s", want, text)
		}
	}
	other := golden.Testdata(t, "checkpoints/torch/plain_1.13.pth")
	if text := must(t, "inspect", other).out; !strings.Contains(text, "convert refuses it") {
		t.Errorf("of a checkpoint without a ResNet it says\n%s", text)
	}
}

func TestTrainEmbedSpectrum(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	run := trained(t, dir)
	if got := contents(t, run); got != "checkpoints loss.png metrics.jsonl model.onnx recipe.yaml" {
		t.Errorf("the run holds %s", got)
	}
	must(t, "embed", "--model", run, "--data", textures, "-o", in("e.npy"), "--labels", in("l.npy"))
	must(t, "embed", "--model", filepath.Join(run, "model.onnx"), "--data", textures, "--image-size", "16", "--batch", "3", "-o", in("f.npy"))
	e, f := readAll(t, in("e.npy")), readAll(t, in("f.npy"))
	golden.Check(t, "other batches", golden.Exact, f, e)
	if len(e) != 10*32 {
		t.Errorf("%d values, want 10 rows of 32", len(e))
	}
	labels, err := npy.Open(in("l.npy"))
	if err != nil {
		t.Fatal(err)
	}
	defer labels.Close()
	if l, err := labels.Int64s(); err != nil || len(l) != 10 || l[1] != 1 {
		t.Errorf("labels %v, %v", l, err)
	}
	must(t, "embed", "--model", run, "--data", textures, "--split", "train", "--node", "layer1.0.add", "-o", in("maps.npy"))
	if maps := readAll(t, in("maps.npy")); len(maps)%16 != 0 {
		t.Errorf("%d values for 16 images", len(maps))
	}
	must(t, "spectrum", in("e.npy"), in("maps.npy"), "-o", in("s.pdf"))
	must(t, "export", run, "-o", in("m.pth"))
	must(t, "inspect", run, "--plan=train", "--image-size", "16", "--batch", "8")
}

func readAll(t *testing.T, path string) []float32 {
	t.Helper()
	a, err := npy.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	v, err := a.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestResumeIsNotStopping interrupts a run and resumes it with nothing but --resume.
func TestResumeIsNotStopping(t *testing.T) {
	dir := t.TempDir()
	whole := trained(t, dir)
	cut := filepath.Join(dir, "cut")
	line := []string{"train", "--model", filepath.Join(dir, "m.onnx"), "--data", textures, "--image-size", "16", "--batch", "8",
		"--method", "directclr", "--d0", "6", "--steps", "3", "--warmup-steps", "1", "-o", cut}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // as soon as a step is on disk
		defer cancel()
		for range 2000 {
			if b, _ := os.ReadFile(filepath.Join(cut, "metrics.jsonl")); len(b) > 0 {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	r := commandContext(t, ctx, line...)
	switch r.code {
	case exitInterrupted:
	case exitDone: // it was faster; then resuming has nothing to do, and must say so
	default:
		t.Fatalf("exit code %d: %s", r.code, r.err)
	}
	must(t, "train", "--resume", "-o", cut)
	for _, name := range []string{"model.onnx", "recipe.yaml"} {
		a, _ := os.ReadFile(filepath.Join(whole, name))
		b, _ := os.ReadFile(filepath.Join(cut, name))
		if len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s differs from that of a run that was never stopped", name)
		}
	}
	refused(t, exitFailed, "--resume", line...)
	refused(t, exitFailed, "temperature", "train", "--resume", "-o", cut, "--temperature", "0.2")
}

func TestRecipeFile(t *testing.T) {
	dir := t.TempDir()
	run := trained(t, dir)
	again := filepath.Join(dir, "again")
	must(t, "train", "--recipe", filepath.Join(run, "recipe.yaml"), "--seed", "5", "-o", again)
	text, err := os.ReadFile(filepath.Join(again, "recipe.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "seed: 5") || !strings.Contains(string(text), "d0: 6") {
		t.Errorf("recipe and flag give\n%s", text)
	}
}

func TestAugment(t *testing.T) {
	dir := t.TempDir()
	sheet := filepath.Join(dir, "s.png")
	must(t, "augment", "--data", textures, "--image-size", "16", "--count", "4", "-o", sheet)
	a, _ := os.ReadFile(sheet)
	must(t, "augment", "--data", textures, "--image-size", "16", "--count", "4", "--seed", "9", "-o", sheet, "--force")
	recipe := filepath.Join(filepath.Dir(sheet), "views.yaml")
	if err := os.WriteFile(recipe, []byte("augmentation: simclr\nimage_size: 16\nviews: elsewhere\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := must(t, "augment", "--data", textures, "--recipe", recipe, "--solarize-prob", "0,1", "-o", sheet, "--force"); !strings.Contains(r.err+r.out, "RandomResizedCrop(16, ") || !strings.Contains(r.err+r.out, "Solarize(p=1,") || !strings.Contains(r.err+r.out, "GaussianBlur(p=0.5,") {
		t.Errorf("augment with a recipe says\n%s%s", r.out, r.err)
	}
	refused(t, exitUsage, "want a probability", "augment", "--data", textures, "--flip-prob", "2", "-o", sheet, "--force")
	b, _ := os.ReadFile(sheet)
	if len(a) == 0 || bytes.Equal(a, b) {
		t.Error("--seed does not change the views")
	}
}
