package analysis

import (
	"encoding/csv"
	"encoding/json"
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

// WriteCSV writes the spectra in long form, one line a dimension: label, index from
// 0, singular value and its natural logarithm (-Inf for 0), full precision.
func WriteCSV(w io.Writer, spectra []*Spectrum) error {
	c := csv.NewWriter(w)
	c.Write([]string{"label", "index", "singular_value", "ln_singular_value"})
	for _, s := range spectra {
		for i, v := range s.SingularValues {
			c.Write([]string{s.Label, strconv.Itoa(i), number(v), number(math.Log(v))})
		}
	}
	c.Flush()
	return c.Error()
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
