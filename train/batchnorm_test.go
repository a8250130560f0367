package train

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/stream"
	"onnxclr/internal/vm"
)

// exported opens one of PyTorch's exports of the same small ResNet.
func exported(t *testing.T, name string) *importer.Model {
	t.Helper()
	m, err := importer.OpenModel(filepath.Join("..", "testdata", "onnx", name+".onnx"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// pass is one training pass of a model on images: its representation, the
// gradients of the sum of squares of a random projection of it, and the statistics.
type pass struct {
	output []float32
	grads  map[string][]float32
	stats  map[string][]float32 // of each normalisation, [2,C]
}

func trainingPass(t *testing.T, m *onnx.Model, images []float32) pass {
	t.Helper()
	w, err := graph.NewWeights(m)
	if err != nil {
		t.Fatal(err)
	}
	name, err := importer.Representation(m)
	if err != nil {
		t.Fatal(err)
	}
	n := len(images) / (3 * 64 * 64)
	p, err := graph.Build(m, w, graph.Options{Batch: n, Channels: 3, Height: 64, Width: 64, Train: true, Outputs: []string{name}})
	if err != nil {
		t.Fatal(err)
	}
	loss, err := graph.InfoNCE(p.Outputs[name], 0.5)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Differentiate(loss); err != nil {
		t.Fatal(err)
	}
	keep := []*G.Node{loss, p.Outputs[name]}
	for _, q := range p.Params {
		keep = append(keep, q.Grad)
	}
	for _, q := range p.Norms {
		keep = append(keep, q.Stats)
	}
	machine, err := vm.Compile(p.Graph, vm.Options{Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	if err := G.Let(p.Input, tensor.New(tensor.WithShape(n, 3, 64, 64), tensor.WithBacking(images))); err != nil {
		t.Fatal(err)
	}
	if err := machine.RunAll(); err != nil {
		t.Fatal(err)
	}
	out := pass{output: slices.Clone(machine.Values(p.Outputs[name])), grads: map[string][]float32{}, stats: map[string][]float32{}}
	for _, q := range p.Params {
		out.grads[q.Name] = slices.Clone(machine.Values(q.Grad))
	}
	for _, q := range p.Norms {
		out.stats[q.Name] = slices.Clone(machine.Values(q.Stats))
	}
	return out
}

// fold folds every BatchNormalization into its convolution, as an exporter does, and
// returns the scale of each channel by the name of the convolution's weight.
func fold(t *testing.T, m *onnx.Model) map[string][]float64 {
	t.Helper()
	scales, g, renamed := map[string][]float64{}, m.Graph, map[string]string{}
	values := func(name string) []float32 {
		v, err := g.Initializer(name).Float32s()
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(v)
	}
	for _, n := range g.Nodes {
		if n.OpType != "BatchNormalization" {
			continue
		}
		conv := g.Producer(n.Inputs[0])
		w, gamma, beta, mean, variance := values(conv.Inputs[1]), values(n.Inputs[1]), values(n.Inputs[2]), values(n.Inputs[3]), values(n.Inputs[4])
		scale, bias := make([]float64, len(gamma)), make([]float32, len(gamma))
		for c := range gamma {
			scale[c] = float64(gamma[c]) / math.Sqrt(float64(variance[c])+1e-5)
			bias[c] = float32(float64(beta[c]) - scale[c]*float64(mean[c]))
			per := len(w) / len(gamma)
			for j := c * per; j < (c+1)*per; j++ {
				w[j] = float32(scale[c] * float64(w[j]))
			}
		}
		shape := g.Initializer(conv.Inputs[1]).Shape
		scales[conv.Inputs[1]] = scale
		renamed[conv.Inputs[1]] = fmt.Sprintf("onnx::Conv_%d", 100+2*len(renamed))
		g.SetInitializer(weights.FromFloat32(conv.Inputs[1], shape, w))
		name := fmt.Sprintf("onnx::Conv_%d", 99+2*len(renamed))
		g.SetInitializer(weights.FromFloat32(name, []int{len(bias)}, bias))
		conv.Inputs = append(conv.Inputs[:2], name)
		conv.Outputs[0] = n.Outputs[0]
		for _, gone := range n.Inputs[1:] {
			g.Initializers = slices.DeleteFunc(g.Initializers, func(t *onnx.Tensor) bool { return t.Name == gone })
			g.Inputs = slices.DeleteFunc(g.Inputs, func(v *onnx.ValueInfo) bool { return v.Name == gone })
		}
	}
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n *onnx.Node) bool { return n.OpType == "BatchNormalization" })
	if err := g.Rename(renamed); err != nil {
		t.Fatal(err)
	}
	return scales
}

func writeModel(t *testing.T, m *onnx.Model) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Encode(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// relative is ‖a − b‖/‖b‖.
func relative(a, b []float32) float64 {
	var off, all float64
	for i := range b {
		off += (float64(a[i]) - float64(b[i])) * (float64(a[i]) - float64(b[i]))
		all += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(off / all)
}

// compare returns how far the restored network lies from the whole one in a training
// pass: the representation, and all gradients joined, relative in L2. Gradients of
// weights that folding scaled are scaled back.
func compare(got, want pass, scales map[string][]float64) (output, gradient float64) {
	var a, b []float32
	for _, name := range slices.Sorted(maps.Keys(want.grads)) {
		back := slices.Clone(got.grads[name])
		if scale := scales[name]; scale != nil { // dL/dW = dL/d(sW)·s
			for j := range back {
				back[j] *= float32(scale[j/(len(back)/len(scale))])
			}
		}
		a, b = append(a, back...), append(b, want.grads[name]...)
	}
	return relative(got.output, want.output), relative(a, b)
}

// A network whose running statistics are those that calibration finds is folded and
// calibrated again: then it computes in evaluation, and computes and learns in
// training, what it did before, though folding scaled every channel.
func TestCalibrateRestoresTheFoldedNetwork(t *testing.T) {
	r := recipe(t, append(simclr, "data", "generated:textures?train=256", "batch", "16", "image-size", "64")...)
	source, err := openSource(&r, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	batch, err := source.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	images := slices.Clone(batch.Images)

	restore := func(m *onnx.Model) (*importer.Model, string) {
		path := writeModel(t, m)
		folded, err := importer.OpenModel(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { folded.Close() })
		said, err := calibrate(t.Context(), folded, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := onnx.Check(folded.ONNX); err != nil {
			t.Fatal(err)
		}
		return folded, said
	}
	torch := exported(t, "basic_op17_preserve").ONNX
	keys := names(torch)
	fold(t, torch)
	whole, _ := restore(torch)
	if got := names(whole.ONNX); !slices.Equal(got, keys) {
		t.Errorf("the restored parameters are\n%q, want PyTorch's\n%q", got, keys)
	}
	rescale(t, whole.ONNX)
	want := trainingPass(t, whole.ONNX, images)
	scales := fold(t, whole.ONNX)
	folded := writeModel(t, whole.ONNX)
	again, said := restore(whole.ONNX)
	if !strings.Contains(said, "12 BatchNormalization") || len(scales) != 12 {
		t.Errorf("%q does not count the 12 normalisations", said)
	}
	output, gradient := compare(trainingPass(t, again.ONNX, images), want, scales)
	if output > 1e-4 || gradient > 0.02 {
		t.Errorf("in training the representation differs by %.2g, the gradient by %.2g; want 1e-4 and 0.02", output, gradient)
	}
	golden.Check(t, "evaluation", golden.Model, evaluate(t, again.ONNX, images), evaluate(t, must(importer.OpenModel(folded)).ONNX, images))

	dir := filepath.Join(t.TempDir(), "run")
	mustRun(t, dir, recipe(t, append(simclr, "batchnorm", "calibrate", "model", folded)...), Options{})
	trained := must(importer.OpenModel(filepath.Join(dir, modelName)))
	defer trained.Close()
	if s := trained.BatchNorm; s.Folded != 0 || s.Kept-len(scales) < 0 {
		t.Errorf("the trained model has %v", s)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// names lists the initializers, sorted.
func names(m *onnx.Model) []string {
	var out []string
	for _, t := range m.Graph.Initializers {
		out = append(out, t.Name)
	}
	slices.Sort(out)
	return out
}

// rescale multiplies each channel of each normalised convolution and its statistics:
// the network stays the same but for ε.
func rescale(t *testing.T, m *onnx.Model) {
	t.Helper()
	g := m.Graph
	for _, n := range g.Nodes {
		if n.OpType != "BatchNormalization" {
			continue
		}
		for _, name := range []string{g.Producer(n.Inputs[0]).Inputs[1], n.Inputs[3], n.Inputs[4]} {
			tensor := g.Initializer(name)
			v, err := tensor.Float32s()
			if err != nil {
				t.Fatal(err)
			}
			v = slices.Clone(v)
			per := len(v) / tensor.Shape[0]
			for j := range v {
				s := 0.5 + float32(j/per%7)/2
				if name == n.Inputs[4] {
					s *= s
				}
				v[j] *= s
			}
			g.SetInitializer(weights.FromFloat32(name, tensor.Shape, v))
		}
	}
}

// evaluate returns the representation in evaluation mode.
func evaluate(t *testing.T, m *onnx.Model, images []float32) []float32 {
	t.Helper()
	name := must(importer.Representation(m))
	shape := []int{len(images) / (3 * 64 * 64), 3, 64, 64}
	p, err := newProbe(&importer.Model{ONNX: m}, shape, name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := p.run(images, shape); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(p.machine.Values(p.output))
}

// The checkpoint that a folded model was exported from gives back its very tensors;
// another one, or one whose layers have other shapes, is refused by the layer.
func TestRestoreFromCheckpoint(t *testing.T) {
	torch := exported(t, "basic_op17_preserve").ONNX
	dir := t.TempDir()
	checkpoint, other := filepath.Join(dir, "whole.pth"), filepath.Join(dir, "other.safetensors")
	if _, err := importer.Export(torch, checkpoint, importer.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	want := map[string]*weights.Tensor{}
	for _, i := range torch.Graph.Initializers {
		want[i.Name] = &i.Tensor
	}
	folded := exported(t, "basic_op17_preserve").ONNX
	fold(t, folded)
	path := writeModel(t, folded)

	done := filepath.Join(dir, "run")
	r := recipe(t, append(simclr, "batchnorm", "from="+checkpoint, "model", path)...)
	w := &watcher{}
	mustRun(t, done, r, Options{Reporter: w})
	if !strings.Contains(w.start.Note, "12 BatchNormalization") || !strings.Contains(w.start.Note, checkpoint) {
		t.Errorf("the run notes %q", w.start.Note)
	}
	m := must(importer.OpenModel(path))
	defer m.Close()
	if _, err := restoreFrom(m, checkpoint); err != nil {
		t.Fatal(err)
	}
	if got := len(m.ONNX.Graph.Initializers); got != len(want) {
		t.Errorf("%d initializers, want %d", got, len(want))
	}
	for _, i := range m.ONNX.Graph.Initializers {
		w := want[i.Name]
		if w == nil || !slices.Equal(i.Shape, w.Shape) || !bytes.Equal(i.Data, w.Data) {
			t.Errorf("%s is not the checkpoint's", i.Name)
		}
	}

	rescaled := exported(t, "basic_op17_preserve").ONNX
	v := must(rescaled.Graph.Initializer("layer2.0.bn1.weight").Float32s())
	v = slices.Clone(v)
	v[0] += 0.5
	rescaled.Graph.SetInitializer(weights.FromFloat32("layer2.0.bn1.weight", []int{len(v)}, v))
	if _, err := importer.Export(rescaled, other, importer.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	for from, says := range map[string]string{
		other:                         `layer "layer2.0.conv1"`,
		filepath.Join(dir, "missing"): "missing",
		path:                          "not a checkpoint",
		golden.Testdata(t, "checkpoints/demo.pth"): "in the checkpoint",
	} {
		r := recipe(t, append(simclr, "batchnorm", "from="+from, "model", path)...)
		err := run(t, filepath.Join(dir, "never"), r, Options{})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("from %s: %v, want an error that says %q", from, err, says)
		}
		if _, err := os.Stat(filepath.Join(dir, "never")); err == nil {
			t.Error("a refused run left its folder")
		}
	}
	kept := recipe(t, append(simclr, "batchnorm", "calibrate")...)
	if err := run(t, filepath.Join(dir, "never"), kept, Options{}); err == nil || !strings.Contains(err.Error(), "use batchnorm keep") {
		t.Errorf("a model that has its normalisation: %v", err)
	}
}

// TestStandardError: what calibration takes for the uncertainty of its means is how far
// they lie from the truth, also where the values of one addition go together.
func TestStandardError(t *testing.T) {
	const channels, additions, count = 400, 64, 16
	rng := stream.New(1, "standard error")
	s := channelSums{}
	for range additions {
		stats := make([]float32, 2*channels)
		for c := range channels {
			common := rng.NormFloat64() // the values of an image go together
			var sum, squares float64
			for range count {
				x := 3 + common + rng.NormFloat64()
				sum, squares = sum+x, squares+x*x
			}
			mean := sum / count
			stats[c], stats[channels+c] = float32(mean), float32(squares/count-mean*mean)
		}
		s.add(stats)
	}
	off := 0.0
	for c := range channels {
		off += math.Pow(s.mean[c]/additions-3, 2) / 2 // a value's variance is 2
	}
	truth := math.Sqrt(off / channels)
	if got := s.standardError(); got < 0.9*truth || got > 1.1*truth {
		t.Errorf("the standard error is %g, the means are %g off", got, truth)
	}
	if constant := (&channelSums{}); !math.IsInf(constant.standardError(), 1) {
		t.Error("of nothing it is known how far it is off")
	}
	flat := channelSums{}
	for range 3 {
		flat.add([]float32{5, 0})
	}
	if got := flat.standardError(); got != 0 {
		t.Errorf("of a channel that does not vary it is %g", got)
	}
}
