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

// Drawing is the spectra of a grid that one chart shows.
type Drawing struct {
	Title   string // with the seed
	Seed    int
	Spectra []*analysis.Spectrum
}

// Spectra returns the spectra of the representation r or, at 1, of the embedding z, of
// every variant that has them, with the smallest seed that any variant has them of.
func (s Study) Spectra(outcomes []*Outcome, of int) Drawing {
	title := []string{"Spectra of the representation r", "Spectra of the embedding z"}[of]
	return s.drawing(title, outcomes, func(o *Outcome) (spectra []*analysis.Spectrum) {
		if len(o.spectra) <= of {
			return nil
		}
		one := *o.spectra[of]
		one.Label = o.Label
		return append(spectra, &one)
	})
}

// Gradients returns the spectra of the gradient, at r and before the last block, likewise.
func (s Study) Gradients(outcomes []*Outcome) Drawing {
	several := 0
	for _, v := range s.Variants {
		if v.Gradient {
			several++
		}
	}
	return s.drawing("Spectra of the loss's gradient", outcomes, func(o *Outcome) (spectra []*analysis.Spectrum) {
		for _, g := range o.gradients {
			one := *g
			if several == 1 { // then the label says nothing
				one.Label = strings.TrimPrefix(one.Label, o.Label+", ")
			}
			spectra = append(spectra, &one)
		}
		return spectra
	})
}

// drawing takes spectra from the outcomes of the smallest seed that has any, in the
// study's order.
func (s Study) drawing(title string, outcomes []*Outcome, of func(*Outcome) []*analysis.Spectrum) Drawing {
	seed := -1
	for _, o := range outcomes {
		if of(o) != nil && (seed < 0 || o.Seed < seed) {
			seed = o.Seed
		}
	}
	d := Drawing{Title: fmt.Sprintf("%s, seed %d", title, seed), Seed: seed}
	for _, v := range s.Variants {
		for _, o := range outcomes {
			if o.Variant == v.Name && o.Seed == seed {
				d.Spectra = append(d.Spectra, of(o)...)
			}
		}
	}
	return d
}

// content is what the page shows.
type content struct {
	Study        Study
	Plan         *Plan
	Note, Extra  string
	Done, Failed int
	Rows         []Row
	Agreement    Agreement
	Collapsed    string // what collapses most
	Papers       bool   // the paper has numbers of some variant
	D0           bool   // some variant takes it
	Spread       string // what a number of the table is
	Charts       []chart
	Outcomes     []*Outcome
	Failures     []*Outcome
	Gradient     bool // some outcome has them
	Commands     []string
}

// draw adds a chart of spectra, if there are any.
func (c *content) draw(chart analysis.Chart, d Drawing) error {
	if len(d.Spectra) == 0 {
		return nil
	}
	return c.add(d.Title, func(w io.Writer) error { return chart.Write(w, ".svg", d.Spectra) })
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
	content.Spread = spread(rows, "Mean ± standard deviation over seeds.", "One seed, so no spread.")
	for _, r := range rows {
		content.Papers = content.Papers || r.Paper > 0
	}
	for _, v := range s.Variants {
		content.D0 = content.D0 || strings.Contains(strings.Join(v.Settings, " "), "d0=")
	}
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
	for of := range 2 {
		if err := content.draw(analysis.Chart{Of: string("rz"[of])}, s.Spectra(outcomes, of)); err != nil {
			return err
		}
	}
	if err := content.draw(analysis.Chart{}, s.Gradients(outcomes)); err != nil {
		return err
	}
	if len(p.Cells) > 0 {
		for _, step := range p.Cells[0].Steps {
			content.Commands = append(content.Commands, "onnxclr "+strings.Join(step.Args, " "))
		}
	}
	return page.Execute(w, content)
}
