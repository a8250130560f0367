package train

import (
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/importer"
)

// What is frozen is written as it was read, running statistics and their counters
// included; everything else is trained.
func TestFreeze(t *testing.T) {
	for _, tt := range []struct {
		name   string
		flags  []string
		frozen func(tensor string) bool
	}{
		{"modules", []string{"freeze", "conv1, bn1,layer1"}, func(n string) bool {
			return strings.HasPrefix(n, "conv1.") || strings.HasPrefix(n, "bn1.") || strings.HasPrefix(n, "layer1.")
		}},
		{"batch normalisation", []string{"freeze_bn", "true"}, func(n string) bool {
			return strings.Contains(n, "bn") || strings.Contains(n, "downsample.1.")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := recipe(t, append(append([]string{}, simclr...), tt.flags...)...)
			dir := t.TempDir()
			mustRun(t, dir, r, Options{})
			before, after := tensorsOf(t, r.Model), tensorsOf(t, filepath.Join(dir, "model.onnx"))
			kept, moved := 0, 0
			for name, was := range before {
				if strings.HasPrefix(name, "fc.") {
					continue // the loss does not reach the classifier
				}
				switch same := after[name] == was; {
				case same != tt.frozen(name):
					t.Errorf("%s is unchanged: %v", name, same)
				case same:
					kept++
				default:
					moved++
				}
			}
			if kept == 0 || moved == 0 {
				t.Errorf("%d tensors kept, %d trained", kept, moved)
			}
			m, err := importer.OpenModel(filepath.Join(dir, "model.onnx"))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			counts, err := importer.BatchesTracked(m.ONNX)
			if err != nil {
				t.Fatal(err)
			}
			for name, n := range counts {
				if trained := !tt.frozen(name + ".weight"); trained != (n == 2*int64(r.Steps)) || !trained && n != 0 {
					t.Errorf("%s counts %d batches", name, n)
				}
			}
		})
	}
}

func TestFreezeRefuses(t *testing.T) {
	for want, flags := range map[string][]string{
		`freeze names "layer9", of which the model has no parameter; its modules are conv1`: {"freeze", "conv1,layer9"},
		"no trainable parameter": {"freeze", "conv1,bn1,layer1,layer2,layer3,layer4,projector"},
	} {
		err := run(t, t.TempDir(), recipe(t, append(append([]string{}, simclr...), flags...)...), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", flags, err, want)
		}
	}
}
