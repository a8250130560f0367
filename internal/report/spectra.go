package report

import (
	"fmt"
	"html/template"
	"strings"

	"onnxclr/analysis"
)

// spectra draws the spectra of embeddings that were given.
func spectra(runs []*Run, given []*analysis.Spectrum) []section {
	if len(given) == 0 {
		return nil
	}
	styles := spectrumStyles(runs, given)
	s := section{Title: "Spectra of embeddings", Text: spectraText(given)}
	s.Charts = append(s.Charts, spectrumChart(given, styles))
	s.Table = metrics(given, styles)
	return []section{s}
}

// spectrumStyles gives embeddings that have the name of a run its line, and others those
// that are left.
func spectrumStyles(runs []*Run, given []*analysis.Spectrum) []int {
	styles := make([]int, len(given))
	taken := map[int]bool{}
	for i, s := range given {
		styles[i] = -1
		for j, r := range runs {
			if r.Label == s.Label && !taken[j] {
				styles[i], taken[j] = j, true
				break
			}
		}
	}
	next := len(runs)
	for i := range styles {
		if styles[i] < 0 {
			styles[i] = next
			next++
		}
	}
	return styles
}

func spectrumChart(given []*analysis.Spectrum, styles []int) template.HTML {
	c := spectrumAxes("singular values of the covariance")
	for i, s := range given {
		c.Lines = append(c.Lines, spectrumLine(s, styles[i], s.Label))
	}
	return c.svg()
}

// spectrumAxes are those of a log spectrum.
func spectrumAxes(title string) chart {
	return chart{Title: title, X: "dimension (sorted)", Y: "ln singular value", Counts: true}
}

func spectrumLine(s *analysis.Spectrum, style int, label string) line {
	y, falls := s.Drawn(analysis.Ln)
	l := line{Style: style, Label: label, Y: y, Falls: falls && len(y) > 0}
	for j := range y {
		l.X = append(l.X, float64(j))
	}
	return l
}

// spectraText says how the numbers came about.
func spectraText(given []*analysis.Spectrum) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Live dimensions are those above %g of the largest singular value of the covariance; RankMe is not centred, the effective rank is.", analysis.LiveThreshold)
	small := false
	falls := false
	for _, s := range given {
		small = small || s.Samples <= s.Dim
		_, f := s.Drawn(analysis.Ln)
		falls = falls || f
	}
	if falls {
		b.WriteString(" A triangle: what follows is 0 or below 1e-12 of the largest, the rounding of float32.")
	}
	if small {
		b.WriteString(" Where N ≤ dim, the samples bound the number of live dimensions, not the model.")
	}
	return b.String()
}

// metrics is the table of what the spectra say, with the conventions of each.
func metrics(given []*analysis.Spectrum, styles []int) *table {
	t := &table{Head: []string{"embeddings", "N", "dim", "live", "collapsed", "RankMe", "effective rank", "stable rank", "participation ratio", "rows", "ddof"}}
	for i, s := range given {
		rows := "as they are"
		if s.Normalized {
			rows = "unit length"
		}
		m := s.Metrics
		t.Rows = append(t.Rows, row{&key{styles[i], s.Label}, s.Label, []string{
			thousands(s.Samples), thousands(s.Dim), thousands(m.LiveDims), thousands(m.CollapsedDims),
			fmt.Sprintf("%.1f", m.RankMe), fmt.Sprintf("%.1f", m.EffectiveRank), fmt.Sprintf("%.2f", m.StableRank), fmt.Sprintf("%.1f", m.ParticipationRatio),
			rows, fmt.Sprint(s.DDOF),
		}})
	}
	return t
}
