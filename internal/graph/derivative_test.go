package graph

import (
	"testing"

	"onnxclr/importer/onnx"
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
