package theory

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	fast "onnxclr/internal/blas"
	"onnxclr/internal/golden"
	"onnxclr/internal/stream"
)

// toy is a small configuration that tests vary.
func toy() Config {
	return Config{
		Dim: 6, Layers: 1, Loss: Eq2, Temperature: 0.5, Variance: 0.5, Noise: halfNoise(6, 0.7),
		Pool: 200, Batch: 16, Steps: 50, LR: 0.05, Init: Init{Scale: 0.25}, Seed: 3,
	}
}

func mustNew(t testing.TB, c Config) *Simulation {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustStep(t testing.TB, s *Simulation, steps int) {
	t.Helper()
	for range steps {
		if err := s.Step(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGradientsOfEmbeddings(t *testing.T) {
	const n, d = 7, 5
	for i, loss := range append(Losses, Losses...) {
		t.Run(string(loss), func(t *testing.T) {
			s, err := newLossState(loss, 0.4, n, d)
			if err != nil {
				t.Fatal(err)
			}
			s.onlyGeneral = i >= len(Losses)
			z := gaussian(stream.New(1, "test"), 2*n*d, 1)
			dz, scratch := make([]float64, len(z)), make([]float64, len(z))
			s.eval(z, dz)
			golden.CheckGradient(t, "dz", func() float64 { return s.eval(z, scratch) }, z, dz)
		})
	}
}

// The way for logits of any size gives what the fast one does, for more samples than are
// taken at a time.
func TestGeneralLogits(t *testing.T) {
	const n, d = 150, 16
	x, c := gaussian(stream.New(1, "test"), 2*n*d, 0.5), gaussian(stream.New(2, "test"), d*d, 0.2)
	fast.Rectify(x)
	for _, loss := range []Loss{Dot, Eq2} {
		var values [2]float64
		var dz, h, dx [2][]float64
		for way := range 2 {
			s, err := newLossState(loss, 0.4, n, d)
			if err != nil {
				t.Fatal(err)
			}
			s.onlyGeneral = way == 1
			dz[way], h[way] = make([]float64, len(x)), make([]float64, d*d)
			if loss.hasMap(true) {
				dx[way] = make([]float64, len(x))
			}
			values[way] = s.eval(x, dz[way]) + s.evalMap(c, x, h[way], dx[way])
		}
		golden.Check(t, string(loss), golden.Closed, values[:1], values[1:])
		golden.Check(t, string(loss)+" dz", golden.Closed, dz[0], dz[1])
		golden.Check(t, string(loss)+" h", golden.Closed, h[0], h[1])
		golden.Check(t, string(loss)+" dx", golden.Closed, dx[0], dx[1])
	}
}

// Whole networks: what a step takes off the weights is the learning rate times the
// gradient, bias and ReLU included.
func TestGradientsOfWeights(t *testing.T) {
	for _, c := range []Config{
		{Layers: 1, Bias: true}, {Layers: 2}, {Layers: 2, Loss: Dot}, {Layers: 2, Loss: InfoNCE}, {Layers: 3, ReLU: true, Bias: true}, {Layers: 3, ReLU: true, Loss: Dot}, {Layers: 4},
	} {
		base := toy()
		base.Layers, base.ReLU, base.Bias, base.Init.Scale = c.Layers, c.ReLU, c.Bias, 0.7
		if c.Loss != "" {
			base.Loss = c.Loss
		}
		if c.Bias { // Eq2 sees no translation: the last bias has no gradient
			base.Loss = Dot
		}
		s := mustNew(t, base)
		s.sample()
		at := s.evaluate
		before := s.copyWeights()
		at()
		s.descend(1)
		after := s.copyWeights()
		s.setWeights(before)
		for l, layer := range s.layers {
			for i, w := range [][]float64{layer.w, layer.b} {
				grad := make([]float64, len(w))
				for j := range grad {
					grad[j] = before[2*l+i][j] - after[2*l+i][j]
				}
				golden.Check(t, "weights", golden.Grad64, grad, slopes(at, w))
			}
		}
	}
}

// slopes are central differences with a step too small to cross the kink of a ReLU.
func slopes(f func() float64, x []float64) []float64 {
	const h = 1e-6
	grad := make([]float64, len(x))
	for i, v := range x {
		x[i] = v + h
		up := f()
		x[i] = v - h
		grad[i] = (up - f()) / (2 * h)
		x[i] = v
	}
	return grad
}

func (s *Simulation) copyWeights() (w [][]float64) {
	for _, l := range s.layers {
		w = append(w, append([]float64(nil), l.w...), append([]float64(nil), l.b...))
	}
	return w
}

func (s *Simulation) setWeights(w [][]float64) {
	for i, l := range s.layers {
		copy(l.w, w[2*i])
		copy(l.b, w[2*i+1])
	}
}

// Lemma 2 with equation 5: the gradient of a single layer is −WX, X = Σ̂₀ − Σ̂₁.
func TestGradientIsMinusWX(t *testing.T) {
	c := toy()
	c.Init.Scale = 0.8
	s := mustNew(t, c)
	s.sample()
	n, d := c.Batch, c.Dim
	z := s.forward(s.inputs)
	x, xp := mat.NewDense(n, d, s.inputs[:n*d]), mat.NewDense(n, d, s.inputs[n*d:])
	data, augmentation, err := Covariances(x, xp, mat.NewDense(n, d, z[:n*d]), mat.NewDense(n, d, z[n*d:]))
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*mat.SymDense{"Σ̂₀": data, "Σ̂₁": augmentation} {
		var e mat.EigenSym
		e.Factorize(m, false)
		if low := e.Values(nil)[0]; low < -1e-12 {
			t.Errorf("%s has the eigenvalue %g, want a covariance", name, low)
		}
	}
	var diff, want mat.Dense
	diff.Sub(data, augmentation)
	w := s.Weight(0)
	want.Mul(w, &diff)
	s.evaluate()
	s.descend(1)
	var got mat.Dense
	got.Sub(s.Weight(0), w) // −G
	golden.Check(t, "WX", golden.Closed, packed(&got), packed(&want))
}

// While the weights are small X is 2·Var in directions that are not augmented, and
// changes sign at the threshold in those that are.
func TestThreshold(t *testing.T) {
	for _, k := range []float64{0.5, 1, 1.5} {
		c := toy()
		c.Batch, c.Pool, c.Noise, c.Init.Scale = 400, 20000, halfNoise(6, k), 1e-3
		s := mustNew(t, c)
		mean := make([]float64, 2)
		const batches = 30
		for range batches {
			s.sample()
			z := s.forward(s.inputs)
			n, d := c.Batch, c.Dim
			data, augmentation, err := Covariances(mat.NewDense(n, d, s.inputs[:n*d]), mat.NewDense(n, d, s.inputs[n*d:]), mat.NewDense(n, d, z[:n*d]), mat.NewDense(n, d, z[n*d:]))
			if err != nil {
				t.Fatal(err)
			}
			for i := range d {
				mean[i*2/d] += (data.At(i, i) - augmentation.At(i, i)) / float64(batches*d/2)
			}
		}
		for half, noise := range []float64{0, k} {
			if want := EarlyRate(c.Variance, noise, c.Batch); math.Abs(mean[half]-want) > 0.03 {
				t.Errorf("k = %g: X is %.4f in half %d, want %.4f", k, mean[half], half, want)
			}
		}
	}
	if got := Threshold(0.5); got != 1 {
		t.Errorf("threshold %g, want 1", got)
	}
}

// Gradient descent on two layers conserves W₁W₁ᵀ − W₂ᵀW₂ but for terms of the
// learning rate squared.
func TestConservedDifference(t *testing.T) {
	drift := func(rate float64) float64 {
		c := toy()
		c.Layers, c.LR, c.Init.Scale = 2, rate, 0.5
		s := mustNew(t, c)
		difference := func() *mat.Dense {
			var a, b mat.Dense
			a.Mul(s.Weight(0), s.Weight(0).T())
			b.Mul(s.Weight(1).T(), s.Weight(1))
			a.Sub(&a, &b)
			return &a
		}
		before := difference()
		mustStep(t, s, int(math.Round(1/rate)))
		after := difference()
		after.Sub(after, before)
		return mat.Norm(after, 2)
	}
	coarse, fine := drift(0.02), drift(0.002)
	if fine > coarse/5 || fine > 5e-3 {
		t.Errorf("W₁W₁ᵀ − W₂ᵀW₂ drifts by %g at rate 0.02 and %g at 0.002, want a tenth and little", coarse, fine)
	}
}

// The closed form of theorem 3 against fourth-order integration of the matrices.
func TestTwoLayersClosedForm(t *testing.T) {
	for _, c := range []struct{ s1, s2, lambda, t float64 }{
		{0.3, 0.2, 0.7, 2}, {0.2, 0.3, 0.7, 2}, {0.25, 0.25, 0.9, 3}, {0.5, 0.1, -1, 4}, {0.4, 0.4, -0.5, 2}, {0.3, 0.3 - 1e-12, 0.7, 2},
	} {
		s1, s2 := c.s1, c.s2
		const steps = 20000
		h := c.t / steps
		rate := func(a, b float64) (float64, float64) { return a * b * b * c.lambda, b * a * a * c.lambda }
		for range steps {
			a1, b1 := rate(s1, s2)
			a2, b2 := rate(s1+h/2*a1, s2+h/2*b1)
			a3, b3 := rate(s1+h/2*a2, s2+h/2*b2)
			a4, b4 := rate(s1+h*a3, s2+h*b3)
			s1, s2 = s1+h/6*(a1+2*a2+2*a3+a4), s2+h/6*(b1+2*b2+2*b3+b4)
		}
		golden.Check(t, "σ₁", golden.Closed, []float64{TwoLayers(c.s1, c.s2, c.lambda, c.t)}, []float64{s1})
	}
	if got := TwoLayers(0.5, 0.5, 1, 10); !math.IsInf(got, 1) {
		t.Errorf("after the blow-up σ₁ is %g, want +Inf", got)
	}
}

func TestInvariants(t *testing.T) {
	const n, d = 9, 4
	r := stream.New(5, "test")
	z := gaussian(r, 2*n*d, 1)
	dz := make([]float64, len(z))
	value := func(loss Loss, z []float64) float64 {
		s, err := newLossState(loss, 0.3, n, d)
		if err != nil {
			t.Fatal(err)
		}
		return s.eval(z, dz)
	}
	rotated := mat.NewDense(2*n, d, nil)
	rotated.Mul(mat.NewDense(2*n, d, z), orthogonal(r, d))
	swapped := append(append([]float64(nil), z[n*d:]...), z[:n*d]...)
	scaled := append([]float64(nil), z...)
	for i := range scaled {
		scaled[i] *= 1 + float64(i/d)
	}
	same := make([]float64, len(z))
	for i := range same {
		same[i] = z[i%d]
	}
	check := func(loss Loss, what string, got, want float64) {
		golden.Check(t, string(loss)+" "+what, golden.Closed, []float64{got}, []float64{want})
	}
	for _, loss := range Losses {
		check(loss, "rotated", value(loss, packed(rotated)), value(loss, z))
	}
	for _, loss := range []Loss{InfoNCE, NTXent} {
		check(loss, "views swapped", value(loss, swapped), value(loss, z))
		check(loss, "rows scaled", value(loss, scaled), value(loss, z))
	}
	check(InfoNCE, "complete collapse", value(InfoNCE, same), math.Log(n))
	check(Eq2, "complete collapse", value(Eq2, same), math.Log(n))
	check(NTXent, "complete collapse", value(NTXent, same), math.Log(2*n-1))
}

// Embeddings so far apart that exponentials of distances underflow give the values that
// they have in the limit.
func TestFarApart(t *testing.T) {
	const n, d = 3, 2
	z := []float64{0, 0, 100, 0, 0, 100, 60, 0, 100, 1, 0, 101}
	s, err := newLossState(Eq2, 0, n, d)
	if err != nil {
		t.Fatal(err)
	}
	dz := make([]float64, len(z))
	// The first anchor lies 60 from its positive and 100 from the others; the second and
	// third 1.
	loss := s.eval(z, dz)
	golden.Check(t, "loss", golden.Closed, []float64{loss + 1}, []float64{1})
	z[6] = 90 // now each of its negatives is at 100, and the positive at 90
	golden.Check(t, "loss", golden.Closed, []float64{s.eval(z, dz) + 1}, []float64{1})
	z[6] = 110 // 1050 below the two negatives
	golden.Check(t, "loss", golden.Closed, []float64{s.eval(z, dz)}, []float64{(110.0*110/2 - 100.0*100/2 + math.Log(2)) / n})
}

func TestDeterministic(t *testing.T) {
	a, b := mustNew(t, toy()), mustNew(t, toy())
	mustStep(t, a, 20)
	mustStep(t, b, 10)
	if _, err := b.EmbeddingSpectrum(); err != nil { // looking changes nothing
		t.Fatal(err)
	}
	mustStep(t, b, 10)
	golden.Check(t, "weights", golden.Exact, packed(a.Weight(0)), packed(b.Weight(0)))
}

func TestDivergenceIsAnError(t *testing.T) {
	c := toy()
	c.Loss, c.Layers, c.LR, c.Temperature = Dot, 3, 1e6, 0.1
	s := mustNew(t, c)
	var err error
	for range 100 {
		if err = s.Step(); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrDiverged) {
		t.Errorf("got %v, want ErrDiverged", err)
	}
}

// BenchmarkStep has the cases of bench/theory_torch.py.
func BenchmarkStep(b *testing.B) {
	step := func(name string, c Config) {
		b.Run(name, func(b *testing.B) {
			s := mustNew(b, c)
			for b.Loop() {
				if err := s.Step(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	step("strong augmentation", StrongAugmentation(1))
	step("alignment", Alignment())
	step("dynamics", Dynamics())
	for layers := 1; layers <= 4; layers++ {
		step(fmt.Sprintf("depth %d", layers), Depth(layers, false))
	}
	for layers := 2; layers <= 4; layers++ { // one is linear
		step(fmt.Sprintf("depth %d, ReLU", layers), Depth(layers, true))
	}
}
