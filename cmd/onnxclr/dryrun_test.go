package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"onnxclr/internal/golden"
)

func TestDryRun(t *testing.T) {
	model, dir := golden.Testdata(t, "onnx/basic_op17_training.onnx"), t.TempDir()
	run := filepath.Join(dir, "run")
	args := []string{"train", "--dry-run", "--model", model, "--data", textures, "--recipe", "simclr-mlp-cifar10-32", "--batch", "8", "--epochs", "2"}
	out := must(t, args...).out
	for _, want := range []string{
		"method      simclr, projector mlp to 128, infonce at temperature 0.1\n",
		"optimizer   sgd, learning rate up to 0.0009375, weight decay 0.0001, cosine schedule\n",
		"shapes      16×3×32×32\n", "embedding   16×128\n", "are trained\n", " are available\n", "the median of 3 steps", "time        about ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("says\n%swant %q", out, want)
		}
	}
	if out := must(t, append(args, "--micro-batch", "4", "-o", run)...).out; !strings.Contains(out, "shapes      8×3×32×32\n") || !strings.Contains(out, "a micro-batch of 4 images of the 8\n") {
		t.Errorf("with micro-batches it says\n%s", out)
	}
	if _, err := os.Stat(run); err == nil {
		t.Error("wrote a run directory")
	}

	// What is refused is what the run would be refused for.
	refused(t, exitFailed, "batch", append(args, "--batch", "100000")...)
	refused(t, exitUsage, "d0", append(args, "--method", "directclr", "--projector", "none", "--d0", "0")...)
	refused(t, exitUsage, "--profile", append(args, "--profile")...)
	if err := os.MkdirAll(run, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(run, "mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	refused(t, exitFailed, run, append(args, "-o", run)...)

	// Of a run that has begun, the rest.
	begun := filepath.Join(dir, "begun")
	must(t, "train", "--model", model, "--data", textures, "--method", "simclr", "--batch", "8", "--image-size", "16", "--steps", "2", "--warmup-steps", "0", "--checkpoint-every", "1", "-q", "-o", begun)
	if out := must(t, "train", "--dry-run", "--resume", "-o", begun).out; !strings.Contains(out, "steps       2 of 8 images, from 2 on;") || !strings.Contains(out, "about 0s for 0 steps") {
		t.Errorf("resuming it says\n%s", out)
	}
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		4321 * time.Millisecond: "4.3s", 125 * time.Second: "2 min 5 s", 3*time.Hour + 4*time.Minute: "3 h 4 min", 50 * time.Hour: "2 days 2 h",
	} {
		if got := duration(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
