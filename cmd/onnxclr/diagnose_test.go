package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/analysis/diagnosis"
)

// A run is diagnosed on the views that it is trained on, a model from elsewhere on the paper's.
func TestDiagnoseTakesTheRunsViews(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, "convert", basic(t), "-o", in("m.onnx"))
	const images = "generated:textures?train=20&test=64&size=24"
	must(t, "train", "--model", in("m.onnx"), "--data", images, "--projector", "none", "--batch", "4", "--image-size", "16", "--steps", "1", "--warmup-epochs", "0", "--lr", "1e-9",
		"--crop-scale-min", "1", "--jitter-prob", "0", "--grayscale-prob", "0", "--blur-prob", "0", "--solarize-prob", "0", "-q", "-o", in("run"))
	b, err := os.ReadFile(in("run/model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in("away.onnx"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	spread := func(out, model string) float64 {
		t.Helper()
		must(t, "diagnose", "--model", model, "--data", images, "--image-size", "16", "-o", in(out))
		b, err := os.ReadFile(filepath.Join(in(out), "diagnosis.json"))
		if err != nil {
			t.Fatal(err)
		}
		var d diagnosis.Diagnosis
		if err := json.Unmarshal(b, &d); err != nil {
			t.Fatal(err)
		}
		return d.Augmentation[0].Ratio
	}
	weak, paper := spread("weak", in("run")), spread("paper", in("away.onnx"))
	if !(weak < paper/2) {
		t.Errorf("augmentation's variance is %.3g of the data's with crops alone and %.3g with all that the paper does", weak, paper)
	}
}

// A run whose loss has no temperature is diagnosed at that of infonce.
func TestDiagnoseWithoutATemperature(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, "convert", basic(t), "-o", in("m.onnx"))
	const images = "generated:textures?train=20&test=32&size=24"
	must(t, "train", "--model", in("m.onnx"), "--data", images, "--loss", "vicreg", "--batch", "8", "--image-size", "16", "--steps", "1", "--warmup-epochs", "0", "-q", "-o", in("run"))
	if said := must(t, "diagnose", "--model", in("run"), "--data", images, "-o", in("out")).err; !strings.Contains(said, "vicreg, has no temperature: its pairs are weighted as those of infonce at 0.1") {
		t.Error(said)
	}
}

func TestDiagnose(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, "convert", basic(t), "-o", in("model.onnx"))
	const images = "generated:textures?train=64&test=96&size=24"
	base := []string{"diagnose", "--model", in("model.onnx"), "--data", images, "--image-size", "16", "-o", in("out")}
	out := must(t, append(base, "--samples", "80")...).out
	for _, want := range []string{"Representation r: ", "Mechanism 1 at the representation r", "Mechanism 2: ", "Verdict: "} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	b, err := os.ReadFile(in("out/diagnosis.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d diagnosis.Diagnosis
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	if d.Augmentation[0].Pairs != 80 || len(d.Weights.Layers) != 3 || len(d.Verdict.Sentences) < 4 {
		t.Errorf("%d pairs, %d layers, %d sentences", d.Augmentation[0].Pairs, len(d.Weights.Layers), len(d.Verdict.Sentences))
	}
	for _, name := range []string{"augmentation.png", "weights.png"} {
		if st, err := os.Stat(filepath.Join(in("out"), name)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, "report", in("out"), in("out/diagnosis.json"), "--label", "folder", "--label", "file", "-o", in("r.html"))
	page, err := os.ReadFile(in("r.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 diagnoses", "<b>folder</b>", "<b>file</b>", "negative directions"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	refused(t, exitFailed, "pass --force", base...)
	refused(t, exitUsage, "less than two batches", append(base, "--force", "--samples", "80", "--batch", "64")...)
	refused(t, exitUsage, "name the images", "diagnose", "--model", in("model.onnx"), "-o", in("x"))
}
