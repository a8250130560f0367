package analysis

import (
	"fmt"
	"io"
	"strings"
)

// Cumulative is the chart of the cumulative explained variance: the part of all variance
// in the first k principal directions against k, a line a source, with the number of
// directions that hold 90 and 99 % of it in the legend.
type Cumulative struct {
	Width float64 // inches; 0 means 5
	DPI   int     // of a .png; 0 means 200
	Of    string  // what the rows are, such as r or z; "" leaves it out
}

// Write draws the spectra as an image of the format, one of Formats, in bands where rows
// were resampled. Equal spectra give equal bytes. It fails when there is none.
func (c Cumulative) Write(w io.Writer, format string, spectra []*Spectrum) error {
	if len(spectra) == 0 {
		return fmt.Errorf("a chart needs at least one spectrum")
	}
	return c.chart(spectra).Write(w, format)
}

func (c Cumulative) chart(spectra []*Spectrum) LineChart {
	if c.Width == 0 {
		c.Width = 5
	}
	of := ""
	if c.Of != "" {
		of = " of " + oneLine(c.Of)
	}
	p := LinePanel{X: "number of dimensions (sorted)", Y: "variance" + of + " explained (%)", LogX: true, Whole: true}
	note := []string{"Sum of the largest singular values of the covariance over that of all."}
	if s := spectra[0]; alike(spectra) && s.Normalized {
		note = append(note, "Rows L2-normalised.")
	} else if alike(spectra) {
		note = append(note, "Rows as they are.")
	}
	for i, s := range spectra {
		part := CumulativeVariance(s.SingularValues)
		l := Line{Color: i, Y: percent(part), Label: fmt.Sprintf("%s: 90 %% in %d, 99 %% in %d of %d dimensions", oneLine(s.Label), Holding(part, 0.9), Holding(part, 0.99), s.Dim)}
		for k := range part {
			l.X = append(l.X, float64(k+1))
		}
		if b := s.Bootstrap; b != nil && len(b.CumulativeLow) == len(part) && len(b.CumulativeHigh) == len(part) {
			l.Low, l.High = percent(b.CumulativeLow), percent(b.CumulativeHigh)
			if i == 0 {
				note = append(note, bands(spectra, b.Replicates)+".")
			}
		}
		p.Lines = append(p.Lines, l)
	}
	return LineChart{Panels: []LinePanel{p}, Note: strings.Join(note, " "), Width: c.Width, DPI: c.DPI}
}

// Holding returns how many of the first directions hold the part of the variance, given
// CumulativeVariance; 0 where there is no variance.
func Holding(cumulative []float64, part float64) int {
	for k, v := range cumulative {
		if v >= part {
			return k + 1
		}
	}
	return 0
}

func percent(parts []float64) []float64 {
	p := make([]float64, len(parts))
	for i, v := range parts {
		p[i] = 100 * v
	}
	return p
}
