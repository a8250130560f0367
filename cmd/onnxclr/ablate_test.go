package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"onnxclr/internal/study"
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
		if !strings.Contains(r.err, "cells are done, and the same command line continues") && !strings.HasSuffix(r.err, "ablate: interrupted\n") {
			t.Errorf("an interrupted grid says %s", r.err)
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
	if list := must(t, line("whole", "--dry-run", "--probe-epochs", "2")...).out; strings.Count(list, "done") != 4 || !strings.HasSuffix(list, "\nall 3 cells are done\n") || strings.Contains(list, "onnxclr train") {
		t.Errorf("the dry run of a grid that is done lists %s", list)
	}

	// A part of a grid leaves the rest to be done, and what is done in its report.
	out = must(t, line("part", "--only", "random-dropout")...).out
	if !strings.Contains(out, "random features") || !strings.Contains(out, "DirectCLR, probe on") {
		t.Errorf("the table of a part of a grid:\n%s", out)
	}
	plan, _ := os.ReadFile(in("part/plan.json"))
	if whole, err := os.ReadFile(in("whole/plan.json")); err != nil || string(plan) != string(whole) {
		t.Errorf("a part of a grid plans\n%s\n(%v)", plan, err)
	}

	failed := command(t, line("bad", "--set", "lr=1e30", "--only", "random-dropout")...)
	if failed.code != exitFailed || !strings.Contains(failed.err, "1 of 1 cells failed") {
		t.Errorf("a run that diverges: exit code %d, %s", failed.code, failed.err)
	}
	page, err := os.ReadFile(in("bad/report.html"))
	if err != nil || !strings.Contains(string(page), "Cells that failed") {
		t.Errorf("the page says nothing of the failure: %v", err)
	}
}

// What every cell would fail of is said before the first is trained.
func TestAblateRefusesBeforeItBegins(t *testing.T) {
	dir := t.TempDir()
	grid := filepath.Join(dir, "grid")
	line := func(data string, more ...string) []string {
		return append([]string{"ablate", "spectra", "--data", data, "--set", "steps=2", "--set", "batch=16", "--set", "warmup_steps=0", "--seeds", "1", "-o", grid}, more...)
	}
	const images = "generated:textures?train=32&test=24&size=32"
	refused(t, exitUsage, "larger than the training images", line(images, "--set", "batch=33")...)
	refused(t, exitUsage, "the warm-up of 3 steps is longer than the run of 2", line(images, "--set", "warmup_steps=3")...)
	refused(t, exitUsage, `there is no setting "epohcs"; did you mean epochs?`, line(images, "--set", "epohcs=3")...)
	refused(t, exitUsage, "the variants of spectra differ in projector", line(images, "--set", "projector=none")...)
	refused(t, exitUsage, "there are --arch, --data and --seeds", line(images, "--set", "seed=3")...)
	refused(t, exitUsage, "want key=value", line(images, "--set", "epochs")...)
	refused(t, exitUsage, "no effect on theory", "ablate", "theory", "--set", "epochs=1", "-o", grid)
	refused(t, exitUsage, `no split "val"`, line(images, "--set", "split=val")...)
	whole, one := filepath.Join(dir, "whole"), filepath.Join(dir, "one")
	for _, name := range []string{whole + "/cat", whole + "/dog", one + "/train/cat", one + "/test/cat"} {
		writeImages(t, name, 16)
	}
	refused(t, exitFailed, "not divided into train and test", line(whole)...)
	two := filepath.Join(dir, "two")
	for _, name := range []string{"/train/cat", "/train/dog", "/test/cat", "/test/dog"} {
		writeImages(t, two+name, 2)
	}
	if prints, err := checkImages(two); err != nil || len(prints) != 2 || !strings.Contains(prints[0], "contents ") || !strings.Contains(prints[1], "contents ") {
		t.Errorf("a grid's images are told by %q (%v)", prints, err)
	}
	refused(t, exitFailed, "nothing to tell apart", line(one)...)
	if _, err := os.Stat(grid); err == nil {
		t.Errorf("a grid that was refused holds %s", contents(t, grid))
	}
}

// writeImages fills a folder.
func writeImages(t *testing.T, dir string, n int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 16, 16))); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.png", i)), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// What a run leaves on the disk is its model and the checkpoints that are kept.
func TestFootprint(t *testing.T) {
	s, err := study.Find("spectra")
	if err != nil {
		t.Fatal(err)
	}
	scale, err := study.FindScale("cifar10")
	if err != nil {
		t.Fatal(err)
	}
	for want, set := range map[int64][]string{ // models, with as much of an optimizer's state
		3: {"steps=2"},
		5: {"steps=2", "checkpoint_every=1"},
		7: {"epochs=9"}, // the two newest and the best
		9: {"epochs=9", "keep_checkpoints=3"},
	} {
		plan, err := s.Plan(study.Options{Data: "images", Seeds: 1, Scale: scale, Dim: 512, ProbeEpochs: 1, Set: append(set, "batch=16", "warmup_epochs=0")})
		if err != nil {
			t.Fatal(err)
		}
		f := &footprint{plan: plan, model: 100, dim: 512, trainN: 32, testN: 24, embedded: map[string]bool{}}
		var got []int64
		for _, step := range plan.Cells[0].Steps {
			n, err := f.of(step)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
		if all := []int64{100, 100 * want, 4 * 512 * 56, 0, 0}; !slices.Equal(got, all) {
			t.Errorf("%v: %v bytes, want %v", set, got, all)
		}
	}
}

// A disk that is used up ends a grid, and its cell is not one that failed.
func TestAblateStopsWhereTheDiskIsFull(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("another error")
	}
	dir := t.TempDir()
	c := study.Cell{Variant: "a", Label: "A", Steps: []study.Step{{Args: []string{"train"}, Done: "cells/a/seed0/model.onnx"}}}
	g := &grid{options: &ablateOptions{out: dir, parallel: 1}, terminal: &terminal{out: io.Discard, err: io.Discard}, plan: &study.Plan{Cells: []study.Cell{c, c}}}
	g.fail(&c, fmt.Errorf("train: %w", &os.PathError{Op: "write", Path: "model.onnx", Err: syscall.ENOSPC}))
	failed, err := g.run(t.Context())
	if failed != 0 || err == nil || !strings.Contains(err.Error(), "0 of 2 cells are done: make room, and the same command line continues") {
		t.Errorf("%d cells failed: %v", failed, err)
	}
	if names := contents(t, dir); names != "" {
		t.Errorf("left behind: %s", names)
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
