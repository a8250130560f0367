package graph_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/graph/graphtest"
)

// arrays are those of one case of testdata/golden/ops.
type arrays map[string]*golden.Array

func eachCase(t *testing.T, file, prefix string, f func(t *testing.T, a arrays)) {
	t.Helper()
	cases := map[string]arrays{}
	for key, array := range golden.Load(t, file) {
		name, part, _ := strings.Cut(key, "/")
		if strings.HasPrefix(name, prefix) {
			if cases[name] == nil {
				cases[name] = arrays{}
			}
			cases[name][part] = array
		}
	}
	if len(cases) == 0 {
		t.Fatalf("%s has no case %q", file, prefix)
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) { f(t, cases[name]) })
	}
}

// newModel starts a model whose parameters are named after the arrays of the case.
func newModel(a arrays) *graphtest.Model {
	return graphtest.NewModel(17, func(name string, _ []int) []float32 { return a[name].F32 })
}

// image is the shape of x as the four dimensions of a program's input; a matrix is an
// image of one pixel.
func image(a arrays) (n, c, h, w int) {
	s := append(slices.Clone(a["x"].Shape), 1, 1)
	return s[0], s[1], s[2], s[3]
}

// flat returns the input as the matrix it stands for.
func flat(m *graphtest.Model) string {
	return m.Node("Flatten", []string{"input"}, onnx.IntAttr("axis", 1))
}

// check builds the model whose output is the tensor out, feeds x, and compares y, dx
// and the gradients of params with the case's, the gradient dy arriving at y.
func check(t *testing.T, m *graphtest.Model, out string, a arrays, opts graph.Options, params ...string) *graph.Program {
	t.Helper()
	m.Output(out, "y")
	opts.Batch, opts.Channels, opts.Height, opts.Width = image(a)
	opts.Outputs = []string{"y"}
	p := build(t, m.Model, weightsOf(t, m.Model), opts)
	y := p.Outputs["y"]
	if y.Shape().TotalSize() != a["y"].Len() {
		t.Fatalf("y has shape %v, want %v", y.Shape(), a["y"].Shape)
	}
	feed(t, p, a["x"].F32)
	dy := G.NewTensor(p.Graph, tensor.Float32, y.Dims(), G.WithShape(y.Shape()...), G.WithName("dy"),
		G.WithValue(tensor.New(tensor.WithShape(y.Shape()...), tensor.WithBacking(slices.Clone(a["dy"].F32)))))
	wrt := G.Nodes{p.Input}
	for _, name := range params {
		i := slices.IndexFunc(p.Params, func(q *graph.Param) bool { return q.Name == name })
		if i < 0 {
			t.Fatalf("%s is no parameter of the program", name)
		}
		wrt = append(wrt, p.Params[i].Node)
	}
	grads, err := G.Backpropagate(G.Nodes{y}, G.Nodes{dy}, wrt)
	if err != nil {
		t.Fatal(err)
	}
	keep := append(G.Nodes{y}, grads...)
	for _, n := range p.Norms {
		keep = append(keep, n.Stats)
	}
	got := graphtest.Tape(t, p.Graph, keep...)
	compare(t, "machine", p, keep, got)
	golden.Check(t, "y", golden.Reference, got[y], a["y"].F64)
	for i, name := range append([]string{"x"}, params...) {
		golden.Check(t, "d"+name, golden.Reference, got[grads[i]], a["d"+name].F64)
	}
	if err := p.UpdateRunning(func(n *G.Node) []float32 { return got[n] }); err != nil {
		t.Error(err)
	}
	return p
}

func TestConv(t *testing.T) {
	eachCase(t, "ops/conv.npz", "", func(t *testing.T, a arrays) {
		s := a["shape"].I64 // N C H W K R S strides dilations pads groups
		m := newModel(a)
		inputs, params := []string{"input", m.Param("w", a["w"].Shape...)}, []string{"w"}
		if a["b"] != nil {
			inputs, params = append(inputs, m.Param("b", a["b"].Shape...)), append(params, "b")
		}
		out := m.Node("Conv", inputs, onnx.IntsAttr("strides", s[7:9]...), onnx.IntsAttr("dilations", s[9:11]...),
			onnx.IntsAttr("pads", s[11:15]...), onnx.IntAttr("group", s[15]))
		check(t, m, out, a, graph.Options{}, params...)
	})
}

// TestConvSamePads: auto_pad puts the odd pixel behind (SAME_UPPER) or before.
func TestConvSamePads(t *testing.T) {
	for auto, pads := range map[string][]int64{"SAME_UPPER": {0, 1, 1, 1}, "SAME_LOWER": {1, 1, 0, 1}, "VALID": {0, 0, 0, 0}} {
		run := func(attrs ...*onnx.Attribute) []float32 {
			m := graphtest.NewModel(17, golden.Weights)
			attrs = append(attrs, onnx.IntsAttr("strides", 2, 1))
			m.Output(m.Node("Conv", []string{"input", m.Param("w.weight", 2, 3, 3, 3)}, attrs...), "y")
			p := build(t, m.Model, weightsOf(t, m.Model), graph.Options{Batch: 1, Channels: 3, Height: 6, Width: 5, Outputs: []string{"y"}})
			feed(t, p, golden.Uniform("image", 3*6*5, -1, 1))
			return graphtest.Tape(t, p.Graph, p.Outputs["y"])[p.Outputs["y"]]
		}
		golden.Check(t, auto, golden.Exact, run(onnx.StringAttr("auto_pad", auto)), run(onnx.IntsAttr("pads", pads...)))
	}
}

// TestBatchNormalizationTrain covers all three forms of the node. ONNX's momentum is
// one minus PyTorch's, and arrives as float32.
func TestBatchNormalizationTrain(t *testing.T) {
	eachCase(t, "ops/batchnorm_train.npz", "train", func(t *testing.T, a arrays) {
		s := a["shape"].Ints() // views N C pixels
		if s[1]/s[0]*s[3] == 2 {
			return // x̂ is ±1 whatever x is; dx is what eps leaves of nothing
		}
		for _, form := range []string{"inference", "5 outputs", "training_mode"} {
			m := newModel(a)
			x := "input"
			if len(a["x"].Shape) == 2 {
				x = flat(m)
			}
			c := s[2]
			out := m.Node("BatchNormalization", []string{x, m.Param("gamma", c), m.Param("beta", c), m.Param("mean0", c), m.Param("var0", c)},
				onnx.FloatAttr("epsilon", float32(a["eps"].F64[0])), onnx.FloatAttr("momentum", float32(1-a["momentum"].F64[0])))
			node := m.Graph.Nodes[len(m.Graph.Nodes)-1]
			switch form {
			case "5 outputs":
				m.Opsets[0].Version = 13
				node.Outputs = append(node.Outputs, "mean", "var", "saved_mean", "saved_var")
			case "training_mode":
				node.SetAttribute(onnx.IntAttr("training_mode", 1))
				node.Outputs = append(node.Outputs, "mean", "var")
			}
			p := check(t, m, out, a, graph.Options{Train: true, Views: s[0]}, "gamma", "beta")
			norm := p.Norms[0]
			golden.CheckValue(t, "momentum", golden.Closed, norm.Momentum, a["momentum"].F64[0])
			golden.Check(t, "running mean", golden.Reference, norm.Mean, a["mean1"].F64)
			golden.Check(t, "running variance", golden.Reference, norm.Var, a["var1"].F64)
			if norm.Count != s[1]/s[0]*s[3] {
				t.Errorf("%d values a channel, want %d", norm.Count, s[1]/s[0]*s[3])
			}
		}
	})
}

func TestBatchNormalizationEval(t *testing.T) {
	eachCase(t, "ops/batchnorm_eval.npz", "", func(t *testing.T, a arrays) {
		m := newModel(a)
		x := "input"
		if len(a["x"].Shape) == 2 {
			x = flat(m)
		}
		c := a["shape"].Ints()[2]
		out := m.Node("BatchNormalization", []string{x, m.Param("gamma", c), m.Param("beta", c), m.Param("mean", c), m.Param("var", c)},
			onnx.FloatAttr("epsilon", float32(a["eps"].F64[0])))
		check(t, m, out, a, graph.Options{}, "gamma", "beta")
	})
}

func TestMaxPool(t *testing.T) {
	eachCase(t, "ops/maxpool.npz", "", func(t *testing.T, a arrays) {
		s := a["window"].I64 // N C H W R S strides dilations pads ceil
		m := newModel(a)
		out := m.Node("MaxPool", []string{"input"}, onnx.IntsAttr("kernel_shape", s[4:6]...), onnx.IntsAttr("strides", s[6:8]...),
			onnx.IntsAttr("dilations", s[8:10]...), onnx.IntsAttr("pads", s[10:14]...), onnx.IntAttr("ceil_mode", s[14]))
		check(t, m, out, a, graph.Options{})
	})
}

// TestGlobalAveragePool: the ways in which exporters write it.
func TestGlobalAveragePool(t *testing.T) {
	for name, write := range map[string]func(m *graphtest.Model, h, w int64) string{
		"GlobalAveragePool": func(m *graphtest.Model, _, _ int64) string {
			return m.Node("GlobalAveragePool", []string{"input"})
		},
		"ReduceMean": func(m *graphtest.Model, _, _ int64) string {
			return m.Node("ReduceMean", []string{"input"}, onnx.IntsAttr("axes", 2, 3), onnx.IntAttr("keepdims", 0))
		},
		"ReduceMean, opset 18": func(m *graphtest.Model, _, _ int64) string {
			m.Opsets[0].Version = 18
			return m.Node("ReduceMean", []string{"input", m.Ints("axes", -1, -2)})
		},
		"AveragePool of the whole image": func(m *graphtest.Model, h, w int64) string {
			return m.Node("AveragePool", []string{"input"}, onnx.IntsAttr("kernel_shape", h, w))
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachCase(t, "ops/others.npz", "globalaveragepool", func(t *testing.T, a arrays) {
				_, _, h, w := image(a)
				m := newModel(a)
				check(t, m, write(m, int64(h), int64(w)), a, graph.Options{})
			})
		})
	}
}

// TestLinear: the ways in which exporters write a linear layer.
func TestLinear(t *testing.T) {
	eachCase(t, "ops/others.npz", "linear", func(t *testing.T, a arrays) {
		s := a["shape"].Ints() // N In Out
		bias := a["b"] != nil
		t.Run("Gemm, transB", func(t *testing.T) {
			m := newModel(a)
			inputs, params := []string{flat(m), m.Param("w", s[2], s[1])}, []string{"w"}
			if bias {
				inputs, params = append(inputs, m.Param("b", s[2])), append(params, "b")
			}
			check(t, m, m.Node("Gemm", inputs, onnx.IntAttr("transB", 1)), a, graph.Options{}, params...)
		})
		// The others hold the weight transposed.
		transposed := arrays{}
		maps.Copy(transposed, a)
		transposed["w"] = &golden.Array{F32: transpose(a["w"].F32, s[2], s[1])}
		transposed["dw"] = &golden.Array{F64: transpose(a["dw"].F64, s[2], s[1])}
		for name, shape := range map[string][]int{"bias [Out]": {s[2]}, "bias [1,Out]": {1, s[2]}} {
			t.Run("Gemm, "+name, func(t *testing.T) {
				m := newModel(transposed)
				inputs, params := []string{flat(m), m.Param("w", s[1], s[2])}, []string{"w"}
				if bias {
					inputs, params = append(inputs, m.Param("b", shape...)), append(params, "b")
				}
				check(t, m, m.Node("Gemm", inputs), transposed, graph.Options{}, params...)
			})
			t.Run("MatMul and Add, "+name, func(t *testing.T) {
				m := newModel(transposed)
				out, params := m.Node("MatMul", []string{flat(m), m.Param("w", s[1], s[2])}), []string{"w"}
				if bias {
					out, params = m.Node("Add", []string{m.Param("b", shape...), out}), append(params, "b")
				}
				check(t, m, out, transposed, graph.Options{}, params...)
			})
		}
	})
}

// TestBiasOfImages: a parameter [C,1,1] is added along the channels.
func TestBiasOfImages(t *testing.T) {
	eachCase(t, "ops/conv.npz", "3x3_bias", func(t *testing.T, a arrays) {
		m := newModel(a)
		y := m.Node("Conv", []string{"input", m.Param("w", a["w"].Shape...)}, onnx.IntsAttr("pads", 1, 1, 1, 1))
		check(t, m, m.Node("Add", []string{y, m.Param("b", a["b"].Shape[0], 1, 1)}), a, graph.Options{}, "w", "b")
	})
}

func TestRelu(t *testing.T) {
	eachCase(t, "ops/others.npz", "relu", func(t *testing.T, a arrays) {
		m := newModel(a)
		check(t, m, m.Relu("input"), a, graph.Options{})
	})
}

// TestAddTwice: an input used twice has twice the gradient.
func TestAddTwice(t *testing.T) {
	eachCase(t, "ops/others.npz", "add_twice", func(t *testing.T, a arrays) {
		a["x"], a["dx"] = a["a"], a["da"]
		m := newModel(a)
		check(t, m, m.Node("Add", []string{"input", "input"}), a, graph.Options{})
	})
}

// TestSlice: the gradient outside the columns is zero, not absent.
func TestSlice(t *testing.T) {
	eachCase(t, "ops/others.npz", "slice", func(t *testing.T, a arrays) {
		s := a["shape"].I64 // rows cols from to
		for name, bounds := range map[string][3][]int64{
			"plain":          {{s[2]}, {s[3]}, {1}},
			"negative axis":  {{s[2]}, {s[3]}, {-1}},
			"from the end":   {{s[2] - s[1]}, {s[3]}, {1}},
			"beyond the end": {{s[2]}, {s[3]}, {1}},
		} {
			if name == "beyond the end" && s[3] == s[1] {
				bounds[1][0] = 1<<63 - 1
			}
			m := newModel(a)
			out := m.Node("Slice", []string{flat(m), m.Ints("starts", bounds[0]...), m.Ints("ends", bounds[1]...), m.Ints("axes", bounds[2]...), m.Ints("steps", 1)})
			t.Run(name, func(t *testing.T) { check(t, m, out, a, graph.Options{}) })
		}
	})
}

// TestReshapes: operators that only rename axes, one after the other.
func TestReshapes(t *testing.T) {
	a := arrays{"x": {Shape: []int{2, 6, 1, 1}, F32: golden.Uniform("x", 12, -1, 1)}}
	a["dy"] = &golden.Array{Shape: []int{2, 6}, F32: golden.Uniform("dy", 12, -1, 1)}
	a["y"], a["dx"] = &golden.Array{F64: a["x"].Float64s()}, &golden.Array{F64: a["dy"].Float64s()}
	m := newModel(a)
	y := m.Node("Squeeze", []string{"input", m.Ints("last", 3)})
	y = m.Node("Unsqueeze", []string{y, m.Ints("first", 0)})
	y = m.Node("Identity", []string{m.Node("Dropout", []string{y})})
	y = m.Node("Reshape", []string{y, m.Ints("shape", 2, -1)})
	check(t, m, m.Node("Flatten", []string{y}), a, graph.Options{Train: true})
}

func transpose[T any](v []T, rows, cols int) []T {
	out := make([]T, len(v))
	for i, x := range v {
		out[i%cols*rows+i/cols] = x
	}
	return out
}
