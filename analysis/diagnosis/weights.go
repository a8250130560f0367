package diagnosis

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"onnxclr/analysis"
	"onnxclr/analysis/theory"
)

// Layer is one layer's weights: a matrix [Out,In], or a convolution's [Out,In,K] with K
// taps of the filter, row-major.
type Layer struct {
	Name         string
	Out, In, K   int
	Weights      []float64
	FedByPrior   bool // its input is the output of the layer before in the list, but for what acts on single channels
	singular     []float64
	left, inputs *mat.Dense // singular vectors of outputs and of inputs, as rows: the leading ones, or all
}

// Weights is what the layers say about mechanism 2.
type Weights struct {
	Layers     []LayerSpectrum `json:"layers"`
	Alignments []Alignment     `json:"alignments"`
}

// LayerSpectrum is the singular values of a layer's weights as a matrix of outputs by
// inputs (and taps).
type LayerSpectrum struct {
	Name           string    `json:"name"`
	Shape          []int     `json:"shape"`
	SingularValues []float64 `json:"singular_values"`
	EffectiveRank  float64   `json:"effective_rank"` // of the singular values
	Live           int       `json:"live"`           // above a thousandth of the largest
}

// Alignment is how the singular vectors of two layers, one after the other, match:
// |V₂ᵀU₁|, V₂ of the second layer's inputs, U₁ of the first one's outputs (section 5).
type Alignment struct {
	First  string      `json:"first"`
	Second string      `json:"second"`
	Matrix [][]float64 `json:"matrix"` // of the leading directions, at most shownDirections
	// Subspace is the part of the leading Leading directions of the first layer that
	// lies in those of the second: 1 when they are the same, Chance for random ones.
	Leading  int     `json:"leading"`
	Subspace float64 `json:"subspace_overlap"`
	Chance   float64 `json:"chance"`
	Diagonal float64 `json:"mean_diagonal"` // of the matrix
}

const (
	shownDirections = 32
	liveWeights     = 1e-3
)

// InspectWeights decomposes the layers, in the order of the network.
func InspectWeights(layers []Layer) (*Weights, error) {
	w := &Weights{}
	for i := range layers {
		l := &layers[i]
		if l.Out < 1 || l.In < 1 || l.K < 1 || len(l.Weights) != l.Out*l.In*l.K {
			return nil, fmt.Errorf("layer %s: %d weights for %d×%d×%d", l.Name, len(l.Weights), l.Out, l.In, l.K)
		}
		if err := l.decompose(); err != nil {
			return nil, err
		}
		shape := []int{l.Out, l.In}
		if l.K > 1 {
			shape = append(shape, l.K)
		}
		w.Layers = append(w.Layers, LayerSpectrum{
			Name: l.Name, Shape: shape, SingularValues: l.singular,
			EffectiveRank: analysis.EffectiveRank(l.singular), Live: analysis.Live(l.singular, liveWeights),
		})
		if i > 0 && l.FedByPrior && layers[i-1].Out == l.In {
			w.Alignments = append(w.Alignments, align(&layers[i-1], l))
		}
	}
	return w, nil
}

// decompose finds the singular directions of the outputs and of the inputs as the
// eigenvectors of WWᵀ and WᵀW. Singular values below 1e-8 of the largest are rounding.
func (l *Layer) decompose() (err error) {
	w := mat.NewDense(l.Out, l.In*l.K, l.Weights)
	var values []float64
	if values, l.left, err = l.gram(w.T()); err != nil {
		return err
	}
	l.singular = values[:min(l.Out, l.In*l.K)]
	// The directions of input channels that the filter as a whole, all taps together,
	// hears best: right singular vectors of [Out·K, In].
	if l.K > 1 {
		taps := mat.NewDense(l.Out*l.K, l.In, nil)
		for o := range l.Out {
			for i := range l.In {
				for k := range l.K {
					taps.Set(o*l.K+k, i, l.Weights[(o*l.In+i)*l.K+k])
				}
			}
		}
		w = taps
	}
	_, l.inputs, err = l.gram(w)
	return err
}

// gram returns the singular values of m, descending, and its right singular vectors as
// rows. Of a matrix that is wider than high these are mᵀu/σ, of as many left ones u as are
// shown, where their singular values leave them with digits.
func (l *Layer) gram(m mat.Matrix) ([]float64, *mat.Dense, error) {
	if rows, cols := m.Dims(); rows < cols && rows >= shownDirections {
		sigma, u, err := l.gram(m.T())
		if err != nil {
			return nil, nil, err
		}
		if n := shownDirections; sigma[n-1] > 1e-4*sigma[0] {
			v := new(mat.Dense)
			v.Mul(u.Slice(0, n, 0, rows), m)
			for k := range n {
				row := v.RawRowView(k)
				for i := range row {
					row[i] /= sigma[k]
				}
			}
			return sigma, v, nil
		}
	}
	var s mat.SymDense
	s.SymOuterK(1, m.T())
	values, vectors, err := eigen(&s)
	if err != nil {
		return nil, nil, fmt.Errorf("layer %s: %w", l.Name, err)
	}
	n := len(values)
	sigma, rows := make([]float64, n), mat.NewDense(n, n, nil)
	for k := range n {
		sigma[k] = math.Sqrt(max(values[n-1-k], 0))
		rows.SetRow(k, vectors.RawRowView(n-1-k))
	}
	return sigma, rows, nil
}

func align(first, second *Layer) Alignment {
	var a mat.Dense
	a.Mul(second.inputs, first.left.T())
	a.Apply(func(_, _ int, v float64) float64 { return math.Abs(v) }, &a)
	rows, cols := a.Dims()
	n := min(rows, cols, shownDirections)
	square := mat.DenseCopyOf(a.Slice(0, n, 0, n))
	out := Alignment{First: first.Name, Second: second.Name, Leading: n, Chance: float64(n) / float64(second.In)}
	out.Diagonal, _ = theory.AlignmentScore(square)
	for i := range n {
		out.Matrix = append(out.Matrix, append([]float64(nil), square.RawRowView(i)...))
		for _, v := range square.RawRowView(i) {
			out.Subspace += v * v / float64(n)
		}
	}
	return out
}

// Chart draws the singular values of all layers.
func (w *Weights) Chart() analysis.LineChart {
	p := analysis.LinePanel{X: "index relative to the number of singular values", Y: "ln (singular value / largest)", MinY: -16}
	for i, l := range w.Layers {
		x, y := make([]float64, len(l.SingularValues)), make([]float64, len(l.SingularValues))
		for k, v := range l.SingularValues {
			x[k] = float64(k) / float64(max(1, len(x)-1))
			y[k] = math.Log(v / l.SingularValues[0])
		}
		p.Lines = append(p.Lines, analysis.Line{Label: fmt.Sprintf("%s, %d values", l.Name, len(x)), X: x, Y: y, Color: i})
	}
	return analysis.LineChart{Width: 5, Panels: []analysis.LinePanel{p}, Note: "Weights as matrices of outputs by inputs; a filter's taps count as inputs."}
}

// HeatMap draws the alignments; there must be one.
func (w *Weights) HeatMap() analysis.HeatMap {
	h := analysis.HeatMap{High: 1, Scale: "|V₂ᵀU₁|"}
	for _, a := range w.Alignments {
		h.Panels = append(h.Panels, analysis.HeatPanel{Title: a.First + " → " + a.Second, X: "left singular vector of the first", Y: "right singular vector of the second", Cells: a.Matrix})
	}
	h.Note = "Leading singular directions of layers one after the other; the identity where they are aligned (figure 5). What stands between them (normalisation, ReLU) acts on single channels and is left out."
	return h
}
