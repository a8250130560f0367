package train

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What differs is named and refused, unless it is accepted; what is built into the
// checkpoint's model stays refused.
func TestChangesAreAcceptedWhenAsked(t *testing.T) {
	dir := t.TempDir()
	r := recipe(t, simclr...)
	mustRun(t, dir, r, Options{})
	changed := recipe(t, append(simclr, "temperature", "0.2", "steps", "10")...)
	other := source()
	other.name = "other pictures"

	refused := func(r Recipe, o Options, want ...string) {
		t.Helper()
		o.Resume = true
		err := run(t, dir, r, o)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("got %v, want %q", err, w)
			}
		}
	}
	refused(changed, Options{}, "with another recipe: temperature is 0.2, was 0.1; steps is 10, was 8", "--accept-changes")
	refused(r, Options{Source: other}, "with other data: they are other pictures, were random", "--accept-changes")
	refused(recipe(t, append(simclr, "projector", "linear")...), Options{Accept: true}, "projector is linear, was mlp", "model was built with the settings")

	// The run's own recipe.yaml, edited by hand, is another recipe too.
	path := filepath.Join(dir, recipeName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(path, []byte(strings.Replace(string(text), "temperature: 0.1", "temperature: 0.2", 1)), 0o644)
	edited, err := RunRecipe(dir)
	if err != nil {
		t.Fatal(err)
	}
	e, _, err := Resolve(edited...)
	if err != nil {
		t.Fatal(err)
	}
	refused(e, Options{}, "temperature is 0.2, was 0.1")
	os.WriteFile(path, text, 0o644)

	w := &watcher{}
	mustRun(t, dir, changed, Options{Resume: true, Accept: true, Source: other, Reporter: w})
	want := []string{
		"continuing from step 8 with a change: temperature is 0.2, was 0.1",
		"continuing from step 8 with a change: steps is 10, was 8",
		"continuing from step 8 with a change: they are other pictures, were random",
	}
	if !slices.Equal(w.warnings, want) || w.result.Steps != 10 {
		t.Errorf("warned %q, made %d steps", w.warnings, w.result.Steps)
	}
	// From now on that is the run.
	mustRun(t, dir, changed, Options{Resume: true, Source: other})
}

// Images that lie elsewhere are the same images.
func TestDataMayMove(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, dir, recipe(t, append(simclr, "data", "here")...), Options{})
	moved := recipe(t, append(simclr, "data", "there")...)
	mustRun(t, dir, moved, Options{Resume: true})
	h, err := ReadHistory(dir)
	if err != nil || h.Value("data") != "there" {
		t.Errorf("the run says that its data are %s (%v)", h.Value("data"), err)
	}
	other := source()
	other.name = "other pictures"
	err = run(t, dir, recipe(t, append(simclr, "data", "elsewhere")...), Options{Resume: true, Source: other})
	if err == nil || !strings.Contains(err.Error(), "data is elsewhere, was here; they are other pictures, were random") {
		t.Errorf("other data: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, checkpointsName)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, modelName)); err != nil {
		t.Fatal(err)
	}
	err = run(t, dir, recipe(t, append(simclr, "data", "elsewhere")...), Options{Resume: true})
	if err == nil || !strings.Contains(err.Error(), "data is elsewhere, was there") {
		t.Errorf("without a checkpoint: %v", err)
	}
}

func TestDataChangeIsNamed(t *testing.T) {
	const was = "10 images, names aa, labels bb, contents cc"
	for is, want := range map[string]string{
		"12 images, names xx, labels bb, contents cc": "they are 12 images, were 10 images",
		"10 images, names xx, labels bb, contents cc": "the names of the images have changed",
		"10 images, names aa, labels xx, contents xx": "the labels and contents of the images have changed",
		"3 batches of views [2 3 8 8], sha256 ff":     "they are 3 batches of views [2 3 8 8], sha256 ff, were " + was,
	} {
		if got := dataChange(was, is); got != want {
			t.Errorf("%s: %q, want %q", is, got, want)
		}
	}
}
