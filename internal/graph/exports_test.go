package graph_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"

	"onnxclr/importer"
	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/graph/graphtest"
	"onnxclr/internal/npy"
	"onnxclr/internal/vm"
)

// TestExports builds every ResNet that PyTorch's exporters wrote under testdata/onnx
// (opsets 11 to 18, both exporters, all training modes, and other types than float32) and
// compares it with PyTorch: in eval mode, and with batch statistics where the export has
// kept the normalisations, running statistics after one step included. PyTorch computes
// in float32 too, with the weights as they are stored.
func TestExports(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(golden.Testdata(t, "onnx"), "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatal("no exports", err)
	}
	typed, err := filepath.Glob(filepath.Join(golden.Testdata(t, "onnx/dtypes"), "*.onnx"))
	if err != nil || len(typed) != 14 {
		t.Fatalf("%d exports of other types (%v)", len(typed), err)
	}
	for _, file := range append(files, typed...) {
		name := strings.TrimSuffix(filepath.Base(file), ".onnx")
		arch, rest, _ := strings.Cut(name, "_")
		weights, kind := arch, golden.Model
		if strings.HasSuffix(filepath.Dir(file), "dtypes") {
			weights, _, _ = strings.Cut(rest, "_")
			if strings.HasSuffix(rest, "_eval") { // folded before it was rounded
				kind = map[string]golden.Class{"f16": golden.Float16Model, "bf16": golden.BFloat16Model, "f64": golden.Model}[weights]
			}
		}
		t.Run(name, func(t *testing.T) {
			m, err := importer.OpenModel(file)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			var outputs []string
			for _, o := range m.ONNX.Graph.Outputs {
				outputs = append(outputs, o.Name)
			}
			want := load(t, filepath.Join(filepath.Dir(file), weights+".npz"))
			for _, train := range []bool{false, true} {
				w := weightsOf(t, m.ONNX)
				p := build(t, m.ONNX, w, graph.Options{Batch: 4, Channels: 3, Height: 48, Width: 48, Train: train, Outputs: outputs})
				if strings.HasSuffix(name, "shared") {
					// Weights of its own: what counts is that nothing is tied.
					if err := p.Differentiate(lossOf(t, p, outputs)); err != nil {
						t.Error(err)
					}
					continue
				}
				if train && len(p.Norms) == 0 {
					if m.BatchNorm.Kept > 0 {
						t.Errorf("no normalisation trains, yet the model's are %+v", m.BatchNorm)
					}
					continue
				}
				feed(t, p, golden.Views("onnx", 2, 48))
				var keep []*G.Node
				for _, o := range outputs {
					keep = append(keep, p.Outputs[o])
				}
				for _, n := range p.Norms {
					keep = append(keep, n.Stats)
				}
				got := graphtest.Tape(t, p.Graph, keep...)
				compare(t, "machine", p, keep, got)
				mode := map[bool]string{false: "eval.", true: "train."}[train]
				compared := 0
				for key, values := range want {
					part, ok := strings.CutPrefix(key, mode)
					if part == "representation" && !slices.Contains(outputs, part) {
						part = "features"
					}
					if ok && slices.Contains(outputs, part) {
						golden.Check(t, mode+part, kind, got[p.Outputs[part]], values)
						compared++
					}
				}
				if compared != len(outputs) {
					t.Errorf("%d of the outputs %v were compared", compared, outputs)
				}
				if err := p.UpdateRunning(func(n *G.Node) []float32 { return got[n] }); err != nil {
					t.Fatal(err)
				}
				for key, values := range want {
					if part, ok := strings.CutPrefix(key, mode); ok && strings.Contains(part, "running") && train {
						if w.Values(part) == nil {
							t.Errorf("the model has no %s", part)
							continue
						}
						golden.Check(t, part, golden.Stat, w.Values(part), values)
					}
				}
			}
		})
	}
}

// compare runs the program on the machine that users run it on.
func compare(t *testing.T, what string, p *graph.Program, keep []*G.Node, want map[*G.Node][]float32) {
	t.Helper()
	machine, err := vm.Compile(p.Graph, vm.Options{Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	if err := machine.RunAll(); err != nil {
		t.Fatal(err)
	}
	for _, n := range keep {
		golden.Check(t, what+": "+n.Name(), golden.Model, machine.Values(n), want[n])
	}
}

func lossOf(t *testing.T, p *graph.Program, outputs []string) *G.Node {
	t.Helper()
	loss, err := graph.InfoNCE(p.Outputs[outputs[0]], 0.1)
	if err != nil {
		t.Fatal(err)
	}
	return loss
}

func load(t *testing.T, path string) map[string][]float64 {
	t.Helper()
	z, err := npy.ReadZip(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	values := map[string][]float64{}
	for _, name := range z.Names {
		a, err := z.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if values[name], err = a.Float64s(); err != nil {
			t.Fatal(err)
		}
	}
	return values
}
