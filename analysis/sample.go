package analysis

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"onnxclr/internal/stream"
)

var errNotUnit = errors.New("the rows are not scaled to unit length")

// DefaultSample is how many rows metrics of pairs of rows are computed on.
const DefaultSample = 2048

// Sample keeps rows for the metrics that need them themselves: all of them, or so many
// drawn at random. Equal rows in equal order give equal samples.
type Sample struct {
	dim, most int
	seen      int
	rows      []float64 // [≤most,D]
	draw      *rand.Rand
}

// NewSample returns an empty sample of at most so many rows of dim values.
func NewSample(dim, most int) (*Sample, error) {
	if dim < 1 || most < 2 {
		return nil, fmt.Errorf("a sample of %d rows of %d values", most, dim)
	}
	return &Sample{dim: dim, most: most, draw: stream.New(0, "analysis sample")}, nil
}

// Add offers rows, row-major.
func (s *Sample) Add(rows []float64) error {
	if len(rows)%s.dim != 0 {
		return fmt.Errorf("%d values do not divide into rows of %d", len(rows), s.dim)
	}
	for ; len(rows) > 0; rows = rows[s.dim:] {
		row := rows[:s.dim]
		if s.seen++; s.seen <= s.most {
			s.rows = append(s.rows, row...)
		} else if at := s.draw.IntN(s.seen); at < s.most {
			copy(s.rows[at*s.dim:], row)
		}
	}
	return nil
}

// Len returns the number of rows kept.
func (s *Sample) Len() int { return len(s.rows) / s.dim }

// SampleMetrics are metrics of rows scaled to unit length, but Coherence and TwoNN, which
// take rows as they are.
type SampleMetrics struct {
	Samples int `json:"samples"`
	// Uniformity is ln mean_{i<j} e^{−2|uᵢ−uⱼ|²} (Wang and Isola, ICML 2020); it hardly
	// sees dimensional collapse.
	Uniformity float64 `json:"uniformity"`
	// Coherence is (N/D)·maxᵢ‖Uᵢ‖², U the left singular vectors: 1 when all rows matter
	// alike (google-research's graph_embedding/metrics).
	Coherence float64 `json:"coherence"`
	// TwoNN is the intrinsic dimension N/Σ ln(r₂/r₁) from the distances to the two
	// nearest rows, the greatest tenth of ratios left out and corrected for (Facco et
	// al., Scientific Reports 7, 2017).
	TwoNN float64 `json:"two_nn"`
	// ClusterLearnability is the accuracy with which a nearest neighbour by cosine, in
	// one half, predicts the k-means cluster, k = √N, of the rows of the other half; with
	// TwoNN it makes CLID (Lu et al., arXiv:2206.01251).
	ClusterLearnability float64 `json:"cluster_learnability"`
}

// Metrics computes them. It fails on fewer than four rows, on rows that are zero or not
// finite.
func (s *Sample) Metrics() (SampleMetrics, error) {
	n := s.Len()
	if n < 4 {
		return SampleMetrics{}, fmt.Errorf("%d rows are too few for metrics of pairs, at least 4 are needed", n)
	}
	z := mat.NewDense(n, s.dim, slices.Clone(s.rows))
	u := mat.DenseCopyOf(z)
	for i := range n {
		row := u.RawRowView(i)
		length := blas64.Nrm2(blas64.Vector{N: s.dim, Inc: 1, Data: row})
		if length == 0 || math.IsNaN(length) || math.IsInf(length, 0) {
			return SampleMetrics{}, &RowError{Row: i, Reason: fmt.Sprintf("of the sample has length %v", length)}
		}
		for j := range row {
			row[j] /= length
		}
	}
	m := SampleMetrics{Samples: n}
	var gram mat.Dense
	gram.Mul(u, u.T())
	m.Uniformity = uniformity(&gram)
	m.ClusterLearnability = clusterLearnability(u, &gram)
	var err error
	if m.Coherence, err = Coherence(z); err != nil {
		return m, err
	}
	m.TwoNN = twoNN(z)
	return m, nil
}

func uniformity(gram *mat.Dense) float64 {
	n, _ := gram.Dims()
	var total float64
	for i := range n {
		row := gram.RawRowView(i)
		for j := range i {
			total += math.Exp(-2 * (2 - 2*row[j])) // |u−v|² = 2 − 2u·v
		}
	}
	return math.Log(total / (float64(n) * float64(n-1) / 2))
}

// Coherence returns (N/d)·maxᵢ‖Uᵢ‖² of the rows of z, U an orthonormal basis of its
// columns and d their rank, that of the columns scaled to unit length with singular values
// above 1e-7 of the largest.
func Coherence(z *mat.Dense) (float64, error) {
	n, d := z.Dims()
	// Scaling columns changes no ‖Uᵢ‖² and keeps badly scaled ones apart from rounding.
	z = mat.DenseCopyOf(z)
	for j := range d {
		column := blas64.Vector{N: n, Inc: d, Data: z.RawMatrix().Data[j:]}
		if length := blas64.Nrm2(column); length > 0 {
			blas64.Scal(1/length, column)
		}
	}
	// ‖Uᵢ‖² = zᵢᵀ(zᵀz)⁺zᵢ, by the smaller of the two Gram matrices.
	side := min(n, d)
	var small mat.SymDense
	if n <= d {
		small.SymOuterK(1, z)
	} else {
		small.SymOuterK(1, z.T())
	}
	values, vectors, err := eigen(&small)
	if err != nil {
		return 0, err
	}
	top := values[side-1]
	var rank int
	var worst float64
	leverage := make([]float64, n)
	for k := side - 1; k >= 0 && values[k] > 1e-14*top; k-- {
		rank++
		v := vectors[k*side:][:side]
		if n <= d {
			for i, x := range v {
				leverage[i] += x * x
			}
			continue
		}
		for i := range n {
			x := blas64.Dot(blas64.Vector{N: d, Inc: 1, Data: z.RawRowView(i)}, blas64.Vector{N: d, Inc: 1, Data: v})
			leverage[i] += x * x / values[k]
		}
	}
	for _, l := range leverage {
		worst = max(worst, l)
	}
	if rank == 0 {
		return 0, nil
	}
	return float64(n) / float64(rank) * worst, nil
}

// twoNN leaves out the greatest tenth of the ratios: the mean of the least p of n
// exponentially distributed values, corrected for the rest, is Σ of them plus the rest
// at the last one's place.
//
// Ratios are those of z at any scale: at one around 1, squares are numbers.
func twoNN(z *mat.Dense) float64 {
	n, d := z.Dims()
	_, power := math.Frexp(max(mat.Max(z), -mat.Min(z)))
	z = mat.DenseCopyOf(z)
	z.Apply(func(_, _ int, v float64) float64 { return math.Ldexp(v, -power) }, z)
	square := make([]float64, n)
	var gram mat.Dense
	gram.Mul(z, z.T())
	for i := range n {
		square[i] = gram.At(i, i)
	}
	var logs []float64
	for i := range n {
		first, second := math.Inf(1), math.Inf(1)
		row := gram.RawRowView(i)
		near := [2]int{-1, -1}
		for j, dot := range row {
			if j == i {
				continue
			}
			switch r := square[i] + square[j] - 2*dot; {
			case r < first:
				second, near[1] = first, near[0]
				first, near[0] = r, j
			case r < second:
				second, near[1] = r, j
			}
		}
		// Again without cancellation.
		for k, j := range near {
			var r float64
			for c := range d {
				diff := z.At(i, c) - z.At(j, c)
				r += diff * diff
			}
			if k == 0 {
				first = r
			} else {
				second = r
			}
		}
		if lo, hi := min(first, second), max(first, second); lo > 0 {
			logs = append(logs, math.Log(hi/lo)/2)
		}
	}
	slices.Sort(logs)
	keep := len(logs) - len(logs)/10
	if keep == 0 {
		return 0
	}
	var total float64
	for _, v := range logs[:keep] {
		total += v
	}
	total += float64(len(logs)-keep) * logs[keep-1]
	if total == 0 {
		return 0
	}
	return float64(keep) / total
}

// clusterLearnability clusters unit rows by k-means, then predicts the cluster of the
// second half of them from the first.
func clusterLearnability(u, gram *mat.Dense) float64 {
	n, _ := u.Dims()
	label := kMeans(u, max(2, int(math.Round(math.Sqrt(float64(n))))))
	half := n / 2
	right := 0
	for i := half; i < n; i++ {
		best := 0
		row := gram.RawRowView(i)
		for j := range half {
			if row[j] > row[best] {
				best = j
			}
		}
		if label[best] == label[i] {
			right++
		}
	}
	return float64(right) / float64(n-half)
}

// kMeans assigns rows to k clusters: centres drawn as k-means++ draws them, then at most
// 50 rounds of Lloyd's.
func kMeans(u *mat.Dense, k int) []int {
	n, d := u.Dims()
	r := stream.New(0, "k-means")
	centres := mat.NewDense(k, d, nil)
	nearest := make([]float64, n)
	for i := range nearest {
		nearest[i] = math.Inf(1)
	}
	next := r.IntN(n)
	for c := range k {
		centres.SetRow(c, u.RawRowView(next))
		var total float64
		for i := range n {
			nearest[i] = min(nearest[i], distance(u.RawRowView(i), centres.RawRowView(c)))
			total += nearest[i]
		}
		at := r.Float64() * total
		for next = 0; next < n-1 && at >= nearest[next]; next++ {
			at -= nearest[next]
		}
	}
	label := make([]int, n)
	for round := range 50 {
		changed := round == 0
		var dots mat.Dense
		dots.Mul(u, centres.T())
		half := make([]float64, k)
		for c := range k {
			row := centres.RawRowView(c)
			half[c] = blas64.Dot(blas64.Vector{N: d, Inc: 1, Data: row}, blas64.Vector{N: d, Inc: 1, Data: row}) / 2
		}
		for i := range n {
			best := 0
			for c := range k {
				if dots.At(i, c)-half[c] > dots.At(i, best)-half[best] {
					best = c
				}
			}
			changed = changed || best != label[i]
			label[i] = best
		}
		if !changed {
			break
		}
		count := make([]float64, k)
		sums := mat.NewDense(k, d, nil)
		for i, c := range label {
			count[c]++
			row := sums.RawRowView(c)
			for j, v := range u.RawRowView(i) {
				row[j] += v
			}
		}
		for c, m := range count {
			if m > 0 { // an empty cluster keeps its centre
				row := sums.RawRowView(c)
				for j := range row {
					row[j] /= m
				}
				centres.SetRow(c, row)
			}
		}
	}
	return label
}

func distance(a, b []float64) (s float64) {
	for j, v := range a {
		s += (v - b[j]) * (v - b[j])
	}
	return s
}

// CLID returns, for several models of one kind, the sum of cluster learnability and
// intrinsic dimension after standardising both over the models; zeros for fewer than two.
func CLID(learnability, dimension []float64) []float64 {
	out := make([]float64, len(learnability))
	for _, values := range [][]float64{learnability, dimension} {
		mean, n := sum(values)/float64(max(len(values), 1)), float64(len(values))
		var variance float64
		for _, v := range values {
			variance += (v - mean) * (v - mean) / n
		}
		for i, v := range values {
			if variance > 0 {
				out[i] += (v - mean) / math.Sqrt(variance)
			}
		}
	}
	return out
}
