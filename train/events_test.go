package train

import (
	"context"
	"errors"
	"image/color"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/train/augment"
	"onnxclr/train/data"
	"onnxclr/train/tensorboard"
)

// Logging for TensorBoard changes no bit of a run, interrupted or not, and its files
// come and go with the run.
func TestEventsChangeNothing(t *testing.T) {
	whole, dir := t.TempDir(), t.TempDir()
	r := recipe(t, simclr...)
	mustRun(t, whole, r, Options{})
	want := outcome(t, whole)

	r.TensorBoard, r.EventsEvery = true, 2
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{step: func(m Metrics) {
		if m.Step == 4 {
			cancel()
		}
	}}
	if err := Run(ctx, r, Options{Dir: dir, Source: source(), Reporter: w}); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	mustRun(t, dir, r, Options{Resume: true})
	mustRun(t, dir, r, Options{Resume: true}) // nothing left to do: no new file
	files := outcome(t, dir)
	events := takeEvents(files)
	delete(files, recipeName) // which says that it logs
	delete(want, recipeName)
	sameOutcome(t, "with events", files, want)
	if len(events) != 2 {
		t.Fatalf("%d event files of a run started twice", len(events))
	}
	for _, tag := range []string{"train/loss", "train/gradient_norm", "train/contrastive_accuracy", "parameters/conv1.weight", "gradients/projector.0.weight", "embedding/z", "views/batch", "recipe/text_summary", "batch: 4"} {
		for i, e := range events {
			if !strings.Contains(e, tag) {
				t.Errorf("event file %d has no %s", i, tag)
			}
		}
	}
	// Histograms after step 1, the first, and 2 and 4; then after 6 and 8.
	if n := strings.Count(strings.Join(events, ""), "gradients/conv1.weight"); n != 5 {
		t.Errorf("%d histograms of a parameter's gradient, want 5", n)
	}
	r.TensorBoard = false
	mustRun(t, dir, r, Options{Force: true})
	if events := takeEvents(outcome(t, dir)); len(events) != 0 {
		t.Errorf("%d event files outlived the run they tell of", len(events))
	}
}

// Every look of the monitor leaves a picture of the spectra, and the run one of all.
func TestEventsShowSpectra(t *testing.T) {
	dir := t.TempDir()
	trainImages(t, dir, monitored(t, "tensorboard", "true", "steps", "6", "warmup-epochs", "0"), Options{})
	events := strings.Join(takeEvents(outcome(t, dir)), "")
	for tag, want := range map[string]int{"monitor/spectrum": 2, "monitor/evolution": 1, "monitor/rankme_r": 2, "embedding/z": 3} {
		if n := strings.Count(events, tag); n != want {
			t.Errorf("%d events %s, want %d", n, tag, want)
		}
	}
}

// takeEvents removes the event files from files and returns them in order.
func takeEvents(files map[string]string) (events []string) {
	for i := 0; ; i++ {
		found := ""
		for name := range files {
			if tensorboard.IsEventFile(filepath.Base(name)) && (found == "" || name < found) {
				found = name
			}
		}
		if found == "" {
			return events
		}
		events = append(events, files[found])
		delete(files, found)
	}
}

// The sheet shows the pixels that normalisation started from, an image a column.
func TestViewSheetUndoesNormalisation(t *testing.T) {
	const n, h, w = 2, 2, 3
	images := make([]float32, 0, 2*n*3*h*w)
	shade := func(view, i, y, x, c int) uint8 { return uint8(100*view + 50*i + 20*y + 5*x + c) }
	for view := range 2 {
		for i := range n {
			img := &augment.Image{W: w, H: h}
			for y := range h {
				for x := range w {
					for c := range 3 {
						img.Pix = append(img.Pix, shade(view, i, y, x, c))
					}
				}
			}
			images = append(images, make([]float32, 3*h*w)...)
			augment.ImageNet.Apply(images[len(images)-3*h*w:], img)
		}
	}
	sheet := viewSheet(&data.Batch{Images: images}, []int{2 * n, 3, h, w}, augment.ImageNet)
	for view := range 2 {
		for i := range n {
			for y := range h {
				for x := range w {
					got := sheet.RGBAAt(i*(w+2)+x, view*(h+2)+y)
					if want := (color.RGBA{shade(view, i, y, x, 0), shade(view, i, y, x, 1), shade(view, i, y, x, 2), 255}); got != want {
						t.Fatalf("view %d of image %d at %d, %d is %v, want %v", view, i, x, y, got, want)
					}
				}
			}
		}
	}
	for i := range images {
		images[i] = 100 // brighter than white
	}
	if got := viewSheet(&data.Batch{Images: images}, []int{2 * n, 3, h, w}, augment.ImageNet).RGBAAt(0, 0); got.R != 255 {
		t.Errorf("too bright a pixel is %v", got)
	}
}
