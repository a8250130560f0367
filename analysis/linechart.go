package analysis

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// LineChart draws quantities against another one, in panels side by side, with the
// labels of the lines and a note underneath, where they cover no data.
type LineChart struct {
	Panels []LinePanel
	Note   string  // a sentence or two that say how the numbers came about
	Width  float64 // inches; 0 means 3.5 a panel
	DPI    int     // of a .png; 0 means 200
}

// LinePanel is one pair of axes.
type LinePanel struct {
	Title string
	X, Y  string // what the axes measure, with the unit
	LogX  bool   // decimal logarithmic horizontal axis; what lies at 0 or below is left out
	Whole bool   // X counts something: no ticks between whole numbers
	Lines []Line
	Marks []Mark
	// MinY is where the vertical axis ends below, if it is above the data: what lies
	// lower is cut off. 0 means where the data end.
	MinY float64
}

// Line is one curve. Points that are not finite interrupt it.
type Line struct {
	Label     string // in the legend; lines of equal labels share an entry, "" has none
	X, Y      []float64
	Low, High []float64 // a band around it; nil for none
	Dots      bool      // marks the points
	Dashed    bool      // thin and dashed, over all others: what a formula says
	// Color is the place in the palette. Shade, where above 0, replaces it by a tone
	// from light (0) to dark (1) blue, for lines that have an order.
	Color int
	Shade float64
}

// Mark is a vertical line at X with a word beside it.
type Mark struct {
	X     float64
	Label string
}

// Write draws the chart as an image of the format, one of Formats. Equal charts give
// equal bytes. It fails when a panel has nothing to draw, or a line's lengths differ.
func (c LineChart) Write(w io.Writer, format string) error {
	if c.Width == 0 {
		c.Width = 3.5 * float64(max(len(c.Panels), 1))
	}
	if c.DPI == 0 {
		c.DPI = 200
	}
	if len(c.Panels) == 0 {
		return fmt.Errorf("a line chart needs at least one panel")
	}
	plots := make([]*plot.Plot, len(c.Panels))
	for i, p := range c.Panels {
		var err error
		if plots[i], err = p.plot(); err != nil {
			return fmt.Errorf("panel %d: %w", i+1, err)
		}
	}
	width := vg.Length(c.Width) * vg.Inch
	inner := width - 4*gap
	each := inner / vg.Length(len(plots))
	legend := newLegend(c.Panels, inner)
	notes := wrap(textStyle(noteSize), c.Note, inner)
	if c.Note == "" {
		notes = nil
	}
	below := legend.height() + vg.Length(len(notes))*noteSize*1.3 + 3*gap
	height := max(each*0.72, 2.2*vg.Inch) + below
	return render(w, format, width, height, c.DPI, func(canvas draw.Canvas) {
		for i, p := range plots {
			area := canvas
			area.Min.X = canvas.Min.X + 2*gap + each*vg.Length(i)
			area.Max.X = area.Min.X + each - 3*gap
			area.Min.Y, area.Max.Y = canvas.Min.Y+below, canvas.Max.Y-2*gap
			p.Draw(area)
		}
		y := canvas.Min.Y + below - 2*gap
		y = legend.draw(canvas, canvas.Min.X+2*gap, y)
		for _, line := range notes {
			y -= noteSize * 1.3
			canvas.FillText(textStyle(noteSize), vg.Point{X: canvas.Min.X + 2*gap, Y: y}, line)
		}
	})
}

func (p LinePanel) plot() (*plot.Plot, error) {
	pl := newPlot(p.Title, p.X, p.Y)
	left, right, low, high := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, l := range p.Lines {
		if len(l.X) != len(l.Y) || l.Low != nil && (len(l.Low) != len(l.X) || len(l.High) != len(l.X)) {
			return nil, fmt.Errorf("line %q has %d, %d, %d and %d numbers for X, Y, Low and High", l.Label, len(l.X), len(l.Y), len(l.Low), len(l.High))
		}
		for i, x := range l.X {
			if !finite(x) || p.LogX && x <= 0 {
				continue
			}
			ys := []float64{l.Y[i]}
			if l.Low != nil {
				ys = append(ys, l.Low[i], l.High[i])
			}
			for _, y := range ys {
				if finite(y) && !(l.Dashed && len(p.Lines) > 1) { // a formula may leave the axes
					left, right, low, high = min(left, x), max(right, x), min(low, y), max(high, y)
				}
			}
		}
	}
	if left > right {
		return nil, fmt.Errorf("%q has nothing to draw", p.Title)
	}
	if p.MinY != 0 {
		low = max(low, p.MinY)
	}
	if left == right {
		left, right = left-0.5, right+0.5
	}
	margin := max(0.05*(high-low), 1e-9*math.Abs(high), 1e-12)
	pl.X.Min, pl.X.Max, pl.Y.Min, pl.Y.Max = left, right, low-margin, high+margin
	if p.Whole {
		pl.X.Tick.Marker = ticks{least: 1}
	}
	if p.LogX {
		pl.X.Scale, pl.X.Tick.Marker = plot.LogScale{}, decades{}
	}
	for _, m := range p.Marks {
		pl.Add(m)
	}
	for _, formulas := range []bool{false, true} {
		for _, l := range p.Lines {
			if l.Dashed == formulas {
				pl.Add(lineCurve{l, p.LogX})
			}
		}
	}
	return pl, nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// style returns how a line is stroked.
func (l Line) style() draw.LineStyle {
	s := draw.LineStyle{Color: palette[l.Color%len(palette)], Width: 1.4}
	if l.Shade > 0 {
		s.Color, s.Width = shade(l.Shade), 1.1
	}
	if l.Dashed {
		s.Color, s.Width, s.Dashes = ink, 0.9, []vg.Length{3, 2}
	}
	return s
}

// shade goes from a light to a dark blue of even hue.
func shade(v float64) color.Color {
	mix := func(a, b float64) uint8 { return uint8(math.Round(a + (b-a)*min(max(v, 0), 1))) }
	return color.RGBA{mix(0x9e, 0x08), mix(0xca, 0x30), mix(0xe1, 0x6b), 0xff}
}

// lineCurve is a Line as a plotter.
type lineCurve struct {
	Line
	logX bool
}

// Plot implements plot.Plotter.
func (l lineCurve) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := l.style()
	drawn := func(i int) bool { return finite(l.X[i]) && finite(l.Y[i]) && (!l.logX || l.X[i] > 0) }
	at := func(i int, v float64) vg.Point { return vg.Point{X: x(l.X[i]), Y: y(v)} }
	if l.Low != nil {
		var band []vg.Point
		for i := range l.X {
			if drawn(i) && finite(l.High[i]) {
				band = append(band, at(i, l.High[i]))
			}
		}
		for i := len(l.X) - 1; i >= 0; i-- {
			if drawn(i) && finite(l.Low[i]) {
				band = append(band, at(i, l.Low[i]))
			}
		}
		if len(band) > 2 {
			c.FillPolygon(faded(style.Color), c.ClipPolygonXY(band))
		}
	}
	var run []vg.Point
	stroke := func() {
		if len(run) > 1 {
			c.StrokeLines(style, c.ClipLinesXY(run)...)
		}
		run = nil
	}
	for i := range l.X {
		if !drawn(i) {
			stroke()
			continue
		}
		run = append(run, at(i, l.Y[i]))
		if l.Dots && c.Contains(run[len(run)-1]) {
			c.DrawGlyph(draw.GlyphStyle{Color: style.Color, Radius: 1.8, Shape: draw.CircleGlyph{}}, run[len(run)-1])
		}
	}
	stroke()
}

// faded is the colour of a band, without transparency, which the formats treat differently.
func faded(c color.Color) color.Color {
	r, g, b, _ := c.RGBA()
	light := func(v uint32) uint8 { return uint8(255 - (255-v>>8)/5) }
	return color.RGBA{light(r), light(g), light(b), 255}
}

// Plot implements plot.Plotter.
func (m Mark) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	at := x(m.X)
	if at < c.Min.X || at > c.Max.X {
		return
	}
	c.StrokeLine2(draw.LineStyle{Color: frame, Width: 0.9, Dashes: []vg.Length{4, 3}}, at, c.Min.Y, at, c.Max.Y)
	style := textStyle(noteSize)
	style.YAlign = draw.YTop
	if at+gap+style.Width(m.Label) > c.Max.X {
		style.XAlign, at = draw.XRight, at-2*gap
	}
	c.FillText(style, vg.Point{X: at + gap, Y: c.Max.Y - gap}, m.Label)
}

// decades puts a label at the powers of ten.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(low, high float64) []plot.Tick {
	var marks []plot.Tick
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for f := 1.0; f < 10; f++ {
			v := f * math.Pow(10, e)
			if v < low*(1-1e-9) || v > high*(1+1e-9) {
				continue
			}
			mark := plot.Tick{Value: v}
			if f == 1 {
				mark.Label = fmt.Sprintf("%g", v)
			}
			marks = append(marks, mark)
		}
	}
	return marks
}
