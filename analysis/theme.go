package analysis

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The house theme: Liberation Sans, sizes that stay readable when a chart of the
// default width is set in a column of 3.4 in, Okabe and Ito's palette.
const (
	labelSize = 10 // pt, axis labels and title
	tickSize  = 9  // pt, ticks and the table
	noteSize  = 8  // pt, footnotes
	gap       = vg.Length(4)
)

// palette is Okabe and Ito's, told apart by all common kinds of colour vision
// (jfly.uni-koeln.de/color); without its yellow, which white paper swallows.
var palette = []color.RGBA{
	{0x00, 0x72, 0xB2, 0xFF}, // blue
	{0xD5, 0x5E, 0x00, 0xFF}, // vermilion
	{0x00, 0x9E, 0x73, 0xFF}, // bluish green
	{0xCC, 0x79, 0xA7, 0xFF}, // reddish purple
	{0x00, 0x00, 0x00, 0xFF}, // black
	{0xE6, 0x9F, 0x00, 0xFF}, // orange
	{0x56, 0xB4, 0xE9, 0xFF}, // sky blue
}

// dashes tell lines apart without colour, and after the palette has come round.
var dashes = [][]vg.Length{nil, {6, 2}, {2, 2}, {8, 2, 2, 2}, {4, 4}}

// lineStyle returns the line of source i.
func lineStyle(i int) draw.LineStyle {
	return draw.LineStyle{Color: palette[i%len(palette)], Width: 1.4, Dashes: dashes[i%len(dashes)]}
}

var (
	ink   = color.Gray{0x20}
	frame = color.Gray{0x60}
	faint = color.Gray{0xE4}

	handler text.Handler = text.Plain{Fonts: font.NewCache(liberation.Collection())}
)

// textStyle returns left-aligned text whose baseline is at the point given.
func textStyle(size vg.Length) text.Style {
	return text.Style{Color: ink, Font: font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}, Handler: handler}
}

// newPlot returns an empty plot in the house theme, with a grid.
func newPlot(title, x, y string) *plot.Plot {
	p := plotWithout(title, x, y)
	grid := plotter.NewGrid()
	grid.Vertical.Color = nil
	grid.Horizontal = draw.LineStyle{Color: faint, Width: 0.6}
	p.Add(grid)
	return p
}

// plotWithout is newPlot without the grid.
func plotWithout(title, x, y string) *plot.Plot {
	p := plot.New()
	p.TextHandler = handler
	p.Title.Text = title
	align := func(s text.Style, x text.XAlignment, y text.YAlignment) text.Style {
		s.XAlign, s.YAlign = x, y
		return s
	}
	p.Title.TextStyle = align(textStyle(labelSize), draw.XCenter, draw.YTop)
	p.Title.Padding = gap
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle = align(textStyle(labelSize), draw.XCenter, draw.YBottom)
		axis.Label.Padding = gap
		axis.LineStyle = draw.LineStyle{Color: frame, Width: 0.7}
		axis.Tick.LineStyle = axis.LineStyle
		axis.Tick.Length = 4
		axis.Padding = 0
	}
	p.X.Tick.Label = align(textStyle(tickSize), draw.XCenter, draw.YTop)
	p.Y.Tick.Label = align(textStyle(tickSize), draw.XRight, draw.YCenter)
	p.Y.Tick.Marker = ticks{}
	p.X.Tick.Marker = ticks{}
	p.X.Label.Text, p.Y.Label.Text = x, y
	return p
}
