package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A grid that is stopped again and again ends in the same files as one that is not, and
// cells that fail do not keep the others.
func TestAblate(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	line := func(out string, more ...string) []string {
		return append([]string{"ablate", "appendix-f", "--data", "generated:textures?train=32&test=24&size=32", "--arch", "resnet18",
			"--set", "epochs=1", "--set", "batch=16", "--set", "warmup_epochs=0", "--set", "image_size=16", "--seeds", "1", "--probe-epochs", "2", "-o", in(out)}, more...)
	}
	out := must(t, line("whole")...).out
	for _, want := range []string{"DirectCLR, probe on r[:d0]", "random features", "62.7"} {
		if !strings.Contains(out, want) {
			t.Errorf("the table lacks %q:\n%s", want, out)
		}
	}
	for stops := 0; ; stops++ {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(500+500*stops)*time.Millisecond, cancel)
		r := commandContext(t, ctx, line("stopped")...)
		cancel()
		if r.code == exitDone {
			break
		}
		if r.code != exitInterrupted {
			t.Fatalf("exit code %d: %s", r.code, r.err)
		}
	}
	for _, name := range []string{"report.html", "results.json", "cells.csv", "spectra-r.png", "plan.json"} {
		a, err := os.ReadFile(filepath.Join(in("whole"), name))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(in("stopped"), name)); err != nil || string(a) != string(b) {
			t.Errorf("%s differs after interruptions (%v)", name, err)
		}
	}
	refused(t, exitFailed, "holds another grid", line("whole", "--set", "lr=0.1")...)
	refused(t, exitUsage, "did you mean", line("new", "--only", "directcl")...)
	refused(t, exitUsage, "variant directclr", line("new", "--set", "lr=fast")...)
	refused(t, exitUsage, "table1", "ablate", "tabel1", "--data", "x", "-o", in("new"))
	if list := must(t, line("new", "--dry-run", "-v", "--only", "random-dropout")...).out; !strings.Contains(list, "onnxclr train") || !strings.Contains(list, "\n1 cell: about ") || strings.Contains(list, "directclr") {
		t.Errorf("the dry run lists %s", list)
	}
	if list := must(t, line("whole", "--dry-run", "--probe-epochs", "2")...).out; strings.Count(list, "done") != 3 || strings.Contains(list, "onnxclr train") {
		t.Errorf("the dry run of a grid that is done lists %s", list)
	}

	// A part of a grid leaves the rest to be done, and what is done in its report.
	out = must(t, line("part", "--only", "random-dropout")...).out
	if !strings.Contains(out, "random features") || !strings.Contains(out, "DirectCLR, probe on") {
		t.Errorf("the table of a part of a grid:\n%s", out)
	}
	plan, err := os.ReadFile(in("part/plan.json"))
	if whole, err := os.ReadFile(in("whole/plan.json")); err != nil || string(plan) != string(whole) {
		t.Errorf("a part of a grid plans\n%s\n(%v)", plan, err)
	}

	failed := command(t, line("bad", "--set", "batch=64", "--only", "random-dropout")...)
	if failed.code != exitFailed || !strings.Contains(failed.err, "1 of 1 cells failed") {
		t.Errorf("a batch larger than the data: exit code %d, %s", failed.code, failed.err)
	}
	page, err := os.ReadFile(in("bad/report.html"))
	if err != nil || !strings.Contains(string(page), "Cells that failed") {
		t.Errorf("the page says nothing of the failure: %v", err)
	}
}

// What another grid has done is taken from it and is what would have been computed, byte
// for byte; what it has not is computed.
func TestAblateReuse(t *testing.T) {
	dir := t.TempDir()
	in := func(name ...string) string { return filepath.Join(append([]string{dir}, name...)...) }
	line := func(study, out string, more ...string) []string {
		return append([]string{"ablate", study, "--data", "generated:textures?train=32&test=24&size=32", "--arch", "resnet18",
			"--set", "steps=1", "--set", "batch=16", "--set", "warmup_epochs=0", "--set", "image_size=16", "--seeds", "1", "--probe-epochs", "2", "-o", in(out)}, more...)
	}
	must(t, line("table1", "first", "--only", "directclr")...)
	took := must(t, line("d0-sweep", "taken", "--only", "d0-published", "--reuse", in("first"))...).err
	if n := strings.Count(took, "taken from "+in("first", "cells", "directclr", "seed0")); n != 5 {
		t.Errorf("%d of 5 steps were taken:\n%s", n, took)
	}
	must(t, line("d0-sweep", "run", "--only", "d0-published")...)
	for _, name := range []string{"run/model.onnx", "probe-knn.json", "probe-linear.json", "probe-knn-confusion.csv", "spectra.json", "spectra.png"} {
		a, err := os.ReadFile(in("run", "cells", "d0-published", "seed0", name))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(in("taken", "cells", "d0-published", "seed0", name)); err != nil || string(a) != string(b) {
			t.Errorf("%s, taken, differs (%v)", name, err)
		}
	}
	recipe := func(grid string) string {
		b, err := os.ReadFile(in(grid, "cells", "d0-published", "seed0", "run", "recipe.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(strings.ReplaceAll(string(b), in(grid), "")), " ") // comments are aligned
	}
	if a, b := recipe("run"), recipe("taken"); a != b {
		t.Errorf("recipes differ:\n%s\n%s", a, b)
	}

	// A grid whose runs were taken can be taken from; a probe that is not there is computed.
	if err := os.Remove(in("taken", "cells", "d0-published", "seed0", "probe-linear.json")); err != nil {
		t.Fatal(err)
	}
	took = must(t, line("table1", "again", "--only", "directclr", "--reuse", in("taken"))...).err
	if n := strings.Count(took, "taken from"); n != 4 || !strings.Contains(took, "seed 0: probe\n") {
		t.Errorf("%d of 4 steps were taken:\n%s", n, took)
	}
	if took = must(t, line("table1", "other", "--only", "directclr", "--set", "lr=0.1", "--reuse", in("first"))...).err; strings.Contains(took, "train taken from") {
		t.Errorf("a run with another rate was taken:\n%s", took)
	}
	refused(t, exitUsage, "holds no grid", line("table1", "none", "--reuse", in("nowhere"))...)
}
