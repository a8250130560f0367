package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/internal/golden"
)

// TestBadInput: what is wrong with a file is one clear message, exit code 1, and
// nothing half-written.
func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, b []byte) string {
		if err := os.WriteFile(in(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return in(name)
	}
	must(t, "convert", basic(t), "-o", in("good.onnx"))
	checkpoint, err := os.ReadFile(basic(t))
	if err != nil {
		t.Fatal(err)
	}
	model, err := os.ReadFile(in("good.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	cut := write("cut.pth", checkpoint[:len(checkpoint)/2])
	empty := write("empty.pth", nil)
	text := write("text.pth", []byte("hello, world\n"))
	cutModel := write("cut.onnx", model[:len(model)/3])
	noise := bytes.Clone(model)
	for i := 0; i < len(noise); i += 7 {
		noise[i] ^= 0x5a
	}
	corrupt := write("corrupt.onnx", noise)
	renamed := write("renamed.onnx", checkpoint)
	hardmax := operatorModel(t, in("hardmax.onnx"), in("good.onnx"))
	other := golden.Testdata(t, "checkpoints/torch/plain_1.13.pth")
	folded := golden.Testdata(t, "onnx/basic_op17_eval.onnx")
	good := in("good.onnx")
	x := saveArray(t, dir, "x.npy", []int{1, 3, 32, 32}, make([]float32, 3*32*32))
	flat := saveArray(t, dir, "flat.npy", []int{2, 3}, make([]float32, 6))
	gray := saveArray(t, dir, "gray.npy", []int{1, 1, 32, 32}, make([]float32, 32*32))
	whole := saveArray(t, dir, "whole.npy", []int{1, 3, 8, 8}, make([]int64, 3*64))
	if err := os.MkdirAll(in("images/cat"), 0o755); err != nil {
		t.Fatal(err)
	}
	write("images/cat/a.jpg", []byte("\xff\xd8\xff\xe0 this is no JPEG"))
	if err := os.MkdirAll(in("notrun"), 0o755); err != nil {
		t.Fatal(err)
	}
	write("notrun/notes.txt", []byte("mine"))
	views := in("views")
	if err := os.MkdirAll(views, 0o755); err != nil {
		t.Fatal(err)
	}
	write("views/0.npz", []byte("PK\x03\x04 no archive"))
	csv := write("x.csv", []byte("0.5,0.25,1\n1,2,3\n"))
	recipe := write("bad.yaml", []byte("model: good.onnx\nbatch_sise: 3\nlr: fast\n"))
	before := contents(t, dir)

	train := func(model string, more ...string) []string {
		return append([]string{"train", "--model", model, "--data", textures, "--image-size", "16", "--batch", "8", "--steps", "1", "--warmup-steps", "0", "-o", in("out")}, more...)
	}
	for _, tc := range []struct {
		name string
		code int
		want string
		line []string
	}{
		{"nothing to resume", 2, "there is no run to resume in " + in("out"), []string{"train", "-o", in("out"), "--resume"}},
		{"missing checkpoint", 1, "no such file", []string{"convert", in("none.pth"), "-o", in("out.onnx")}},
		{"truncated checkpoint", 1, "cut.pth", []string{"convert", cut, "-o", in("out.onnx")}},
		{"empty checkpoint", 1, "empty", []string{"convert", empty, "-o", in("out.onnx")}},
		{"text for a checkpoint", 1, "not a checkpoint", []string{"convert", text, "-o", in("out.onnx")}},
		{"model for a checkpoint", 1, "ONNX model", []string{"convert", good, "-o", in("out.onnx")}},
		{"no ResNet in it", 1, "plain_1.13.pth", []string{"convert", other, "-o", in("out.onnx")}},
		{"wrong architecture", 1, "resnet50", []string{"convert", basic(t), "--arch", "resnet50", "-o", in("out.onnx")}},
		{"wrong prefix", 1, "backbone", []string{"convert", basic(t), "--prefix", "backbone", "-o", in("out.onnx")}},
		{"wrong opset", 2, "--opset is 3, want 11 to", []string{"convert", basic(t), "--opset", "3", "-o", in("out.onnx")}},
		{"existing model", 1, "--force", []string{"convert", basic(t), "-o", good}},
		{"checkpoint for a model", 1, "onnxclr convert", []string{"run", renamed, "--input", x, "-o", in("y.npy")}},
		{"truncated model", 1, "cut.onnx", []string{"inspect", cutModel}},
		{"corrupt model", 1, "corrupt.onnx", []string{"inspect", corrupt}},
		{"unknown operator", 1, "Hardmax", []string{"run", hardmax, "--input", x, "-o", in("y.npy")}},
		{"unknown output", 1, "did you mean representation?", []string{"run", good, "--input", x, "--output", "representations", "-o", in("y.npy")}},
		{"no input", 1, "--input input=X.npy", []string{"run", good, "-o", in("y.npy")}},
		{"unknown input", 1, `no input "images"`, []string{"run", good, "--input", "images=" + x, "-o", in("y.npy")}},
		{"not images", 1, "N×C×H×W", []string{"run", good, "--input", flat, "-o", in("y.npy")}},
		{"one channel", 1, "channels", []string{"run", good, "--input", gray, "-o", in("y.npy")}},
		{"integers", 1, "int64", []string{"run", good, "--input", whole, "-o", in("y.npy")}},
		{"text for an input", 1, "x.csv: is text; an input is one array as .npy", []string{"run", good, "--input", csv, "-o", in("y.npy")}},
		{"model for an input", 1, "good.onnx: is of another kind; an input is one array as .npy", []string{"run", good, "--input", good, "-o", in("y.npy")}},
		{"text for a model", 1, "x.csv: not an ONNX model: text", []string{"run", csv, "--input", x, "-o", in("y.npy")}},
		{"model for embeddings", 1, "holds a model, not embeddings", []string{"spectrum", good, "-o", in("s.png")}},
		{"word for a number", 2, `--batch is "x", want a whole number`, []string{"run", good, "--input", x, "--batch", "x", "-o", in("y.npy")}},
		{"word in a list", 2, `--k is "1,b", want numbers with commas between them`, []string{"theory", "all", "--k", "1,b", "-o", in("out")}},
		{"negative seed", 2, `--seed is "-1", want a whole number from 0`, []string{"init", "resnet18", "--seed", "-1", "-o", in("y.onnx")}},
		{"flag without its value", 2, "--batch lacks its value", []string{"run", good, "--input", x, "--batch"}},
		{"probe of no neighbours", 2, "--k is 0, want at least 1", []string{"probe", "--model", good, "--data", textures, "--kind", "knn", "--k", "0"}},
		{"probe without a rate", 2, "--lr is 0, want", []string{"probe", "--model", good, "--data", textures, "--kind", "linear", "--lr", "0"}},
		{"missing model", 1, "no such file", train(in("none.onnx"))},
		{"folded model", 1, "convert", train(folded)},
		{"d0 too large", 1, "d0 is 33", train(good, "--method", "directclr", "--d0", "33")},
		{"batch of 1", 2, "batch", train(good, "--batch", "1")},
		{"batch larger than the data", 1, "batch", train(good, "--batch", "512")},
		{"not a run", 1, "not a run", []string{"train", "--model", good, "--data", textures, "--batch", "8", "-o", in("notrun")}},
		{"resume what is not a run", 1, "not a run", []string{"train", "--model", good, "--data", textures, "--batch", "8", "--resume", "-o", in("notrun")}},
		{"missing data", 1, "nodata", []string{"train", "--model", good, "--data", in("nodata"), "--batch", "8", "-o", in("out")}},
		{"unknown generated data", 1, "textures", []string{"train", "--model", good, "--data", "generated:faces", "--batch", "8", "-o", in("out")}},
		{"broken views", 1, "0.npz", []string{"train", "--model", good, "--views", views, "-o", in("out")}},
		{"recipe", 2, "bad.yaml:2", []string{"train", "--recipe", recipe, "--data", textures, "-o", in("out")}},
		{"broken image", 1, "or pass over such images with --corrupt skip", []string{"embed", "--model", good, "--data", in("images"), "--image-size", "16", "-o", in("e.npy")}},
		{"no data set", 1, "is not a data set; want a folder, a .tar or .tar.gz of one, CIFAR binary files or an .npy array\n", []string{"embed", "--model", good, "--data", good, "-o", in("e.npy")}},
		{"no such split", 1, "val", []string{"embed", "--model", good, "--data", textures, "--split", "val", "-o", in("e.npy")}},
		{"no such node", 1, "did you mean", []string{"embed", "--model", good, "--data", textures, "--image-size", "16", "--node", "layer9.0.add_output", "-o", in("e.npy")}},
		{"no run", 1, "not a run", []string{"export", in("notrun"), "-o", in("out.pth")}},
		{"export over the input", 2, "input and output", []string{"export", good, "-o", good, "--force"}},
		{"folder that is not there", 1, "nowhere", []string{"export", good, "-o", in("nowhere/out.pth")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			refused(t, tc.code, tc.want, tc.line...)
			if after := contents(t, dir); after != before {
				t.Errorf("left %s, was %s", after, before)
			}
		})
	}
}

// operatorModel saves a copy of a model whose first Relu is an operator that is not
// supported.
func operatorModel(t *testing.T, path, from string) string {
	t.Helper()
	m, err := importer.OpenModel(from)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, n := range m.ONNX.Graph.Nodes {
		if n.OpType == "Relu" {
			n.OpType = "Hardmax"
			break
		}
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := m.ONNX.Encode(f); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDivergence: a loss that is not a number stops the run, names step and place,
// and leaves no model that looks finished.
func TestDivergence(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.onnx")
	must(t, "convert", basic(t), "-o", good)
	m, err := importer.OpenModel(good)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	w := m.ONNX.Graph.Initializer("layer3.0.conv1.weight")
	poisoned := onnx.Tensor{Tensor: w.Tensor}
	poisoned.Data = bytes.Clone(w.Data)
	// The middle tap of the first filter: others read only padding on images this small.
	binary.LittleEndian.PutUint32(poisoned.Data[4*4:], math.Float32bits(float32(math.NaN())))
	m.ONNX.Graph.SetInitializer(&poisoned.Tensor)
	bad := filepath.Join(dir, "bad.onnx")
	f, err := os.Create(bad)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.ONNX.Encode(f); err != nil {
		t.Fatal(err)
	}
	f.Close()
	run := filepath.Join(dir, "run")
	r := command(t, "train", "--model", bad, "--data", textures, "--image-size", "16", "--batch", "8", "--steps", "2", "--warmup-steps", "0", "-o", run)
	if r.code != exitFailed || !strings.Contains(r.err, "step 0") || !strings.Contains(r.err, "layer3.0") {
		t.Errorf("exit code %d, says %s", r.code, r.err)
	}
	if _, err := os.Stat(filepath.Join(run, "model.onnx")); err == nil {
		t.Error("a model was written")
	}
}
