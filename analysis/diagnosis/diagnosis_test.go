package diagnosis

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"onnxclr/analysis"
)

// views draws n samples of variance 1 in every direction and augments them by variances
// of their own.
func views(r *rand.Rand, n int, noise []float64) (x, xp *mat.Dense) {
	d := len(noise)
	x, xp = mat.NewDense(n, d, nil), mat.NewDense(n, d, nil)
	for i := range n {
		for j, v := range noise {
			a := r.NormFloat64()
			x.Set(i, j, a)
			xp.Set(i, j, a+math.Sqrt(v)*r.NormFloat64())
		}
	}
	return x, xp
}

// augmented evaluates directions under noise on data whose embedding is the data, at a
// temperature at which all negatives count alike.
func augmented(t *testing.T, noise []float64) *Augmentation {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	p, err := NewPlace("r", len(noise), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		x, xp := views(r, 200, noise)
		if err := p.Add(x, xp, x, xp); err != nil {
			t.Fatal(err)
		}
	}
	a, err := p.Augmentation()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// With equal weights X is 2·Var − k: directions with k above 2 are negative.
func TestNegativeDirections(t *testing.T) {
	noise := []float64{0, 0, 0.5, 0.5, 1, 1, 4, 4, 6, 6}
	a := augmented(t, noise)
	if a.Negative != 4 {
		t.Errorf("%d negative directions, want 4", a.Negative)
	}
	if len(a.Eigenvalues) != len(noise) || len(a.Directions) != len(noise) || a.Pairs != 1600 {
		t.Errorf("%d eigenvalues, %d directions, %d pairs", len(a.Eigenvalues), len(a.Directions), a.Pairs)
	}
	if first, last := a.Directions[0], a.Directions[9]; first.Augmentation > 0.1*first.Data || last.Augmentation < 2*last.Data {
		t.Errorf("the directions are not in the order of X: %v … %v", first, last)
	}
	if a.NegativeVariance < 0.3 || a.NegativeVariance > 0.5 {
		t.Errorf("%.2f of the variance in negative directions, want 0.4", a.NegativeVariance)
	}
	if weak := augmented(t, []float64{0.1, 0.1, 0.1, 0.1}); weak.Negative != 0 {
		t.Errorf("weak augmentation has %d negative directions", weak.Negative)
	}
	var png bytes.Buffer
	if err := a.Chart().Write(&png, ".png"); err != nil {
		t.Error(err)
	}
}

// The same weights times a rotation in between: aligned, or not.
func TestWeights(t *testing.T) {
	const d = 40
	r := rand.New(rand.NewPCG(3, 4))
	rotation := func() *mat.Dense {
		var qr mat.QR
		m := mat.NewDense(d, d, nil)
		for i := range d {
			for j := range d {
				m.Set(i, j, r.NormFloat64())
			}
		}
		qr.Factorize(m)
		var q mat.Dense
		qr.QTo(&q)
		return &q
	}
	weights := func(u, v mat.Matrix, decay float64) []float64 {
		sigma := make([]float64, d)
		for i := range sigma {
			sigma[i] = math.Exp(-decay * float64(i))
		}
		var us, w mat.Dense
		us.Mul(u, mat.NewDiagDense(d, sigma))
		w.Mul(&us, v.T())
		return w.RawMatrix().Data
	}
	middle := rotation()
	low, err := InspectWeights([]Layer{
		{Name: "a", Out: d, In: d, K: 1, Weights: weights(middle, rotation(), 0.5)},
		{Name: "b", Out: d, In: d, K: 1, Weights: weights(rotation(), middle, 0.5), FedByPrior: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := low.Alignments[0]; a.Diagonal < 0.9 || a.Subspace < 0.9 {
		t.Errorf("aligned layers: diagonal %.2f, overlap %.2f", a.Diagonal, a.Subspace)
	}
	for i, v := range low.Layers[0].SingularValues[:12] {
		if want := math.Exp(-0.5 * float64(i)); math.Abs(v-want) > 1e-9 {
			t.Errorf("singular value %d is %v, want %v", i, v, want)
		}
	}
	full, err := InspectWeights([]Layer{
		{Name: "a", Out: d, In: d, K: 1, Weights: weights(middle, rotation(), 0.01)},
		{Name: "b", Out: d, In: d / 2, K: 2, Weights: weights(rotation(), rotation(), 0.01), FedByPrior: true},
		{Name: "c", Out: d, In: d, K: 1, Weights: weights(rotation(), rotation(), 0.01)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(full.Alignments) != 0 {
		t.Error("layers that do not follow each other, or do not fit, are aligned")
	}

	collapsed := &analysis.Spectrum{Dim: 100, Samples: 1000, Metrics: analysis.Metrics{LiveDims: 60, CollapsedDims: 40, RankMe: 30}}
	whole := &analysis.Spectrum{Dim: 100, Samples: 1000, Metrics: analysis.Metrics{LiveDims: 100, RankMe: 80}}
	strong, weak := []*Augmentation{{Place: "r", Dim: 100, Pairs: 1000, Negative: 30}}, []*Augmentation{{Place: "r", Dim: 100, Pairs: 1000}}
	wide := *low
	wide.Alignments = append([]Alignment(nil), low.Alignments...)
	wide.Alignments[0].Chance = 0.3
	for _, c := range []struct {
		d    Diagnosis
		want string
	}{
		{Diagnosis{Spectrum: collapsed, Augmentation: strong, Weights: full}, "signs of strong augmentation"},
		{Diagnosis{Spectrum: collapsed, Augmentation: weak, Weights: &wide}, "signs of implicit regularisation"},
		{Diagnosis{Spectrum: collapsed, Augmentation: strong, Weights: &wide}, "signs of both"},
		{Diagnosis{Spectrum: collapsed, Augmentation: weak, Weights: full}, "neither mechanism shows"},
		{Diagnosis{Spectrum: whole, Augmentation: weak, Weights: full}, "neither mechanism is at work"},
		{Diagnosis{Spectrum: whole, Augmentation: strong, Weights: full}, "what leads there is at work"},
	} {
		c.d.Judge()
		if got := c.d.Verdict.Sentences[len(c.d.Verdict.Sentences)-1]; !strings.Contains(got, c.want) {
			t.Errorf("verdict %q, want %q", got, c.want)
		}
	}
	var b bytes.Buffer
	if err := low.Chart().Write(&b, ".svg"); err != nil {
		t.Error(err)
	}
	if err := low.HeatMap().Write(&b, ".svg"); err != nil {
		t.Error(err)
	}
}

// TestLeadingDirections: of a wide matrix the leading right singular vectors are found by
// way of the left ones, unless it is nearly of lower rank: unit vectors at right angles that
// m stretches by the singular values, whichever way.
func TestLeadingDirections(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, rank := range []int{40, 20} {
		a, b := mat.NewDense(40, rank, nil), mat.NewDense(rank, 90, nil)
		for _, m := range []*mat.Dense{a, b} {
			m.Apply(func(_, _ int, _ float64) float64 { return rng.NormFloat64() }, m)
		}
		var m, image, product mat.Dense
		m.Mul(a, b)
		sigma, v, err := (&Layer{}).gram(&m)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := v.Dims()
		if n != map[int]int{40: shownDirections, 20: 90}[rank] {
			t.Errorf("rank %d: %d directions", rank, n)
		}
		n = min(n, rank)
		image.Mul(&m, v.T())
		product.Mul(v, v.T())
		for i := range n {
			if length := mat.Norm(image.ColView(i), 2); math.Abs(length-sigma[i]) > 1e-9*sigma[0] {
				t.Errorf("rank %d: direction %d is stretched by %g, want %g", rank, i, length, sigma[i])
			}
			for j := range n {
				want := 0.0
				if i == j {
					want = 1
				}
				if got := product.At(i, j); math.Abs(got-want) > 1e-9 {
					t.Errorf("rank %d: product of %d and %d is %g", rank, i, j, got)
				}
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	p, err := NewPlace("r", 3, 0.1)
	if err != nil {
		t.Fatal(err)
	}
	x := mat.NewDense(4, 3, nil)
	if err := p.Add(x, x, mat.NewDense(5, 2, nil), x); err == nil {
		t.Error("embeddings of another batch are accepted")
	}
	if err := p.Add(mat.NewDense(1, 3, nil), mat.NewDense(1, 3, nil), mat.NewDense(1, 3, nil), mat.NewDense(1, 3, nil)); err == nil {
		t.Error("a batch without negatives is accepted")
	}
	if _, err := p.Augmentation(); err == nil || !strings.Contains(err.Error(), "two batches") {
		t.Errorf("without batches: %v", err)
	}
	if _, err := InspectWeights([]Layer{{Name: "a", Out: 2, In: 2, K: 1, Weights: make([]float64, 3)}}); err == nil {
		t.Error("weights of the wrong size are accepted")
	}
	if _, err := NewPlace("r", 3, 0); err == nil {
		t.Error("a temperature of 0 is accepted")
	}
}

// Dimensions that so few samples cannot show are not said to have collapsed.
func TestFewSamplesAreNoCollapse(t *testing.T) {
	for _, c := range []struct {
		samples, dim, live int
		want               string
	}{
		{128, 128, 126, "none"}, {80, 128, 79, "none"}, {128, 128, 100, "dimensional"}, {80, 128, 1, "complete"},
		{4096, 128, 128, "none"}, {4096, 128, 126, "dimensional"},
	} {
		d := &Diagnosis{Spectrum: &analysis.Spectrum{Samples: c.samples, Dim: c.dim,
			Metrics: analysis.Metrics{LiveDims: c.live, CollapsedDims: c.dim - c.live, RankMe: 50}}}
		d.Judge()
		if d.Verdict.Collapse != c.want {
			t.Errorf("%d live of %d with %d samples: %s, want %s", c.live, c.dim, c.samples, d.Verdict.Collapse, c.want)
		}
	}
}
