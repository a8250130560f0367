package analysis

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// N rows, D columns, Z [N,D] the rows as analysed (after normalisation, if any).

// blockRows is how many rows are folded in at a time. Blocks are formed whatever
// the pieces rows arrive in, so that the pieces cannot change a bit of the result.
const blockRows = 512

// maxDim keeps a covariance within 8 GiB.
const maxDim = 1 << 15

// Moments accumulates the mean of rows and the scatter about it, in memory of
// O(D²) however many rows there are. Rows are taken relative to the mean of the
// first block, and blocks centred about their own mean are merged (Chan, Golub and
// LeVeque 1979), so an offset of the data far above its spread costs no digits
// beyond those the rows themselves have lost.
type Moments struct {
	dim       int
	normalize bool
	n         int       // rows folded in
	origin    []float64 // [D], what rows are relative to; nil before the first block
	mean      []float64 // [D], relative to origin
	scatter   []float64 // [D,D], upper triangle: Σ (z−z̄)(z−z̄)ᵀ
	block     []float64 // rows not yet folded in, [≤blockRows,D]
	factor    *factor   // nil unless asked for
}

// NewMoments returns an empty accumulator of rows of dim values. With normalize,
// rows are scaled to unit length first.
func NewMoments(dim int, normalize bool) (*Moments, error) {
	if dim < 1 || dim > maxDim {
		return nil, fmt.Errorf("rows of %d values, want 1 to %d: a covariance takes their square in memory", dim, maxDim)
	}
	return &Moments{
		dim: dim, normalize: normalize,
		mean:    make([]float64, dim),
		scatter: make([]float64, dim*dim),
		block:   make([]float64, 0, blockRows*dim),
	}, nil
}

// Len returns the number of rows added.
func (m *Moments) Len() int { return m.n + len(m.block)/m.dim }

// Dim returns D.
func (m *Moments) Dim() int { return m.dim }

// RowError reports a row that cannot be analysed, counted from 0.
type RowError struct {
	Row    int
	Reason string
	Zero   bool // it is zero, and could be analysed without normalisation
}

func (e *RowError) Error() string { return fmt.Sprintf("row %d %s", e.Row, e.Reason) }

// Add adds rows, row-major; their number is len(rows)/D. It fails with *RowError on
// a row that holds NaN or infinity and, when rows are normalised, on a zero row,
// which has no direction. After an error the accumulator is of no use.
func (m *Moments) Add(rows []float64) error { return add(m, rows) }

// AddFloat32 is Add for float32 rows, which are widened first.
func (m *Moments) AddFloat32(rows []float32) error { return add(m, rows) }

func add[F float32 | float64](m *Moments, rows []F) error {
	if len(rows)%m.dim != 0 {
		return fmt.Errorf("%d values do not divide into rows of %d", len(rows), m.dim)
	}
	for ; len(rows) > 0; rows = rows[m.dim:] {
		start := len(m.block)
		m.block = m.block[:start+m.dim]
		row := m.block[start:]
		var squares float64
		for j, v := range rows[:m.dim] {
			x := float64(v)
			row[j] = x
			squares += x * x
		}
		if err := m.check(row, squares); err != nil {
			m.block = m.block[:start]
			return err
		}
		if len(m.block) == cap(m.block) {
			m.fold()
		}
	}
	return nil
}

// check refuses a row that is not usable and normalises the others in place. squares is
// the sum of the row's squares.
func (m *Moments) check(row []float64, squares float64) error {
	index := m.Len() - 1
	if math.IsNaN(squares) || math.IsInf(squares, 0) {
		for j, v := range row {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return &RowError{Row: index, Reason: fmt.Sprintf("holds %v in column %d", v, j)}
			}
		}
	}
	if !m.normalize {
		return nil
	}
	norm := math.Sqrt(squares)
	if squares < 1e-250 || squares > 1e250 { // scaled, it neither over- nor underflows
		norm = blas64.Nrm2(blas64.Vector{N: m.dim, Inc: 1, Data: row})
	}
	switch {
	case norm == 0:
		return &RowError{Row: index, Zero: true, Reason: "is zero and cannot be scaled to unit length; analyse without normalisation, or look for dead inputs"}
	case math.IsInf(norm, 0):
		return &RowError{Row: index, Reason: "is too long for float64"}
	}
	for j := range row {
		row[j] /= norm
	}
	return nil
}

// fold merges the pending block into mean and scatter and empties it.
func (m *Moments) fold() {
	rows := len(m.block) / m.dim
	if rows == 0 {
		return
	}
	block := blas64.General{Rows: rows, Cols: m.dim, Stride: m.dim, Data: m.block}
	first := m.origin == nil
	if first {
		m.origin = make([]float64, m.dim)
	}
	mean := make([]float64, m.dim)
	stripes(m.dim, func(from, to int) {
		if first {
			columnMeans(m.origin, block, from, to)
		}
		subtractRows(block, m.origin, from, to)
		columnMeans(mean, block, from, to)
		subtractRows(block, mean, from, to)
	})
	blas64.Syrk(blas.Trans, 1, block, 1, m.symmetric())
	if m.factor != nil {
		m.factor.add(block, mean)
	}
	m.shift(rows, mean)
	m.block = m.block[:0]
}

// stripes calls f for ranges of columns, on all cores; every column is worked on alone.
func stripes(cols int, f func(from, to int)) {
	const width = 128 // columns: a stripe of a block stays in the second-level cache
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (cols+width-1)/width) {
		wait.Go(func() {
			for {
				from := int(next.Add(width)) - width
				if from >= cols {
					return
				}
				f(from, min(from+width, cols))
			}
		})
	}
	wait.Wait()
}

func columnMeans(mean []float64, a blas64.General, from, to int) {
	clear(mean[from:to])
	for i := range a.Rows {
		row, sum := a.Data[i*a.Stride+from:i*a.Stride+to], mean[from:to]
		for j, v := range row {
			sum[j] += v
		}
	}
	for j := from; j < to; j++ {
		mean[j] /= float64(a.Rows)
	}
}

func subtractRows(a blas64.General, row []float64, from, to int) {
	for i := range a.Rows {
		r, s := a.Data[i*a.Stride+from:i*a.Stride+to], row[from:to]
		for j, v := range s {
			r[j] -= v
		}
	}
}

// shift brings the mean to that of all rows after the scatter of rows more, taken
// about their own mean (relative to origin), has been added.
func (m *Moments) shift(rows int, mean []float64) {
	total := float64(m.n + rows)
	delta := make([]float64, m.dim)
	for j := range delta {
		delta[j] = mean[j] - m.mean[j]
	}
	d := blas64.Vector{N: m.dim, Inc: 1, Data: delta}
	if m.n > 0 {
		blas64.Syr(float64(m.n)*(float64(rows)/total), d, m.symmetric())
	}
	blas64.Axpy(float64(rows)/total, d, blas64.Vector{N: m.dim, Inc: 1, Data: m.mean})
	m.n += rows
}

func (m *Moments) symmetric() blas64.Symmetric {
	return blas64.Symmetric{N: m.dim, Stride: m.dim, Data: m.scatter, Uplo: blas.Upper}
}

// Merge adds everything that was added to other, which keeps its rows. Both must
// have the same width and normalisation; a factor is kept where both have one.
func (m *Moments) Merge(other *Moments) error {
	if m.dim != other.dim || m.normalize != other.normalize {
		return fmt.Errorf("rows of %d values (normalised: %v) and of %d (normalised: %v) do not merge",
			m.dim, m.normalize, other.dim, other.normalize)
	}
	m.fold()
	other.fold()
	if other.n == 0 {
		return nil
	}
	if m.origin == nil {
		m.origin = slices.Clone(other.origin)
	}
	mean, shift := make([]float64, m.dim), make([]float64, m.dim)
	for j := range mean {
		shift[j] = other.origin[j] - m.origin[j]
		mean[j] = shift[j] + other.mean[j]
	}
	if m.factor != nil && other.factor != nil {
		m.factor.merge(other.factor, shift)
	} else {
		m.factor = nil
	}
	for k, v := range other.scatter {
		m.scatter[k] += v
	}
	m.shift(other.n, mean)
	return nil
}

// Mean returns the mean row [D], zero when there are no rows.
func (m *Moments) Mean() []float64 {
	m.fold()
	mean := slices.Clone(m.mean)
	for j, v := range m.origin {
		mean[j] += v
	}
	return mean
}

// Covariance returns Σ (z−z̄)(z−z̄)ᵀ / (N−ddof), [D,D]. ddof is 1 for the unbiased
// estimate that numpy.cov returns and 0 for the 1/N of the paper's equation 1. It
// fails unless N > ddof.
func (m *Moments) Covariance(ddof int) (*mat.SymDense, error) {
	if err := m.ready(ddof); err != nil {
		return nil, err
	}
	c := mat.NewSymDense(m.dim, nil)
	c.ScaleSym(1/float64(m.n-ddof), mat.NewSymDense(m.dim, m.scatter))
	return c, nil
}

// ready folds in what is pending, and fails where there is no covariance.
func (m *Moments) ready(ddof int) error {
	if ddof != 0 && ddof != 1 {
		return fmt.Errorf("ddof is %d, want 0 or 1", ddof)
	}
	if m.fold(); m.n < 2 {
		return fmt.Errorf("a covariance needs at least 2 samples, there are %d", m.n)
	}
	return nil
}

// SecondMoment returns ZᵀZ, [D,D], not centred and not divided by N: its
// eigenvalues are the squares of the singular values of Z.
func (m *Moments) SecondMoment() *mat.SymDense {
	m.fold()
	s := mat.NewSymDense(m.dim, nil)
	s.SymRankOne(mat.NewSymDense(m.dim, m.scatter), float64(m.n), mat.NewVecDense(m.dim, m.Mean()))
	return s
}
