package vm_test

import (
	"reflect"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/graph/graphtest"
	"onnxclr/internal/vm"
)

const images, size = 4, 16

// program builds the small residual network, with its loss and gradients if it
// trains, and returns the nodes to keep.
func program(t testing.TB, train bool, output string) (*graph.Program, []*G.Node) {
	t.Helper()
	return programOf(t, train, output, func(z *G.Node) (*G.Node, error) { return graph.InfoNCE(z, 0.1) })
}

func programOf(t testing.TB, train bool, output string, addLoss func(z *G.Node) (*G.Node, error)) (*graph.Program, []*G.Node) {
	t.Helper()
	m := graphtest.Residual(golden.Weights)
	w, err := graph.NewWeights(m)
	if err != nil {
		t.Fatal(err)
	}
	p, err := graph.Build(m, w, graph.Options{Batch: 2 * images, Channels: 3, Height: size, Width: size, Views: 2, Train: train, Outputs: []string{output}})
	if err != nil {
		t.Fatal(err)
	}
	bind(t, p, golden.Views("tiny", images, size))
	keep := []*G.Node{p.Outputs[output]}
	loss, err := addLoss(p.Outputs[output])
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Differentiate(loss); err != nil {
		t.Fatal(err)
	}
	keep = append(keep, loss)
	for _, q := range p.Params {
		keep = append(keep, q.Grad)
	}
	for _, n := range p.Norms {
		keep = append(keep, n.Stats)
	}
	return p, keep
}

func bind(t testing.TB, p *graph.Program, x []float32) {
	t.Helper()
	if err := G.Let(p.Input, tensor.New(tensor.WithShape(p.Input.Shape()...), tensor.WithBacking(x))); err != nil {
		t.Fatal(err)
	}
}

func compile(t testing.TB, p *graph.Program, o vm.Options) *vm.Machine {
	t.Helper()
	m, err := vm.Compile(p.Graph, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func run(t testing.TB, m *vm.Machine) {
	t.Helper()
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
}

// TestAgainstTapeMachine holds every kept value against Gorgonia's own machine, which
// runs the same graph through the reference kernels.
func TestAgainstTapeMachine(t *testing.T) {
	for _, tc := range []struct {
		name, output string
		train        bool
	}{
		{"projector, batch statistics", "embedding", true},
		{"sub-vector, batch statistics", "direct", true},
		{"projector, frozen statistics", "embedding", false},
	} {
		for _, exact := range []bool{false, true} {
			p, keep := program(t, tc.train, tc.output)
			want := graphtest.Tape(t, p.Graph, keep...)
			m := compile(t, p, vm.Options{Keep: keep, Exact: exact})
			for range 2 { // a plan leaves nothing behind
				run(t, m)
				for _, n := range keep {
					golden.Check(t, tc.name+": "+n.Name()+" "+n.Op().String(), golden.TorchBackward, m.Values(n), want[n])
				}
			}
		}
	}
}

// TestInference: folded batch normalisation and fused epilogues give what the graph
// says, with parameters that change between runs and with fixed ones.
func TestInference(t *testing.T) {
	m := graphtest.Residual(golden.Weights)
	w, err := graph.NewWeights(m)
	if err != nil {
		t.Fatal(err)
	}
	p, err := graph.Build(m, w, graph.Options{Batch: 3, Channels: 3, Height: size, Width: size, Outputs: []string{"representation", "embedding"}})
	if err != nil {
		t.Fatal(err)
	}
	bind(t, p, golden.Views("tiny", 3, size)[:3*3*size*size])
	keep := []*G.Node{p.Outputs["representation"], p.Outputs["embedding"]}
	for _, fixed := range []bool{false, true} {
		machine := compile(t, p, vm.Options{Keep: keep, FixedParameters: fixed})
		for _, s := range machine.Plan().Steps {
			if s.Name == "BatchNorm+Add+Relu" || s.Name == "Conv" || s.Name == "Add" {
				t.Errorf("step %s was not fused", s.Name)
			}
		}
		for range 2 {
			want := graphtest.Tape(t, p.Graph, keep...)
			run(t, machine)
			for _, n := range keep {
				golden.Check(t, n.Op().String(), golden.TorchForward, machine.Values(n), want[n])
			}
			if !fixed {
				w.Values("layer1.0.bn1.weight")[1] *= 2
			}
		}
	}
}

func TestWorkersDoNotChangeABit(t *testing.T) {
	p, keep := program(t, true, "embedding")
	var want [][]float32
	for _, workers := range []int{1, 2, 7} {
		m := compile(t, p, vm.Options{Keep: keep, Workers: workers})
		run(t, m)
		for i, n := range keep {
			if workers == 1 {
				want = append(want, append([]float32(nil), m.Values(n)...))
				continue
			}
			golden.Check(t, n.Op().String(), golden.Exact, m.Values(n), want[i])
		}
	}
}

// TestKeptValuesAreNodeValues: what Gorgonia's solvers and callers read.
func TestKeptValuesAreNodeValues(t *testing.T) {
	p, keep := program(t, true, "direct")
	m := compile(t, p, vm.Options{Keep: keep})
	run(t, m)
	for _, n := range keep {
		switch v := n.Value().Data().(type) {
		case []float32:
			golden.Check(t, n.Op().String(), golden.Exact, v, m.Values(n))
		case float32:
			golden.Check(t, n.Op().String(), golden.Exact, []float32{v}, m.Values(n))
		}
	}
}

// TestActivationsInTheGraphsLayout keeps an activation with pixels.
func TestActivationsInTheGraphsLayout(t *testing.T) {
	m := graphtest.Residual(golden.Weights)
	w, err := graph.NewWeights(m)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, n := range m.Graph.Nodes {
		if n.OpType == "Relu" || n.OpType == "MaxPool" || n.OpType == "Conv" {
			names = append(names, n.Outputs[0])
		}
	}
	p, err := graph.Build(m, w, graph.Options{Batch: 3, Channels: 3, Height: size, Width: size, Outputs: names})
	if err != nil {
		t.Fatal(err)
	}
	bind(t, p, golden.Views("tiny", 3, size)[:3*3*size*size])
	var keep []*G.Node
	for _, name := range names {
		keep = append(keep, p.Outputs[name])
	}
	want := graphtest.Tape(t, p.Graph, keep...)
	machine := compile(t, p, vm.Options{Keep: keep})
	run(t, machine)
	for i, n := range keep {
		golden.Check(t, names[i], golden.TorchForward, machine.Values(n), want[n])
	}
}

// TestForeignOperators runs what a user's own loss may bring: operators of Gorgonia
// that the machine has no kernels for.
func TestForeignOperators(t *testing.T) {
	p, _ := program(t, true, "embedding")
	z := p.Outputs["embedding"]
	square := G.Must(G.Square(z))
	tanh := G.Must(G.Tanh(square))
	want := graphtest.Tape(t, p.Graph, tanh)
	m := compile(t, p, vm.Options{Keep: []*G.Node{tanh}})
	run(t, m)
	golden.Check(t, "tanh(z²)", golden.TorchForward, m.Values(tanh), want[tanh])
}

func TestInputsAreReadAtEveryRun(t *testing.T) {
	p, keep := program(t, true, "direct")
	m := compile(t, p, vm.Options{Keep: keep})
	run(t, m)
	first := append([]float32(nil), m.Values(keep[0])...)
	x := golden.Views("other", images, size)
	bind(t, p, x)
	run(t, m)
	want := graphtest.Tape(t, p.Graph, keep[0])
	golden.Check(t, "after binding other images", golden.TorchForward, m.Values(keep[0]), want[keep[0]])
	if worst, _ := golden.MaxError(m.Values(keep[0]), first); worst == 0 {
		t.Error("other images gave the same output")
	}
}

func TestErrors(t *testing.T) {
	p, keep := program(t, true, "direct")
	if _, err := vm.Compile(p.Graph, vm.Options{}); err == nil || !strings.Contains(err.Error(), "kept") {
		t.Errorf("nothing kept: %v", err)
	}
	_, err := vm.Compile(p.Graph, vm.Options{Keep: keep, MaxBytes: 1000})
	if err == nil || !strings.Contains(err.Error(), "memory") {
		t.Errorf("memory limit: %v", err)
	}
	m := compile(t, p, vm.Options{Keep: keep})
	m.Close()
	if err := m.RunAll(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("run after close: %v", err)
	}
}

// TestPlan checks what inspect prints: fusions took place, memory is reused.
func TestPlan(t *testing.T) {
	p, keep := program(t, true, "embedding")
	plan := compile(t, p, vm.Options{Keep: keep}).Plan()
	count := map[string]int{}
	var flops int64
	for _, s := range plan.Steps {
		count[s.Name]++
		flops += s.FLOPs
	}
	for name, want := range map[string]int{
		"Conv+BatchStats":    6, // every convolution
		"BatchNorm+Add+Relu": 2, // every residual block
		"BatchNorm+Relu":     4, // stem, two blocks, projector
	} {
		if count[name] != want {
			t.Errorf("%d steps %q, want %d; plan: %v", count[name], name, want, count)
		}
	}
	if plan.ArenaBytes >= plan.NaiveBytes*3/4 {
		t.Errorf("arena of %d bytes beside %d without reuse", plan.ArenaBytes, plan.NaiveBytes)
	}
	if flops == 0 {
		t.Error("no operations counted")
	}
	alone, err := vm.NewPlan(p.Graph, vm.Options{Keep: keep, MaxBytes: 1})
	if err != nil || !reflect.DeepEqual(alone, plan) {
		t.Errorf("NewPlan gives another plan than Compile (%v)", err)
	}
}

func TestProfile(t *testing.T) {
	p, keep := program(t, true, "embedding")
	m := compile(t, p, vm.Options{Keep: keep})
	if m.Profile() != nil {
		t.Error("a profile before any profiled run")
	}
	m.SetProfile(true)
	run(t, m)
	usage := m.Profile()
	calls := 0
	for _, u := range usage {
		calls += u.Calls
	}
	if calls != len(m.Plan().Steps) {
		t.Errorf("profile counts %d calls, the plan has %d steps", calls, len(m.Plan().Steps))
	}
}

func BenchmarkStep(b *testing.B) {
	p, keep := program(b, true, "embedding")
	m := compile(b, p, vm.Options{Keep: keep})
	run(b, m)
	b.ReportAllocs()
	for b.Loop() {
		run(b, m)
	}
}
