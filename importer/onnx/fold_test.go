package onnx

import (
	"math"
	"slices"
	"testing"

	"onnxclr/importer/weights"
)

// constant is a Constant node.
func constant(name string, t *weights.Tensor) *Node {
	return &Node{OpType: "Constant", Outputs: []string{name}, Attributes: []*Attribute{TensorAttr("value", NewTensor(t))}}
}

func TestFoldCast(t *testing.T) {
	ints := weights.FromInt64("", []int{4}, []int64{-1, 0, 300, 1 << 40})
	floats := weights.FromFloat32("", []int{4}, []float32{-1.7, 0, 300.5, 1e9})
	half := &weights.Tensor{DType: weights.Float16, Shape: []int{2}, Data: []byte{0xcd, 0xbe, 0xb2, 0x5c}}
	brain := &weights.Tensor{DType: weights.BFloat16, Shape: []int{2}, Data: []byte{0xda, 0xbf, 0x96, 0x43}}
	for _, tt := range []struct {
		from *weights.Tensor
		to   weights.DType
		want []float64
	}{
		{ints, weights.Int32, []float64{-1, 0, 300, 0}},
		{ints, weights.Uint8, []float64{255, 0, 44, 0}},
		{ints, weights.Int8, []float64{-1, 0, 44, 0}},
		{ints, weights.Bool, []float64{1, 0, 1, 1}},
		{ints, weights.Float32, []float64{-1, 0, 300, 1 << 40}},
		{ints, weights.Float64, []float64{-1, 0, 300, 1 << 40}},
		{ints, weights.Int64, []float64{-1, 0, 300, 1 << 40}},
		{floats, weights.Int64, []float64{-1, 0, 300, 1e9}},
		{floats, weights.Bool, []float64{1, 0, 1, 1}},
		{floats, weights.Float64, []float64{float64(float32(-1.7)), 0, 300.5, 1e9}},
		{floats, weights.Float16, []float64{-1.7001953125, 0, 300.5, math.Inf(1)}},
		{floats, weights.BFloat16, []float64{-1.703125, 0, 300, 998244352}},
		{half, weights.Float32, []float64{-1.7001953125, 300.5}},
		{brain, weights.Float64, []float64{-1.703125, 300}},
		{half, weights.Int64, []float64{-1, 300}},
		{weights.FromFloat32("", []int{1}, []float32{float32(math.NaN())}), weights.Int64, nil},
		{weights.FromFloat32("", []int{1}, []float32{1e30}), weights.Int64, nil},
	} {
		for _, op := range []string{"Cast", "CastLike"} {
			n := &Node{OpType: op, Inputs: []string{"c"}, Outputs: []string{"y"}, Attributes: []*Attribute{IntAttr("to", int64(ElemType(tt.to)))}}
			m := small()
			m.Graph.Inputs = append(m.Graph.Inputs, &ValueInfo{Name: "like", ElemType: ElemType(tt.to)})
			if op == "CastLike" {
				n.Inputs, n.Attributes = append(n.Inputs, "like"), nil
			}
			m.Graph.Nodes = []*Node{constant("c", tt.from), n}
			s, err := InferShapes(m, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := s.Const["y"]
			if tt.want == nil {
				if got != nil {
					t.Errorf("%s to %v: folded to %v", op, tt.to, got)
				}
				continue
			}
			if got == nil || got.DType != tt.to {
				t.Errorf("%s of %v to %v: %v", op, tt.from.DType, tt.to, got)
				continue
			}
			if v := numbers(t, got); !slices.Equal(v, tt.want) {
				t.Errorf("%s of %v to %v: %v, want %v", op, tt.from.DType, tt.to, v, tt.want)
			}
		}
	}
}

func numbers(t *testing.T, x *weights.Tensor) []float64 {
	t.Helper()
	var out []float64
	if x.DType == weights.Float64 {
		for _, b := range unpack(x.Data, 8) {
			out = append(out, math.Float64frombits(uint64(b)))
		}
		return out
	}
	if x.DType.IsFloat() {
		for _, v := range must(x.Float32s()) {
			out = append(out, float64(v))
		}
		return out
	}
	for _, v := range must(x.Int64s()) {
		out = append(out, float64(v))
	}
	return out
}

// The chains that exporters write, on a batch that is known only now.
func TestFoldChains(t *testing.T) {
	ints := func(v ...int64) *weights.Tensor { return weights.FromInt64("", []int{len(v)}, v) }
	m := small()
	m.Graph.Inputs[0] = FloatValue("x", Dim{Param: "n"}, Dim{Value: 8}, Dim{Value: 1}, Dim{Value: 1})
	m.Graph.Nodes = []*Node{
		{OpType: "Shape", Inputs: []string{"x"}, Outputs: []string{"shape"}},
		constant("zero", ints(0)), constant("minus", ints(-1)), constant("two", weights.FromInt64("", nil, []int64{2})),
		{OpType: "Gather", Inputs: []string{"shape", "zero"}, Outputs: []string{"n"}},
		{OpType: "Div", Inputs: []string{"n", "two"}, Outputs: []string{"half"}},
		{OpType: "Concat", Inputs: []string{"half", "minus"}, Outputs: []string{"want"}, Attributes: []*Attribute{IntAttr("axis", 0)}},
		{OpType: "Reshape", Inputs: []string{"x", "want"}, Outputs: []string{"y"}},
		{OpType: "Equal", Inputs: []string{"want", "minus"}, Outputs: []string{"free"}},
		{OpType: "Where", Inputs: []string{"free", "two", "want"}, Outputs: []string{"chosen"}},
		{OpType: "ConstantOfShape", Inputs: []string{"chosen"}, Outputs: []string{"filled"}, Attributes: []*Attribute{TensorAttr("value", NewTensor(weights.FromFloat32("", []int{1}, []float32{0.5})))}},
		{OpType: "ReduceProd", Inputs: []string{"shape"}, Outputs: []string{"count"}, Attributes: []*Attribute{IntAttr("keepdims", 0)}},
		{OpType: "Identity", Inputs: []string{"w"}, Outputs: []string{"parameter"}},
	}
	s, err := InferShapes(m, map[string][]int{"x": {6, 8, 1, 1}})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Shape["y"]; !slices.Equal(got, []int{3, 16}) {
		t.Errorf("reshaped to %v, want [3 16] (%v)", got, s.Problem["y"])
	}
	if got := numbers(t, s.Const["chosen"]); !slices.Equal(got, []float64{3, 2}) {
		t.Errorf("Where gave %v, want [3 2]", got)
	}
	if got := s.Const["filled"]; !slices.Equal(got.Shape, []int{3, 2}) || numbers(t, got)[5] != 0.5 {
		t.Errorf("ConstantOfShape gave %v", got)
	}
	if got := numbers(t, s.Const["count"]); !slices.Equal(got, []float64{48}) {
		t.Errorf("ReduceProd gave %v, want 48", got)
	}
	if s.Const["parameter"] != nil || !slices.Equal(s.Shape["parameter"], []int{2, 3}) {
		t.Errorf("a parameter behind Identity is a constant: %v", s.Const["parameter"])
	}
}

// A graph of ever larger constants is given up on, not computed.
func TestFoldIsBounded(t *testing.T) {
	m := small()
	m.Graph.Nodes = []*Node{constant("s", weights.FromInt64("", []int{1}, []int64{1 << 30}))}
	for range 1000 {
		m.Graph.Nodes = append(m.Graph.Nodes,
			&Node{OpType: "ConstantOfShape", Inputs: []string{"s"}, Outputs: []string{"big"}},
			&Node{OpType: "Expand", Inputs: []string{"s", "s"}, Outputs: []string{"more"}})
	}
	s, err := InferShapes(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Const["big"] != nil || s.Const["more"] != nil || !slices.Equal(s.Shape["big"], []int{1 << 30}) {
		t.Errorf("constants %v", s.Const)
	}
}

// What protocol buffers cannot hold is refused before a byte is written.
func TestEncodeRefusesTwoGigabytes(t *testing.T) {
	m := small()
	data := make([]byte, 64<<20)
	for i := range 33 {
		m.Graph.AddInitializer(NewTensor(&weights.Tensor{Name: string(rune('A' + i)), DType: weights.Uint8, Shape: []int{len(data)}, Data: data}))
	}
	var n counter
	err := m.Encode(&n)
	if _, ok := err.(*UnsupportedError); !ok || n != 0 {
		t.Errorf("%v after %d bytes", err, n)
	}
	m.Graph.Initializers = m.Graph.Initializers[:1]
	m.Graph.Initializers[0].Shape = []int{5, 5}
	if err := m.Encode(&n); err == nil || n != 0 {
		t.Errorf("a tensor without the bytes of its shape: %v after %d bytes", err, n)
	}
}
