package analysis

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"onnxclr/internal/golden"
)

func normal(seed uint64, rows, dim int) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float64, rows*dim)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x
}

func moments(t *testing.T, dim int, normalize bool, rows []float64) *Moments {
	t.Helper()
	m, err := NewMoments(dim, normalize)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Add(rows); err != nil {
		t.Fatal(err)
	}
	return m
}

func covariance(t *testing.T, m *Moments, ddof int) []float64 {
	t.Helper()
	c, err := m.Covariance(ddof)
	if err != nil {
		t.Fatal(err)
	}
	full := make([]float64, 0, m.Dim()*m.Dim())
	for i := range m.Dim() {
		for j := range m.Dim() {
			full = append(full, c.At(i, j))
		}
	}
	return full
}

// textbook is the covariance by its definition, in two passes.
func textbook(x []float64, dim, ddof int) []float64 {
	n := len(x) / dim
	mean := make([]float64, dim)
	for k, v := range x {
		mean[k%dim] += v / float64(n)
	}
	c := make([]float64, dim*dim)
	for i := range n {
		for a := range dim {
			for b := range dim {
				c[a*dim+b] += (x[i*dim+a] - mean[a]) * (x[i*dim+b] - mean[b]) / float64(n-ddof)
			}
		}
	}
	return c
}

func TestCovarianceIsTheTextbooks(t *testing.T) {
	const dim = 5
	for _, n := range []int{2, 3, blockRows - 1, blockRows, blockRows + 1, 2*blockRows + 7} {
		x := normal(uint64(n), n, dim)
		for ddof := range 2 {
			golden.Check(t, "covariance", golden.Closed, covariance(t, moments(t, dim, false, x), ddof), textbook(x, dim, ddof))
		}
	}
}

func TestPiecesDoNotChangeABit(t *testing.T) {
	const dim, n = 4, 3*blockRows + 5
	x := normal(1, n, dim)
	want := covariance(t, moments(t, dim, true, x), 1)
	m, _ := NewMoments(dim, true)
	for at, size := 0, 1; at < n; at, size = at+size, size*3 {
		size = min(size, n-at)
		if err := m.Add(x[at*dim : (at+size)*dim]); err != nil {
			t.Fatal(err)
		}
	}
	golden.Check(t, "in pieces", golden.Exact, covariance(t, m, 1), want)
}

func TestMergeIsAddingAll(t *testing.T) {
	const dim, n = 6, blockRows + 50
	x := normal(2, 2*n, dim)
	for i := n * dim; i < len(x); i++ {
		x[i] = 1000 + 3*x[i] // so that the parts' means differ
	}
	want := covariance(t, moments(t, dim, false, x), 0)
	for _, cut := range []int{0, 1, n, 2 * n} {
		a, b := moments(t, dim, false, x[:cut*dim]), moments(t, dim, false, x[cut*dim:])
		if err := a.Merge(b); err != nil {
			t.Fatal(err)
		}
		if a.Len() != 2*n {
			t.Errorf("%d rows after the merge, want %d", a.Len(), 2*n)
		}
		golden.Check(t, "merged", golden.Closed, covariance(t, a, 0), want)
	}
	other, _ := NewMoments(dim, true)
	if err := moments(t, dim, false, x).Merge(other); err == nil {
		t.Error("normalised rows were merged with raw ones")
	}
}

// TestOffsetCostsNoDigits adds 2³⁰ to data on a grid that float64 still holds there:
// the covariance must not notice. One-pass sums of squares would keep none of it.
func TestOffsetCostsNoDigits(t *testing.T) {
	const dim, n = 3, 1000
	x := normal(3, n, dim)
	shifted := make([]float64, len(x))
	for i := range x {
		x[i] = math.Round(x[i]*0x1p16) / 0x1p16
		shifted[i] = x[i] + 0x1p30
	}
	golden.Check(t, "shifted", golden.Closed,
		covariance(t, moments(t, dim, false, shifted), 1), covariance(t, moments(t, dim, false, x), 1))
}

func TestFloat32RowsAreWidened(t *testing.T) {
	x := []float32{0.1, 0.7, -1, 2.3, 0, 1.5}
	wide := make([]float64, len(x))
	for i, v := range x {
		wide[i] = float64(v)
	}
	m, _ := NewMoments(2, true)
	if err := m.AddFloat32(x); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "widened", golden.Exact, covariance(t, m, 1), covariance(t, moments(t, 2, true, wide), 1))
}

func TestSecondMomentIsNotCentred(t *testing.T) {
	x := []float64{1, 2, 3, 4, 5, 7}
	s := moments(t, 2, false, x).SecondMoment()
	golden.Check(t, "ZᵀZ", golden.Closed, []float64{s.At(0, 0), s.At(0, 1), s.At(1, 0), s.At(1, 1)}, []float64{35, 49, 49, 69})
}

func TestUnusableRows(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, tc := range []struct {
		name      string
		normalize bool
		last      []float64
		want      string
	}{
		{"NaN", false, []float64{1, nan}, "row 300 holds NaN in column 1"},
		{"infinity", true, []float64{inf, 1}, "row 300 holds +Inf in column 0"},
		{"zero, normalised", true, []float64{0, 0}, "row 300 is zero"},
		{"too long", true, []float64{1.7e308, 1.7e308}, "row 300 is too long"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := moments(t, 2, tc.normalize, normal(4, 300, 2))
			err := m.Add(tc.last)
			var row *RowError
			if !errors.As(err, &row) || row.Row != 300 || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if err := moments(t, 2, false, nil).Add([]float64{0, 0}); err != nil {
		t.Errorf("a zero row, not normalised, is data: %v", err)
	}
	if err := moments(t, 2, false, nil).Add([]float64{1, 2, 3}); err == nil {
		t.Error("half a row was taken")
	}
	for _, dim := range []int{-1, 0, maxDim + 1, math.MaxInt} {
		if _, err := NewMoments(dim, false); err == nil {
			t.Errorf("rows of %d values were taken", dim)
		}
	}
}

func TestTooFewSamples(t *testing.T) {
	for _, n := range []int{0, 1} {
		if _, err := moments(t, 2, false, normal(5, n, 2)).Spectrum("x", 1); err == nil || !strings.Contains(err.Error(), "at least 2") {
			t.Errorf("%d samples: got %v", n, err)
		}
	}
	if _, err := moments(t, 2, false, normal(5, 5, 2)).Spectrum("x", 2); err == nil {
		t.Error("ddof 2 was taken")
	}
}

func BenchmarkMoments(b *testing.B) {
	const dim = 512
	x := normal(6, blockRows, dim)
	m, _ := NewMoments(dim, true)
	b.SetBytes(int64(8 * len(x)))
	for b.Loop() {
		if err := m.Add(x); err != nil {
			b.Fatal(err)
		}
	}
}
