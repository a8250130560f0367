package graph

import (
	"slices"
	"testing"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
)

// TestDerivatives holds the derivative of every pointwise and pairwise function to
// finite differences in float64, away from kinks.
func TestDerivatives(t *testing.T) {
	for name, read := range pointwises {
		for _, attrs := range [][]*onnx.Attribute{nil, {onnx.FloatAttr("alpha", 0.3), onnx.FloatAttr("beta", 0.4)}, {onnx.StringAttr("approximate", "tanh")}} {
			p, err := read(&onnx.Node{OpType: name, Attributes: attrs})
			if err != nil {
				t.Fatal(err)
			}
			x := []float64{-4.2, -2.9, -1.1, -0.3, 0.2, 0.7, 1.3, 2.8, 3.7}
			if name == "Log" || name == "Sqrt" || name == "Reciprocal" {
				x = x[4:]
			}
			var grad []float64
			for _, v := range x {
				if p.ofOutput != nil {
					grad = append(grad, p.ofOutput(p.f(v)))
				} else {
					grad = append(grad, p.derivative(v))
				}
			}
			golden.CheckGradient(t, name, func() (sum float64) {
				for _, v := range x {
					sum += p.f(v)
				}
				return sum
			}, x, grad)
		}
	}
	for name, o := range pairwises {
		a, b := []float64{0.4, 1.7, 2.2, 0.9}, []float64{1.3, 0.6, -1.5, 2.4}
		var da, db []float64
		for i := range a {
			da = append(da, o.da(a[i], b[i], 1))
			db = append(db, o.db(a[i], b[i], 1))
		}
		sum := func() (sum float64) {
			for i := range a {
				sum += o.f(a[i], b[i])
			}
			return sum
		}
		golden.CheckGradient(t, name+" by a", sum, a, da)
		golden.CheckGradient(t, name+" by b", sum, b, db)
	}
}

// TestSimplify: what exporters write as several nodes becomes one operator, unless
// something else reads what is between.
func TestSimplify(t *testing.T) {
	node := func(op, out string, in ...string) *onnx.Node {
		return &onnx.Node{OpType: op, Inputs: in, Outputs: []string{out}}
	}
	gelu := func(tail ...*onnx.Node) []*onnx.Node {
		return append([]*onnx.Node{node("Div", "d", "x", "root2"), node("Erf", "e", "d"), node("Add", "a", "one", "e")}, tail...)
	}
	for _, tc := range []struct {
		name    string
		outputs []string
		nodes   []*onnx.Node
		want    []string
	}{
		{"swish", nil, []*onnx.Node{node("Sigmoid", "s", "x"), node("Mul", "y", "s", "x")}, []string{"Swish"}},
		{"gate", nil, []*onnx.Node{node("Sigmoid", "s", "z"), node("Mul", "y", "x", "s")}, []string{"Sigmoid", "Mul"}},
		{"sigmoid is wanted too", []string{"s"}, []*onnx.Node{node("Sigmoid", "s", "x"), node("Mul", "y", "s", "x")}, []string{"Sigmoid", "Mul"}},
		{"gelu", nil, gelu(node("Mul", "m", "x", "a"), node("Mul", "y", "m", "half")), []string{"Gelu"}},
		{"gelu, half first", nil, gelu(node("Mul", "h", "x", "half"), node("Mul", "y", "h", "a")), []string{"Gelu"}},
		{"gelu, half in the middle", nil, gelu(node("Mul", "m", "a", "half"), node("Mul", "y", "m", "x")), []string{"Gelu"}},
		{"of another array", nil, gelu(node("Mul", "m", "z", "a"), node("Mul", "y", "m", "half")), []string{"Div", "Erf", "Add", "Mul", "Mul"}},
		{"erf is read twice", nil, gelu(node("Mul", "m", "x", "a"), node("Mul", "y", "m", "half"), node("Neg", "n", "e")), []string{"Div", "Erf", "Add", "Mul", "Mul", "Neg"}},
		{"bias", nil, []*onnx.Node{node("MatMul", "m", "x", "w"), node("Add", "y", "b", "m")}, []string{"MatMul"}},
		{"bias of another size", nil, []*onnx.Node{node("MatMul", "m", "x", "w"), node("Add", "y", "c", "m")}, []string{"MatMul", "Add"}},
	} {
		m := &onnx.Model{Graph: &onnx.Graph{Nodes: tc.nodes}}
		for name, v := range map[string]float32{"root2": 1.41421354, "one": 1, "half": 0.5} {
			m.Graph.SetInitializer(weights.FromFloat32(name, []int{}, []float32{v}))
		}
		m.Graph.SetInitializer(weights.FromFloat32("w", []int{2, 3}, make([]float32, 6)))
		m.Graph.SetInitializer(weights.FromFloat32("b", []int{3}, make([]float32, 3)))
		m.Graph.SetInitializer(weights.FromFloat32("c", []int{1}, make([]float32, 1)))
		w, err := NewWeights(m)
		if err != nil {
			t.Fatal(err)
		}
		b := &builder{model: m, weights: w, opts: Options{Outputs: append(tc.outputs, "y")}, aliases: map[string]string{}, shapes: map[string][]int{"x": {4, 2}, "z": {4, 2}}}
		var got []string
		for _, n := range b.simplify(tc.nodes) {
			got = append(got, n.OpType)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
