package diagnosis

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"onnxclr/analysis"
	"onnxclr/analysis/theory"
	fast "onnxclr/internal/blas"
)

// Place is where in a network augmentation is held against data: at the input x of a
// layer, or at the representation itself.
type Place struct {
	name  string
	dim   int
	tau   float64
	pairs int
	// Halves of the batches: directions are found on the first and measured on the
	// second, since those found on few samples would look extreme on the same.
	half [2]struct {
		batches            int
		data, augmentation *mat.SymDense // the paper's Σ̂₀ and Σ̂₁
		spread             *mat.SymDense // covariance of the first views
	}
}

// NewPlace returns an empty place of so many dimensions. temperature is that of the
// loss.
func NewPlace(name string, dim int, temperature float64) (*Place, error) {
	if dim < 1 || dim > 1<<14 {
		return nil, fmt.Errorf("%s has %d dimensions, want 1 to %d", name, dim, 1<<14)
	}
	if !(temperature > 0) {
		return nil, fmt.Errorf("temperature is %g, want a positive number", temperature)
	}
	p := &Place{name: name, dim: dim, tau: temperature}
	for i := range p.half {
		h := &p.half[i]
		h.data, h.augmentation, h.spread = mat.NewSymDense(dim, nil), mat.NewSymDense(dim, nil), mat.NewSymDense(dim, nil)
	}
	return p, nil
}

// Add takes a batch: two views x and x′ at this place, [N,D], and the embeddings z and
// z′ that the loss compared, [N,K]. The weights α are those of InfoNCE with negatives of
// the anchor's own view: of unit embeddings at the temperature.
func (p *Place) Add(x, xp, z, zp *mat.Dense) error {
	n, _ := x.Dims()
	if n < 2 {
		return fmt.Errorf("%s: a batch of %d has no negatives", p.name, n)
	}
	data, augmentation, err := theory.Covariances(x, xp, unit(z, p.tau), unit(zp, p.tau))
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	if r, d := data.Dims(); r != p.dim {
		return fmt.Errorf("%s has %d dimensions, %d are given", p.name, p.dim, d)
	}
	h := &p.half[0]
	if p.half[1].batches < p.half[0].batches {
		h = &p.half[1]
	}
	h.batches++
	h.data.AddSym(h.data, data)
	h.augmentation.AddSym(h.augmentation, augmentation)
	h.spread.AddSym(h.spread, covariance(x))
	p.pairs += n
	return nil
}

// unit returns rows of length 1/√τ, so that −|·|²/2 of their differences are the logits
// of unit rows at temperature τ but for a constant. A zero row stays.
func unit(z *mat.Dense, tau float64) *mat.Dense {
	u := mat.DenseCopyOf(z)
	n, _ := u.Dims()
	for i := range n {
		row := u.RawRowView(i)
		if length := blas64.Nrm2(blas64.Vector{N: len(row), Inc: 1, Data: row}); length > 0 {
			for k := range row {
				row[k] /= length * math.Sqrt(tau)
			}
		}
	}
	return u
}

// covariance returns that of the rows, ddof 1.
func covariance(x *mat.Dense) *mat.SymDense {
	n, d := x.Dims()
	c := mat.DenseCopyOf(x)
	for j := range d {
		var mean float64
		for i := range n {
			mean += c.At(i, j) / float64(n)
		}
		for i := range n {
			c.Set(i, j, c.At(i, j)-mean)
		}
	}
	var s mat.SymDense
	s.SymOuterK(1/float64(n-1), c.T())
	return &s
}

// Augmentation is what a place says about mechanism 1.
type Augmentation struct {
	Place string `json:"place"`
	Dim   int    `json:"dim"`
	Pairs int    `json:"pairs"` // of views
	// Eigenvalues of X = Σ̂₀ − Σ̂₁, all pairs, descending.
	Eigenvalues []float64 `json:"x_eigenvalues"`
	// Directions, by descending eigenvalue of X on one half of the pairs, with what the
	// other half says of them.
	Directions []Direction `json:"directions"`
	// Negative counts the directions in which augmentation outweighs data on both
	// halves, on the second by 5 % at least, and NegativeVariance is the part of the variance that lies in them.
	Negative         int     `json:"negative_directions"`
	NegativeVariance float64 `json:"negative_variance"`
	// Ratio is tr Σ̂₁ / tr Σ̂₀.
	Ratio float64 `json:"augmentation_over_data"`
}

// Direction is one unit vector v.
type Direction struct {
	Data         float64 `json:"data"`         // vᵀΣ̂₀v
	Augmentation float64 `json:"augmentation"` // vᵀΣ̂₁v
	Variance     float64 `json:"variance"`     // of the embeddings along v
}

// negligible is the part of the largest variance below which a direction is dead already
// and says nothing about what kills directions.
const negligible = 1e-6

// outweighs is by how much augmentation must exceed data along a direction on the second
// half: where they are equal it would half of the time.
const outweighs = 1.05

// Augmentation evaluates the batches added so far, at least two.
func (p *Place) Augmentation() (*Augmentation, error) {
	if p.half[1].batches == 0 {
		return nil, fmt.Errorf("%s: at least two batches are needed, one to find directions and one to measure along them", p.name)
	}
	a := &Augmentation{Place: p.name, Dim: p.dim, Pairs: p.pairs}
	x := func(i int) *mat.SymDense {
		var m mat.SymDense
		m.ScaleSym(-1, p.half[i].augmentation)
		m.AddSym(&m, p.half[i].data)
		m.ScaleSym(1/float64(p.half[i].batches), &m)
		return &m
	}
	var all mat.SymDense
	all.AddSym(x(0), x(1))
	all.ScaleSym(0.5, &all)
	var err error
	if a.Eigenvalues, err = fast.Eigenvalues(p.dim, all.RawSymmetric().Data); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	slices.Reverse(a.Eigenvalues)

	values, v, err := eigen(x(0))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	h := p.half[1]
	scale := 1 / float64(h.batches)
	data, augmentation, spread := along(h.data, v, scale), along(h.augmentation, v, scale), along(h.spread, v, scale)
	var total, negative, most float64
	for _, s := range spread {
		total += s
		most = max(most, s)
	}
	for k := p.dim - 1; k >= 0; k-- { // ascending as they come
		d := Direction{data[k], augmentation[k], spread[k]}
		a.Directions = append(a.Directions, d)
		if values[k] < 0 && d.Augmentation > outweighs*d.Data && max(d.Data, d.Augmentation) > negligible*most {
			a.Negative++
			negative += d.Variance
		}
	}
	if total > 0 {
		a.NegativeVariance = negative / total
	}
	a.Ratio = mat.Trace(h.augmentation) / mat.Trace(h.data)
	return a, nil
}

// eigen returns the eigenvalues of m, ascending, and its eigenvectors as rows.
func eigen(m *mat.SymDense) ([]float64, *mat.Dense, error) {
	n := m.SymmetricDim()
	values, vectors, err := fast.Eigen(n, packed(m))
	if err != nil {
		return nil, nil, err
	}
	return values, mat.NewDense(n, n, vectors), nil
}

// packed returns the rows of m, both triangles.
func packed(m *mat.SymDense) []float64 { return mat.DenseCopyOf(m).RawMatrix().Data }

// along returns scale·vᵀMv for every row v.
func along(m *mat.SymDense, v *mat.Dense, scale float64) []float64 {
	var vm mat.Dense
	vm.Mul(v, mat.DenseCopyOf(m)) // a symmetric operand would take gonum's own, slow product
	n, _ := v.Dims()
	out := make([]float64, n)
	for i := range out {
		for k, x := range vm.RawRowView(i) {
			out[i] += scale * x * v.At(i, k)
		}
	}
	return out
}

// Chart draws the variances along the directions, and how many times that of data
// augmentation is.
func (a *Augmentation) Chart() analysis.LineChart {
	n := len(a.Directions)
	x, data, augmentation, ratio := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	most := 0.0
	for i, d := range a.Directions {
		x[i], data[i], augmentation[i] = float64(i), math.Log10(d.Data), math.Log10(d.Augmentation)
		ratio[i] = math.Log10(d.Augmentation / d.Data)
		most = max(most, d.Data, d.Augmentation)
	}
	few := n <= 32
	return analysis.LineChart{
		Panels: []analysis.LinePanel{
			{Title: "Weighted variance", X: "direction (by eigenvalue of X)", Y: "log10 variance", Whole: true, MinY: math.Log10(most) - 9, Lines: []analysis.Line{
				{Label: "data, Σ̂₀", X: x, Y: data, Dots: few}, {Label: "augmentation, Σ̂₁", X: x, Y: augmentation, Color: 1, Dots: few},
			}},
			{Title: "Augmentation relative to data", X: "direction (by eigenvalue of X)", Y: "log10 (augmentation / data)", Whole: true, Lines: []analysis.Line{
				{Label: "ratio", X: x, Y: ratio, Color: 2, Dots: few}, {Label: "X = Σ̂₀ − Σ̂₁ changes sign", X: []float64{0, float64(n - 1)}, Y: []float64{0, 0}, Dashed: true},
			}},
		},
		Note: fmt.Sprintf("At %s, %d pairs of views; directions found on one half of them, variances measured on the other. Above the dashed line gradient descent shrinks the direction (theorem 1).", a.Place, a.Pairs),
	}
}
