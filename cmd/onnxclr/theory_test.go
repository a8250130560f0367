package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "figures")
	small := []string{"--steps", "40", "--batch", "16", "--pool", "100", "--dim", "6", "--seeds", "1", "-o", dir}
	out := must(t, append([]string{"theory", "all"}, small...)...).out
	for _, want := range []string{"strong-augmentation: k = 0.1", "alignment: seed 0", "dynamics: seed 0", "depth: linear, 4 layers", "depth: relu, 2 layers"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	for _, files := range theoryFiles {
		for _, name := range files {
			for _, ext := range []string{".png", ".csv"} {
				if st, err := os.Stat(filepath.Join(dir, name+ext)); err != nil || st.Size() == 0 {
					t.Errorf("%s%s: %v", name, ext, err)
				}
			}
		}
	}
	fresh := filepath.Join(dir, "new")
	refused(t, exitFailed, "pass --force", append([]string{"theory", "depth"}, small...)...)
	refused(t, exitUsage, "say what to simulate", "theory", "-o", dir)
	refused(t, exitUsage, "did you mean", "theory", "dept", "-o", dir)
	refused(t, exitUsage, "want eq2, dot, infonce or ntxent", "theory", "depth", "--loss", "hinge", "-o", fresh)
	refused(t, exitUsage, "has no effect", "theory", "depth", "--loss", "eq2", "--temperature", "1", "-o", dir)
	refused(t, exitUsage, "want variances from 0", "theory", "strong-augmentation", "--k", "-1", "-o", dir)
	refused(t, exitUsage, "--k is for strong-augmentation", "theory", "depth", "--k", "1", "-o", fresh)
	refused(t, exitUsage, "--steps is 0, want at least 1", "theory", "all", "--steps", "0", "-o", fresh)
	refused(t, exitUsage, "depth: layers is 0, want 1 to 16", "theory", "all", "--layers", "0", "-o", fresh)
	refused(t, exitUsage, "depth: temperature is 0", "theory", "all", "--temperature", "0", "-o", fresh)
	if _, err := os.Stat(fresh); err == nil {
		t.Error("a refused run left a folder behind")
	}
}
