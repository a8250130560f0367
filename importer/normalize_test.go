package importer

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
)

// torchExport decodes a fixture that torch.onnx.export wrote.
func torchExport(t testing.TB, name string) *onnx.Model {
	t.Helper()
	b, err := os.ReadFile(golden.Testdata(t, "onnx/"+name+".onnx"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// torchExports lists the fixtures.
func torchExports(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(golden.Testdata(t, "onnx/*.onnx"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(filepath.Base(p), ".onnx")
	}
	return paths
}

// resnetLayers are the convolutions of a fixture with their normalisations.
func resnetLayers(arch string) [][2]string {
	layers := [][2]string{{"conv1", "bn1"}}
	stages, convs := 4, 2
	if arch == "tiny" {
		stages = 2
	}
	if arch == "bottleneck" {
		convs = 3
	}
	for s := 1; s <= stages; s++ {
		for c := 1; c <= convs; c++ {
			layers = append(layers, [2]string{fmt.Sprintf("layer%d.0.conv%d", s, c), fmt.Sprintf("layer%d.0.bn%d", s, c)})
		}
		if s > 1 || arch == "bottleneck" {
			layers = append(layers, [2]string{fmt.Sprintf("layer%d.0.downsample.0", s), fmt.Sprintf("layer%d.0.downsample.1", s)})
		}
	}
	return layers
}

// parameters are the float initializers that nodes with parameters read.
func parameters(m *onnx.Model) map[string]*onnx.Tensor {
	out := map[string]*onnx.Tensor{}
	for _, n := range m.Graph.Nodes {
		for i, name := range n.Inputs {
			if role(n, i) != "" {
				out[name] = m.Graph.Initializer(name)
			}
		}
	}
	return out
}

func keys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func floats(t testing.TB, x *onnx.Tensor) []float32 {
	t.Helper()
	if x == nil {
		t.Fatal("no such initializer")
	}
	v, err := x.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Every export, of whatever exporter, opset and mode, comes out with the keys of
// the PyTorch module and their values: those of the state_dict, or, where the
// exporter folded batch normalisation, the same layers' folded weights and biases.
func TestNormalizeGivesPyTorchKeys(t *testing.T) {
	for _, name := range torchExports(t) {
		t.Run(name, func(t *testing.T) {
			m := torchExport(t, name)
			n, err := Normalize(m)
			if err != nil {
				t.Fatal(err)
			}
			if err := onnx.Check(m); err != nil {
				t.Error(err)
			}
			got := parameters(m)
			var want []string
			arch, _, _ := strings.Cut(name, "_")
			for _, l := range resnetLayers(arch) {
				want = append(want, l[0]+".weight")
				if n.BatchNorm.Folded > 0 {
					want = append(want, l[0]+".bias")
					continue
				}
				for _, suffix := range normSuffixes {
					want = append(want, l[1]+"."+suffix)
				}
			}
			if !strings.HasSuffix(name, "backbone") {
				want = append(want, "fc.weight", "fc.bias")
			}
			sort.Strings(want)
			if g := keys(got); !slices.Equal(g, want) {
				t.Fatalf("parameters\n%q, want\n%q", g, want)
			}
			if strings.HasSuffix(name, "shared") {
				return // of a fresh model: see below
			}
			for _, l := range resnetLayers(arch) {
				if n.BatchNorm.Folded > 0 {
					checkFolded(t, got, l[0], l[1])
				}
			}
			for _, key := range want {
				if n.BatchNorm.Folded > 0 && !strings.HasPrefix(key, "fc.") {
					continue
				}
				golden.Check(t, key, golden.Exact, floats(t, got[key]), golden.Weights(key, got[key].Shape))
			}
		})
	}
}

// checkFolded compares a convolution with γ/√(σ²+ε) times the weight, and its bias
// with β − μγ/√(σ²+ε), ε 1e-5.
func checkFolded(t *testing.T, got map[string]*onnx.Tensor, conv, norm string) {
	t.Helper()
	shape := got[conv+".weight"].Shape
	w := golden.Weights(conv+".weight", shape)
	var p [4][]float32
	for i, suffix := range normSuffixes {
		p[i] = golden.Weights(norm+"."+suffix, shape[:1])
	}
	bias := make([]float32, shape[0])
	each := len(w) / shape[0]
	for k := range bias {
		scale := float64(p[0][k]) / math.Sqrt(float64(p[3][k])+1e-5)
		bias[k] = float32(float64(p[1][k]) - float64(p[2][k])*scale)
		for i := range each {
			w[k*each+i] = float32(float64(w[k*each+i]) * scale)
		}
	}
	golden.Check(t, conv+".weight", golden.Stat, floats(t, got[conv+".weight"]), w)
	golden.Check(t, conv+".bias", golden.Stat, floats(t, got[conv+".bias"]), bias)
}

// The exporter merged the equal parameters of a fresh network through Identity
// nodes: each layer gets its own, and training one does not move another.
func TestNormalizeUntiesIdentity(t *testing.T) {
	m := torchExport(t, "tiny_op13_preserve_shared")
	n, err := Normalize(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Untied) != 20 {
		t.Errorf("%d parameters untied, want 20", len(n.Untied))
	}
	for _, node := range m.Graph.Nodes {
		if node.OpType == "Identity" {
			t.Errorf("node %q is left", node.Name)
		}
	}
	for key, x := range parameters(m) {
		var want float32
		switch {
		case strings.HasSuffix(key, "running_var"), strings.Contains(key, "bn") && strings.HasSuffix(key, "weight"), strings.HasSuffix(key, "downsample.1.weight"):
			want = 1
		case strings.HasSuffix(key, "running_mean"), strings.HasSuffix(key, "bias") && key != "fc.bias":
		default:
			continue
		}
		for _, v := range floats(t, x) {
			if v != want {
				t.Errorf("%s holds %v, want %v", key, v, want)
				break
			}
		}
	}
}

// A network of one normalised convolution and the ways in which files share or
// hide its parameters.
func TestNormalizeHandMade(t *testing.T) {
	tensor := func(name string, v ...float32) *weights.Tensor { return weights.FromFloat32(name, []int{len(v)}, v) }
	model := func() *onnx.Model {
		g := &onnx.Graph{Name: "g",
			Inputs:  []*onnx.ValueInfo{onnx.FloatValue("x", onnx.Dim{Param: "n"}, onnx.Dim{Value: 2}, onnx.Dim{Value: 4}, onnx.Dim{Value: 4})},
			Outputs: []*onnx.ValueInfo{onnx.FloatValue("y", onnx.Dim{Param: "n"}, onnx.Dim{Value: 2}, onnx.Dim{Value: 4}, onnx.Dim{Value: 4})},
			Nodes: []*onnx.Node{
				{OpType: "Conv", Name: "first", Inputs: []string{"x", "w"}, Outputs: []string{"a"}},
				{OpType: "BatchNormalization", Name: "/bn1/BatchNormalization", Inputs: []string{"a", "ones", "zeros", "zeros", "ones"}, Outputs: []string{"b"}},
				{OpType: "Conv", Name: "second", Inputs: []string{"b", "w"}, Outputs: []string{"c"}},
				{OpType: "BatchNormalization", Name: "/bn2/BatchNormalization", Inputs: []string{"c", "ones", "zeros", "zeros", "ones"}, Outputs: []string{"y"}},
			}}
		g.SetInitializer(weights.FromFloat32("w", []int{2, 2, 1, 1}, []float32{1, 2, 3, 4}))
		g.SetInitializer(tensor("ones", 1, 1))
		g.SetInitializer(tensor("zeros", 0, 0))
		return &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 13}}, Graph: g}
	}
	for _, tt := range []struct {
		name  string
		edit  func(m *onnx.Model)
		check func(t *testing.T, m *onnx.Model, n *Normalization)
	}{
		{"batch normalisations share directly", func(*onnx.Model) {}, func(t *testing.T, m *onnx.Model, n *Normalization) {
			seen := map[string]bool{}
			for _, node := range m.Graph.Nodes {
				if node.OpType != "BatchNormalization" {
					continue
				}
				for _, in := range node.Inputs[1:] {
					if seen[in] {
						t.Errorf("%q is read twice", in)
					}
					seen[in] = true
				}
			}
			for _, key := range []string{"bn1.running_var", "bn2.weight", "bn2.bias", "bn2.running_mean"} {
				if !seen[key] {
					t.Errorf("no %q among %q", key, keys(seen))
				}
			}
		}},
		{"convolutions that are tied stay so", func(*onnx.Model) {}, func(t *testing.T, m *onnx.Model, n *Normalization) {
			if a, b := m.Graph.Nodes[0].Inputs[1], m.Graph.Nodes[2].Inputs[1]; a != b || a != "w" {
				t.Errorf("weights are %q and %q, want %q for both", a, b, "w")
			}
		}},
		{"through Identity, twice", func(m *onnx.Model) {
			m.Graph.Nodes = append([]*onnx.Node{
				{OpType: "Identity", Inputs: []string{"w"}, Outputs: []string{"w2"}},
				{OpType: "Identity", Inputs: []string{"w2"}, Outputs: []string{"w3"}},
			}, m.Graph.Nodes...)
			m.Graph.Nodes[2].Inputs[1], m.Graph.Nodes[4].Inputs[1] = "w2", "w3"
		}, func(t *testing.T, m *onnx.Model, n *Normalization) {
			if len(m.Graph.Nodes) != 4 || m.Graph.Nodes[0].Inputs[1] != "w2" || m.Graph.Nodes[2].Inputs[1] != "w3" {
				t.Fatalf("the nodes are %v", m.Graph.Nodes)
			}
			if m.Graph.Initializer("w") != nil {
				t.Error("the source, which nothing reads any more, is left")
			}
			if a, b := m.Graph.Initializer("w2"), m.Graph.Initializer("w3"); a == nil || b == nil || a == b {
				t.Error("the copies are not tensors of their own")
			}
		}},
		{"Identity that is an output", func(m *onnx.Model) {
			m.Graph.Nodes = append(m.Graph.Nodes, &onnx.Node{OpType: "Identity", Inputs: []string{"ones"}, Outputs: []string{"o"}})
			m.Graph.Outputs = append(m.Graph.Outputs, onnx.FloatValue("o", onnx.Dim{Value: 2}))
		}, func(t *testing.T, m *onnx.Model, n *Normalization) {
			if m.Graph.Producer("o") == nil {
				t.Error("the node is gone")
			}
		}},
		{"weight in a Constant", func(m *onnx.Model) {
			w := m.Graph.Initializer("w")
			m.Graph.Initializers = m.Graph.Initializers[1:]
			m.Graph.Nodes = append([]*onnx.Node{{OpType: "Constant", Outputs: []string{"w"}, Attributes: []*onnx.Attribute{onnx.TensorAttr("value", w)}}}, m.Graph.Nodes...)
		}, func(t *testing.T, m *onnx.Model, n *Normalization) {
			if m.Graph.Producer("w") != nil || !slices.Equal(n.Constants, []string{"w"}) {
				t.Errorf("constants %q", n.Constants)
			}
			golden.Check(t, "w", golden.Exact, floats(t, m.Graph.Initializer("w")), []float32{1, 2, 3, 4})
		}},
		{"IR version 3 lists initializers as inputs", func(m *onnx.Model) {
			m.IRVersion = 3
			for _, x := range m.Graph.Initializers {
				v := onnx.FloatValue(x.Name)
				for _, d := range x.Shape {
					v.Shape = append(v.Shape, onnx.Dim{Value: int64(d)})
				}
				m.Graph.Inputs = append(m.Graph.Inputs, v)
			}
		}, func(t *testing.T, m *onnx.Model, n *Normalization) {
			if len(n.Untied) == 0 {
				t.Error("nothing was untied")
			}
			if in := m.Graph.DataInputs(); len(in) != 1 || in[0].Name != "x" {
				t.Errorf("the inputs are %v", in)
			}
		}},
		{"names from the nodes", func(m *onnx.Model) {
			if err := m.Graph.Rename(map[string]string{"w": "onnx::Conv_7"}); err != nil {
				t.Fatal(err)
			}
			m.Graph.Nodes[0].Name = "/stem/stem.0/conv/Conv"
		}, func(t *testing.T, m *onnx.Model, n *Normalization) {
			if got := m.Graph.Nodes[0].Inputs[1]; got != "stem.0.conv.weight" || m.Graph.Nodes[2].Inputs[1] != got {
				t.Errorf("the weight is %q", got)
			}
			if n.Renamed["stem.0.conv.weight"] != "onnx::Conv_7" || m.Meta(MetaNames) != `{"stem.0.conv.weight":"onnx::Conv_7"}` {
				t.Errorf("renamed %v, metadata %s", n.Renamed, m.Meta(MetaNames))
			}
		}},
		{"a name that is taken", func(m *onnx.Model) {
			if err := m.Graph.Rename(map[string]string{"w": "12", "a": "conv1.weight"}); err != nil {
				t.Fatal(err)
			}
			m.Graph.Nodes[0].Name = "/conv1/Conv"
		}, func(t *testing.T, m *onnx.Model, n *Normalization) {
			if got := m.Graph.Nodes[0].Inputs[1]; got != "12" {
				t.Errorf("the weight is %q, want its old name", got)
			}
		}},
		{"a weight that an inner graph reads", func(m *onnx.Model) {
			if err := m.Graph.Rename(map[string]string{"w": "onnx::Conv_7"}); err != nil {
				t.Fatal(err)
			}
			m.Graph.Nodes[0].Name = "/conv/Conv"
			inner := &onnx.Graph{Name: "then", Nodes: []*onnx.Node{{OpType: "Identity", Inputs: []string{"onnx::Conv_7"}, Outputs: []string{"i"}}}, Outputs: []*onnx.ValueInfo{{Name: "i"}}}
			m.Graph.Nodes = append(m.Graph.Nodes, &onnx.Node{OpType: "If", Inputs: []string{"x"}, Outputs: []string{"z"},
				Attributes: []*onnx.Attribute{{Name: "then_branch", Type: onnx.AttrGraph, G: inner}}})
		}, func(t *testing.T, m *onnx.Model, n *Normalization) {
			if got := m.Graph.Nodes[4].Attributes[0].G.Nodes[0].Inputs[0]; got != "conv.weight" {
				t.Errorf("the inner graph reads %q", got)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := model()
			tt.edit(m)
			n, err := Normalize(m)
			if err != nil {
				t.Fatal(err)
			}
			if err := onnx.Check(m); err != nil {
				t.Error(err)
			}
			tt.check(t, m, n)
		})
	}
}

// Older exporters name nodes Conv_12 and folded weights 497: in a ResNet the place
// tells the layer.
func TestNormalizeNamesByTopology(t *testing.T) {
	for _, name := range []string{"basic_op11_eval", "bottleneck_op13_eval", "basic_op13_preserve", "bottleneck_op13_training"} {
		t.Run(name, func(t *testing.T) {
			want := torchExport(t, name)
			if _, err := Normalize(want); err != nil {
				t.Fatal(err)
			}
			m := torchExport(t, name)
			names := map[string]string{}
			for i, x := range m.Graph.Initializers {
				names[x.Name] = fmt.Sprint(400 + i)
			}
			if err := m.Graph.Rename(names); err != nil {
				t.Fatal(err)
			}
			for i, n := range m.Graph.Nodes {
				n.Name = fmt.Sprintf("%s_%d", n.OpType, i)
			}
			if _, err := Normalize(m); err != nil {
				t.Fatal(err)
			}
			for i, n := range m.Graph.Nodes {
				if w := want.Graph.Nodes[i].Inputs; role(n, 1) != "" && !slices.Equal(n.Inputs[1:], w[1:]) {
					t.Errorf("node %s reads %q, want %q", n.Name, n.Inputs[1:], w[1:])
				}
			}
			// With one more branch it is no ResNet, and nothing is guessed.
			m = torchExport(t, name)
			if err := m.Graph.Rename(names); err != nil {
				t.Fatal(err)
			}
			for i, n := range m.Graph.Nodes {
				n.Name = fmt.Sprint(i)
				if n.OpType == "MaxPool" {
					m.Graph.Nodes = append(m.Graph.Nodes, &onnx.Node{OpType: "Conv", Inputs: []string{n.Outputs[0], "410"}, Outputs: []string{"more"}})
				}
			}
			n, err := Normalize(m)
			if err != nil || len(n.Renamed) != 0 {
				t.Errorf("renamed %v, %v", n.Renamed, err)
			}
		})
	}
}

func TestBatchNormState(t *testing.T) {
	for name, want := range map[string]string{
		"basic_op11_training":           "12 BatchNormalization nodes, training form",
		"basic_op13_training":           "12 BatchNormalization nodes, training form",
		"basic_op15_training":           "12 BatchNormalization nodes, training form",
		"basic_op18_training":           "12 BatchNormalization nodes, training form",
		"basic_op13_preserve":           "12 BatchNormalization nodes, inference form",
		"basic_op18_preserve":           "12 BatchNormalization nodes, inference form",
		"basic_op18_dynamo_unoptimized": "12 BatchNormalization nodes, inference form",
		"bottleneck_op13_eval":          "folded into 17 of 17 convolutions at export: no BatchNormalization left (their weights have the names of folded ones)",
		"basic_op18_dynamo":             "folded into 12 of 12 convolutions at export: no BatchNormalization left (their weights have the names of folded ones)",
		"tiny_op18_dynamo_training":     "folded into 6 of 6 convolutions at export: no BatchNormalization left (their weights have the names of folded ones)",
	} {
		n, err := Normalize(torchExport(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := n.BatchNorm.String(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}

	frozen := torchExport(t, "basic_op17_training")
	for _, n := range frozen.Graph.Nodes[:6] {
		if n.OpType == "BatchNormalization" {
			n.SetAttribute(onnx.IntAttr("training_mode", 0))
			n.Outputs = n.Outputs[:1]
		}
	}
	if got, want := DetectBatchNorm(frozen).String(), "12 BatchNormalization nodes, 10 in training form and 2 frozen"; got != want {
		t.Errorf("%q, want %q", got, want)
	}

	// Once the names are gone, that nothing in a residual network is normalised is
	// the only sign left; Normalize has just taken them away. Biases are none: the
	// newer exporter drops those that are 0.
	renamed := torchExport(t, "basic_op13_eval")
	if _, err := Normalize(renamed); err != nil {
		t.Fatal(err)
	}
	residual := "folded into 12 of 12 convolutions at export: no BatchNormalization left (a residual network in which nothing is normalised)"
	if got := DetectBatchNorm(renamed).String(); got != residual {
		t.Errorf("%q, want %q", got, residual)
	}
	for _, n := range renamed.Graph.Nodes {
		if n.OpType == "Conv" {
			n.Inputs = n.Inputs[:2]
		}
	}
	if got := DetectBatchNorm(renamed).String(); got != residual {
		t.Errorf("without biases %q, want %q", got, residual)
	}
	none := "no BatchNormalization, and no sign that there was any"
	other := *renamed.Graph
	other.Nodes = append([]*onnx.Node{{OpType: "LayerNormalization"}}, other.Nodes...)
	if got := DetectBatchNorm(&onnx.Model{Graph: &other}).String(); got != none {
		t.Errorf("with a normalisation of another kind %q, want %q", got, none)
	}
	other.Nodes = slices.DeleteFunc(slices.Clone(renamed.Graph.Nodes), func(n *onnx.Node) bool { return n.OpType == "Add" })
	if got := DetectBatchNorm(&onnx.Model{Graph: &other}).String(); got != none {
		t.Errorf("without shortcuts %q, want %q", got, none)
	}
}

func TestRepresentation(t *testing.T) {
	width := map[string]int{"basic": 32, "bottleneck": 128, "tiny": 8}
	for _, name := range torchExports(t) {
		m := torchExport(t, name)
		if _, err := Normalize(m); err != nil {
			t.Fatal(err)
		}
		r, d, err := representation(m)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		arch, _, _ := strings.Cut(name, "_")
		if d != width[arch] {
			t.Errorf("%s: %q is %d wide, want %d", name, r, d, width[arch])
		}
		if fc := m.Graph.Producer("logits"); fc != nil && r != fc.Inputs[0] {
			t.Errorf("%s: the representation is %q, want the input of the classifier, %q", name, r, fc.Inputs[0])
		}
	}
}

func TestRepresentationElsewhere(t *testing.T) {
	chain := func(ops ...string) *onnx.Model {
		g := &onnx.Graph{Inputs: []*onnx.ValueInfo{onnx.FloatValue("t0")}}
		for i, op := range ops {
			n := &onnx.Node{OpType: op, Name: op, Inputs: []string{fmt.Sprintf("t%d", i)}, Outputs: []string{fmt.Sprintf("t%d", i+1)}}
			if op == "Gemm" || op == "MatMul" || op == "Add" {
				n.Inputs = append(n.Inputs, "w")
			}
			g.Nodes = append(g.Nodes, n)
		}
		g.Outputs = []*onnx.ValueInfo{onnx.FloatValue(fmt.Sprintf("t%d", len(ops)))}
		return &onnx.Model{Graph: g}
	}
	for _, tt := range []struct {
		ops  []string
		want string
	}{
		{[]string{"Conv", "GlobalAveragePool", "Flatten", "Gemm"}, "t3"},
		{[]string{"Conv", "GlobalAveragePool", "Flatten"}, "t3"},
		{[]string{"Conv", "GlobalAveragePool", "Flatten", "Dropout", "Gemm", "Softmax"}, "t3"},
		{[]string{"Conv", "ReduceMean", "Gemm"}, "t2"},
		{[]string{"Conv", "GlobalAveragePool", "Squeeze", "Squeeze", "Gemm"}, "t4"},
		{[]string{"Conv", "GlobalAveragePool", "Flatten", "Gemm", "BatchNormalization", "Relu", "MatMul", "Add"}, "t3"},
		{[]string{"Conv", "MaxPool", "Flatten", "Gemm", "Relu", "Gemm"}, "t5"},
		{[]string{"Conv", "Relu"}, ""},
	} {
		got, err := Representation(chain(tt.ops...))
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%v: %q, %v, want %q", tt.ops, got, err, tt.want)
		}
	}
	_, err := Representation(chain("Conv", "Relu"))
	if err == nil || !strings.Contains(err.Error(), `"Conv"`) {
		t.Errorf("%v does not say what it met", err)
	}
}

// Invalid graphs are refused before anything is done with them.
func TestNormalizeRefusesInvalidModels(t *testing.T) {
	m := torchExport(t, "tiny_op13_eval_view")
	m.Graph.Nodes[1].Inputs[0] = "nowhere"
	m.Graph.Nodes[3].Outputs[0] = m.Graph.Nodes[2].Outputs[0]
	_, err := Normalize(m)
	if err == nil || !strings.Contains(err.Error(), "nowhere") || !strings.Contains(err.Error(), "assigned twice") {
		t.Errorf("got %v, want both problems", err)
	}
}

// The result is a file like any other: written and read, it is normal already.
func TestNormalizeIsIdempotent(t *testing.T) {
	for _, name := range torchExports(t) {
		m := torchExport(t, name)
		if _, err := Normalize(m); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := m.Encode(&b); err != nil {
			t.Fatal(err)
		}
		again, err := onnx.Decode(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		n, err := Normalize(again)
		if err != nil {
			t.Fatal(err)
		}
		if len(n.Untied)+len(n.Constants)+len(n.Renamed)+n.Biases != 0 {
			t.Errorf("%s: the second pass did %+v", name, n)
		}
	}
}
