package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/internal/file"
	"onnxclr/internal/npy"
)

// A run's images are normalised as its recipe says, by every command that looks at the
// run, at its model or at a checkpoint; a model from elsewhere has to be told.
func TestNormalizationOfARun(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	read := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(in(name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	must(t, "convert", basic(t), "-o", in("m.onnx"))
	const images = "generated:textures?train=20&test=12"
	own := []string{"--mean", "0.5,0.4,0.3", "--std", "0.25,0.2,0.3"}
	train := []string{"train", "--model", in("m.onnx"), "--data", images, "--projector", "none", "--batch", "4", "--image-size", "16", "--steps", "2", "--warmup-epochs", "0", "--lr", "0.01", "-q"}
	must(t, append(append(train, own...), "-o", in("run"))...)
	must(t, append(train, "-o", in("imagenet"))...)
	if bytes.Equal(read("run/model.onnx"), read("imagenet/model.onnx")) {
		t.Error("training does not depend on the normalisation")
	}
	embed := func(name, model string, more ...string) []byte {
		t.Helper()
		must(t, append([]string{"embed", "--model", model, "--data", images, "-o", in(name)}, more...)...)
		return read(name)
	}
	want := embed("r.npy", in("run"))
	if got := embed("f.npy", in("run/model.onnx")); !bytes.Equal(got, want) {
		t.Error("the model in a run is not given the run's images")
	}
	if got := embed("c.npy", in("run/checkpoints/2/model.onnx")); !bytes.Equal(got, want) {
		t.Error("the model of a checkpoint is not given the run's images")
	}
	if err := os.WriteFile(in("away.onnx"), read("run/model.onnx"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := embed("a.npy", in("away.onnx"), append(own, "--image-size", "16")...); !bytes.Equal(got, want) {
		t.Error("--mean and --std are not the run's")
	}
	if got := embed("i.npy", in("away.onnx"), "--image-size", "16"); bytes.Equal(got, want) {
		t.Error("without --mean and --std a model from elsewhere is given the run's images")
	}
	if got := embed("o.npy", in("run"), "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"); !bytes.Equal(got, read("i.npy")) {
		t.Error("--mean and --std do not override the run's")
	}

	// Rows in a cache are those of one normalisation.
	probe := func(model string, more ...string) string {
		t.Helper()
		return must(t, append([]string{"probe", "--model", model, "--data", images, "--kind", "knn", "--cache", in("cache"), "--image-size", "16"}, more...)...).err
	}
	if said := probe(in("run")); strings.Contains(said, "rows of") {
		t.Errorf("an empty cache: %s", said)
	}
	if said := probe(in("run"), "--mean", "0,0,0"); strings.Contains(said, "rows of") {
		t.Errorf("other images' rows are taken from the cache: %s", said)
	}
	if said := probe(in("run"), own...); !strings.Contains(said, "rows of") {
		t.Errorf("the same images' rows are not taken from the cache: %s", said)
	}

	chart := []string{"spectrum", in("run"), in("imagenet"), "--data", images, "-o", in("s.png"), "--force"}
	if said := must(t, chart...).err; !strings.Contains(said, "each as it was trained") {
		t.Errorf("spectra of different images: %s", said)
	}
	if said := must(t, append(chart, own...)...).err; strings.Contains(said, "as it was trained") {
		t.Errorf("spectra of the same images: %s", said)
	}
	refused(t, exitUsage, "--mean", "embed", "--model", in("run"), "--data", images, "-o", in("x.npy"), "--mean", "123.7,116.3,103.5")
	refused(t, exitUsage, "not to 255", "train", "--model", in("m.onnx"), "--data", images, "-o", in("x"), "--std", "58,57,57")
	refused(t, exitUsage, "--std", "diagnose", "--model", in("run"), "--data", images, "-o", in("x"), "--std", "0.2,0.2")
	refused(t, exitUsage, "--mean goes with --data", "spectrum", in("r.npy"), "-o", in("x.png"), "--mean", "0,0,0")
	refused(t, exitUsage, "--mean has no effect on ready-made rows", "probe", "--kind", "knn", "--mean", "0,0,0",
		"--train-features", in("r.npy"), "--train-labels", in("r.npy"), "--test-features", in("r.npy"), "--test-labels", in("r.npy"))
}

// Where no images are held out, those to train on are looked at, and that is said.
func TestTrainingImagesForHeldOut(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, "convert", basic(t), "-o", in("m.onnx"))
	writeImages(t, in("lone/train/cat"), 2)
	writeImages(t, in("both/train/cat"), 2)
	writeImages(t, in("both/validation/cat"), 2)
	writeImages(t, in("none/cat"), 2)
	for data, want := range map[string]bool{"lone": true, "both": false, "none": false} {
		said := must(t, "embed", "--model", in("m.onnx"), "--data", in(data), "--image-size", "16", "-o", in(data+".npy")).err
		if strings.Contains(said, "has no test or val split: its training images are taken") != want {
			t.Errorf("%s: %s", data, said)
		}
	}
	if said := must(t, "embed", "--model", in("m.onnx"), "--data", in("lone"), "--split", "train", "--image-size", "16", "-o", in("asked.npy")).err; strings.Contains(said, "its training images are taken") {
		t.Errorf("where they are asked for: %s", said)
	}
}

// A run on ready-made views says nothing of how images become views: those of images are
// the paper's, and every command that looks at the run takes images.
func TestImagesForARunOnViews(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, "convert", basic(t), "-o", in("m.onnx"))
	if err := os.Mkdir(in("views"), 0o755); err != nil {
		t.Fatal(err)
	}
	values := make([]float32, 4*3*16*16)
	for i := range values {
		values[i] = float32(i*2654435761%1000)/500 - 1
	}
	err := file.Write(in("views/0.npz"), func(w io.Writer) error {
		shape := []int{4, 3, 16, 16}
		return npy.WriteZip(w, []npy.Named{{Name: "view1", Shape: shape, Data: values}, {Name: "view2", Shape: shape, Data: values}})
	})
	if err != nil {
		t.Fatal(err)
	}
	must(t, "train", "--model", in("m.onnx"), "--views", in("views"), "--projector", "none", "--batch", "4", "--steps", "1", "--warmup-epochs", "0", "--lr", "0.01", "-q", "-o", in("run"))
	images := []string{"--data", "generated:textures?train=20&test=64&size=24", "--image-size", "16", "--force"}
	for _, line := range [][]string{
		{"embed", "--model", in("run"), "-o", in("e.npy")},
		{"embed", "--model", in("run"), "--views", "2", "-o", in("v.npy")},
		{"spectrum", in("run"), "-o", in("s.png")},
		{"spectrum", in("run"), "--gradient", "-o", in("g.png")},
		{"diagnose", "--model", in("run"), "-o", in("d")},
	} {
		must(t, append(line, images...)...)
	}
}
