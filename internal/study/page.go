package study

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"onnxclr/analysis"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"percent": func(v *float64) string {
		if v == nil {
			return "–"
		}
		return fmt.Sprintf("%.1f", 100**v)
	},
	"tenth": func(v *float64) string {
		if v == nil {
			return "–"
		}
		return fmt.Sprintf("%.1f", *v)
	},
	"fixed": func(v *float64) string {
		if v == nil {
			return "–"
		}
		return fmt.Sprintf("%.3f", *v)
	},
}).Parse(pageText))

// chart is a picture of the page.
type chart struct {
	Title string
	SVG   template.HTML
}

// Spectra returns the spectra of the representation or, at 1, of the embedding of every
// variant with the smallest seed that has them.
func (s Study) Spectra(outcomes []*Outcome, of int) []*analysis.Spectrum {
	var spectra []*analysis.Spectrum
	for _, v := range s.Variants {
		for _, o := range outcomes {
			if o.Variant == v.Name && o.spectra != nil {
				one := *o.spectra[of]
				one.Label = o.Label
				spectra = append(spectra, &one)
				break
			}
		}
	}
	return spectra
}

// Gradients returns the spectra of the gradient, at r and before the last block, of every
// variant that has them, with its smallest seed.
func Gradients(outcomes []*Outcome) (spectra []*analysis.Spectrum) {
	seen := map[string]bool{}
	for _, o := range outcomes {
		if o.gradients != nil && !seen[o.Variant] {
			seen[o.Variant] = true
			spectra = append(spectra, o.gradients...)
		}
	}
	return spectra
}

// content is what the page shows.
type content struct {
	Study        Study
	Plan         *Plan
	Note, Extra  string
	Done, Failed int
	Rows         []Row
	Agreement    Agreement
	Collapsed    string // where SimCLR without a projector collapses most
	Charts       []chart
	Outcomes     []*Outcome
	Failures     []*Outcome
	Gradient     bool // some outcome has them
	Commands     []string
}

// draw adds a chart of spectra, if there are any.
func (c *content) draw(title string, drawing analysis.Chart, spectra []*analysis.Spectrum) error {
	if len(spectra) == 0 {
		return nil
	}
	return c.add(title, func(w io.Writer) error { return drawing.Write(w, ".svg", spectra) })
}

// add adds a chart that write writes as SVG.
func (c *content) add(title string, write func(io.Writer) error) error {
	var svg bytes.Buffer
	if err := write(&svg); err != nil {
		return err
	}
	_, text, _ := strings.Cut(svg.String(), "<svg")
	c.Charts = append(c.Charts, chart{title, template.HTML("<svg" + text)})
	return nil
}

// WritePage writes the grid as one HTML page that needs nothing else.
func (s Study) WritePage(w io.Writer, p *Plan, scale Scale, set []string, outcomes []*Outcome) error {
	rows := s.Table(outcomes)
	content := &content{Study: s, Plan: p, Note: scale.Note, Extra: strings.Join(set, " "), Rows: rows, Agreement: Compare(rows), Collapsed: MostCollapsed(outcomes), Outcomes: outcomes}
	for _, o := range outcomes {
		content.Gradient = content.Gradient || o.Gradients != nil
		switch o.Status {
		case "done":
			content.Done++
		case "failed":
			content.Failed++
			content.Failures = append(content.Failures, o)
		}
	}
	if s.Sweep {
		if c, ok := p.sweep(rows, outcomes); ok {
			if err := content.add("Accuracy against d0", func(w io.Writer) error { return c.Write(w, ".svg") }); err != nil {
				return err
			}
		}
	}
	for of, title := range []string{"Spectra of the representation r, first seed", "Spectra of the embedding z, first seed"} {
		if err := content.draw(title, analysis.Chart{Of: string("rz"[of])}, s.Spectra(outcomes, of)); err != nil {
			return err
		}
	}
	if err := content.draw("Spectra of the loss's gradient", analysis.Chart{}, Gradients(outcomes)); err != nil {
		return err
	}
	if len(p.Cells) > 0 {
		for _, step := range p.Cells[0].Steps {
			content.Commands = append(content.Commands, "onnxclr "+strings.Join(step.Args, " "))
		}
	}
	return page.Execute(w, content)
}
