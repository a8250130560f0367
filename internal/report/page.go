package report

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"

	"onnxclr/analysis"
)

// Page is what a report shows. It needs a run, a spectrum, a probe or a diagnosis.
type Page struct {
	Title     string
	Runs      []*Run
	Spectra   []*analysis.Spectrum // of embeddings, in the order of their curves
	Probes    []*Probe             // beside those that lie in the runs
	Diagnoses []*Diagnosis         // likewise
	Notes     []string             // what the reader should know of the inputs
}

// ErrEmpty is returned for a page with none of them.
var ErrEmpty = errors.New("a report needs a run, embeddings, the result of a probe or a diagnosis")

//go:embed page.html
var pageHTML string

//go:embed style.css
var style string

var page = template.Must(template.New("page").Parse(pageHTML))

// content is what the template shows.
type content struct {
	Title     string
	Lead      string
	Style     template.CSS
	Notes     []string
	Runs      *runTable
	Settings  *settingsTable
	Curves    []section
	Spectra   []section
	Diagnosis *verdicts
	Probes    *probeSection
}

// section is charts with what their lines are.
type section struct {
	Title  string
	Text   string
	Legend []key
	Charts []template.HTML
	Table  *table
}

// key is an entry of a legend.
type key struct {
	Style int // of the line
	Label string
}

// Class is how style.css calls the line.
func (k key) Class() string { return lineClass(k.Style) }

// table is a plain table; the first column of its rows names them.
type table struct {
	Head []string
	Rows []row
	Note string
}

type row struct {
	Key   *key // a line beside the name, or none
	Name  string
	Cells []string
}

// Write writes the page.
func (p *Page) Write(w io.Writer) error {
	if len(p.Runs)+len(p.Spectra)+len(p.Probes)+len(p.Diagnoses) == 0 {
		return ErrEmpty
	}
	c := content{
		Title: p.Title, Style: template.CSS(style), Notes: p.Notes,
		Lead: p.lead(),
	}
	if c.Title == "" {
		c.Title = "onnxclr report"
	}
	if len(p.Runs) > 0 {
		c.Runs = summaries(p.Runs)
		c.Settings = settings(p.Runs)
		c.Curves = curves(p.Runs)
	}
	c.Probes = probes(p.Runs, p.Probes)
	c.Diagnosis = diagnoses(p.Runs, p.Diagnoses)
	c.Spectra = slices.Concat(monitorSections(p.Runs), spectra(p.Runs, p.Spectra))
	return page.Execute(w, c)
}

// lead says how much of what there is.
func (p *Page) lead() string {
	var parts []string
	add := func(n int, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+one)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", n, many))
		}
	}
	probes, diagnoses := len(p.Probes), len(p.Diagnoses)
	for _, r := range p.Runs {
		probes += len(r.probes)
		diagnoses += len(r.diagnoses)
	}
	add(len(p.Runs), "run", "runs")
	add(len(p.Spectra), "set of embeddings", "sets of embeddings")
	add(probes, "probe", "probes")
	add(diagnoses, "diagnosis", "diagnoses")
	return and(parts)
}
