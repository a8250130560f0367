package train

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func shippedRecipe(t *testing.T, name string) Recipe {
	t.Helper()
	settings, err := OpenRecipe(name)
	if err != nil {
		t.Fatal(err)
	}
	r, warnings, err := Resolve(settings...)
	if err != nil || warnings != nil {
		t.Fatalf("%s: %v, %v", name, err, warnings)
	}
	return r
}

// Every shipped recipe is without a mistake or a setting without effect, says in its
// first line what it is and in every other where it is from.
func TestShippedRecipesAreSound(t *testing.T) {
	all := ShippedRecipes()
	if len(all) < 12 {
		t.Fatalf("%d recipes", len(all))
	}
	for _, s := range all {
		r := shippedRecipe(t, s.Name)
		if r.Model != "" || r.Data != "" {
			t.Errorf("%s names a model or data", s.Name)
		}
		if s.Summary == "" || len(s.Summary) > 110 {
			t.Errorf("%s: summary %q", s.Name, s.Summary)
		}
		for line := range strings.Lines(string(s.Source)) {
			if line != "\n" && !strings.Contains(line, "# ") {
				t.Errorf("%s: %q says no source", s.Name, line)
			}
		}
	}
}

// The published recipes are the defaults of their methods, written out.
func TestPublishedRecipesAreTheDefaults(t *testing.T) {
	for name, change := range map[string]func(*Recipe){
		"directclr-imagenet":     func(r *Recipe) { *r = Defaults("directclr") },
		"simclr-mlp-imagenet":    func(r *Recipe) {},
		"simclr-linear-imagenet": func(r *Recipe) { r.Projector = "linear" },
		"simclr-none-imagenet":   func(r *Recipe) { r.Projector = "none" },
	} {
		want := Defaults("simclr")
		change(&want)
		want.LR = 4.8
		want.dropUnused(nil)
		if d := Diff(want, shippedRecipe(t, name)); d != nil {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// What the other code bases compute as their learning rate.
func TestPeakRatesOfPresets(t *testing.T) {
	for name, want := range map[string]float64{
		"google-simclr-imagenet": 4.8, "google-simclr-cifar10": 2, "lightly-simclr-imagenet": 1.2, "solo-learn-simclr-cifar10": 0.4, "directclr-imagenet": 4.8,
	} {
		r := shippedRecipe(t, name)
		if got := r.PeakLR(); got < want*(1-1e-12) || got > want*(1+1e-12) {
			t.Errorf("%s: peak rate %g, want %g", name, got, want)
		}
	}
}

func TestOpenRecipe(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "own")
	if err := os.WriteFile(path, []byte("d0: 7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if s, err := OpenRecipe(path); err != nil || len(s) != 1 || s[0].Where != path+":1" {
		t.Errorf("a file gives %v, %v", s, err)
	}
	run := filepath.Join(dir, "run")
	mustRun(t, run, recipe(t, append(simclr, "steps", "3")...), Options{})
	if s, err := OpenRecipe(run); err != nil || len(s) < 10 {
		t.Errorf("a run gives %d settings, %v", len(s), err)
	}
	for name, want := range map[string]string{
		"simclr-mlp":             "did you mean simclr-mlp-cifar10-32 or simclr-mlp-cifar10-64 or simclr-mlp-imagenet?",
		"directcrl-imagenet":     "did you mean directclr-imagenet?",
		"zzz":                    "recipe list",
		dir:                      "so no run",
		filepath.Join(dir, "no"): "no such file",
	} {
		if _, err := OpenRecipe(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
