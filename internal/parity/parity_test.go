package parity

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/npy"
	"onnxclr/internal/vm"
	"onnxclr/train"
)

func each(t *testing.T, f func(t *testing.T, a architecture)) {
	if testing.Short() {
		t.Skip("whole networks take some seconds")
	}
	for _, a := range architectures {
		t.Run(a.name, func(t *testing.T) { f(t, a) })
	}
}

// run builds a program of the outputs, lets extend add to it, and runs it once on x.
func run(t *testing.T, m *onnx.Model, opts graph.Options, x []float32, extend func(p *graph.Program) []*G.Node) (*graph.Program, *vm.Machine) {
	t.Helper()
	w, err := graph.NewWeights(m)
	if err != nil {
		t.Fatal(err)
	}
	opts.Channels, opts.Height, opts.Width = 3, size, size
	p, err := graph.Build(m, w, opts)
	if err != nil {
		t.Fatal(err)
	}
	machine, err := vm.Compile(p.Graph, vm.Options{Keep: extend(p)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { machine.Close() })
	if err := G.Let(p.Input, tensor.New(tensor.WithShape(p.Input.Shape()...), tensor.WithBacking(x))); err != nil {
		t.Fatal(err)
	}
	if err := machine.RunAll(); err != nil {
		t.Fatal(err)
	}
	return p, machine
}

// TestRepresentation is the eval mode, running statistics in use.
func TestRepresentation(t *testing.T) {
	each(t, func(t *testing.T, a architecture) {
		want := golden.Load(t, "models/"+a.name+".npz")
		x := golden.Views("eval", images, size)[:2*3*size*size]
		opts := graph.Options{Batch: 2, Outputs: []string{importer.RepresentationName}}
		p, machine := run(t, a.model(t, "directclr"), opts, x, func(p *graph.Program) []*G.Node {
			return []*G.Node{p.Outputs[importer.RepresentationName]}
		})
		golden.Check(t, "representation", golden.Model, machine.Values(p.Outputs[importer.RepresentationName]), want["representation"].F32)
	})
}

// TestGradients is one training step: the loss and the gradient of every parameter.
func TestGradients(t *testing.T) {
	each(t, func(t *testing.T, a architecture) {
		want := golden.Load(t, "models/"+a.name+".npz")
		x := golden.Views(stepName(0, want["views"].I64[0]), images, size)
		opts := graph.Options{Batch: 2 * images, Views: 2, Train: true, Outputs: []string{importer.EmbeddingName}}
		var loss *G.Node
		p, machine := run(t, a.model(t, "simclr"), opts, x, func(p *graph.Program) []*G.Node {
			var err error
			if loss, err = graph.InfoNCE(p.Outputs[importer.EmbeddingName], temperature); err == nil {
				err = p.Differentiate(loss)
			}
			if err != nil {
				t.Fatal(err)
			}
			keep := []*G.Node{loss}
			for _, q := range p.Params {
				keep = append(keep, q.Grad)
			}
			return keep
		})
		golden.Check(t, "loss", golden.ModelLoss, machine.Values(loss), want["loss"].F64)
		grads := map[string][]float64{}
		for _, q := range p.Params {
			grads[q.Name] = widened(machine.Values(q.Grad))
		}
		d := description(want, "gradient")
		if len(d.names) != len(p.Params) {
			t.Errorf("%d parameters, PyTorch has %d", len(p.Params), len(d.names))
		}
		d.check(t, "gradient", func(name string) []float64 { return grads[name] })
	})
}

// TestTrajectories trains ten steps on ready-made views, as anyone can: a model file
// and a folder of views go in, metrics and a model file come out.
func TestTrajectories(t *testing.T) {
	each(t, func(t *testing.T, a architecture) {
		if portable && a.name != "resnet18" {
			t.Skip("twenty steps take minutes on portable kernels; ResNet-18 takes them")
		}
		for _, method := range []string{"simclr", "directclr"} {
			t.Run(method, func(t *testing.T) {
				want := golden.Load(t, "models/"+a.name+"_"+method+".npz")
				start := a.model(t, method)
				dir := t.TempDir()
				writeModel(t, start, filepath.Join(dir, "start.onnx"))
				writeViews(t, filepath.Join(dir, "views"), want["views"].I64)
				recipe, _, err := train.Resolve(recipeOf(method, a,
					train.Flag("model", filepath.Join(dir, "start.onnx")), train.Flag("views", filepath.Join(dir, "views")))...)
				if err != nil {
					t.Fatal(err)
				}
				runDir := filepath.Join(dir, "run")
				if err := train.Run(context.Background(), recipe, train.Options{Dir: runDir}); err != nil {
					t.Fatal(err)
				}
				for step, loss := range readLosses(t, filepath.Join(runDir, "metrics.jsonl")) {
					golden.CheckValue(t, fmt.Sprintf("loss of step %d", step), golden.NoFurther(want["losses_spread"].F64[step]), loss, want["losses"].F64[step])
				}
				end, err := importer.OpenModel(runDir)
				if err != nil {
					t.Fatal(err)
				}
				defer end.Close()
				after := values(t, end.ONNX)
				description(want, "running").check(t, "running statistics", func(name string) []float64 { return after(name) })
				before := values(t, start)
				description(want, "change").check(t, "change", func(name string) []float64 {
					change := after(name)
					for i, v := range before(name) {
						change[i] -= v
					}
					return change
				})
			})
		}
	})
}

// recipeOf returns the settings of testdata/gen/models.py.
func recipeOf(method string, a architecture, settings ...train.Setting) []train.Setting {
	flags := map[string]string{
		"method": method, "temperature": fmt.Sprint(temperature), "steps": fmt.Sprint(steps), "warmup-steps": "3",
		"momentum": "0.9", "exclude-bias-norm": "true", "schedule": "cosine", "final-lr-factor": "0.001",
		"checkpoint-every": fmt.Sprint(steps),
	}
	if method == "simclr" {
		flags["projector"], flags["projector-dim"] = "mlp", "128"
		flags["optimizer"], flags["lr"], flags["weight-decay"] = "sgd", a.simclrLR, "1e-4"
	} else {
		flags["d0"] = fmt.Sprint(a.d0)
		flags["optimizer"], flags["lr"], flags["weight-decay"] = "lars", "0.3", "1e-6"
	}
	for name, value := range flags {
		settings = append(settings, train.Flag(name, value))
	}
	return settings
}

func stepName(step int, candidate int64) string { return fmt.Sprintf("step.%d.%d", step, candidate) }

func writeModel(t *testing.T, m *onnx.Model, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err == nil {
		err = m.Encode(f)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func writeViews(t *testing.T, dir string, candidates []int64) {
	t.Helper()
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for step, candidate := range candidates {
		x := golden.Views(stepName(step, candidate), images, size)
		shape, half := []int{images, 3, size, size}, len(x)/2
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%02d.npz", step)))
		if err == nil {
			err = npy.WriteZip(f, []npy.Named{{Name: "view1", Shape: shape, Data: x[:half]}, {Name: "view2", Shape: shape, Data: x[half:]}})
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func readLosses(t *testing.T, path string) []float64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var losses []float64
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var m struct{ Loss float64 }
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		losses = append(losses, m.Loss)
	}
	if len(losses) != steps {
		t.Fatalf("%s has %d steps, want %d", path, len(losses), steps)
	}
	return losses
}

// values returns a function that returns an initializer by name, fresh and in float64.
func values(t *testing.T, m *onnx.Model) func(name string) []float64 {
	w, err := graph.NewWeights(m)
	if err != nil {
		t.Fatal(err)
	}
	return func(name string) []float64 { return widened(w.Values(name)) }
}

func widened(v []float32) []float64 {
	if v == nil {
		return nil
	}
	return (&golden.Array{F32: v}).Float64s()
}

func norm(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x * x
	}
	return math.Sqrt(sum)
}
