package analysis

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// WriteJSON writes {"sources":[…]}, each source a Spectrum, indented. JSON has no
// infinities, and none occur.
func WriteJSON(w io.Writer, spectra []*Spectrum) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Sources []*Spectrum `json:"sources"`
	}{spectra})
}

// ReadJSON reads what WriteJSON wrote. It fails when that is not what r holds, or a
// spectrum cannot be one.
func ReadJSON(r io.Reader) ([]*Spectrum, error) {
	var v struct{ Sources []*Spectrum }
	if err := json.NewDecoder(r).Decode(&v); err != nil {
		return nil, fmt.Errorf("not spectra in JSON: %w", err)
	}
	if len(v.Sources) == 0 {
		return nil, errors.New("not spectra in JSON: no \"sources\", as spectrum --json writes them")
	}
	for i, s := range v.Sources {
		if s == nil {
			return nil, fmt.Errorf("source %d is null", i)
		}
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("source %d, %q: %w", i, s.Label, err)
		}
	}
	return v.Sources, nil
}

// check refuses numbers that no spectrum has.
func (s *Spectrum) check() error {
	if s.Dim < 1 || s.Samples < 0 || len(s.SingularValues) != s.Dim {
		return fmt.Errorf("%d singular values of %d samples of %d dimensions", len(s.SingularValues), s.Samples, s.Dim)
	}
	for i, v := range s.SingularValues {
		if v < 0 || i > 0 && v > s.SingularValues[i-1] {
			return fmt.Errorf("singular value %d is %g: they are to descend to 0", i, v)
		}
	}
	return nil
}

// WriteCSV writes the spectra in long form, one line a dimension: label, index from
// 0, singular value and its natural logarithm (-Inf for 0), full precision, then the
// spectrum's conventions.
func WriteCSV(w io.Writer, spectra []*Spectrum) error {
	c := csv.NewWriter(w)
	c.Write([]string{"label", "index", "singular_value", "ln_singular_value", "of", "samples", "normalized", "ddof"})
	for _, s := range spectra {
		for i, v := range s.SingularValues {
			c.Write(append([]string{s.Label, strconv.Itoa(i), number(v), number(math.Log(v))}, s.conventions()...))
		}
	}
	c.Flush()
	return c.Error()
}

// conventions are the columns that say what the rows are, how many, whether they were
// scaled to unit length, and that their covariance was divided by N−ddof.
func (s *Spectrum) conventions() []string {
	return []string{s.Of, strconv.Itoa(s.Samples), strconv.FormatBool(s.Normalized), strconv.Itoa(s.DDOF)}
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
