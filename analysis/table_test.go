package analysis

import (
	"bytes"
	"encoding/csv"
	"io"
	"slices"
	"testing"
)

// TestTables: every line of a CSV file says what its number is of and by which
// conventions it was computed.
func TestTables(t *testing.T) {
	s := &Spectrum{Label: "a, b", Of: "r", Samples: 9, Dim: 2, Normalized: true, DDOF: 1, SingularValues: []float64{1, 0}, Metrics: Metrics{LiveDims: 1, RankMe: 1.5}}
	for _, c := range []struct {
		write func(io.Writer, []*Spectrum) error
		want  [][]string // first lines
	}{
		{WriteCSV, [][]string{
			{"label", "index", "singular_value", "ln_singular_value", "of", "samples", "normalized", "ddof"},
			{"a, b", "0", "1", "0", "r", "9", "true", "1"},
			{"a, b", "1", "0", "-Inf", "r", "9", "true", "1"},
		}},
		{WriteMetricsCSV, [][]string{
			{"label", "metric", "convention", "value", "of", "samples", "normalized", "ddof"},
			{"a, b", "live dimensions", "λ > 1e-6·λ₁", "1", "r", "9", "true", "1"},
			{"a, b", "RankMe", "of σ, not centred, ε 1e-7", "1.5", "r", "9", "true", "1"},
		}},
	} {
		var b bytes.Buffer
		if err := c.write(&b, []*Spectrum{s}); err != nil {
			t.Fatal(err)
		}
		lines, err := csv.NewReader(&b).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range c.want {
			if !slices.Equal(lines[i], want) {
				t.Errorf("line %d is %q, want %q", i+1, lines[i], want)
			}
		}
	}
}
