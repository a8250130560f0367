package main

import (
	"strings"
	"testing"

	"onnxclr/internal/golden"
)

func TestRecipe(t *testing.T) {
	list := must(t, "recipe", "list").out
	for _, name := range []string{"directclr-imagenet", "simclr-none-cifar10-64", "lightly-simclr-imagenet"} {
		if !strings.Contains(list, name+" ") {
			t.Errorf("list leaves %s out:\n%s", name, list)
		}
	}
	shown := must(t, "recipe", "show", "lightly-simclr-imagenet").out
	if !strings.Contains(shown, "lars_variant: bolts       # lars.py") {
		t.Errorf("show gives\n%s", shown)
	}
	resolved := must(t, "recipe", "show", "lightly-simclr-imagenet", "--resolved").out
	if !strings.Contains(resolved, "jitter_prob: 0.8") || strings.Contains(resolved, "d0:") {
		t.Errorf("show --resolved gives\n%s", resolved)
	}

	diff := must(t, "recipe", "diff", "simclr-mlp-imagenet", "lightly-simclr-imagenet").out
	for _, line := range []string{"loss infonce ntxent", "lars_variant directclr bolts", "jitter [0.4, 0.4, 0.2, 0.1] [0.8, 0.8, 0.8, 0.2]", "peak learning rate 4.8 1.2"} {
		found := false
		for got := range strings.Lines(diff) {
			found = found || strings.Join(strings.Fields(got), " ") == line
		}
		if !found {
			t.Errorf("diff does not say %q:\n%s", line, diff)
		}
	}
	if strings.Contains(diff, "temperature") || strings.Contains(diff, "momentum") {
		t.Errorf("diff prints what does not differ:\n%s", diff)
	}
	if r := must(t, "recipe", "diff", "directclr-imagenet", "directclr-imagenet"); r.out != "" || !strings.Contains(r.err, "no setting differs") {
		t.Errorf("equal recipes differ: %s%s", r.out, r.err)
	}
	if r := must(t, "recipe", "diff", "--json", "simclr-none-imagenet", "simclr-linear-imagenet"); !strings.Contains(r.out, `"key": "projector"`) || !strings.Contains(r.out, `"b": "linear"`) {
		t.Errorf("diff --json gives %s", r.out)
	}

	for want, args := range map[string][]string{
		"say what":                  {"recipe"},
		"knows list, show and diff": {"recipe", "lsit"},
		"diff takes two recipes":    {"recipe", "diff", "directclr-imagenet"},
		"show takes one recipe":     {"recipe", "show"},
		"list takes nothing more":   {"recipe", "list", "all"},
		"--resolved is for show":    {"recipe", "list", "--resolved"},
		"--json is for":             {"recipe", "show", "--json", "directclr-imagenet"},
	} {
		refused(t, exitUsage, want, args...)
	}
	near := "did you mean directclr-imagenet?"
	refused(t, exitUsage, near, "recipe", "show", "directclr-imagnet")
	refused(t, exitUsage, near, "recipe", "diff", "directclr-imagenet", "directclr-imagnet")
	refused(t, exitUsage, near, "train", "--recipe", "directclr-imagnet", "-o", t.TempDir()+"/run")
}

// A shipped recipe trains, with the flags on top of it.
func TestTrainWithAShippedRecipe(t *testing.T) {
	dir := t.TempDir()
	model, run := golden.Testdata(t, "onnx/basic_op17_training.onnx"), dir+"/run"
	must(t, "train", "--model", model, "--data", textures, "--recipe", "simclr-mlp-cifar10-32", "--batch", "4", "--steps", "1", "--warmup-steps", "0", "-q", "-o", run)
	r := must(t, "recipe", "diff", "simclr-mlp-cifar10-32", run)
	if !strings.Contains(r.out, "batch") || strings.Contains(r.out, "temperature") || strings.Contains(r.out, "blur_prob") {
		t.Errorf("the run's recipe differs in\n%s", r.out)
	}
}
