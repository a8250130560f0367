package report

import (
	"fmt"

	"onnxclr/analysis"
	"onnxclr/train"
)

// looks is how many spectra of one run are drawn over each other.
const looks = 6

// monitorSections draws the spectra that the runs' monitors saw of held-out images: the last
// ones of all runs beside each other, and how those of each run came about.
func monitorSections(runs []*Run) []section {
	var sections []section
	last := section{Title: "Spectra that the monitor saw", Legend: legend(runs)}
	var given []*analysis.Spectrum
	var styles []int
	for _, of := range []struct {
		name string
		take func(train.MonitorPoint) *analysis.Spectrum
	}{
		{"representation r", func(p train.MonitorPoint) *analysis.Spectrum { return p.R }},
		{"embedding z", func(p train.MonitorPoint) *analysis.Spectrum { return p.Z }},
	} {
		c := spectrumAxes(of.name + " at the last look")
		for i, r := range runs {
			if seen := spectraOf(r, of.take); len(seen) > 0 {
				s := seen[len(seen)-1]
				c.Lines = append(c.Lines, spectrumLine(s.spectrum, i, r.Label))
				shown := *s.spectrum
				shown.Label = fmt.Sprintf("%s, %s after %s steps", r.Label, of.name, thousands(s.steps))
				given, styles = append(given, &shown), append(styles, i)
			}
		}
		if len(c.Lines) > 0 {
			last.Charts = append(last.Charts, c.svg())
		}
	}
	if len(last.Charts) == 0 {
		return nil
	}
	last.Text, last.Table = spectraText(given), metrics(given, styles)
	sections = append(sections, last)

	over := section{Title: "Spectra over training", Text: "Of each run the representation, or the embedding where the monitor saw no other: from the first look, the palest line, to the last."}
	for i, r := range runs {
		seen := spectraOf(r, func(p train.MonitorPoint) *analysis.Spectrum { return p.R })
		if len(seen) == 0 {
			seen = spectraOf(r, func(p train.MonitorPoint) *analysis.Spectrum { return p.Z })
		}
		if len(seen) < 2 {
			continue
		}
		c := spectrumAxes(r.Label)
		n := min(looks, len(seen))
		for k := range n {
			s := seen[k*(len(seen)-1)/(n-1)]
			l := spectrumLine(s.spectrum, i, fmt.Sprintf("after %s steps", thousands(s.steps)))
			l.Fade = 1 - float64(k+1)/float64(n)
			c.Lines = append(c.Lines, l)
		}
		over.Charts = append(over.Charts, c.svg())
	}
	if len(over.Charts) > 0 {
		sections = append(sections, over)
	}
	return sections
}

// seen is a spectrum with the steps made before.
type seen struct {
	steps    int
	spectrum *analysis.Spectrum
}

func spectraOf(r *Run, take func(train.MonitorPoint) *analysis.Spectrum) []seen {
	var list []seen
	for _, p := range r.looks {
		if s := take(p); s != nil && len(s.SingularValues) > 0 {
			list = append(list, seen{p.Steps, s})
		}
	}
	return list
}
