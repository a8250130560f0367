// Package parity holds whole networks against PyTorch, from a checkpoint through
// conversion, graph, machine and trainer: what each of them is held against by itself,
// together. The goldens are those of testdata/gen/models.py, which says the settings.
// It has tests only.
package parity

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/importer/safetensors"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
)

// architecture is one of torchvision's ResNets.
type architecture struct {
	name      string
	blocks    [4]int
	expansion int // 1: basic blocks, 4: bottlenecks
	d0        int // leading channels that DirectCLR trains on
	simclrLR  string
}

var architectures = []architecture{
	{"resnet18", [4]int{2, 2, 2, 2}, 1, 64, "0.1"},
	{"resnet50", [4]int{3, 4, 6, 3}, 4, 360, "0.03"},
}

const (
	images, size, steps = 8, 64, 10
	temperature         = 0.1
)

// seeded is golden.Weights, but for γ and β, which testdata/gen/models.py explains.
func seeded(key string, shape []int) []float32 {
	switch {
	case len(shape) == 1 && strings.HasSuffix(key, ".weight"):
		return golden.Uniform(key, shape[0], 0.4, 1.2)
	case len(shape) == 1 && strings.HasSuffix(key, ".bias"):
		return golden.Uniform(key, shape[0], 1.8, 2.2)
	}
	return golden.Weights(key, shape)
}

// stateDict is the network as torch.save would write it, without fc.
func (a architecture) stateDict() []*weights.Tensor {
	var dict []*weights.Tensor
	add := func(key string, shape ...int) {
		dict = append(dict, weights.FromFloat32(key, shape, seeded(key, shape)))
	}
	norm := func(name string, c int) {
		for _, part := range []string{"weight", "bias", "running_mean", "running_var"} {
			add(name+"."+part, c)
		}
		dict = append(dict, weights.FromInt64(name+".num_batches_tracked", nil, []int64{0}))
	}
	add("conv1.weight", 64, 3, 7, 7)
	norm("bn1", 64)
	in := 64
	for stage, blocks := range a.blocks {
		mid := 64 << stage
		out := mid * a.expansion
		for block := range blocks {
			name := fmt.Sprintf("layer%d.%d.", stage+1, block)
			convs := [][3]int{{in, mid, 3}, {mid, mid, 3}}
			if a.expansion > 1 {
				convs = [][3]int{{in, mid, 1}, {mid, mid, 3}, {mid, out, 1}}
			}
			for i, c := range convs {
				add(fmt.Sprintf("%sconv%d.weight", name, i+1), c[1], c[0], c[2], c[2])
				norm(fmt.Sprintf("%sbn%d", name, i+1), c[1])
			}
			if block == 0 && (stage > 0 || in != out) {
				add(name+"downsample.0.weight", out, in, 1, 1)
				norm(name+"downsample.1", out)
			}
			in = out
		}
	}
	return dict
}

// model converts the network's checkpoint and attaches the method's head, with the
// seeded weights.
func (a architecture) model(t *testing.T, method string) *onnx.Model {
	t.Helper()
	var file bytes.Buffer
	if err := safetensors.Write(&file, a.stateDict(), nil); err != nil {
		t.Fatal(err)
	}
	c, err := importer.ReadCheckpoint(a.name+".safetensors", file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	m, report, err := importer.Convert(c, importer.ConvertOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if report.Architecture != a.name {
		t.Fatalf("the checkpoint was taken for a %s", report.Architecture)
	}
	head := importer.Head{Kind: importer.HeadSlice, D0: a.d0}
	if method == "simclr" {
		head = importer.Head{Kind: importer.HeadMLP, Dim: 128}
	}
	if err := importer.AttachHead(m, head); err != nil {
		t.Fatal(err)
	}
	for _, w := range m.Graph.Initializers {
		if strings.HasPrefix(w.Name, "projector.") {
			m.Graph.SetInitializer(weights.FromFloat32(w.Name, w.Shape, seeded(w.Name, w.Shape)))
		}
	}
	return m
}

// described are arrays by name in a golden file, as describe in models.py stores them.
type described struct {
	names                                          []string
	samples                                        [][]float64
	largest, norm, normScale, spread, spreadOfNorm []float64
}

func description(arrays map[string]*golden.Array, name string) described {
	d := described{
		names:   strings.Split(string(arrays[name+"/names"].U8), "\n"),
		largest: arrays[name+"/largest"].F64, norm: arrays[name+"/norm"].F64, normScale: arrays[name+"/norm_scale"].F64,
		spread: arrays[name+"/spread"].F64, spreadOfNorm: arrays[name+"/norm_spread"].F64,
	}
	samples := arrays[name+"/samples"]
	for i := range d.names {
		width := samples.Shape[1]
		d.samples = append(d.samples, (&golden.Array{F32: samples.F32[i*width : (i+1)*width]}).Float64s())
	}
	return d
}

// check compares the arrays that get returns by name.
func (d described) check(t *testing.T, what string, get func(name string) []float64) {
	t.Helper()
	for i, name := range d.names {
		got := get(name)
		if got == nil {
			t.Errorf("there is no %s of %s", what, name)
			continue
		}
		// The largest element of the whole array scales the error, and so does its norm.
		at := golden.Samples(name, len(got), len(d.samples[i]))
		g, w := []float64{d.largest[i]}, []float64{d.largest[i]}
		for k, j := range at {
			g, w = append(g, got[j]), append(w, d.samples[i][k])
		}
		golden.Check(t, what+" of "+name, golden.NoFurther(d.spread[i]), g, w)
		golden.Check(t, "norm of the "+what+" of "+name, golden.NoFurther(d.spreadOfNorm[i]), []float64{norm(got), d.normScale[i]}, []float64{d.norm[i], d.normScale[i]})
	}
}
