package graph_test

import (
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer"
	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/vm"
)

// TestFamilies builds small networks of torchvision's families (ResNet, VGG with
// normalisation, DenseNet, MobileNet V2 and V3, EfficientNet V1 and V2, RegNet, ConvNeXt,
// ViT) as two versions of PyTorch export them in several opsets and modes, and holds
// outputs and gradients to PyTorch's float64: of an export that has kept its
// normalisations with batch statistics, of one that has folded them those of the folded
// network.
func TestFamilies(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(golden.Testdata(t, "onnx/families"), "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatal("no exports", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".onnx")
		t.Run(name, func(t *testing.T) {
			parts := strings.Split(name, "_")
			family, kind := parts[0], parts[len(parts)-1]
			want := load(t, filepath.Join(filepath.Dir(file), family+".npz"))
			normalises := want["train.y"] != nil
			switch {
			case !normalises:
				checkFamily(t, file, false, want["eval.y"], gradients(want, "eval."))
			case kind == "training": // the export itself has moved the running statistics
				checkFamily(t, file, true, want["train.y"], gradients(want, "train."))
			case kind == "preserve" || kind == "plain":
				checkFamily(t, file, false, want["eval.y"], nil)
				checkFamily(t, file, true, want["train.y"], gradients(want, "train."))
			default:
				folded := load(t, filepath.Join(filepath.Dir(file), family+"_folded.npz"))
				checkFamily(t, file, false, want["eval.y"], gradients(folded, "folded."))
			}
		})
	}
}

// gradients returns the arrays of a mode by the parameters' names.
func gradients(all map[string][]float64, mode string) map[string][]float64 {
	out := map[string][]float64{}
	for key, v := range all {
		if name, ok := strings.CutPrefix(key, mode); ok && name != "y" {
			out[name] = v
		}
	}
	return out
}

// checkFamily compares a network, with batch statistics or running ones: its output
// and, unless grads is nil, the gradient of every parameter.
func checkFamily(t *testing.T, file string, train bool, wantY []float64, grads map[string][]float64) {
	t.Helper()
	m, err := importer.OpenModel(file)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	size := map[string]int{"vgg": 56, "vit": 16}[strings.Split(filepath.Base(file), "_")[0]]
	if size == 0 {
		size = 32
	}
	p := build(t, m.ONNX, weightsOf(t, m.ONNX), graph.Options{Batch: 8, Channels: 3, Height: size, Width: size, Train: train, Outputs: []string{"y"}})
	feed(t, p, golden.Views("families", 4, size))
	y := p.Outputs["y"]
	keep := G.Nodes{y}
	if grads != nil {
		dy := G.NewTensor(p.Graph, tensor.Float32, 2, G.WithShape(y.Shape()...), G.WithName("dy"),
			G.WithValue(tensor.New(tensor.WithShape(y.Shape()...), tensor.WithBacking(golden.Uniform("dy", y.Shape().TotalSize(), -1, 1)))))
		var wrt G.Nodes
		for _, q := range p.Params {
			wrt = append(wrt, q.Node)
		}
		grads, err := G.Backpropagate(G.Nodes{y}, G.Nodes{dy}, wrt)
		if err != nil {
			t.Fatal(err)
		}
		keep = append(keep, grads...)
	}
	machine, err := vm.Compile(p.Graph, vm.Options{Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	if err := machine.RunAll(); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "y", golden.Model, machine.Values(y), wantY)
	if grads == nil {
		return
	}
	missing, longest := maps.Clone(grads), 0.0
	for _, v := range grads {
		longest = max(longest, length(v))
	}
	for i, q := range p.Params {
		grad, name := grads[q.Name], q.Name
		delete(missing, q.Name)
		got := machine.Values(keep[i+1])
		if grad == nil { // a matrix that the exporter has transposed and renamed
			grad, name = transposedOf(missing, q.Shape, got)
		}
		if grad == nil {
			t.Errorf("%s %v is no parameter of PyTorch's", q.Name, q.Shape)
			continue
		}
		delete(missing, name)
		if length(grad) < 1e-9*longest { // of a bias in front of a normalisation: 0 but for rounding
			if length(got) > 1e-5*longest {
				t.Errorf("gradient of %s has length %g, want 0", name, length(got))
			}
			continue
		}
		golden.Check(t, "gradient of "+name, golden.FamilyGradient, got, grad)
	}
	for name := range missing {
		t.Errorf("%s has no gradient", name)
	}
}

// transposedOf finds the parameter whose gradient, transposed, is the nearest to got.
func transposedOf(want map[string][]float64, shape []int, got []float32) (grad []float64, name string) {
	best := 0.1
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if len(shape) != 2 || len(want[key]) != len(got) {
			continue
		}
		v := transpose(want[key], shape[1], shape[0])
		if worst, _ := golden.MaxError(got, v); worst < best {
			best, grad, name = worst, v, key
		}
	}
	return grad, name
}

func length[T float32 | float64](v []T) float64 {
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	return math.Sqrt(squares)
}

// A model that computes with the size it declares says so where images have another.
func TestDeclaredSize(t *testing.T) {
	for name, want := range map[string]string{
		"vit_op18_dynamo":    "images are of 32×32, and the model is one for 16×16: operators that are not supported",
		"vgg_op18_dynamo":    "images are of 32×32, and the model is one for 56×56: node",
		"resnet_op18_dynamo": "",
	} {
		m, err := importer.OpenModel(golden.Testdata(t, "onnx/families/"+name+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		_, err = graph.Build(m.ONNX, weightsOf(t, m.ONNX), graph.Options{Batch: 2, Channels: 3, Height: 32, Width: 32, Outputs: []string{"y"}})
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
