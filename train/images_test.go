package train

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/internal/golden"
)

const textures = "generated:textures?train=21&test=5&size=32"

// imageRecipe trains for 8 steps of 4 images, 5 steps an epoch.
func imageRecipe(t *testing.T, flags ...string) Recipe {
	t.Helper()
	return recipe(t, append([]string{"data", textures, "image-size", "32", "workers", "2"}, flags...)...)
}

// Decoding and augmenting in workers, resume is still exact and workers do not
// matter.
func TestImagesResumeExactly(t *testing.T) {
	whole := t.TempDir()
	w := &watcher{}
	r := imageRecipe(t)
	if err := Run(t.Context(), r, Options{Dir: whole, Reporter: w}); err != nil {
		t.Fatal(err)
	}
	if w.start.StepsPerEpoch != 5 || w.start.Batch != 4 || w.start.Height != 32 {
		t.Errorf("%+v", w.start)
	}
	copies := t.TempDir()
	r.Workers = 1
	w = &watcher{step: func(m Metrics) {
		if m.Step == 6 {
			killAt(t, filepath.Join(copies, "run"), filepath.Join(copies, "killed"))
		}
	}}
	if err := Run(t.Context(), r, Options{Dir: filepath.Join(copies, "run"), Reporter: w}); err != nil {
		t.Fatal(err)
	}
	r.Workers = 3
	if err := Run(t.Context(), r, Options{Dir: filepath.Join(copies, "killed"), Resume: true}); err != nil {
		t.Fatal(err)
	}
	want, got := outcome(t, whole), outcome(t, filepath.Join(copies, "killed"))
	delete(want, recipeName) // names the workers
	delete(got, recipeName)
	sameOutcome(t, "resumed at step 6", got, want)
}

func TestUnusableDataAreRefused(t *testing.T) {
	folder := func(files map[string]string) string {
		dir := t.TempDir()
		for name, from := range files {
			path := filepath.Join(dir, name)
			os.MkdirAll(filepath.Dir(path), 0o755)
			b := []byte("not an image")
			if from != "" {
				var err error
				if b, err = os.ReadFile(golden.Testdata(t, from)); err != nil {
					t.Fatal(err)
				}
			}
			os.WriteFile(path, b, 0o644)
		}
		return dir
	}
	for _, c := range []struct {
		name  string
		flags []string
		want  string
	}{
		{"batch too large", []string{"batch", "22"}, "a batch of 22 images is larger than the data set, which holds 21"},
		{"absent", []string{"data", "absent"}, "absent"},
		{"no such split", []string{"split", "val"}, `no split "val"`},
		{"one image", []string{"data", folder(map[string]string{"a/1.png": "images/rgb.png"}), "batch", "2"}, "holds 1 image; contrastive training needs at least two"},
		{"empty class", []string{"data", folder(map[string]string{"a/1.png": "images/rgb.png", "b/readme.txt": ""})}, "class without an image: b/"},
		{"broken image", []string{"data", folder(map[string]string{"a/1.png": "images/rgb.png", "a/2.png": ""}), "batch", "2"}, "a/2.png: is not an image that is read"},
		{"broken image, what to do", []string{"data", folder(map[string]string{"a/1.png": "images/rgb.png", "a/2.png": ""}), "batch", "2"}, "corrupt: skip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			err := Run(t.Context(), imageRecipe(t, c.flags...), Options{Dir: dir})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// A batch that nobody chose is not blamed on the user.
func TestDefaultBatchOfAFewImages(t *testing.T) {
	r := imageRecipe(t)
	r.Batch = Defaults(r.Method).Batch
	delete(r.Given, "batch")
	err := Run(t.Context(), r, Options{Dir: filepath.Join(t.TempDir(), "run")})
	if err == nil || !strings.Contains(err.Error(), "holds 21 images, and 4096, the paper's batch, is the default; give a smaller one") {
		t.Error(err)
	}
}

// Corrupt images are counted, named once, and do not disturb the exactness of a resume.
func TestCorruptImagesAreSkipped(t *testing.T) {
	dir := t.TempDir()
	for i := range 10 {
		b, err := os.ReadFile(golden.Testdata(t, "images/rgb.png"))
		if err != nil {
			t.Fatal(err)
		}
		if i%5 == 2 {
			b = b[:len(b)/2]
		}
		os.WriteFile(filepath.Join(dir, string(rune('0'+i))+".png"), b, 0o644)
	}
	r := imageRecipe(t, "data", dir, "corrupt", "skip", "steps", "4", "batch", "5", "checkpoint-every", "1")
	whole, part := t.TempDir(), filepath.Join(t.TempDir(), "run")
	w := &watcher{}
	skipped := 0
	w.step = func(m Metrics) {
		skipped += m.Skipped
		if m.Step == 2 {
			killAt(t, whole, part)
		}
	}
	if err := Run(t.Context(), r, Options{Dir: whole, Reporter: w}); err != nil {
		t.Fatal(err)
	}
	if skipped != 4 || len(w.warnings) != 2 || !strings.Contains(strings.Join(w.warnings, "\n"), "skipped: "+dir+": 7.png: is damaged or truncated") {
		t.Errorf("%d skipped in two epochs, want 4; warned %q", skipped, w.warnings)
	}
	if err := Run(t.Context(), r, Options{Dir: part, Resume: true}); err != nil {
		t.Fatal(err)
	}
	sameOutcome(t, "resumed", outcome(t, part), outcome(t, whole))
}

func TestSmallImagesBringAHint(t *testing.T) {
	for size, hint := range map[string]bool{"": true, "64": false} {
		flags := []Setting{Flag("data", textures), Flag("batch", "4")}
		if size != "" {
			flags = append(flags, Flag("image-size", size))
		}
		r, _, err := Resolve(flags...)
		if err != nil {
			t.Fatal(err)
		}
		warned := ""
		s, err := openSource(&r, func(text string) { warned += text })
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if (warned != "") != hint || hint && !strings.Contains(warned, "small (32×32) and are enlarged to image_size 224") {
			t.Errorf("image size %q: warned %q", size, warned)
		}
	}
}
