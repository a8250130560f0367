package importer

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/internal/golden"
)

// TestPickledCheckpoint: detectron2's .pkl files, of two versions of numpy and all the
// protocols they write, become the network whose weights they hold.
func TestPickledCheckpoint(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(golden.Testdata(t, "checkpoints"), "detectron_*.pkl"))
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			c, err := OpenCheckpoint(path)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if c.Format != "PyTorch (pickle)" {
				t.Errorf("the format is %q", c.Format)
			}
			m, r := mustConvert(t, c, ConvertOptions{})
			if r.Layout != "detectron2" || !strings.Contains(fmt.Sprint(r.Notes), "detectron2 does not say where the stride is") {
				t.Errorf("layout %q, notes %q", r.Layout, r.Notes)
			}
			count := 0
			for _, x := range m.Graph.Initializers {
				if !x.DType.IsFloat() || strings.Contains(x.Name, ":") {
					continue
				}
				got, err := x.Float32s()
				if err != nil {
					t.Fatal(err)
				}
				golden.Check(t, x.Name, golden.Exact, got, golden.Weights(x.Name, x.Shape))
				count++
			}
			if count != 30 {
				t.Errorf("%d tensors, want 30", count)
			}
			out := filepath.Join(t.TempDir(), "back.pth")
			if _, err := Export(m, out, ExportOptions{}); err != nil {
				t.Fatal(err)
			}
			back, err := OpenCheckpoint(out)
			if err != nil {
				t.Fatal(err)
			}
			defer back.Close()
			var a, b []string
			for _, x := range c.Dicts[0].Tensors {
				a = append(a, fmt.Sprintln(x.Name, x.DType, x.Shape, string(x.Data)))
			}
			for _, x := range back.Dicts[0].Tensors {
				b = append(b, fmt.Sprintln(x.Name, x.DType, x.Shape, string(x.Data)))
			}
			if fmt.Sprint(a) != fmt.Sprint(b) {
				t.Error("what export writes has not the keys, types and values that were read")
			}
		})
	}
}
