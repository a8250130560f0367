package analysis

import (
	"fmt"
	"io"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Forest compares how many dimensions several sources fill: a row a source, a panel a
// metric (RankMe, effective rank, live dimensions), a dot for the value and a line for
// its interval where rows were resampled.
type Forest struct {
	Width float64 // inches; 0 means 6.5
	DPI   int     // of a .png; 0 means 200
	Of    string  // what the rows are, such as r or z; "" leaves it out
}

// forestPanels are the metrics a Forest shows.
var forestPanels = []struct {
	name string
	of   func(m *Metrics) float64
	form string
}{
	{"RankMe", func(m *Metrics) float64 { return m.RankMe }, "%.1f"},
	{"effective rank", func(m *Metrics) float64 { return m.EffectiveRank }, "%.1f"},
	{"live dimensions", func(m *Metrics) float64 { return float64(m.LiveDims) }, "%.0f"},
}

// Write draws the spectra's metrics as an image of the format, one of Formats. Equal
// spectra give equal bytes. It fails when there is none.
func (f Forest) Write(w io.Writer, format string, spectra []*Spectrum) error {
	if len(spectra) == 0 {
		return fmt.Errorf("a chart needs at least one spectrum")
	}
	if f.Width == 0 {
		f.Width = 6.5
	}
	if f.DPI == 0 {
		f.DPI = 200
	}
	width := vg.Length(f.Width) * vg.Inch
	style := textStyle(tickSize)
	var label vg.Length // room for labels
	for _, s := range spectra {
		label = max(label, style.Width(oneLine(s.Label)))
	}
	label = min(label, 0.34*width)
	const row = vg.Length(19)
	foot := wrap(textStyle(noteSize), strings.Join(f.notes(spectra), " "), width-4*gap)
	below := vg.Length(len(foot))*noteSize*1.3 + 3*gap
	height := row*vg.Length(len(spectra)) + 14*gap + below
	return render(w, format, width, height, f.DPI, func(canvas draw.Canvas) {
		left := canvas.Min.X + 2*gap + label + 2*gap
		each := (canvas.Max.X - 2*gap - left) / vg.Length(len(forestPanels))
		for i := range forestPanels {
			p := f.panel(i, spectra)
			area := canvas
			area.Min.X = left + each*vg.Length(i)
			area.Max.X = area.Min.X + each - 3*gap
			area.Min.Y, area.Max.Y = canvas.Min.Y+below, canvas.Max.Y-2*gap
			p.Draw(area)
			if i > 0 {
				continue
			}
			inner := p.DataCanvas(area)
			_, y := p.Transforms(&inner)
			right := style
			right.XAlign, right.YAlign = draw.XRight, draw.YCenter
			for k, s := range spectra {
				canvas.FillText(right, vg.Point{X: left - 2*gap, Y: y(-float64(k))}, shorten(style, oneLine(s.Label), label))
			}
		}
		for i, line := range foot {
			y := canvas.Min.Y + below - 2*gap - noteSize*1.3*vg.Length(i) - noteSize
			canvas.FillText(textStyle(noteSize), vg.Point{X: canvas.Min.X + 2*gap, Y: y}, line)
		}
	})
}

// panel is the axes of one metric. Sources stand at 0, −1, …
func (f Forest) panel(i int, spectra []*Spectrum) *plot.Plot {
	metric := forestPanels[i]
	p := plotWithout(metric.name, "", "")
	grid := plotter.NewGrid()
	grid.Horizontal.Color = nil
	grid.Vertical = draw.LineStyle{Color: faint, Width: 0.6}
	p.Add(grid)
	p.HideY()
	low, high := math.Inf(1), math.Inf(-1)
	var rows forestRows
	for _, s := range spectra {
		r := forestRow{value: metric.of(&s.Metrics)}
		r.low, r.high = r.value, r.value
		if b := s.Bootstrap; b != nil && b.MetricsLow != nil {
			r.low, r.high = metric.of(b.MetricsLow), metric.of(b.MetricsHigh)
		}
		r.text = fmt.Sprintf(metric.form, r.value)
		low, high = min(low, r.low, r.value), max(high, r.high, r.value)
		rows = append(rows, r)
	}
	margin := max(0.16*(high-low), 0.02*high, 0.5) // room for the numbers
	p.X.Min, p.X.Max = max(low-margin, 0), high+margin
	p.Y.Min, p.Y.Max = 0.4-float64(len(spectra)), 0.75
	p.X.Tick.Marker = sparse{}
	p.Add(rows)
	return p
}

// sparse are at most four labelled ticks, for narrow axes.
type sparse struct{}

// Ticks implements plot.Ticker.
func (sparse) Ticks(low, high float64) []plot.Tick {
	all := ticks{}.Ticks(low, high)
	var labelled int
	for _, t := range all {
		if t.Label != "" {
			labelled++
		}
	}
	if labelled <= 4 {
		return all
	}
	var marks []plot.Tick
	for _, t := range all {
		if t.Label == "" {
			continue
		}
		if len(marks)%2 == 1 {
			t.Label = ""
		}
		marks = append(marks, t)
	}
	return marks
}

type forestRow struct {
	value, low, high float64
	text             string
}

type forestRows []forestRow

// Plot implements plot.Plotter.
func (rows forestRows) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := textStyle(noteSize)
	style.XAlign = draw.XCenter
	for k, r := range rows {
		at := y(-float64(k))
		color := lineStyle(k).Color
		if r.high > r.low {
			bar := draw.LineStyle{Color: color, Width: 1.2}
			c.StrokeLine2(bar, x(r.low), at, x(r.high), at)
			for _, end := range []float64{r.low, r.high} {
				c.StrokeLine2(bar, x(end), at-2, x(end), at+2)
			}
		}
		c.DrawGlyph(draw.GlyphStyle{Color: color, Radius: 2.6, Shape: draw.CircleGlyph{}}, vg.Point{X: x(r.value), Y: at})
		c.FillText(style, vg.Point{X: x(r.value), Y: at + 4}, r.text)
	}
}

// notes are the conventions.
func (f Forest) notes(spectra []*Spectrum) []string {
	var n []string
	of := ""
	if f.Of != "" {
		of = " of " + oneLine(f.Of)
	}
	rows := "Rows" + of + " as they are"
	if spectra[0].Normalized {
		rows = "Rows" + of + " L2-normalised"
	}
	if !alike(spectra) {
		rows = "Rows" + of + " of sources differ in normalisation or ddof"
	}
	n = append(n, rows+"; RankMe not centred, ε = "+power(RankMeEpsilon)+"; effective rank centred; live: above "+power(LiveThreshold)+" of the largest singular value of the covariance.")
	for _, s := range spectra {
		if b := s.Bootstrap; b != nil && b.MetricsLow != nil {
			n = append(n, fmt.Sprintf("Lines: 95 %% of %d resamplings of the rows; with few rows a dimension they lie below the value, for rows drawn twice add no direction.", b.Replicates))
			break
		}
	}
	few := 0
	for _, s := range spectra {
		if s.Samples < 10*s.Dim {
			few++
		}
	}
	if few > 0 {
		n = append(n, fmt.Sprintf("N < 10·dim in %d of %d: the samples hold the ranks down.", few, len(spectra)))
	}
	return n
}
