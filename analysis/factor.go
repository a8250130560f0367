package analysis

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"

	"onnxclr/internal/blas"
)

// factor is the triangular factor R of the QR decomposition of [1 Z], Z the rows relative
// to an origin: without its first row and column it is that of the centred rows, and has
// their singular values, not the squares that a covariance has. Rows are folded in block
// by block (Demmel et al., SIAM J. Sci. Comput. 34, 2012: sequential TSQR).
type factor struct {
	side int       // D+1
	a    []float64 // [≤most,side]: R, and rows not yet folded in
	most int
}

func newFactor(dim int) *factor {
	side := dim + 1
	return &factor{side: side, most: side + max(side, 1024)}
}

// add adds the first N rows of a block, centred about their mean, and that mean: rotated,
// the rows [1 z] are [0 z−mean] and one √N·[1 mean].
func (f *factor) add(block *blas.Strips, rows int, mean []float64) {
	row := make([]float64, len(mean))
	for i := range rows {
		for k := range block.Len() {
			data, line, first, cols := block.Strip(k)
			copy(row[first:], data[i*line:][:cols])
		}
		f.row(0, row)
	}
	scaled := slices.Clone(mean)
	n := math.Sqrt(float64(rows))
	for j := range scaled {
		scaled[j] *= n
	}
	f.row(n, scaled)
}

func (f *factor) row(first float64, rest []float64) {
	f.a = append(append(f.a, first), rest...)
	if len(f.a) == f.most*f.side {
		f.fold()
	}
}

// fold leaves R alone, [side,side].
func (f *factor) fold() {
	rows := max(len(f.a)/f.side, f.side)
	f.a = append(f.a, make([]float64, rows*f.side-len(f.a))...)
	a := blas64.General{Rows: rows, Cols: f.side, Stride: f.side, Data: f.a}
	tau, work := make([]float64, f.side), make([]float64, 1)
	lapack64.Geqrf(a, tau, work, -1)
	work = make([]float64, int(work[0]))
	lapack64.Geqrf(a, tau, work, len(work))
	f.a = f.a[:f.side*f.side]
	for i := range f.side {
		clear(f.a[i*f.side:][:i])
	}
}

// merge adds the rows of another factor, whose origin lies at shift from this one's.
func (f *factor) merge(other *factor, shift []float64) {
	other.fold()
	for i := range f.side {
		row := slices.Clone(other.a[i*f.side:][:f.side])
		for j, v := range shift {
			row[1+j] += row[0] * v
		}
		f.row(row[0], row[1:])
	}
}

// singularValues are those of the centred rows, [D], descending.
func (f *factor) singularValues() ([]float64, error) {
	f.fold()
	dim := f.side - 1
	r := mat.NewDense(dim, dim, nil)
	for i := range dim {
		r.SetRow(i, f.a[(i+1)*f.side+1:][:dim])
	}
	var svd mat.SVD
	if !svd.Factorize(r, mat.SVDNone) {
		return nil, fmt.Errorf("the singular values of the rows did not converge")
	}
	return svd.Values(nil), nil
}

// ExactMetrics are of the singular values σ of the centred rows themselves: those of a
// covariance, whose roots they are, hide what is below 1e-8 of the largest.
type ExactMetrics struct {
	Rank      int     `json:"rank"`      // #{σᵢ > tolerance}
	Tolerance float64 `json:"tolerance"` // σ₁·max(N,D)·2⁻⁵², as numpy.linalg.matrix_rank has it
	// ConditionNumber is σ₁/σ_D; null for infinity, where the rank is not D.
	ConditionNumber *float64  `json:"condition_number"`
	SingularValues  []float64 `json:"singular_values"` // [D], of the centred rows
}

// KeepFactor has the moments keep a triangular factor of the rows too, for Exact. It takes
// twice the memory and several times the time, and is to be called before rows are added.
func (m *Moments) KeepFactor() { m.factor = newFactor(m.dim) }

// HasFactor reports whether they do.
func (m *Moments) HasFactor() bool { return m.factor != nil }

// Exact returns rank and condition number of the centred rows. It fails on fewer than two
// rows and without KeepFactor.
func (m *Moments) Exact() (*ExactMetrics, error) {
	m.fold()
	if m.factor == nil || m.n < 2 {
		return nil, fmt.Errorf("no factor of %d rows is kept", m.n)
	}
	sigma, err := m.factor.singularValues()
	if err != nil {
		return nil, err
	}
	if sigma[0]*sigma[0] < constantRows*mat.Trace(m.SecondMoment()) {
		clear(sigma) // equal rows: what is left is rounding
	}
	e := &ExactMetrics{Tolerance: sigma[0] * float64(max(m.n, m.dim)) * 0x1p-52, SingularValues: sigma}
	for e.Rank < len(sigma) && sigma[e.Rank] > e.Tolerance {
		e.Rank++
	}
	if e.Rank == m.dim {
		c := ConditionNumber(sigma)
		e.ConditionNumber = &c
	}
	return e, nil
}
