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

// HeatMap draws matrices as coloured cells, in panels side by side with one scale of
// colours: white for Low to dark blue for High, or, where Low is below 0, vermilion
// below 0 and blue above with white at 0.
type HeatMap struct {
	Panels []HeatPanel
	// Low and High end the scale; both 0 means from 0, or the least value if that is
	// negative, to the largest.
	Low, High float64
	Scale     string  // what the colours mean, beside their scale
	Note      string  // a sentence or two underneath
	Width     float64 // inches; 0 means 3.2 a panel and 0.6 for the scale
	DPI       int     // of a .png; 0 means 200
}

// HeatPanel is one matrix, its first row at the top.
type HeatPanel struct {
	Title string
	X, Y  string // what columns and rows are
	Cells [][]float64
	// Columns and Rows name them; nil numbers them from 0.
	Columns, Rows []string
	// Values writes each cell's value into it.
	Values bool
}

// Write draws the chart as an image of the format, one of Formats. Equal charts give
// equal bytes. It fails when a matrix is empty, ragged or not finite.
func (h HeatMap) Write(w io.Writer, format string) error {
	const bar = 0.6 * vg.Inch
	if h.Width == 0 {
		h.Width = 3.2*float64(max(len(h.Panels), 1)) + 0.6
	}
	if h.DPI == 0 {
		h.DPI = 200
	}
	if len(h.Panels) == 0 {
		return fmt.Errorf("a heat map needs at least one panel")
	}
	low, high, err := h.limits()
	if err != nil {
		return err
	}
	colors := heatScale{low, high}
	width := vg.Length(h.Width) * vg.Inch
	each := (width - bar - 4*gap) / vg.Length(len(h.Panels))
	inner := each - 4*gap - 24 // what the cells have beside the vertical axis, about
	tallest := 1.0
	for _, p := range h.Panels {
		tallest = max(tallest, float64(len(p.Cells))/float64(len(p.Cells[0])))
	}
	notes := wrap(textStyle(noteSize), h.Note, width-4*gap)
	if h.Note == "" {
		notes = nil
	}
	below := vg.Length(len(notes))*noteSize*1.3 + 3*gap
	height := inner*vg.Length(min(tallest, 1.5)) + 48 + below
	return render(w, format, width, height, h.DPI, func(canvas draw.Canvas) {
		for i, p := range h.Panels {
			area := canvas
			area.Min.X = canvas.Min.X + 2*gap + each*vg.Length(i)
			area.Max.X = area.Min.X + each - 3*gap
			area.Min.Y, area.Max.Y = canvas.Min.Y+below, canvas.Max.Y-2*gap
			p.plot(colors).Draw(area)
		}
		scale := canvas
		scale.Min.X, scale.Max.X = canvas.Max.X-bar-gap, canvas.Max.X-gap
		scale.Min.Y, scale.Max.Y = canvas.Min.Y+below+30, canvas.Max.Y-20
		colors.draw(scale, h.Scale)
		y := canvas.Min.Y + below - 2*gap
		for _, line := range notes {
			y -= noteSize * 1.3
			canvas.FillText(textStyle(noteSize), vg.Point{X: canvas.Min.X + 2*gap, Y: y}, line)
		}
	})
}

// limits checks the cells and returns the ends of the scale.
func (h HeatMap) limits() (low, high float64, err error) {
	low, high = 0, math.Inf(-1)
	for _, p := range h.Panels {
		if len(p.Cells) == 0 || len(p.Cells[0]) == 0 {
			return 0, 0, fmt.Errorf("heat map %q has no cells", p.Title)
		}
		if p.Rows != nil && len(p.Rows) != len(p.Cells) || p.Columns != nil && len(p.Columns) != len(p.Cells[0]) {
			return 0, 0, fmt.Errorf("heat map %q has %d and %d names for %d rows and %d columns", p.Title, len(p.Rows), len(p.Columns), len(p.Cells), len(p.Cells[0]))
		}
		for i, row := range p.Cells {
			if len(row) != len(p.Cells[0]) {
				return 0, 0, fmt.Errorf("heat map %q: row %d has %d cells, the first %d", p.Title, i, len(row), len(p.Cells[0]))
			}
			for _, v := range row {
				if !finite(v) {
					return 0, 0, fmt.Errorf("heat map %q has a cell of %v", p.Title, v)
				}
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if h.Low != 0 || h.High != 0 {
		low, high = h.Low, h.High
	}
	if !(high > low) {
		high = low + 1
	}
	return low, high, nil
}

// heatScale turns a value into a colour.
type heatScale struct{ low, high float64 }

var (
	blues      = []color.RGBA{{255, 255, 255, 255}, {0x9e, 0xca, 0xe1, 255}, {0x31, 0x82, 0xbd, 255}, {0x08, 0x30, 0x6b, 255}}
	vermilions = []color.RGBA{{255, 255, 255, 255}, {0xfd, 0xc0, 0x86, 255}, {0xd5, 0x5e, 0x00, 255}, {0x7f, 0x27, 0x04, 255}}
)

func (s heatScale) color(v float64) color.RGBA {
	if s.low >= 0 {
		return along(blues, (v-s.low)/(s.high-s.low))
	}
	most := max(-s.low, s.high)
	if v < 0 {
		return along(vermilions, -v/most)
	}
	return along(blues, v/most)
}

// along interpolates between colours at even distances.
func along(stops []color.RGBA, at float64) color.RGBA {
	at = min(max(at, 0), 1) * float64(len(stops)-1)
	i := min(int(at), len(stops)-2)
	f := at - float64(i)
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + f*(float64(b)-float64(a)))) }
	a, b := stops[i], stops[i+1]
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

// draw puts the scale of colours into c, with its ends and what they mean.
func (s heatScale) draw(c draw.Canvas, meaning string) {
	const steps = 64
	right := c.Min.X + 10
	step := (c.Max.Y - c.Min.Y) / steps
	for i := range steps {
		v := s.low + (s.high-s.low)*(float64(i)+0.5)/steps
		y := c.Min.Y + step*vg.Length(i)
		c.FillPolygon(s.color(v), box(c.Min.X, y, right, y+step+0.2))
	}
	border := draw.LineStyle{Color: frame, Width: 0.5}
	c.StrokeLines(border, append(box(c.Min.X, c.Min.Y, right, c.Max.Y), vg.Point{X: c.Min.X, Y: c.Min.Y}))
	sty := textStyle(noteSize)
	sty.YAlign = draw.YCenter
	for _, t := range (ticks{}).Ticks(s.low, s.high) {
		if t.Label != "" {
			y := c.Min.Y + (c.Max.Y-c.Min.Y)*vg.Length((t.Value-s.low)/(s.high-s.low))
			c.StrokeLine2(border, right, y, right+2, y)
			c.FillText(sty, vg.Point{X: right + 4, Y: y}, t.Label)
		}
	}
	sty.Rotation, sty.XAlign, sty.YAlign = math.Pi/2, draw.XCenter, draw.YBottom
	c.FillText(sty, vg.Point{X: c.Max.X, Y: (c.Min.Y + c.Max.Y) / 2}, meaning)
}

func box(left, bottom, right, top vg.Length) []vg.Point {
	return []vg.Point{{X: left, Y: bottom}, {X: right, Y: bottom}, {X: right, Y: top}, {X: left, Y: top}}
}

func (p HeatPanel) plot(colors heatScale) *plot.Plot {
	pl := plotWithout(p.Title, p.X, p.Y)
	rows, columns := len(p.Cells), len(p.Cells[0])
	pl.X.Min, pl.X.Max = -0.5, float64(columns)-0.5
	pl.Y.Min, pl.Y.Max = -0.5, float64(rows)-0.5
	pl.X.Tick.Marker, pl.Y.Tick.Marker = indices{p.Columns, columns, false}, indices{p.Rows, rows, true}
	if p.Columns != nil {
		pl.X.Tick.Label.Rotation = math.Pi / 4
		pl.X.Tick.Label.XAlign, pl.X.Tick.Label.YAlign = draw.XRight, draw.YCenter
	}
	pl.Add(cells{p, colors})
	return pl
}

// cells is a plotter.
type cells struct {
	HeatPanel
	colors heatScale
}

// Plot implements plot.Plotter.
func (m cells) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	rows := len(m.Cells)
	sty := textStyle(min(noteSize, 0.8*(x(1)-x(0))/2))
	sty.XAlign, sty.YAlign = draw.XCenter, draw.YCenter
	for i, row := range m.Cells {
		at := float64(rows - 1 - i)
		for j, v := range row {
			// A hair of overlap, so that no seam of background shows.
			fill := m.colors.color(v)
			c.FillPolygon(fill, box(x(float64(j)-0.5), y(at-0.5)-0.2, x(float64(j)+0.5)+0.2, y(at+0.5)))
			if m.Values {
				s := sty
				if int(fill.R)+int(fill.G)+int(fill.B) < 384 {
					s.Color = color.White
				}
				c.FillText(s, vg.Point{X: x(float64(j)), Y: y(at)}, fmt.Sprintf("%.3g", v))
			}
		}
	}
}

// indices labels rows or columns, all that have names and about eight of those that
// have none.
type indices struct {
	names   []string
	n       int
	flipped bool
}

// Ticks implements plot.Ticker.
func (t indices) Ticks(_, _ float64) []plot.Tick {
	step := max(1, int((ticks{least: 1}).step(float64(t.n))))
	var marks []plot.Tick
	for i := range t.n {
		at := float64(i)
		if t.flipped {
			at = float64(t.n - 1 - i)
		}
		switch {
		case t.names != nil:
			marks = append(marks, plot.Tick{Value: at, Label: t.names[i]})
		case i%step == 0:
			marks = append(marks, plot.Tick{Value: at, Label: fmt.Sprint(i)})
		}
	}
	return marks
}
