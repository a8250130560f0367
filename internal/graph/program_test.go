package graph_test

import (
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/graph/graphtest"
)

const images, size = 4, 16 // as in testdata/gen/tiny.py

func build(t *testing.T, m *onnx.Model, w *graph.Weights, opts graph.Options) *graph.Program {
	t.Helper()
	p, err := graph.Build(m, w, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func weightsOf(t *testing.T, m *onnx.Model) *graph.Weights {
	t.Helper()
	w, err := graph.NewWeights(m)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// feed binds the images of a program.
func feed(t *testing.T, p *graph.Program, values []float32) {
	t.Helper()
	if err := G.Let(p.Input, tensorOf(p.Input, values)); err != nil {
		t.Fatal(err)
	}
}

func tensorOf(n *G.Node, values []float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(values))
}

// step differentiates loss, runs the program once and returns what loss, gradients and
// statistics hold.
func step(t *testing.T, p *graph.Program, loss *G.Node, views []float32) map[*G.Node][]float32 {
	t.Helper()
	if err := p.Differentiate(loss); err != nil {
		t.Fatal(err)
	}
	feed(t, p, views)
	keep := []*G.Node{loss}
	for _, q := range p.Params {
		keep = append(keep, q.Grad)
	}
	for _, n := range p.Norms {
		keep = append(keep, n.Stats)
	}
	return graphtest.Tape(t, p.Graph, keep...)
}

// TestEval: one program gives all outputs of the eval mode.
func TestEval(t *testing.T) {
	want := golden.Load(t, "models/tiny.npz")
	m := graphtest.Residual(golden.Weights)
	outputs := []string{"representation", "logits", "embedding"}
	p := build(t, m, weightsOf(t, m), graph.Options{Batch: 2 * images, Channels: 3, Height: size, Width: size, Outputs: outputs})
	feed(t, p, golden.Views("tiny", images, size))
	keep := []*G.Node{}
	for _, name := range outputs {
		keep = append(keep, p.Outputs[name])
	}
	got := graphtest.Tape(t, p.Graph, keep...)
	for _, name := range outputs {
		golden.Check(t, name, golden.TorchForward, got[p.Outputs[name]], want["eval/"+name].F64)
	}
	if len(p.Norms) != 0 {
		t.Errorf("%d normalisations train in eval mode", len(p.Norms))
	}
}

// TestTrainingStep compares loss, the gradient of every parameter and the running
// statistics after one step with PyTorch's. The classifier is cut off by the loss:
// it has no gradient and is no parameter.
func TestTrainingStep(t *testing.T) {
	for _, tc := range []struct {
		name, output string
		train        bool
		loss         func(z *G.Node) (*G.Node, error)
	}{
		{"simclr", "embedding", true, func(z *G.Node) (*G.Node, error) { return graph.InfoNCE(z, 0.1) }},
		{"directclr", "direct", true, func(z *G.Node) (*G.Node, error) { return graph.NTXent(z, 0.5) }},
		{"frozen", "embedding", false, func(z *G.Node) (*G.Node, error) { return graph.InfoNCE(z, 0.5) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := golden.Load(t, "models/tiny.npz")
			m := graphtest.Residual(golden.Weights)
			w := weightsOf(t, m)
			opts := graph.Options{Batch: 2 * images, Channels: 3, Height: size, Width: size, Views: 2, Train: tc.train, Outputs: []string{tc.output, "logits"}}
			p := build(t, m, w, opts)
			loss, err := tc.loss(p.Outputs[tc.output])
			if err != nil {
				t.Fatal(err)
			}
			got := step(t, p, loss, golden.Views("tiny", images, size))

			golden.Check(t, "loss", golden.ModelLoss, got[loss], want[tc.name+"/loss"].F64)
			grads := 0
			for key := range want {
				if strings.HasPrefix(key, tc.name+"/grad/") {
					grads++
				}
			}
			if len(p.Params) != grads {
				t.Errorf("%d parameters, PyTorch has gradients for %d", len(p.Params), grads)
			}
			for _, q := range p.Params {
				dw := want[tc.name+"/grad/"+q.Name]
				if dw == nil {
					t.Errorf("PyTorch has no gradient of %s", q.Name)
					continue
				}
				golden.Check(t, "gradient of "+q.Name, golden.TorchBackward, got[q.Grad], dw.F64)
			}
			if err := p.UpdateRunning(func(n *G.Node) []float32 { return got[n] }); err != nil {
				t.Fatal(err)
			}
			for key, after := range want {
				if name, ok := strings.CutPrefix(key, tc.name+"/after/"); ok {
					golden.Check(t, name, golden.Stat, w.Values(name), after.F64)
				}
			}
		})
	}
}

func TestUpdateRunningNeedsTheStatistics(t *testing.T) {
	m := graphtest.Residual(golden.Weights)
	p := build(t, m, weightsOf(t, m), graph.Options{Batch: 4, Channels: 3, Height: size, Width: size, Views: 2, Train: true, Outputs: []string{"direct"}})
	err := p.UpdateRunning(func(*G.Node) []float32 { return nil })
	if err == nil || !strings.Contains(err.Error(), "bn1") {
		t.Errorf("got %v, want an error that names the normalisation", err)
	}
}

// TestProgramsShareWeights: what a training program learns, the eval program of
// another batch and image size sees, parameters and running statistics alike.
func TestProgramsShareWeights(t *testing.T) {
	m := graphtest.Residual(golden.Weights)
	w := weightsOf(t, m)
	train := build(t, m, w, graph.Options{Batch: 8, Channels: 3, Height: size, Width: size, Views: 2, Train: true, Outputs: []string{"embedding"}})
	eval := build(t, m, w, graph.Options{Batch: 2, Channels: 3, Height: 24, Width: 32, Outputs: []string{"representation"}})
	images := golden.Uniform("images", 2*3*24*32, -1, 1)
	run := func() []float32 {
		feed(t, eval, images)
		r := eval.Outputs["representation"]
		return graphtest.Tape(t, eval.Graph, r)[r]
	}
	before := run()
	for _, q := range train.Params {
		for i := range q.Value {
			q.Value[i] *= 1.5
		}
	}
	afterParams := run()
	for _, n := range train.Norms {
		for i := range n.Mean {
			n.Mean[i] += 0.25
		}
	}
	afterStats := run()
	if golden.Check(new(silent), "", golden.Exact, before, afterParams) || golden.Check(new(silent), "", golden.Exact, afterParams, afterStats) {
		t.Error("the eval program does not see what training changed")
	}
}

// silent is a test whose failures are only returned.
type silent struct{ testing.TB }

func (*silent) Helper()               {}
func (*silent) Errorf(string, ...any) {}
