package importer

import (
	"bytes"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"onnxclr/importer/onnx"
	"onnxclr/internal/golden"
)

// encoder returns a tiny converted model with D = 4.
func tinyModel(t testing.TB) *onnx.Model {
	m, _ := mustConvert(t, plain(t, tiny().random(1)), ConvertOptions{})
	return m
}

func encode(t *testing.T, m *onnx.Model) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAttachHead(t *testing.T) {
	for _, test := range []struct {
		head    Head
		nodes   string
		tensors string
		width   int64
	}{
		{Head{Kind: HeadNone}, "embedding", "", 4},
		{Head{Kind: HeadSlice, D0: 3}, "directclr", "directclr.starts directclr.ends directclr.axes", 3},
		{Head{Kind: HeadLinear, Dim: 6}, "projector.0", "projector.0.weight", 6},
		{Head{Kind: HeadMLP, Dim: 5, Hidden: 7}, "projector.0 projector.1 projector.2 projector.3 projector.4", `projector.0.weight
			projector.1.weight projector.1.bias projector.1.running_mean projector.1.running_var projector.3.weight
			projector.4.weight projector.4.bias projector.4.running_mean projector.4.running_var`, 5},
		{Head{Kind: HeadMLP, Dim: 2}, "projector.0 projector.1 projector.2 projector.3 projector.4", `projector.0.weight
			projector.1.weight projector.1.bias projector.1.running_mean projector.1.running_var projector.3.weight
			projector.4.weight projector.4.bias projector.4.running_mean projector.4.running_var`, 2},
		{Head{Kind: HeadMLP, Dim: 5, Hidden: 3, Layers: 3}, "projector.0 projector.1 projector.2 projector.3 projector.4 projector.5 projector.6 projector.7", `projector.0.weight
			projector.1.weight projector.1.bias projector.1.running_mean projector.1.running_var projector.3.weight
			projector.4.weight projector.4.bias projector.4.running_mean projector.4.running_var projector.6.weight
			projector.7.weight projector.7.bias projector.7.running_mean projector.7.running_var`, 5},
		{Head{Kind: HeadMLP, Dim: 5, Norm: LayersHidden, Bias: LayersHidden}, "projector.0 projector.1 projector.2 projector.3", `projector.0.weight
			projector.1.weight projector.1.bias projector.1.running_mean projector.1.running_var projector.3.weight`, 5},
		{Head{Kind: HeadMLP, Dim: 5, Norm: LayersHidden}, "projector.0 projector.1 projector.2 projector.3", `projector.0.weight
			projector.1.weight projector.1.bias projector.1.running_mean projector.1.running_var projector.3.weight projector.3.bias`, 5},
		{Head{Kind: HeadMLP, Dim: 5, Norm: LayersNone}, "projector.0 projector.1 projector.2", "projector.0.weight projector.0.bias projector.2.weight projector.2.bias", 5},
		{Head{Kind: HeadMLP, Dim: 5, Layers: 3, Norm: LayersNone, Bias: LayersHidden}, "projector.0 projector.1 projector.2 projector.3 projector.4",
			"projector.0.weight projector.0.bias projector.2.weight projector.2.bias projector.4.weight", 5},
		{Head{Kind: HeadMLP, Dim: 5, Norm: LayersNone, Bias: LayersNone}, "projector.0 projector.1 projector.2", "projector.0.weight projector.2.weight", 5},
		{Head{Kind: HeadMLP, Dim: 5, Bias: LayersHidden}, "projector.0 projector.1 projector.2 projector.3 projector.4", `projector.0.weight
			projector.1.weight projector.1.bias projector.1.running_mean projector.1.running_var projector.3.weight
			projector.4.weight projector.4.bias projector.4.running_mean projector.4.running_var`, 5},
		{Head{Kind: HeadOrthogonal}, "projector.0", "projector.0.weight", 4},
		{Head{Kind: HeadOrthogonal, Dim: 3, Seed: 1}, "projector.0", "projector.0.weight", 3},
		{Head{Kind: HeadOrthogonal, Dim: 6}, "projector.0", "projector.0.weight", 6},
		{Head{Kind: HeadDiagonal}, "projector.0", "projector.0.weight", 4},
		{Head{Kind: HeadLowRank, D0: 2}, "projector.0", "projector.0.weight", 2},
		{Head{Kind: HeadGroup, Groups: 2}, "embedding", "", 4},
		{Head{Kind: HeadDropout, D0: 3}, "embedding", "", 4},
	} {
		t.Run(test.head.String(), func(t *testing.T) {
			m := tinyModel(t)
			nodes, tensors := len(m.Graph.Nodes), len(m.Graph.Initializers)
			if err := AttachHead(m, test.head); err != nil {
				t.Fatal(err)
			}
			if err := onnx.Check(m); err != nil {
				t.Fatal(err)
			}
			var names, added []string
			for _, n := range m.Graph.Nodes[nodes:] {
				names = append(names, n.Name)
			}
			for _, x := range m.Graph.Initializers[tensors:] {
				added = append(added, x.Name)
			}
			if got, want := strings.Join(names, " "), test.nodes; got != want {
				t.Errorf("nodes %q, want %q", got, want)
			}
			if got, want := strings.Join(added, " "), strings.Join(strings.Fields(test.tensors), " "); got != want {
				t.Errorf("tensors %q, want %q", got, want)
			}
			out := m.Graph.Output(EmbeddingName)
			if want := []onnx.Dim{{Param: "batch"}, {Value: test.width}}; out == nil || !reflect.DeepEqual(out.Shape, want) {
				t.Fatalf("output %+v, want [batch %d]", out, test.width)
			}
			x := array{[]int{2, 3, 20, 20}, make([]float32, 2400)}
			for i := range x.v {
				x.v[i] = float32(math.Sin(float64(i)))
			}
			values := evaluate(t, m, x)
			z, r := values[EmbeddingName], values[RepresentationName]
			if !reflect.DeepEqual(z.shape, []int{2, int(test.width)}) {
				t.Errorf("the embedding has shape %v", z.shape)
			}
			switch test.head.Kind {
			case HeadNone, HeadDiagonal, HeadGroup, HeadDropout:
				golden.Check(t, "z", golden.Exact, z.v, r.v)
			case HeadSlice:
				golden.Check(t, "z", golden.Exact, z.v, append(append([]float32(nil), r.v[:3]...), r.v[4:7]...))
			}
			before := encode(t, m)
			if err := AttachHead(m, test.head); err != nil {
				t.Errorf("the same head again: %v", err)
			}
			if !bytes.Equal(encode(t, m), before) {
				t.Error("attaching the same head again changed the model")
			}
			if settled, _ := test.head.settle(4); test.head.Kind == HeadOrthogonal || test.head.Kind == HeadLowRank {
				w, err := m.Graph.Initializer(ProjectorWeight).Float32s()
				if err != nil {
					t.Fatal(err)
				}
				orthonormal(t, w, int(test.width), 4, settled)
			}
			if got, ok, err := AttachedHead(m); err != nil || !ok || got.Kind != test.head.Kind {
				t.Errorf("AttachedHead gives %v, %v, %v", got, ok, err)
			}
			if !DetachHead(m) || DetachHead(m) {
				t.Error("DetachHead does not report whether there was a head")
			}
			if got, want := encode(t, m), encode(t, tinyModel(t)); test.head.Kind != HeadMLP && !bytes.Equal(got, want) {
				t.Error("the model without its head is not the one before")
			}
			if counts, err := BatchesTracked(m); err != nil || m.Meta(MetaBatches) != "101" || len(counts) != 6 {
				t.Errorf("counters %v, %v, metadata %q", counts, err, m.Meta(MetaBatches))
			}
		})
	}
}

// orthonormal checks that the rows of a weight [out,in], or its columns when these are
// fewer, are of length 1 and at right angles.
func orthonormal(t *testing.T, v []float32, out, in int, what Head) {
	t.Helper()
	if len(v) != out*in {
		t.Fatalf("%v: %d weights, want [%d,%d]", what, len(v), out, in)
	}
	n, d, row, column := out, in, in, 1
	if out > in {
		n, d, row, column = in, out, 1, in
	}
	for i := range n {
		for j := range n {
			var product, want float64
			for k := range d {
				product += float64(v[i*row+k*column]) * float64(v[j*row+k*column])
			}
			if i == j {
				want = 1
			}
			if math.Abs(product-want) > 1e-6 {
				t.Errorf("%v: vectors %d and %d have the product %g", what, i, j, product)
			}
		}
	}
}

// TestOrthonormalWeights: of any size, from the seed alone, and not near any axis.
func TestOrthonormalWeights(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {3, 200}, {200, 3}, {150, 150}} {
		b := headBuilder{seed: 3}
		w, again := b.orthonormal(s[0], s[1]), (&headBuilder{seed: 3}).orthonormal(s[0], s[1])
		orthonormal(t, w.values, s[1], s[0], Head{Kind: HeadOrthogonal})
		if !reflect.DeepEqual(w, again) {
			t.Errorf("%v: the same seed gives other weights", s)
		}
		if next := b.orthonormal(s[0], s[1]); s[0] > 1 && reflect.DeepEqual(w, next) {
			t.Errorf("%v: the second weight is the first", s)
		}
	}
}

// TestFixedParameters: PyTorch has no batch normalisation without β alone; as where that
// is wanted there, it is 0 and stays so.
func TestFixedParameters(t *testing.T) {
	for want, h := range map[string]Head{
		"":                                  {Kind: HeadMLP},
		"projector.4.bias":                  {Kind: HeadMLP, Bias: LayersHidden},
		"projector.1.bias projector.4.bias": {Kind: HeadMLP, Layers: 3, Norm: LayersHidden, Bias: LayersNone},
		ProjectorWeight:                     {Kind: HeadLowRank, D0: 2},
	} {
		if got := strings.Join(h.Fixed(), " "); got != want {
			t.Errorf("%v has %q fixed, want %q", h, got, want)
		}
	}
}

// TestHeadsOfBefore: a model whose metadata do not know of layers keeps its head.
func TestHeadsOfBefore(t *testing.T) {
	m := tinyModel(t)
	if err := AttachHead(m, Head{Kind: HeadMLP, Dim: 5, Seed: 7}); err != nil {
		t.Fatal(err)
	}
	m.SetMeta(MetaHead, `{"kind":"mlp","dim":5,"hidden":4,"seed":7}`)
	if err := AttachHead(m, Head{Kind: HeadMLP, Dim: 5, Seed: 8}); err != nil {
		t.Error(err)
	}
	m.SetMeta(MetaHead, `{"kind":"mlp","dim":5,"hidden":4,"layers":2,"plain":true,"seed":7}`)
	if err := AttachHead(m, Head{Kind: HeadMLP, Dim: 5, Norm: LayersHidden, Bias: LayersHidden}); err != nil {
		t.Error(err)
	}
	wantError(t, AttachHead(m, Head{Kind: HeadMLP, Dim: 5}), "already has a trained head (mlp to 5 by way of 4, batchnorm hidden, bias hidden), not")
	m.SetMeta(MetaHead, `{"kind":"mlp","dim":5,"hidden":4,"seed":7}`)
	wantError(t, AttachHead(m, Head{Kind: HeadMLP, Dim: 5, Layers: 3}), "already has a trained head (mlp to 5 by way of 4), not the one asked for (mlp to 5 by way of 2 layers of 4)")
}

// TestHeadWeights: uniform in ±1/√fan_in, as nn.Linear begins, from the seed alone.
func TestHeadWeights(t *testing.T) {
	norms := map[string]string{"projector.3.bias": LayersHidden}
	weightsOf := func(seed uint64, name string) []float32 {
		m := tinyModel(t)
		if err := AttachHead(m, Head{Kind: HeadMLP, Dim: 300, Hidden: 400, Norm: norms[name], Seed: seed}); err != nil {
			t.Fatal(err)
		}
		v, err := m.Graph.Initializer(name).Float32s()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, fanIn := range map[string]float64{"projector.0.weight": 4, "projector.3.weight": 400, "projector.3.bias": 400} {
		v := weightsOf(1, name)
		var sum, squares, largest float64
		for _, x := range v {
			sum += float64(x)
			squares += float64(x) * float64(x)
			largest = math.Max(largest, math.Abs(float64(x)))
		}
		n, bound := float64(len(v)), 1/math.Sqrt(fanIn)
		// A uniform's mean is within 5 standard errors of 0, its variance is bound²/3.
		if math.Abs(sum/n) > 5*bound/math.Sqrt(3*n) {
			t.Errorf("%s: mean %g", name, sum/n)
		}
		if ratio := squares / n / (bound * bound / 3); ratio < 0.9 || ratio > 1.1 {
			t.Errorf("%s: variance is %.3f of bound²/3", name, ratio)
		}
		if largest > bound || largest < 0.98*bound {
			t.Errorf("%s: largest %g, want just below %g", name, largest, bound)
		}
		if !reflect.DeepEqual(v, weightsOf(1, name)) {
			t.Errorf("%s: the same seed gives other weights", name)
		}
		if reflect.DeepEqual(v, weightsOf(2, name)) {
			t.Errorf("%s: another seed gives the same weights", name)
		}
	}
	for name, want := range map[string]float32{"projector.1.weight": 1, "projector.4.bias": 0, "projector.4.running_mean": 0, "projector.1.running_var": 1} {
		for _, x := range weightsOf(1, name) {
			if x != want {
				t.Fatalf("%s holds %v, want %v", name, x, want)
			}
		}
	}
}

func TestAttachHeadRefuses(t *testing.T) {
	for want, head := range map[string]Head{
		"d0 is 5, want 1 to 4":                               {Kind: HeadSlice, D0: 5},
		"d0 is 0, want 1 to 4":                               {Kind: HeadSlice},
		"the projector's width is 0, want at least 1":        {Kind: HeadLinear},
		"the projector's width is -3":                        {Kind: HeadMLP, Dim: -3},
		"hidden width is -1":                                 {Kind: HeadMLP, Dim: 3, Hidden: -1},
		`unknown head "conv"; want one of none, linear, mlp`: {Kind: "conv"},
		"d0 is 5, want 1 to 4, the width":                    {Kind: HeadLowRank, D0: 5},
		"d0 is -1, want 1 to 4, the width":                   {Kind: HeadDropout, D0: -1},
		"4 features do not divide into 3 equal groups":       {Kind: HeadGroup, Groups: 3},
		"projector_groups is 0, want 1 to 4":                 {Kind: HeadGroup},
		"the projector has 1 layers, want 2 to 64":           {Kind: HeadMLP, Dim: 3, Layers: 1},
		`a bias in "last", want all, hidden or none`:         {Kind: HeadMLP, Dim: 3, Bias: "last"},
	} {
		m := tinyModel(t)
		wantError(t, AttachHead(m, head), want)
		if !bytes.Equal(encode(t, m), encode(t, tinyModel(t))) {
			t.Errorf("%v: the model was changed", head)
		}
	}
	t.Run("another trained head", func(t *testing.T) {
		m := tinyModel(t)
		if err := AttachHead(m, Head{Kind: HeadMLP, Dim: 5}); err != nil {
			t.Fatal(err)
		}
		wantError(t, AttachHead(m, Head{Kind: HeadMLP, Dim: 6}), "already has a trained head (mlp to 5 by way of 4), not the one asked for (mlp to 6 by way of 4)")
		wantError(t, AttachHead(m, Head{Kind: HeadSlice, D0: 1}), "already has a trained head")
	})
	t.Run("a head without weights is replaced", func(t *testing.T) {
		m := tinyModel(t)
		for _, h := range []Head{{Kind: HeadSlice, D0: 2}, {Kind: HeadNone}, {Kind: HeadSlice, D0: 3}, {Kind: HeadLinear, Dim: 2}} {
			if err := AttachHead(m, h); err != nil {
				t.Fatal(err)
			}
			if err := onnx.Check(m); err != nil {
				t.Fatal(err)
			}
		}
		if m.Graph.Initializer("directclr.ends") != nil {
			t.Error("the slice has left something behind")
		}
	})
	t.Run("a foreign output called embedding", func(t *testing.T) {
		m := tinyModel(t)
		m.Graph.Nodes = append(m.Graph.Nodes, &onnx.Node{OpType: "Relu", Inputs: []string{RepresentationName}, Outputs: []string{EmbeddingName}})
		wantError(t, AttachHead(m, Head{Kind: HeadSlice, D0: 2}), "rename it")
		m.Graph.Outputs = append(m.Graph.Outputs, onnx.FloatValue(EmbeddingName, onnx.Dim{Param: "batch"}, onnx.Dim{Value: 4}))
		wantError(t, AttachHead(m, Head{Kind: HeadSlice, D0: 2}), "not a head of onnxclr")
		if err := AttachHead(m, Head{Kind: HeadNone}); err != nil {
			t.Errorf("none should take the output as it is: %v", err)
		}
	})
	t.Run("an old opset", func(t *testing.T) {
		m := tinyModel(t)
		m.Opsets[0].Version = 6
		wantError(t, AttachHead(m, Head{Kind: HeadLinear, Dim: 2}), "needs opset 7, the model has 6")
	})
}

func TestBatchesTracked(t *testing.T) {
	m := tinyModel(t)
	if err := AddBatches(m, 5, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if got := m.Meta(MetaBatches); got != "106" {
		t.Errorf("metadata %q, want 106", got)
	}
	if err := AttachHead(m, Head{Kind: HeadMLP, Dim: 2}); err != nil {
		t.Fatal(err)
	}
	if err := AddBatches(m, 2, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	counts, err := BatchesTracked(m)
	if err != nil {
		t.Fatal(err)
	}
	if counts["bn1"] != 108 || counts["layer2.0.downsample.1"] != 108 || counts["projector.1"] != 2 || counts["projector.4"] != 2 || len(counts) != 8 {
		t.Errorf("counters %v", counts)
	}
	m.SetMeta(MetaBatches, "many")
	if _, err := BatchesTracked(m); err == nil {
		t.Error("a counter that is no number was accepted")
	}
}

// TestHeadOnExports attaches a head to what PyTorch's exporters write, where no
// output is called representation, and takes the weights back to PyTorch.
func TestHeadOnExports(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(golden.Testdata(t, "onnx"), "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d models in testdata/onnx (%v)", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			m, err := OpenModel(path)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if err := AttachHead(m.ONNX, Head{Kind: HeadMLP, Dim: 3}); err != nil {
				t.Fatal(err)
			}
			r, d, err := representation(m.ONNX)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.ONNX.Graph.Producer("projector.0_output").Input(0); got != r {
				t.Errorf("the head stands on %q, want %q", got, r)
			}
			if w := m.ONNX.Graph.Initializer("projector.0.weight"); w.Shape[1] != d {
				t.Errorf("the head is for %d channels, the representation has %d", w.Shape[1], d)
			}
			if err := onnx.Check(evaluation(m.ONNX)); err != nil {
				t.Error(err)
			}
			if inputs := m.ONNX.Graph.DataInputs(); len(inputs) != 1 {
				t.Errorf("%d inputs that no initializer gives", len(inputs))
			}
			c, report := exported(t, m.ONNX, ".pth", ExportOptions{})
			if strings.Contains(path, "_training") && !strings.Contains(path, "tiny_") || strings.Contains(path, "_preserve") {
				if _, _, err := Convert(c, ConvertOptions{}); err != nil {
					t.Error(err)
				}
			}
			if m.BatchNorm.Folded > 0 && len(report.Notes) < 2 {
				t.Errorf("notes %q, want one about folding", report.Notes)
			}
		})
	}
}
