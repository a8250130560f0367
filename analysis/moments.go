package analysis

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	gonum "gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"onnxclr/internal/blas"
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
	n         int          // rows folded in
	origin    []float64    // [D], what rows are relative to; nil before the first block
	mean      []float64    // [D], relative to origin
	scatter   []float64    // [D,D], upper triangle: Σ (z−z̄)(z−z̄)ᵀ
	block     *blas.Strips // [blockRows+1,D]: rows not yet folded in, and one to spare
	pending   int          // so many
	factor    *factor      // nil unless asked for
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
		block:   blas.NewStrips(blockRows+1, dim),
	}, nil
}

// Len returns the number of rows added.
func (m *Moments) Len() int { return m.n + m.pending }

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
	for len(rows) > 0 {
		n := min(len(rows)/m.dim, blockRows-m.pending)
		if err := place(m, rows[:n*m.dim]); err != nil {
			return err
		}
		rows = rows[n*m.dim:]
		if m.pending += n; m.pending == blockRows {
			m.fold()
		}
	}
	return nil
}

// place writes rows that the block has room for behind those that are there.
func place[F float32 | float64](m *Moments, rows []F) error {
	const chunk = 16 // rows
	n := len(rows) / m.dim
	bad := make([]*RowError, (n+chunk-1)/chunk)
	concurrently(len(bad), len(rows), func(c int) {
		for i := c * chunk; i < min(n, (c+1)*chunk) && bad[c] == nil; i++ {
			bad[c] = put(m, m.pending+i, rows[i*m.dim:][:m.dim])
		}
	})
	for _, err := range bad {
		if err != nil {
			return err
		}
	}
	return nil
}

// put writes a row to row i of the block, scaled to unit length where rows are.
func put[F float32 | float64](m *Moments, i int, row []F) *RowError {
	squares := sumOfSquares(row)
	factor, norm := 1.0, 1.0
	if squares >= 1e-250 && squares <= 1e250 {
		if m.normalize {
			factor = 1 / math.Sqrt(squares)
		}
	} else {
		wide := make([]float64, m.dim)
		for j, v := range row {
			wide[j] = float64(v)
		}
		var reason *RowError
		if norm, reason = length(wide, m.normalize); reason != nil {
			reason.Row = m.n + i
			return reason
		}
	}
	for k := range m.block.Len() {
		data, line, first, cols := m.block.Strip(k)
		to, from := data[i*line:][:cols], row[first:][:cols]
		for j, v := range from {
			to[j] = float64(v) * factor
		}
		if norm != 1 {
			for j := range to {
				to[j] /= norm
			}
		}
	}
	return nil
}

func sumOfSquares[F float32 | float64](row []F) float64 {
	var s0, s1, s2, s3 float64
	for ; len(row) >= 4; row = row[4:] {
		a, b, c, d := float64(row[0]), float64(row[1]), float64(row[2]), float64(row[3])
		s0 += a * a
		s1 += b * b
		s2 += c * c
		s3 += d * d
	}
	for _, v := range row {
		s0 += float64(v) * float64(v)
	}
	return (s0 + s1) + (s2 + s3)
}

// length returns what a row is to be divided by, of which the sum of squares is 0, not
// finite or near to either, or why it cannot be analysed.
func length(row []float64, normalize bool) (float64, *RowError) {
	for j, v := range row {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, &RowError{Reason: fmt.Sprintf("holds %v in column %d", v, j)}
		}
	}
	if !normalize {
		return 1, nil
	}
	norm := blas64.Nrm2(blas64.Vector{N: len(row), Inc: 1, Data: row})
	switch {
	case norm == 0:
		return 0, &RowError{Zero: true, Reason: "is zero and cannot be scaled to unit length; analyse without normalisation, or look for dead inputs"}
	case math.IsInf(norm, 0):
		return 0, &RowError{Reason: "is too long for float64"}
	}
	return norm, nil
}

// fold merges the pending rows into mean and scatter.
func (m *Moments) fold() {
	rows := m.pending
	if rows == 0 {
		return
	}
	first := m.origin == nil
	if first {
		m.origin = make([]float64, m.dim)
	}
	mean := make([]float64, m.dim)
	concurrently(m.block.Len(), rows*m.dim, func(k int) {
		data, line, from, cols := m.block.Strip(k)
		origin, mean := m.origin[from:][:cols], mean[from:][:cols]
		if first {
			columnMeans(origin, data, line, rows, make([]float64, cols))
		}
		columnMeans(mean, data, line, rows, origin)
		for i := range rows {
			row := data[i*line:][:cols]
			for j, o := range origin {
				row[j] = row[j] - o - mean[j]
			}
		}
	})
	if m.factor != nil {
		m.factor.add(m.block, rows, mean)
	}
	between := m.shift(rows, mean)
	for k := range m.block.Len() {
		data, line, from, cols := m.block.Strip(k)
		copy(data[rows*line:][:cols], between[from:])
	}
	m.block.AddGram(rows+1, m.scatter)
	m.pending = 0
}

// columnMeans writes the means of columns of data less origin.
func columnMeans(mean, data []float64, line, rows int, origin []float64) {
	clear(mean)
	n, i := len(mean), 0
	origin = origin[:n]
	for ; i+4 <= rows; i += 4 { // fewer passes over mean
		r0, r1, r2, r3 := data[i*line:][:n], data[(i+1)*line:][:n], data[(i+2)*line:][:n], data[(i+3)*line:][:n]
		for j, o := range origin {
			mean[j] += ((r0[j] - o) + (r1[j] - o)) + ((r2[j] - o) + (r3[j] - o))
		}
	}
	for ; i < rows; i++ {
		row := data[i*line:][:n]
		for j, o := range origin {
			mean[j] += row[j] - o
		}
	}
	for j := range mean {
		mean[j] /= float64(rows)
	}
}

// concurrently calls f for 0 to n−1, on all cores where it is about many numbers.
func concurrently(n, numbers int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	if numbers < 1<<15 {
		workers = 1
	}
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	}
	var wait sync.WaitGroup
	for range workers - 1 {
		wait.Go(work)
	}
	work()
	wait.Wait()
}

// shift brings the mean to that of all rows when rows more come in with theirs, relative to
// origin, and returns what their scatter about it has beside the two scatters about the
// means that were: the product of a vector with itself.
func (m *Moments) shift(rows int, mean []float64) (between []float64) {
	total := float64(m.n + rows)
	between = make([]float64, m.dim)
	weight := math.Sqrt(float64(m.n) * (float64(rows) / total))
	for j := range between {
		delta := mean[j] - m.mean[j]
		m.mean[j] += float64(rows) / total * delta
		between[j] = weight * delta
	}
	m.n += rows
	return between
}

func (m *Moments) symmetric() blas64.Symmetric {
	return blas64.Symmetric{N: m.dim, Stride: m.dim, Data: m.scatter, Uplo: gonum.Upper}
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
	between := m.shift(other.n, mean)
	blas64.Syr(1, blas64.Vector{N: m.dim, Inc: 1, Data: between}, m.symmetric())
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
