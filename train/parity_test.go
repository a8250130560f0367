package train

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"onnxclr/importer"
	"onnxclr/internal/file"
	"onnxclr/internal/golden"
	"onnxclr/internal/npy"
	"onnxclr/train/data"
)

const (
	paritySteps   = 100
	parityBatches = 20 // which come round again
)

// parityRuns are recipes on the views of parityViews; testdata/gen/parity.py has the
// same by the same names.
var parityRuns = map[string][]string{
	"directclr":         parityLARS("method", "directclr", "d0", "12"),
	"simclr":            parityLARS(),
	"simclr_all":        parityLARS("exclude-bias-norm", "false"),
	"simclr_google":     parityLARS("lars-variant", "google"),
	"simclr_bolts":      parityLARS("lars-variant", "bolts"),
	"simclr_bolts_all":  parityLARS("lars-variant", "bolts", "exclude-bias-norm", "false"),
	"simclr_solo":       parityLARS("lars-variant", "solo-learn", "lars-eta", "5e-5"),
	"simclr_solo_all":   parityLARS("lars-variant", "solo-learn", "lars-eta", "5e-5", "exclude-bias-norm", "false"),
	"simclr_groups":     parityLARS("parameter-groups", "[{match: projector.*, lr_factor: 3, weight_decay: 0.01}, {match: '*.bias', lars: true}]"),
	"simclr_sgd":        {"lr", "5e-5", "optimizer", "sgd", "weight-decay", "1e-4", "clip-gradient", "1"},
	"directclr_adamw":   {"method", "directclr", "d0", "12", "optimizer", "adamw", "lr", "1e-4"},
	"simclr_ntxent_sgd": {"lr", "5e-5", "optimizer", "sgd", "weight-decay", "1e-4", "nesterov", "true", "loss", "ntxent", "temperature", "0.5"},
}

// parityShort are the runs of the usual tests; all of them with -tags long.
var (
	parityShort = []string{"directclr", "simclr", "simclr_google", "simclr_solo_all"}
	parityAll   = false
)

func parityLARS(flags ...string) []string {
	return append([]string{"lr", "5e-5", "lars-eta", "0.5", "weight-decay", "1e-4"}, flags...)
}

// parityViews writes batches of 16 CIFAR-10 images at 32×32, augmented as the paper, to a
// folder.
func parityViews(t *testing.T, dir string) {
	t.Helper()
	set, err := data.Open(golden.Shared(t, "cifar10-jpeg.tar.gz"), "train")
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	loader, err := data.NewTraining(set, 16, 32, 7, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer loader.Close()
	for k := range parityBatches {
		b, err := loader.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		half := len(b.Images) / 2
		shape := []int{16, 3, 32, 32}
		writeViews(t, filepath.Join(dir, fmt.Sprintf("%02d.npz", k)), npy.Named{Name: "view1", Shape: shape, Data: b.Images[:half]}, npy.Named{Name: "view2", Shape: shape, Data: b.Images[half:]})
	}
}

// A hundred steps on real images, beside the same in PyTorch: at every step the loss is
// no further from PyTorch's in float64 than twice PyTorch's in float32 is, whose distance
// at a step, being chance, is taken as the largest of all steps so far and the nine that
// follow; and the mean over ten steps is within 1 %. The generator says how the rates
// were chosen. -tags long runs all recipes.
//
// To make the goldens anew, run this test with PARITY naming an empty folder, which gets
// the views and the initial weights, and then testdata/gen/parity.py.
func TestParityWithPyTorch(t *testing.T) {
	views := t.TempDir()
	dump := os.Getenv("PARITY")
	if dump != "" {
		views = dump
	}
	parityViews(t, views)
	if dump != "" {
		dumpWeights(t, filepath.Join(dump, "init"))
		return
	}
	arrays := golden.Load(t, "train/parity.npz")
	for name, flags := range parityRuns {
		if !parityAll && !slices.Contains(parityShort, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			var got []float64
			w := &watcher{step: func(m Metrics) { got = append(got, float64(m.Loss)) }}
			r := parityRecipe(t, views, flags)
			if err := Run(t.Context(), r, Options{Dir: filepath.Join(t.TempDir(), "run"), Reporter: w}); err != nil {
				t.Fatal(err)
			}
			wide, narrow := arrays[name+"/float64"].F64, arrays[name+"/float32"].F64
			if off := math.Abs(got[0]-wide[0]) / wide[0]; off > 1e-3 {
				t.Fatalf("the first loss is %.7g, PyTorch's %.7g: have the views changed? see how to make the goldens anew", got[0], wide[0])
			}
			var torch, worst float64
			for k := range got {
				for i := k; i < min(k+10, len(got)); i++ {
					torch = max(torch, math.Abs(narrow[i]-wide[i]))
				}
				if off := math.Abs(got[k] - wide[k]); off > 2*torch {
					t.Fatalf("step %d: loss %.9g is %.3g from PyTorch's float64 %.9g, its float32 is up to %.3g", k, got[k], off, wide[k], torch)
				} else {
					worst = max(worst, off)
				}
				if k >= 9 {
					if a, b := mean(got[k-9:k+1]), mean(wide[k-9:k+1]); math.Abs(a-b) > 0.01*b {
						t.Fatalf("steps %d to %d: mean loss %g, PyTorch's %g", k-9, k, a, b)
					}
				}
			}
			t.Logf("loss %.4f to %.4f; largest distance from float64 %.2g, PyTorch's float32 %.2g", wide[0], wide[len(wide)-1], worst, torch)
		})
	}
}

func mean(v []float64) (m float64) {
	for _, x := range v {
		m += x
	}
	return m / float64(len(v))
}

func parityRecipe(t *testing.T, views string, flags []string) Recipe {
	t.Helper()
	settings := []Setting{
		Flag("model", golden.Testdata(t, "onnx/basic_op17_training.onnx")), Flag("views", views),
		Flag("steps", fmt.Sprint(paritySteps)), Flag("warmup-steps", "10"), Flag("checkpoint-every", "1000"), Flag("exact", "true"),
	}
	for i := 0; i < len(flags); i += 2 {
		settings = append(settings, Flag(flags[i], flags[i+1]))
	}
	r, _, err := Resolve(settings...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// dumpWeights writes the parameters that SimCLR starts from.
func dumpWeights(t *testing.T, path string) {
	t.Helper()
	r := parityRecipe(t, "unused", nil)
	m, err := importer.OpenModel(r.Model)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := importer.AttachHead(m.ONNX, r.Head()); err != nil {
		t.Fatal(err)
	}
	var named []npy.Named
	for _, init := range m.ONNX.Graph.Initializers {
		v, err := init.Float32s()
		if err != nil {
			continue
		}
		named = append(named, npy.Named{Name: init.Name, Shape: init.Shape, Data: v})
	}
	if err := file.Write(path, func(w io.Writer) error { return npy.WriteZip(w, named) }); err != nil {
		t.Fatal(err)
	}
}
