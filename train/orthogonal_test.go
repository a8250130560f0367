package train

import (
	"math"
	"testing"

	"onnxclr/importer"
	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/stream"
)

// deviation returns ‖WWᵀ − I‖ of a weight [out,in], or ‖WᵀW − I‖ where that is smaller.
func deviation(w []float32, out, in int) float64 {
	n, d, row, column := out, in, in, 1
	if out > in {
		n, d, row, column = in, out, 1, in
	}
	var sum float64
	for i := range n {
		for j := range n {
			var v float64
			for k := range d {
				v += float64(w[i*row+k*column]) * float64(w[j*row+k*column])
			}
			if i == j {
				v--
			}
			sum += v * v
		}
	}
	return math.Sqrt(sum)
}

// someOrthogonal returns a weight [out,in] near none in particular.
func someOrthogonal(out, in int) Param {
	p := Param{Name: importer.ProjectorWeight, Shape: []int{out, in}, Value: golden.Uniform("orthogonal", out*in, -1, 1)}
	pool := kernel.NewPool(1)
	k := min(out, in)
	o := &orthogonal{pool: pool, tangent: make([]float32, out*in), gram: make([]float32, k*k)}
	if !o.retract(p) {
		panic("a random matrix has lost a dimension")
	}
	return p
}

// TestOrthogonalStaysOrthogonal through hundreds of steps of any optimizer, with
// gradients that have nothing to do with the manifold and steps up to its own size, and
// among parameters that it leaves to the optimizer.
func TestOrthogonalStaysOrthogonal(t *testing.T) {
	pool := kernel.NewPool(2)
	defer pool.Close()
	for _, s := range [][2]int{{1, 1}, {24, 24}, {7, 40}, {40, 7}} {
		for name, inner := range map[string]func() Optimizer{
			"sgd": func() Optimizer {
				return &SGD{Pool: pool, Momentum: 0.9, Nesterov: true, Rules: Rules{WeightDecay: 1e-2}}
			},
			"large": func() Optimizer { return &SGD{Pool: pool, Momentum: 0.9} },
			"lars": func() Optimizer {
				return &LARS{Pool: pool, Variant: "directclr", Momentum: 0.9, Eta: 0.01, Rules: Rules{WeightDecay: 1e-6}}
			},
			"adamw": func() Optimizer {
				return &AdamW{Pool: pool, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Rules: Rules{WeightDecay: 0.1}}
			},
		} {
			lr := map[string]float64{"sgd": 0.02, "large": 2, "lars": 4.8, "adamw": 0.01}[name]
			o := &orthogonal{Optimizer: inner(), pool: pool}
			p := someOrthogonal(s[0], s[1])
			start := append([]float32(nil), p.Value...)
			other := Param{Name: "conv1.weight", Shape: []int{3}, Value: []float32{1, 2, 3}}
			alone, reference := Param{"conv1.weight", []int{3}, []float32{1, 2, 3}}, inner()
			rng, g := stream.New(1, "gradients"), make([]float32, len(p.Value))
			for step := range 300 {
				for i := range g {
					g[i] = float32(rng.NormFloat64())
				}
				small := []float32{0.1, float32(step), -0.2}
				o.Step([]Param{other, p}, [][]float32{small, g}, lr, 0.5)
				reference.Step([]Param{alone}, [][]float32{small}, lr, 0.5)
				if e := deviation(p.Value, s[0], s[1]); !(e <= 1e-5) {
					t.Fatalf("%s %v: after step %d the weight is %g from orthogonal", name, s, step, e)
				}
			}
			golden.Check(t, "the other parameter", golden.Exact, other.Value, alone.Value)
			if s[0] > 1 && golden.Check(&silent{TB: t}, "moved", golden.Model, p.Value, start) {
				t.Errorf("%s %v: the weight does not move", name, s)
			}
		}
	}
}

// silent is a test whose comparisons may fail.
type silent struct{ testing.TB }

func (*silent) Errorf(string, ...any) {}
func (*silent) Helper()               {}

// TestRetractionIsThePolarFactor: with W from Y, Y·Wᵀ is symmetric and positive.
func TestRetractionIsThePolarFactor(t *testing.T) {
	const n, d = 5, 9
	pool := kernel.NewPool(1)
	y := golden.Uniform("orthogonal", n*d, -1, 1)
	p := Param{Shape: []int{n, d}, Value: append([]float32(nil), y...)}
	o := &orthogonal{pool: pool, tangent: make([]float32, n*d), gram: make([]float32, n*n)}
	if !o.retract(p) {
		t.Fatal("not retracted")
	}
	h := make([]float32, n*n)
	transposed := make([]float32, n*n)
	for i := range n {
		for j := range n {
			for k := range d {
				h[i*n+j] += y[i*d+k] * p.Value[j*d+k]
			}
			transposed[j*n+i] = h[i*n+j]
		}
		if h[i*n+i] <= 0 {
			t.Errorf("the factor's diagonal holds %g", h[i*n+i])
		}
	}
	golden.Check(t, "symmetry", golden.TorchForward, h, transposed)
	lost := Param{Shape: []int{2, 3}, Value: []float32{1, 2, 3, 1, 2, 3}}
	if o := (&orthogonal{pool: pool, tangent: make([]float32, 6), gram: make([]float32, 4)}); o.retract(lost) {
		t.Errorf("two equal rows were made orthogonal: %v", lost.Value)
	}
}

// TestOrthogonalFindsARotation: descending ½‖W − R‖² from another rotation ends at R.
func TestOrthogonalFindsARotation(t *testing.T) {
	const d = 6
	pool := kernel.NewPool(1)
	target := someOrthogonal(d, d)
	p := Param{target.Name, target.Shape, append([]float32(nil), target.Value...)}
	for i := range d - 1 { // turned in every plane of two axes that follow each other
		c, s := float32(math.Cos(0.8)), float32(math.Sin(0.8))
		for j := range d {
			a, b := p.Value[i*d+j], p.Value[(i+1)*d+j]
			p.Value[i*d+j], p.Value[(i+1)*d+j] = c*a-s*b, s*a+c*b
		}
	}
	o := &orthogonal{Optimizer: &SGD{Pool: pool, Momentum: 0.5}, pool: pool}
	g := make([]float32, d*d)
	for range 200 {
		for i := range g {
			g[i] = p.Value[i] - target.Value[i]
		}
		o.Step([]Param{p}, [][]float32{g}, 0.3, 1)
	}
	golden.Check(t, "rotation", golden.Model, p.Value, target.Value)
}
