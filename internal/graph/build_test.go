package graph_test

import (
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/graph/graphtest"
)

// small is a batch of four 3×8×8 images, two of each view.
var small = graph.Options{Batch: 4, Channels: 3, Height: 8, Width: 8, Views: 2, Train: true, Outputs: []string{"y"}}

// TestRefuses: every message says which node or option, what was found and what is
// wanted.
func TestRefuses(t *testing.T) {
	conv := func(attrs ...*onnx.Attribute) func(m *graphtest.Model) string {
		return func(m *graphtest.Model) string {
			return m.Node("Conv", []string{"input", m.Param("w", 2, 3, 3, 3)}, attrs...)
		}
	}
	gap := func(m *graphtest.Model) string {
		return m.Node("Flatten", []string{m.Node("GlobalAveragePool", []string{"input"})})
	}
	for _, tc := range []struct {
		name  string
		write func(m *graphtest.Model) string
		want  []string
	}{
		{"unsupported operators, all at once", func(m *graphtest.Model) string {
			return m.Node("Hardmax", []string{m.Node("Mish", []string{m.Node("Mish", []string{"input"})})})
		}, []string{"Mish", "/Mish_0", "/Mish_1", "Hardmax", "/Hardmax_2", "opset 17", "GlobalAveragePool"}},
		{"operator of another domain", func(m *graphtest.Model) string {
			out := m.Relu("input")
			m.Graph.Nodes[0].Domain = "com.example"
			return out
		}, []string{"com.example.Relu", "/Relu_0"}},
		{"strides of 0", conv(onnx.IntsAttr("strides", 0, 1)), []string{"/Conv_0", "opset 17", "strides", "[0 1]"}},
		{"three strides", conv(onnx.IntsAttr("strides", 1, 1, 1)), []string{"strides"}},
		{"negative pads", conv(onnx.IntsAttr("pads", 0, 0, -1, 0)), []string{"pads"}},
		{"two pads", conv(onnx.IntsAttr("pads", 1, 1)), []string{"pads"}},
		{"unknown auto_pad", conv(onnx.StringAttr("auto_pad", "SAME")), []string{"auto_pad", `"SAME"`}},
		{"kernel_shape that is not the filter's", conv(onnx.IntsAttr("kernel_shape", 5, 5)), []string{"kernel_shape"}},
		{"groups", conv(onnx.IntAttr("group", 2)), []string{"group 2", "6 input channels", "has 3"}},
		{"image smaller than the filter", conv(onnx.IntsAttr("dilations", 4, 4)), []string{"too small"}},
		{"output beyond any memory", conv(onnx.IntsAttr("pads", 1<<20, 1<<20, 1<<20, 1<<20)), []string{"elements"}},
		{"bias of the wrong length", func(m *graphtest.Model) string {
			return m.Node("Conv", []string{"input", m.Param("w", 2, 3, 3, 3), m.Param("b", 3)})
		}, []string{`"b"`, "[3]", "want [2]"}},
		{"statistics of the wrong length", func(m *graphtest.Model) string {
			return m.Node("BatchNormalization", []string{"input", m.Param("g", 3), m.Param("b", 3), m.Param("m", 4), m.Param("v", 3)})
		}, []string{`"m"`, "[4]", "want [3]"}},
		{"momentum", func(m *graphtest.Model) string {
			return m.Node("BatchNormalization", []string{"input", m.Param("g", 3), m.Param("b", 3), m.Param("m", 3), m.Param("v", 3)}, onnx.FloatAttr("momentum", 1.5))
		}, []string{"momentum", "1.5"}},
		{"several parameters of other shapes", func(m *graphtest.Model) string {
			y := m.Node("Conv", []string{"input", m.Param("w1", 5, 3, 1, 1), m.Param("b1", 4)})
			y = m.Node("BatchNormalization", []string{y, m.Param("g", 5), m.Param("b", 4), m.Param("m", 5), m.Param("v", 5, 1)})
			return m.Node("Conv", []string{m.Relu(y), m.Param("w2", 2, 6, 1, 1)})
		}, []string{"3 nodes do not fit", `"b1" has shape [4], want [5]`, `"b" has shape [4], want [5]`, `"v" has shape [5 1]`, `"w2" [2 6 1 1] with group 1 wants 6`, "opset 17"}},
		{"running statistics read by nobody", func(m *graphtest.Model) string {
			return m.Node("BatchNormalization", []string{"input", m.Param("g", 3), m.Param("b", 3)})
		}, []string{"input 3"}},
		{"features that do not fit", func(m *graphtest.Model) string {
			return m.Node("Gemm", []string{gap(m), m.Param("w", 4, 2)})
		}, []string{"3 features", "wants 4"}},
		{"indices of a pool", func(m *graphtest.Model) string {
			out := m.Node("MaxPool", []string{"input"}, onnx.IntsAttr("kernel_shape", 2, 2))
			m.Graph.Nodes[0].Outputs = append(m.Graph.Nodes[0].Outputs, "indices")
			return out
		}, []string{"Indices"}},
		{"empty slice", func(m *graphtest.Model) string {
			return m.Node("Slice", []string{gap(m), m.Ints("s", 2), m.Ints("e", 2), m.Ints("a", 1)})
		}, []string{`"y"`, "constant"}},
		{"shapes that do not broadcast", func(m *graphtest.Model) string {
			return m.Node("Mul", []string{"input", m.Param("w", 3, 8, 5)})
		}, []string{"/Mul_0", "[3 8 5]", "broadcast"}},
		{"index outside the axis", func(m *graphtest.Model) string {
			return m.Node("Gather", []string{gap(m), m.Ints("i", 3)}, onnx.IntAttr("axis", 1))
		}, []string{"index 3", "axis 1"}},
		{"axis beyond the dimensions", func(m *graphtest.Model) string {
			return m.Node("Softmax", []string{"input"}, onnx.IntAttr("axis", 4))
		}, []string{"/Softmax_0", "axis 4", "4 dimensions"}},
		{"window without a size", func(m *graphtest.Model) string {
			return m.Node("AveragePool", []string{"input"})
		}, []string{"kernel_shape"}},
		{"normalisation of nothing", func(m *graphtest.Model) string {
			return m.Node("LRN", []string{"input"})
		}, []string{"size is 0"}},
		{"cast to integers", func(m *graphtest.Model) string {
			return m.Node("Cast", []string{"input"}, onnx.IntAttr("to", 7))
		}, []string{"/Cast_0", "int64", "only floats"}},
		{"padding by another mode", func(m *graphtest.Model) string {
			return m.Node("Pad", []string{"input", m.Ints("p", 0, 0, 1, 1, 0, 0, 1, 1)}, onnx.StringAttr("mode", "circular"))
		}, []string{`"circular"`, "reflect"}},
		{"products that do not fit", func(m *graphtest.Model) string {
			return m.Node("MatMul", []string{"input", m.Param("w", 3, 5, 2)})
		}, []string{"8 features", "wants 5"}},
		{"dropout that drops everything", func(m *graphtest.Model) string {
			return m.Node("Dropout", []string{m.Relu("input"), scalar(m, "ratio", 1), m.Scalar("train", 1)})
		}, []string{"/Dropout_1", "share of 1"}},
		{"one value a channel", func(m *graphtest.Model) string {
			m.Graph.Inputs[0].Shape[0].Value = -1
			return m.BatchNorm(m.Node("MaxPool", []string{"input"}, onnx.IntsAttr("kernel_shape", 8, 8)), "bn", 3)
		}, nil}, // two images a view: this one is fine
		{"undefined operand", func(m *graphtest.Model) string {
			return m.Node("Relu", []string{"nowhere"})
		}, []string{`"nowhere"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := graphtest.NewModel(17, golden.Weights)
			m.Output(tc.write(m), "y")
			_, err := graph.Build(m.Model, weightsOf(t, m.Model), small)
			if (err == nil) != (tc.want == nil) {
				t.Fatalf("got error %v", err)
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want it to contain %q", err, part)
				}
			}
		})
	}
}

func TestRefusesOptions(t *testing.T) {
	m := graphtest.Residual(golden.Weights)
	w := weightsOf(t, m)
	for _, tc := range []struct {
		name string
		opts graph.Options
		want string
	}{
		{"no batch", graph.Options{Channels: 3, Height: 8, Width: 8, Outputs: []string{"direct"}}, "batch is 0"},
		{"views that do not divide the batch", graph.Options{Batch: 3, Channels: 3, Height: 8, Width: 8, Views: 2, Outputs: []string{"direct"}}, "3 images"},
		{"no output", graph.Options{Batch: 2, Channels: 3, Height: 8, Width: 8}, "no output"},
		{"unknown output", graph.Options{Batch: 2, Channels: 3, Height: 8, Width: 8, Outputs: []string{"embeding"}}, `"embeding"`},
		{"a parameter for output", graph.Options{Batch: 2, Channels: 3, Height: 8, Width: 8, Outputs: []string{"fc.bias"}}, `"fc.bias"`},
		{"channels", graph.Options{Batch: 2, Channels: 1, Height: 8, Width: 8, Outputs: []string{"direct"}}, `3 input channels, the input "input" has 1`},
		{"one value a channel", graph.Options{Batch: 2, Channels: 3, Height: 2, Width: 2, Views: 2, Train: true, Outputs: []string{"direct"}}, "no variance"},
	} {
		_, err := graph.Build(m, w, tc.opts)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.name, err, tc.want)
		}
	}
}

// TestSharedInitializers: values that an exporter stored once are not silently tied,
// behind Identity or not; with a copy each they train apart.
func TestSharedInitializers(t *testing.T) {
	write := func(second string, shared bool) *graphtest.Model {
		m := graphtest.NewModel(17, golden.Weights)
		x := m.BatchNorm("input", "bn1", 3)
		gamma := m.Param(second, 3)
		if shared {
			gamma = m.Node("Identity", []string{second})
		}
		x = m.Node("BatchNormalization", []string{x, gamma, m.Param("bn2.bias", 3), m.Param("bn2.running_mean", 3), m.Param("bn2.running_var", 3)})
		m.Output(m.Node("Flatten", []string{m.Node("GlobalAveragePool", []string{x})}), "y")
		return m
	}
	for _, tc := range []struct {
		name   string
		second string
		shared bool
		ok     bool
	}{
		{"behind Identity", "bn1.weight", true, false},
		{"directly", "bn1.weight", false, false},
		{"own copy behind Identity", "bn2.weight", true, true},
		{"own copy", "bn2.weight", false, true},
	} {
		m := write(tc.second, tc.shared)
		p := build(t, m.Model, weightsOf(t, m.Model), small)
		loss, err := graph.InfoNCE(p.Outputs["y"], 0.5)
		if err != nil {
			t.Fatal(err)
		}
		err = p.Differentiate(loss)
		if tc.ok != (err == nil) {
			t.Errorf("%s: got %v", tc.name, err)
		}
		if !tc.ok && (!strings.Contains(err.Error(), `"bn1.weight"`) || !strings.Contains(err.Error(), "own copy")) {
			t.Errorf("%s: got %q, want the initializer and the remedy", tc.name, err)
		}
	}
	m := write("bn2.weight", false)
	m.Graph.Nodes[1].Inputs[3] = "bn1.running_mean"
	p := build(t, m.Model, weightsOf(t, m.Model), small)
	loss, _ := graph.InfoNCE(p.Outputs["y"], 0.5)
	if err := p.Differentiate(loss); err == nil || !strings.Contains(err.Error(), "running statistics") {
		t.Errorf("shared running mean: got %v", err)
	}
}

// TestEqualApplicationsStayApart: Gorgonia merges nodes whose operators hash alike
// without looking at their operands.
func TestEqualApplicationsStayApart(t *testing.T) {
	m := graphtest.NewModel(17, golden.Weights)
	a := m.Conv("input", "a", 3, 3, 1, 1)
	b := m.Conv("input", "b", 3, 3, 1, 1) // same operator, shapes and input
	m.Output(m.Node("Add", []string{m.Relu(a), m.Relu(b)}), "y")
	m.Output(a, "a")
	m.Output(b, "b")
	opts := small
	opts.Outputs = []string{"y", "a", "b"}
	p := build(t, m.Model, weightsOf(t, m.Model), opts)
	feed(t, p, golden.Uniform("images", 4*3*8*8, -1, 1))
	ya, yb, y := p.Outputs["a"], p.Outputs["b"], p.Outputs["y"]
	got := graphtest.Tape(t, p.Graph, ya, yb, y)
	want := make([]float32, len(got[y]))
	for i := range want {
		want[i] = max(got[ya][i], 0) + max(got[yb][i], 0)
	}
	golden.Check(t, "y", golden.Exact, got[y], want)
	if golden.Check(new(silent), "", golden.Exact, got[ya], got[yb]) {
		t.Error("two convolutions with different filters became one node")
	}
}

// TestFoldedModel: an eval export has no batch normalisation left; it is built as it
// is, with no statistics to train, and its biased convolutions are parameters.
func TestFoldedModel(t *testing.T) {
	m := graphtest.NewModel(11, golden.Weights)
	x := m.Relu(m.Node("Conv", []string{"input", m.Param("onnx::Conv_1", 4, 3, 3, 3), m.Param("onnx::Conv_2", 4)}))
	m.Output(m.Node("Flatten", []string{m.Node("GlobalAveragePool", []string{x})}), "y")
	p := build(t, m.Model, weightsOf(t, m.Model), small)
	loss, err := graph.NTXent(p.Outputs["y"], 0.5)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Differentiate(loss); err != nil {
		t.Fatal(err)
	}
	if len(p.Norms) != 0 || len(p.Params) != 2 {
		t.Errorf("%d normalisations and %d parameters, want 0 and 2", len(p.Norms), len(p.Params))
	}
}

// TestFrozenBesideTrained: a normalisation in inference form beside one in training
// form keeps its running statistics; alone, its form says nothing.
func TestFrozenBesideTrained(t *testing.T) {
	for _, opset := range []int64{13, 17} {
		m := graphtest.NewModel(opset, golden.Weights)
		x := m.BatchNorm(m.BatchNorm("input", "frozen", 3), "trained", 3)
		m.Output(m.Node("Flatten", []string{m.Node("GlobalAveragePool", []string{x})}), "y")
		norms := func() (names []string) {
			for _, n := range build(t, m.Model, weightsOf(t, m.Model), small).Norms {
				names = append(names, n.Name)
			}
			return names
		}
		if got := norms(); len(got) != 2 {
			t.Errorf("opset %d: both in inference form: %q train, want both", opset, got)
		}
		if node := m.Graph.Nodes[1]; opset < 14 {
			node.Outputs = append(node.Outputs, "mean", "var", "saved_mean", "saved_var")
		} else {
			node.SetAttribute(onnx.IntAttr("training_mode", 1))
		}
		if got := norms(); len(got) != 1 || got[0] != "trained" {
			t.Errorf("opset %d: one in training form: %q train, want it alone", opset, got)
		}
	}
}

func TestLossRefuses(t *testing.T) {
	m := graphtest.NewModel(17, golden.Weights)
	m.Output(m.Node("Flatten", []string{"input"}), "y")
	opts := small
	p := build(t, m.Model, weightsOf(t, m.Model), opts)
	loss, err := graph.InfoNCE(p.Outputs["y"], 0.1)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Differentiate(loss); err == nil || !strings.Contains(err.Error(), "no trainable parameter") {
		t.Errorf("a loss of the images alone: got %v", err)
	}
	for _, temperature := range []float64{0, -1} {
		if _, err := graph.NTXent(p.Outputs["y"], temperature); err == nil {
			t.Errorf("temperature %g was accepted", temperature)
		}
	}
	for what, f := range map[string]func() (*G.Node, error){
		"lambda -1":         func() (*G.Node, error) { return graph.BarlowTwins(p.Outputs["y"], -1, 1) },
		"scale 0":           func() (*G.Node, error) { return graph.BarlowTwins(p.Outputs["y"], 1, 0) },
		"a negative weight": func() (*G.Node, error) { return graph.VICReg(p.Outputs["y"], 1, -1, 1) },
		"images":            func() (*G.Node, error) { return graph.VICReg(p.Input, 1, 1, 1) },
	} {
		if _, err := f(); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
	pair := build(t, m.Model, weightsOf(t, m.Model), graph.Options{Batch: 2, Channels: 3, Height: 8, Width: 8, Outputs: []string{"y"}})
	if _, err := graph.BarlowTwins(pair.Outputs["y"], 1, 1); err == nil || !strings.Contains(err.Error(), "at least 2") {
		t.Errorf("columns of one row: got %v", err)
	}
	if _, err := graph.InfoNCE(p.Input, 0.1); err == nil || !strings.Contains(err.Error(), "[2N,D]") {
		t.Errorf("images as embeddings: got %v", err)
	}
	odd := build(t, m.Model, weightsOf(t, m.Model), graph.Options{Batch: 3, Channels: 3, Height: 8, Width: 8, Outputs: []string{"y"}})
	if _, err := graph.InfoNCE(odd.Outputs["y"], 0.1); err == nil {
		t.Error("an odd number of embeddings was accepted")
	}
}

func TestWeights(t *testing.T) {
	m := graphtest.NewModel(17, golden.Weights)
	half := &weights.Tensor{Name: "half", DType: weights.Float16, Shape: []int{2}, Data: []byte{0x00, 0x3c, 0x00, 0xc0}}
	m.Graph.SetInitializer(half)
	m.Graph.SetInitializer(weights.FromFloat32("scalar", []int{}, []float32{3}))
	m.Ints("axes", 1)
	w := weightsOf(t, m.Model)
	golden.Check(t, "half", golden.Exact, w.Values("half"), []float32{1, -2})
	if names := strings.Join(w.Names(), " "); names != "half scalar" {
		t.Errorf("names are %q", names)
	}
	if s := w.Tensor("scalar"); len(s.Shape) != 0 || s.Len() != 1 || s.DType != weights.Float32 {
		t.Errorf("scalar is written as %v", s)
	}
	if w.Values("axes") != nil || w.Tensor("axes") != nil {
		t.Error("an integer initializer counts as a weight")
	}
	m.Graph.SetInitializer(&weights.Tensor{Name: "empty", DType: weights.Float32, Shape: []int{0, 3}})
	if _, err := graph.NewWeights(m.Model); err == nil || !strings.Contains(err.Error(), `"empty"`) {
		t.Errorf("an initializer without elements: got %v", err)
	}
}

// FuzzBuild: whatever a file says, Build returns.
func FuzzBuild(f *testing.F) {
	var b strings.Builder
	if err := graphtest.Residual(golden.Weights).Encode(&b); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(b.String()))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := onnx.Decode(data)
		if err != nil || m.Graph == nil {
			return
		}
		w, err := graph.NewWeights(m)
		if err != nil {
			return
		}
		for _, train := range []bool{false, true} {
			p, err := graph.Build(m, w, graph.Options{Batch: 4, Channels: 3, Height: 16, Width: 16, Views: 2, Train: train, Outputs: []string{"embedding"}})
			if err != nil {
				continue
			}
			if loss, err := graph.InfoNCE(p.Outputs["embedding"], 0.1); err == nil {
				_ = p.Differentiate(loss)
			}
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	m := graphtest.Residual(golden.Weights)
	w, err := graph.NewWeights(m)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p, err := graph.Build(m, w, graph.Options{Batch: 4, Channels: 3, Height: 16, Width: 16, Views: 2, Train: true, Outputs: []string{"embedding"}})
		if err != nil {
			b.Fatal(err)
		}
		var loss *G.Node
		if loss, err = graph.InfoNCE(p.Outputs["embedding"], 0.1); err == nil {
			err = p.Differentiate(loss)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
