package onnx

import (
	"slices"
	"strings"
	"testing"

	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
)

// TestInferShapesOfONNXCases holds the rules against the operator tests of the ONNX
// project: the inferred shape is that of the expected output, and integers that
// can be folded are the expected ones.
func TestInferShapesOfONNXCases(t *testing.T) {
	for _, file := range []string{"onnx/nodes_17.npz", "onnx/nodes_28.npz"} {
		known, folded := 0, 0
		cases := golden.Load(t, file)
		for name, a := range cases {
			m, err := Decode(a.U8)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			s, err := InferShapes(m, nil)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			n := m.Graph.Nodes[0]
			if n.OpType == "Range" && len(m.Graph.Inputs) > 0 {
				continue // of floats: their values are not known
			}
			for _, v := range m.Graph.Outputs {
				want, _ := staticShape(v)
				got, ok := s.Shape[v.Name]
				if !ok {
					t.Errorf("%s: %s %v: the shape of %q is unknown, want %v (%v)", name, n.OpType, n.Inputs, v.Name, want, s.Problem[v.Name])
					continue
				}
				known++
				if !slices.Equal(got, want) {
					t.Errorf("%s: %s: shape %v, want %v", name, n.OpType, got, want)
				}
				if typ := s.Type[v.Name]; typ != DType(v.ElemType) && typ != weights.Invalid {
					t.Errorf("%s: %s: type %v, want %s", name, n.OpType, typ, ElemTypeName(v.ElemType))
				}
				c, expected := s.Const[v.Name], m.Graph.Initializer("want:"+v.Name)
				if c == nil || expected == nil {
					continue
				}
				folded++
				if c.DType != expected.DType || !slices.Equal(c.Shape, expected.Shape) || string(c.Data) != string(expected.Data) {
					t.Errorf("%s: %s: folded to %v %v %x, want %v %v %x", name, n.OpType, c.DType, c.Shape, c.Data, expected.DType, expected.Shape, expected.Data)
				}
			}
		}
		t.Logf("%s: %d cases, %d shapes known, %d values folded", file, len(cases), known, folded)
	}
}

// TestInferShapesOfExports: every tensor of every export has a shape for a size and
// batch that it was not exported for, whatever arithmetic the exporter wrote; but for
// the batch where that is an argument of Reshape.
func TestInferShapesOfExports(t *testing.T) {
	for name := range exports(t) {
		m := decodeFile(t, name)
		if err := m.Inline(); err != nil {
			t.Fatal(err)
		}
		batch := 5
		if strings.HasSuffix(name, "_batch2.onnx") {
			batch = 2
		}
		s, err := InferShapes(m, map[string][]int{"input": {batch, 3, 64, 32}})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range m.Graph.Nodes {
			for _, o := range n.Outputs {
				if o != "" && s.Shape[o] == nil {
					t.Errorf("%s: %s %q: the shape of %q is unknown: %v", name, n.OpType, n.Name, o, s.Problem[o])
				}
			}
		}
		out := m.Graph.Outputs[0].Name
		if got := s.Shape[out]; len(got) != 2 || got[0] != batch {
			t.Errorf("%s: output %q has shape %v, want [%d,…]", name, out, got, batch)
		}
	}
}

func TestInferShapesProblems(t *testing.T) {
	float := func(name string, shape ...int) *Tensor {
		return NewTensor(weights.FromFloat32(name, shape, make([]float32, must(elements(shape)))))
	}
	ints := func(name string, v ...int64) *Tensor { return NewTensor(weights.FromInt64(name, []int{len(v)}, v)) }
	for _, tt := range []struct {
		name string
		node Node
		init []*Tensor
		want string // in the problem
	}{
		{"channels", Node{OpType: "Conv", Inputs: []string{"x", "w"}}, []*Tensor{float("w", 8, 4, 3, 3)}, `wants 4 input channels, the input "x" has 3`},
		{"groups", Node{OpType: "Conv", Inputs: []string{"x", "w"}, Attributes: []*Attribute{IntAttr("group", 1<<40)}}, []*Tensor{float("w", 8, 4, 3, 3)}, "input channels"},
		{"kernel_shape", Node{OpType: "Conv", Inputs: []string{"x", "w"}, Attributes: []*Attribute{IntsAttr("kernel_shape", 5, 5)}}, []*Tensor{float("w", 8, 3, 3, 3)}, "kernel_shape is [5 5]"},
		{"strides", Node{OpType: "Conv", Inputs: []string{"x", "w"}, Attributes: []*Attribute{IntsAttr("strides", 1, 0)}}, []*Tensor{float("w", 8, 3, 3, 3)}, "strides is [1 0]"},
		{"pads", Node{OpType: "Conv", Inputs: []string{"x", "w"}, Attributes: []*Attribute{IntsAttr("pads", 1, 1)}}, []*Tensor{float("w", 8, 3, 3, 3)}, "want 4 numbers"},
		{"auto_pad", Node{OpType: "Conv", Inputs: []string{"x", "w"}, Attributes: []*Attribute{StringAttr("auto_pad", "SAME")}}, []*Tensor{float("w", 8, 3, 3, 3)}, "SAME_UPPER"},
		{"too small", Node{OpType: "Conv", Inputs: []string{"x", "w"}}, []*Tensor{float("w", 8, 3, 9, 9)}, "too small"},
		{"bias", Node{OpType: "Conv", Inputs: []string{"x", "w", "b"}}, []*Tensor{float("w", 8, 3, 1, 1), float("b", 7)}, `bias "b" has shape [7], want [8]`},
		{"scale", Node{OpType: "BatchNormalization", Inputs: []string{"x", "s", "s", "s", "s"}}, []*Tensor{float("s", 4)}, `input "x" has 3 channels, the parameters are for 4`},
		{"bias of a normalisation", Node{OpType: "BatchNormalization", Inputs: []string{"x", "s", "b", "s", "m"}}, []*Tensor{float("s", 3), float("b", 4), float("m", 3, 1)}, `bias "b" has shape [4], want [3]; variance "m" has shape [3 1], want [3]`},
		{"features", Node{OpType: "Gemm", Inputs: []string{"f", "w", "b"}}, []*Tensor{float("f", 2, 8), float("w", 7, 2), float("b", 3)}, `has 8 features, the weight "w" [7 2] wants 7; bias "b" has shape [3]`},
		{"broadcast", Node{OpType: "Add", Inputs: []string{"x", "b"}}, []*Tensor{float("b", 2, 1, 1)}, "do not broadcast"},
		{"reshape", Node{OpType: "Reshape", Inputs: []string{"x", "s"}}, []*Tensor{ints("s", 1, -1, 7)}, "384 elements"},
		{"reshape twice free", Node{OpType: "Reshape", Inputs: []string{"x", "s"}}, []*Tensor{ints("s", -1, -1)}, "cannot reshape"},
		{"reshape overflow", Node{OpType: "Reshape", Inputs: []string{"x", "s"}}, []*Tensor{ints("s", 1<<30, 1<<30, 1<<30)}, "impossible"},
		{"squeeze", Node{OpType: "Squeeze", Inputs: []string{"x", "s"}}, []*Tensor{ints("s", 1)}, "its size is not 1"},
		{"axis", Node{OpType: "Unsqueeze", Inputs: []string{"x", "s"}}, []*Tensor{ints("s", 9)}, "axis 9"},
		{"axis twice", Node{OpType: "ReduceMean", Inputs: []string{"x"}, Attributes: []*Attribute{IntsAttr("axes", 2, -2)}}, nil, "twice"},
		{"matmul", Node{OpType: "MatMul", Inputs: []string{"x", "w"}}, []*Tensor{float("w", 7, 2)}, "8 features"},
		{"gemm", Node{OpType: "Gemm", Inputs: []string{"x", "w"}}, []*Tensor{float("w", 7, 2)}, "two matrices"},
		{"missing", Node{OpType: "Gather", Inputs: []string{"x", ""}}, nil, "input 1 is missing"},
		{"perm", Node{OpType: "Transpose", Inputs: []string{"x"}, Attributes: []*Attribute{IntsAttr("perm", 0, 1)}}, nil, "4 dimensions"},
		{"concat", Node{OpType: "Concat", Inputs: []string{"x", "w"}, Attributes: []*Attribute{IntAttr("axis", 1)}}, []*Tensor{float("w", 2, 1, 4, 8)}, "cannot be joined"},
		{"split", Node{OpType: "Split", Inputs: []string{"x", "s"}, Attributes: []*Attribute{IntAttr("axis", 1)}}, []*Tensor{ints("s", 4)}, "cannot split"},
		{"slice", Node{OpType: "Slice", Inputs: []string{"x", "s", "s", "s", "z"}}, []*Tensor{ints("s", 1), ints("z", 0)}, "step 0"},
		{"range", Node{OpType: "Range", Inputs: []string{"a", "b", "c"}}, []*Tensor{ints("a", 0), ints("b", 9), ints("c", 0)}, "steps of 0"},
		{"huge range", Node{OpType: "Range", Inputs: []string{"a", "b", "c"}}, []*Tensor{ints("a", -1<<63), ints("b", 1<<62), ints("c", 1)}, "elements"},
		{"division", Node{OpType: "Div", Inputs: []string{"a", "b"}}, []*Tensor{ints("a", 7), ints("b", 0)}, "divided by 0"},
		{"index", Node{OpType: "Gather", Inputs: []string{"a", "b"}}, []*Tensor{ints("a", 7), ints("b", 1)}, "index 1 of 1"},
		{"shape", Node{OpType: "ConstantOfShape", Inputs: []string{"a"}}, []*Tensor{ints("a", -7)}, "impossible"},
		{"rank", Node{OpType: "Reshape", Inputs: []string{"x", "s"}}, []*Tensor{ints("s", make([]int64, 100)...)}, "100 dimensions"},
		{"tile", Node{OpType: "Tile", Inputs: []string{"x", "s"}}, []*Tensor{ints("s", 1, 1, 1<<31-1, 1)}, "too many"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := tt.node
			n.Name, n.Outputs = "the node", []string{"y"}
			m := &Model{Opsets: []Opset{{Version: 17}}, Graph: &Graph{Nodes: []*Node{&n}, Initializers: tt.init,
				Inputs: []*ValueInfo{FloatValue("x", Dim{Value: 4}, Dim{Value: 3}, Dim{Value: 4}, Dim{Value: 8})}}}
			s, err := InferShapes(m, nil)
			if err != nil {
				t.Fatal(err)
			}
			p := s.Problem["y"]
			if p == nil || !strings.Contains(p.Error(), tt.want) || !strings.Contains(p.Error(), `"the node"`) {
				t.Errorf("got %v, want the node and %q", p, tt.want)
			}
			parameter := slices.Contains([]string{"channels", "bias", "scale", "bias of a normalisation", "features"}, tt.name)
			if _, ok := s.Shape["y"]; ok != parameter {
				t.Errorf("the output has shape %v", s.Shape["y"])
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// What is not known stays unknown, and is no problem.
func TestInferShapesUnknown(t *testing.T) {
	m := &Model{Opsets: []Opset{{Version: 17}, {Domain: "acme", Version: 1}}, Graph: &Graph{
		Inputs: []*ValueInfo{FloatValue("x", Dim{Param: "n"}, Dim{Value: 3})},
		Nodes: []*Node{
			{OpType: "Relu", Inputs: []string{"x"}, Outputs: []string{"a"}},
			{OpType: "Relu", Domain: "acme", Inputs: []string{"x"}, Outputs: []string{"b"}},
			{OpType: "NoSuchOp", Inputs: []string{"x"}, Outputs: []string{"c"}},
			{OpType: "Add", Inputs: []string{"a", "c"}, Outputs: []string{"d"}},
		}}}
	s, err := InferShapes(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Shape) != 0 || len(s.Problem) != 0 {
		t.Errorf("shapes %v, problems %v", s.Shape, s.Problem)
	}
	if s, err = InferShapes(m, map[string][]int{"x": {2, 3}}); err != nil {
		t.Fatal(err)
	}
	if got := s.Shape["a"]; !slices.Equal(got, []int{2, 3}) || len(s.Shape) != 2 || len(s.Problem) != 0 {
		t.Errorf("shapes %v, problems %v, want those of x and a", s.Shape, s.Problem)
	}
	for _, bad := range []map[string][]int{{"y": {2, 3}}, {"x": {2}}, {"x": {2, -3}}} {
		if _, err := InferShapes(m, bad); err == nil {
			t.Errorf("inputs %v were accepted", bad)
		}
	}
}
