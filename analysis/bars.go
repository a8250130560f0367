package analysis

import (
	"fmt"
	"io"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// BarChart compares series in groups of bars from 0, in panels one under the other
// that share the vertical axis. Every bar carries its value; a line across says where
// a value of 1, the reference, lies.
type BarChart struct {
	Y         string  // what the bars measure
	Reference string  // what has the value 1
	Width     float64 // inches; 0 means 6
	DPI       int     // of a .png; 0 means 200
	Panels    []BarPanel
}

// BarPanel is one pair of axes of a BarChart.
type BarPanel struct {
	Title  string
	Groups []BarGroup
}

// BarGroup is some bars side by side; its label may have several lines.
type BarGroup struct {
	Label string
	Bars  []Bar
}

// Bar is a value, at least 0, of a series, whose name stands in the legend.
type Bar struct {
	Series string
	Value  float64
}

// Write draws the chart as an image of the format, one of Formats. Equal charts give
// equal bytes. It fails when a panel has no bars or a value is negative or not finite.
func (c BarChart) Write(w io.Writer, format string) error {
	if c.Width == 0 {
		c.Width = 6
	}
	if c.DPI == 0 {
		c.DPI = 200
	}
	series, top, err := c.series()
	if err != nil {
		return err
	}
	width := vg.Length(c.Width) * vg.Inch
	panel, legend := max(width*0.36, 1.9*vg.Inch), rowHeight+3*gap
	height := vg.Length(len(c.Panels))*panel + legend
	return render(w, format, width, height, c.DPI, func(canvas draw.Canvas) {
		for i, p := range c.Panels {
			y := canvas.Max.Y - vg.Length(i)*panel
			area := canvas
			area.Min.X, area.Max.X = canvas.Min.X+gap, canvas.Max.X-2*gap
			area.Min.Y, area.Max.Y = y-panel+gap, y-2*gap
			p.plot(c.Y, series, top).Draw(area)
		}
		c.legend(canvas, series)
	})
}

// series numbers the series in the order of their first bars, and returns the largest
// value.
func (c BarChart) series() (index map[string]int, top float64, err error) {
	if len(c.Panels) == 0 {
		return nil, 0, fmt.Errorf("a bar chart needs at least one panel")
	}
	index, top = map[string]int{}, 1
	for _, p := range c.Panels {
		if len(p.Groups) == 0 {
			return nil, 0, fmt.Errorf("panel %q has no bars", p.Title)
		}
		for _, g := range p.Groups {
			for _, b := range g.Bars {
				if !(b.Value >= 0) || math.IsInf(b.Value, 1) {
					return nil, 0, fmt.Errorf("%s of %q is %v, bars start at 0", b.Series, g.Label, b.Value)
				}
				if _, ok := index[b.Series]; !ok {
					index[b.Series] = len(index)
				}
				top = max(top, b.Value)
			}
		}
	}
	return index, top, nil
}

func (p BarPanel) plot(y string, series map[string]int, top float64) *plot.Plot {
	pl := newPlot(p.Title, "", y)
	pl.X.Min, pl.X.Max = -0.5, float64(len(p.Groups))-0.5
	pl.Y.Min, pl.Y.Max = 0, 1.1*top
	pl.X.Tick.Length = 0
	var labels plot.ConstantTicks
	for i, g := range p.Groups {
		labels = append(labels, plot.Tick{Value: float64(i), Label: g.Label})
	}
	pl.X.Tick.Marker = labels
	pl.Add(bars{p.Groups, series})
	return pl
}

// bars is a plotter.
type bars struct {
	groups []BarGroup
	series map[string]int
}

// referenceLine marks the value 1.
var referenceLine = draw.LineStyle{Color: ink, Width: 1, Dashes: []vg.Length{4, 2}}

// Plot implements plot.Plotter.
func (b bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	most := 1
	for _, g := range b.groups {
		most = max(most, len(g.Bars))
	}
	room := x(1) - x(0)
	wide := min(room*0.86/vg.Length(most), 30)
	value := textStyle(noteSize)
	value.XAlign, value.YAlign = draw.XCenter, draw.YBottom
	for i, g := range b.groups {
		left := x(float64(i)) - wide*vg.Length(len(g.Bars))/2
		for j, bar := range g.Bars {
			from, to := left+wide*(vg.Length(j)+0.05), left+wide*(vg.Length(j)+0.95)
			end := y(bar.Value)
			c.FillPolygon(palette[b.series[bar.Series]%len(palette)],
				[]vg.Point{{X: from, Y: y(0)}, {X: to, Y: y(0)}, {X: to, Y: end}, {X: from, Y: end}})
		}
	}
	c.StrokeLine2(referenceLine, c.Min.X, y(1), c.Max.X, y(1))
	for i, g := range b.groups {
		left := x(float64(i)) - wide*vg.Length(len(g.Bars))/2
		for j, bar := range g.Bars {
			at := vg.Point{X: left + wide*(vg.Length(j)+0.5), Y: y(bar.Value) + 2}
			if at.Y < y(1)+3 && at.Y > y(1)-noteSize { // do not write across the line
				at.Y = y(1) + 3
			}
			c.FillText(value, at, strconv.FormatFloat(bar.Value, 'f', 2, 64))
		}
	}
}

// legend is one row at the bottom: the series, then the reference.
func (c BarChart) legend(canvas draw.Canvas, series map[string]int) {
	names := make([]string, len(series))
	for name, i := range series {
		names[i] = name
	}
	sty := textStyle(tickSize)
	const swatch, apart = vg.Length(9), vg.Length(14)
	total := sample + gap + sty.Width(c.Reference)
	for _, name := range names {
		total += swatch + gap + sty.Width(name) + apart
	}
	x, y := canvas.Min.X+(canvas.Max.X-canvas.Min.X-total)/2, canvas.Min.Y+2*gap
	for i, name := range names {
		canvas.FillPolygon(palette[i%len(palette)], []vg.Point{{X: x, Y: y - 1}, {X: x + swatch, Y: y - 1}, {X: x + swatch, Y: y + swatch - 2}, {X: x, Y: y + swatch - 2}})
		x += swatch + gap
		canvas.FillText(sty, vg.Point{X: x, Y: y}, name)
		x += sty.Width(name) + apart
	}
	canvas.StrokeLine2(referenceLine, x, y+tickSize/3, x+sample, y+tickSize/3)
	canvas.FillText(sty, vg.Point{X: x + sample + gap, Y: y}, c.Reference)
}
