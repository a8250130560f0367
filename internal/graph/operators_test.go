package graph_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/graph/graphtest"
	"onnxclr/internal/vm"
)

// network adds the nodes of a case to m, whose input is "input" and whose parameters
// are the arrays beside x; it returns the output.
type network func(m *graphtest.Model) string

// one is a node of the input and parameters.
func one(op string, inputs string, attrs ...*onnx.Attribute) network {
	return func(m *graphtest.Model) string { return m.Node(op, strings.Fields(inputs), attrs...) }
}

// scalar adds a constant number to the model.
func scalar(m *graphtest.Model, name string, v float32) string {
	m.Graph.SetInitializer(weights.FromFloat32(name, []int{}, []float32{v}))
	return name
}

// older sets the opset of what follows.
func older(opset int64, n network) network {
	return func(m *graphtest.Model) string {
		m.Opsets[0].Version = opset
		return n(m)
	}
}

// operatorCases say which nodes a case of testdata/gen/operators.py is made of. Those
// of pairs of arrays are added below.
var operatorCases = map[string][]network{
	"Abs":        {one("Abs", "input")},
	"Celu":       {one("Celu", "input", onnx.FloatAttr("alpha", 0.7))},
	"Elu":        {one("Elu", "input", onnx.FloatAttr("alpha", 0.7))},
	"Erf":        {one("Erf", "input")},
	"Exp":        {one("Exp", "input")},
	"Gelu":       {older(20, one("Gelu", "input")), geluOfErf},
	"Gelu_tanh":  {older(20, one("Gelu", "input", onnx.StringAttr("approximate", "tanh")))},
	"LeakyRelu":  {one("LeakyRelu", "input", onnx.FloatAttr("alpha", 0.2))},
	"Neg":        {one("Neg", "input")},
	"Selu":       {one("Selu", "input")},
	"Sigmoid":    {one("Sigmoid", "input")},
	"Softplus":   {one("Softplus", "input")},
	"Tanh":       {one("Tanh", "input")},
	"Log":        {one("Log", "input")},
	"Sqrt":       {one("Sqrt", "input")},
	"Reciprocal": {one("Reciprocal", "input")},
	"HardSwish":  {one("HardSwish", "input")},
	"HardSigmoid": {
		one("HardSigmoid", "input", onnx.FloatAttr("alpha", 1.0/6)),
		func(m *graphtest.Model) string { // as opset 11 and ONNX's simplifiers write it
			x := m.Node("Add", []string{"input", scalar(m, "three", 3)})
			return m.Node("Div", []string{m.Node("Clip", []string{x, scalar(m, "zero", 0), scalar(m, "six", 6)}), "six"})
		},
	},
	"Clip": {
		func(m *graphtest.Model) string {
			return m.Node("Clip", []string{"input", scalar(m, "low", 0), scalar(m, "high", 6)})
		},
		older(6, one("Clip", "input", onnx.FloatAttr("min", 0), onnx.FloatAttr("max", 6))),
	},
	"Clip_at_the_bounds": {older(6, one("Clip", "input", onnx.FloatAttr("min", 0), onnx.FloatAttr("max", 6)))},
	"Clip_one_side":      {func(m *graphtest.Model) string { return m.Node("Clip", []string{"input", scalar(m, "low", -1)}) }},

	"Max_tie":    {one("Max", "input w")},
	"Pow":        {one("Pow", "input w")},
	"Pow_square": {func(m *graphtest.Model) string { return m.Node("Pow", []string{"input", scalar(m, "two", 2)}) }},
	"Pow_root":   {func(m *graphtest.Model) string { return m.Node("Pow", []string{"input", scalar(m, "half", 0.5)}) }},
	"Mul_gate": {func(m *graphtest.Model) string {
		gate := m.Node("Mul", []string{m.Node("GlobalAveragePool", []string{"input"}), "w"})
		return m.Node("Mul", []string{"input", m.Node("Sigmoid", []string{gate})})
	}},
	"Mul_itself": {func(m *graphtest.Model) string {
		return m.Node("Mul", []string{"input", m.Node("Sigmoid", []string{"input"})})
	}},
	"Sum":  {one("Sum", "input v w")},
	"Mean": {one("Mean", "input v w")},

	"ReduceSum": {
		older(11, one("ReduceSum", "input", onnx.IntsAttr("axes", 1, 3), onnx.IntAttr("keepdims", 0))),
		func(m *graphtest.Model) string {
			return m.Node("ReduceSum", []string{"input", m.Ints("axes", -1, 1)}, onnx.IntAttr("keepdims", 0))
		},
	},
	"ReduceSum_keep": {func(m *graphtest.Model) string { return m.Node("ReduceSum", []string{"input", m.Ints("axes", 0, 2)}) }},
	"ReduceMean": {
		one("ReduceMean", "input", onnx.IntsAttr("axes", -1)),
		older(18, func(m *graphtest.Model) string { return m.Node("ReduceMean", []string{"input", m.Ints("axes", 2)}) }),
	},
	"ReduceMean_tokens": {one("ReduceMean", "input", onnx.IntsAttr("axes", 1), onnx.IntAttr("keepdims", 0))},
	"ReduceMean_all":    {one("ReduceMean", "input", onnx.IntAttr("keepdims", 0))},

	"Transpose":          {one("Transpose", "input", onnx.IntsAttr("perm", 0, 2, 3, 1))},
	"Transpose_back":     {one("Transpose", "input", onnx.IntsAttr("perm", 0, 3, 1, 2))},
	"Transpose_heads":    {one("Transpose", "input", onnx.IntsAttr("perm", 0, 2, 1, 3))},
	"Transpose_reversed": {one("Transpose", "input")},
	"Slice_steps": {
		func(m *graphtest.Model) string {
			return m.Node("Slice", []string{"input", m.Ints("s", 1, 1), m.Ints("e", 9, -1), m.Ints("a", 1, -1), m.Ints("t", 2, 1)})
		},
		older(9, func(m *graphtest.Model) string {
			x := m.Node("Slice", []string{"input"}, onnx.IntsAttr("starts", 1), onnx.IntsAttr("ends", 3), onnx.IntsAttr("axes", 3))
			m.Opsets[0].Version = 13
			return m.Node("Gather", []string{x, m.Ints("odd", 1, 3)}, onnx.IntAttr("axis", 1))
		}),
	},
	"Slice_backwards": {func(m *graphtest.Model) string {
		return m.Node("Slice", []string{"input", m.Ints("s", -1), m.Ints("e", -1<<62), m.Ints("a", 1), m.Ints("t", -2)})
	}},
	"Gather": {func(m *graphtest.Model) string {
		return m.Node("Gather", []string{"input", m.Ints("i", 0, 2, -1, 1)}, onnx.IntAttr("axis", 1))
	}},
	"Gather_token": {func(m *graphtest.Model) string {
		return m.Node("Gather", []string{"input", m.Scalar("i", 0)}, onnx.IntAttr("axis", 1))
	}},
	"Gather_grid": {func(m *graphtest.Model) string {
		m.Graph.SetInitializer(weights.FromInt64("i", []int{2, 2}, []int64{0, 2, 1, 1}))
		return m.Node("Gather", []string{"input", "i"})
	}},
	"Pad_constant": {
		func(m *graphtest.Model) string {
			return m.Node("Pad", []string{"input", m.Ints("p", 0, 0, 2, 1, 0, 0, 1, 0), scalar(m, "fill", 0.5)})
		},
		older(10, one("Pad", "input", onnx.IntsAttr("pads", 0, 0, 2, 1, 0, 0, 1, 0), onnx.FloatAttr("value", 0.5))),
		older(18, func(m *graphtest.Model) string {
			return m.Node("Pad", []string{"input", m.Ints("p", 1, 2, 0, 1), scalar(m, "fill", 0.5), m.Ints("a", 3, -2)})
		}),
	},
	"Pad_reflect":  {func(m *graphtest.Model) string { return pad(m, "reflect", 0, 0, 0, 2, 0, 0, 3, 1) }},
	"Pad_edge":     {func(m *graphtest.Model) string { return pad(m, "edge", 0, 0, 0, 2, 0, 0, 3, 1) }},
	"Pad_negative": {func(m *graphtest.Model) string { return pad(m, "constant", 0, 0, 1, -1, 0, 0, -2, 2) }},
	"Expand":       {func(m *graphtest.Model) string { return m.Node("Expand", []string{"input", m.Ints("s", 2, 1, 4)}) }},
	"Concat":       {one("Concat", "input w input", onnx.IntAttr("axis", 1))},
	"Concat_rows":  {one("Concat", "w input", onnx.IntAttr("axis", 0))},
	"Concat_last":  {one("Concat", "w input", onnx.IntAttr("axis", -1))},
	"Split": {func(m *graphtest.Model) string {
		p := split(m, 3, []string{"input"}, onnx.IntAttr("axis", 1))
		return m.Node("Add", []string{m.Node("Mul", []string{p[0], p[2]}), p[1]})
	}},
	"Split_sizes": {
		func(m *graphtest.Model) string {
			p := split(m, 2, []string{"input", m.Ints("sizes", 1, 3)}, onnx.IntAttr("axis", -1))
			return m.Node("Concat", []string{p[1], p[0]}, onnx.IntAttr("axis", -1))
		},
		older(11, func(m *graphtest.Model) string {
			p := split(m, 2, []string{"input"}, onnx.IntAttr("axis", 2), onnx.IntsAttr("split", 1, 3))
			return m.Node("Concat", []string{p[1], p[0]}, onnx.IntAttr("axis", 2))
		}),
	},

	"Softmax":                       {one("Softmax", "input"), older(11, one("Softmax", "input", onnx.IntAttr("axis", 3)))},
	"Softmax_channels":              {one("Softmax", "input", onnx.IntAttr("axis", 1))},
	"Softmax_opset11":               {older(11, one("Softmax", "input"))},
	"LogSoftmax":                    {one("LogSoftmax", "input")},
	"LogSoftmax_first":              {one("LogSoftmax", "input", onnx.IntAttr("axis", 0))},
	"LayerNormalization":            {one("LayerNormalization", "input w b", onnx.FloatAttr("epsilon", 1e-6))},
	"LayerNormalization_no_bias":    {one("LayerNormalization", "input w", onnx.IntAttr("axis", 2))},
	"LayerNormalization_decomposed": {layerNormOfParts},
	"LayerNormalization_2d": {func(m *graphtest.Model) string {
		x := m.Node("Transpose", []string{"input"}, onnx.IntsAttr("perm", 0, 2, 3, 1))
		return m.Node("Transpose", []string{m.Node("LayerNormalization", []string{x, "w", "b"})}, onnx.IntsAttr("perm", 0, 3, 1, 2))
	}},
	"LRN": {one("LRN", "input", onnx.IntAttr("size", 3), onnx.FloatAttr("alpha", 0.5), onnx.FloatAttr("beta", 0.75), onnx.FloatAttr("bias", 2))},

	"MatMul":           {one("MatMul", "input w")},
	"MatMul_broadcast": {one("MatMul", "input w")},
	"MatMul_weight":    {one("MatMul", "input w")},
	"MatMul_vector":    {one("MatMul", "input w")},
	"MatMul_row":       {one("MatMul", "input w")},
	"MatMul_attention": {func(m *graphtest.Model) string {
		keys := m.Node("Transpose", []string{"input"}, onnx.IntsAttr("perm", 0, 1, 3, 2))
		scores := m.Node("Div", []string{m.Node("MatMul", []string{"input", keys}), scalar(m, "root", 2)})
		return m.Node("MatMul", []string{m.Node("Softmax", []string{scores}), "input"})
	}},
	"Gemm": {one("Gemm", "input w c", onnx.FloatAttr("alpha", 0.5), onnx.FloatAttr("beta", 2), onnx.IntAttr("transA", 1), onnx.IntAttr("transB", 1))},
	"Gemm_matrix": {one("Gemm", "input w c"),
		func(m *graphtest.Model) string {
			return m.Node("Add", []string{m.Node("MatMul", []string{"input", "w"}), "c"})
		}},

	"AveragePool":         {one("AveragePool", "input", onnx.IntsAttr("kernel_shape", 2, 2), onnx.IntsAttr("strides", 2, 2))},
	"AveragePool_pads":    {one("AveragePool", "input", onnx.IntsAttr("kernel_shape", 3, 3), onnx.IntsAttr("strides", 2, 2), onnx.IntsAttr("pads", 1, 1, 1, 1))},
	"AveragePool_include": {one("AveragePool", "input", onnx.IntsAttr("kernel_shape", 3, 3), onnx.IntsAttr("strides", 2, 2), onnx.IntsAttr("pads", 1, 1, 1, 1), onnx.IntAttr("count_include_pad", 1))},
	"AveragePool_ceil": {one("AveragePool", "input", onnx.IntsAttr("kernel_shape", 3, 3), onnx.IntsAttr("strides", 2, 2), onnx.IntsAttr("pads", 1, 1, 1, 1),
		onnx.IntAttr("count_include_pad", 1), onnx.IntAttr("ceil_mode", 1))},
	"AveragePool_1d":        {one("AveragePool", "input", onnx.IntsAttr("kernel_shape", 3), onnx.IntsAttr("strides", 2), onnx.IntsAttr("pads", 1, 1), onnx.IntAttr("count_include_pad", 1))},
	"AveragePool_3d":        {one("AveragePool", "input", onnx.IntsAttr("kernel_shape", 2, 2, 2), onnx.IntsAttr("pads", 1, 1, 1, 1, 1, 1))},
	"MaxPool_1d":            {one("MaxPool", "input", onnx.IntsAttr("kernel_shape", 3), onnx.IntsAttr("strides", 2), onnx.IntsAttr("pads", 1, 1), onnx.IntsAttr("dilations", 2))},
	"MaxPool_3d":            {one("MaxPool", "input", onnx.IntsAttr("kernel_shape", 2, 2, 2), onnx.IntsAttr("strides", 2, 2, 2), onnx.IntsAttr("pads", 1, 1, 1, 1, 1, 1), onnx.IntAttr("ceil_mode", 1))},
	"GlobalMaxPool":         {one("GlobalMaxPool", "input")},
	"GlobalAveragePool_1d":  {one("GlobalAveragePool", "input"), one("ReduceMean", "input", onnx.IntsAttr("axes", 2))},
	"Conv_1d":               {one("Conv", "input w b", onnx.IntsAttr("strides", 2), onnx.IntsAttr("pads", 1, 1), onnx.IntsAttr("dilations", 2))},
	"Conv_3d":               {one("Conv", "input w b", onnx.IntsAttr("strides", 1, 2, 1), onnx.IntsAttr("pads", 1, 1, 1, 1, 1, 1), onnx.IntAttr("group", 2))},
	"BatchNormalization_1d": {func(m *graphtest.Model) string { return frozen(m) }},
}

func init() {
	for _, op := range []string{"Add", "Sub", "Mul", "Div", "Max", "Min"} {
		for _, kind := range []string{"", "_channels", "_last", "_both_ways"} {
			operatorCases[op+kind] = []network{one(op, "input w")}
		}
		operatorCases[op+"_reversed"] = []network{one(op, "w input")}
	}
}

func pad(m *graphtest.Model, mode string, pads ...int64) string {
	return m.Node("Pad", []string{"input", m.Ints("p", pads...)}, onnx.StringAttr("mode", mode))
}

func split(m *graphtest.Model, parts int, inputs []string, attrs ...*onnx.Attribute) []string {
	m.Node("Split", inputs, attrs...)
	n := m.Graph.Nodes[len(m.Graph.Nodes)-1]
	n.Outputs = []string{"part_0", "part_1", "part_2"}[:parts]
	return n.Outputs
}

func frozen(m *graphtest.Model) string {
	m.Graph.SetInitializer(weights.FromFloat32("mean", []int{3}, []float32{0.25, 0.25, 0.25}))
	m.Graph.SetInitializer(weights.FromFloat32("var", []int{3}, []float32{2, 2, 2}))
	return m.Node("BatchNormalization", []string{"input", "w", "b", "mean", "var"})
}

// geluOfErf is how exporters write it before opset 20.
func geluOfErf(m *graphtest.Model) string {
	e := m.Node("Erf", []string{m.Node("Div", []string{"input", scalar(m, "root2", 1.41421354)})})
	y := m.Node("Mul", []string{"input", m.Node("Add", []string{e, scalar(m, "one", 1)})})
	return m.Node("Mul", []string{y, scalar(m, "half", 0.5)})
}

// layerNormOfParts is how exporters write it before opset 17.
func layerNormOfParts(m *graphtest.Model) string {
	mean := func(x string) string { return m.Node("ReduceMean", []string{x}, onnx.IntsAttr("axes", -1)) }
	d := m.Node("Sub", []string{"input", mean("input")})
	v := m.Node("Add", []string{mean(m.Node("Pow", []string{d, scalar(m, "two", 2)})), scalar(m, "eps", 1e-5)})
	y := m.Node("Div", []string{d, m.Node("Sqrt", []string{v})})
	return m.Node("Add", []string{m.Node("Mul", []string{y, "w"}), "b"})
}

// TestOperators holds every operator, forward and backward, to PyTorch's float64, on
// our machine and on Gorgonia's.
func TestOperators(t *testing.T) {
	seen := map[string]bool{}
	for _, file := range []string{"elementwise", "moves", "layers"} {
		eachCase(t, "ops/operators_"+file+".npz", "", func(t *testing.T, a arrays) {
			_, name, _ := strings.Cut(t.Name(), "/")
			seen[name] = true
			if operatorCases[name] == nil {
				t.Fatalf("no network for this case")
			}
			for _, write := range operatorCases[name] {
				checkOperator(t, write, a, false)
				if len(a["x"].Shape) == 4 {
					checkOperator(t, write, a, true)
				}
			}
		})
	}
	for name := range operatorCases {
		if !seen[name] {
			t.Errorf("no golden for %s", name)
		}
	}
}

// checkOperator compares one network with its golden. With images, what goes in, and
// comes out with four axes, passes through a pooling of single pixels, which leaves it in
// the order in which the machine keeps images.
func checkOperator(t *testing.T, write network, a arrays, images bool) {
	t.Helper()
	m := newModel(a)
	m.Graph.Inputs[0] = onnx.FloatValue("input", make([]onnx.Dim, len(a["x"].Shape))...)
	pixels := func(x string) string { return m.Node("MaxPool", []string{x}, onnx.IntsAttr("kernel_shape", 1, 1)) }
	if images {
		m.Graph.Inputs[0].Name = "pixels"
		pixels("pixels")
		m.Graph.Nodes[0].Outputs[0] = "input"
	}
	for i := range m.Graph.Inputs[0].Shape {
		m.Graph.Inputs[0].Shape[i].Value = -1
	}
	var params []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if name != "x" && name != "y" && name[0] != 'd' {
			params = append(params, m.Param(name, a[name].Shape...))
		}
	}
	out := write(m)
	if images && len(a["y"].Shape) == 4 {
		out = pixels(out)
	}
	m.Output(out, "y")
	input := m.Graph.Inputs[0].Name
	p := build(t, m.Model, weightsOf(t, m.Model), graph.Options{Inputs: map[string][]int{input: a["x"].Shape}, Outputs: []string{"y"}})
	y, x := p.Outputs["y"], p.Inputs[input]
	if !slices.Equal([]int(y.Shape()), a["y"].Shape) {
		t.Fatalf("y has shape %v, want %v", y.Shape(), a["y"].Shape)
	}
	array := func(v *golden.Array) *tensor.Dense {
		return tensor.New(tensor.WithShape(v.Shape...), tensor.WithBacking(slices.Clone(v.F32)))
	}
	if err := G.Let(x, array(a["x"])); err != nil {
		t.Fatal(err)
	}
	dy := G.NewTensor(p.Graph, tensor.Float32, y.Dims(), G.WithShape(y.Shape()...), G.WithName("dy"), G.WithValue(array(a["dy"])))
	wrt := G.Nodes{x}
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
	got := graphtest.Tape(t, p.Graph, keep...)
	machine, err := vm.Compile(p.Graph, vm.Options{Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	if err := machine.RunAll(); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "y", golden.Reference, got[y], a["y"].F64)
	golden.Check(t, "machine's y", golden.TorchForward, machine.Values(y), a["y"].F64)
	for i, name := range append([]string{"x"}, params...) {
		golden.Check(t, "d"+name, golden.Reference, got[grads[i]], a["d"+name].F64)
		golden.Check(t, "machine's d"+name, golden.TorchForward, machine.Values(grads[i]), a["d"+name].F64)
	}
}
