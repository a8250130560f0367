package analysis

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Log is the logarithm of a chart's vertical axis.
type Log string

// The logarithms: the paper's natural one, and the decimal one.
const (
	Ln    Log = "ln"
	Log10 Log = "log10"
)

func (l Log) of(v float64) float64 {
	if l == Log10 {
		return math.Log10(v)
	}
	return math.Log(v)
}

// chartFloor is the part of the largest singular value below which a chart draws
// nothing: what is there is the rounding of float32 embeddings, about 1e-6 of a row
// squared.
const chartFloor = 1e-12

// Chart is a log-spectrum chart (arXiv:2110.09348, figures 2, 7 and 9): the singular
// values of covariances, sorted, one line a source, with a table of what they say
// underneath.
type Chart struct {
	Title string  // may be empty
	Log   Log     // "" means Ln
	Width float64 // inches; 0 means 5
	DPI   int     // of a .png; 0 means 200
	Of    string  // what the rows are, such as r or z, for the axis; "" leaves it out
}

// Write draws the spectra as an image of the format, one of Formats. Equal spectra
// give equal bytes. It fails when there is none, or one without values.
func (c Chart) Write(w io.Writer, format string, spectra []*Spectrum) error {
	if c.Log == "" {
		c.Log = Ln
	}
	if c.Width == 0 {
		c.Width = 5
	}
	if c.DPI == 0 {
		c.DPI = 200
	}
	if c.Log != Ln && c.Log != Log10 {
		return fmt.Errorf("logarithm %q, want ln or log10", c.Log)
	}
	if len(spectra) == 0 {
		return fmt.Errorf("a chart needs at least one spectrum")
	}
	for _, s := range spectra {
		if len(s.SingularValues) == 0 {
			return fmt.Errorf("%q has no singular values to draw", s.Label)
		}
	}
	width := vg.Length(c.Width) * vg.Inch
	inner := width - 2*gap
	p, clipped, rings := c.plot(spectra)
	t := newTable(spectra, inner)
	notes := wrap(textStyle(noteSize), strings.Join(notes(spectra, clipped, rings), " "), inner)
	below := t.height() + vg.Length(len(notes))*noteSize*1.3 + 4*gap
	height := max(width*0.62, 2.5*vg.Inch) + below
	return render(w, format, width, height, c.DPI, func(canvas draw.Canvas) {
		p.Draw(draw.Crop(canvas, gap, -3*gap, below, -2*gap))
		foot := draw.Crop(canvas, gap, -gap, gap, 0)
		foot.Max.Y = foot.Min.Y + below - 4*gap
		t.draw(foot)
		sty := textStyle(noteSize)
		for i, line := range notes {
			y := foot.Max.Y - t.height() - gap - noteSize*1.3*vg.Length(i) - noteSize
			canvas.FillText(sty, vg.Point{X: foot.Min.X, Y: y}, line)
		}
	})
}

// plot returns the axes and lines, and whether a line leaves them at the bottom and
// whether one has its last live dimension ringed.
func (c Chart) plot(spectra []*Spectrum) (p *plot.Plot, clipped, rings bool) {
	of := "covariance"
	if c.Of != "" {
		of += " of " + oneLine(c.Of)
	}
	p = newPlot(c.Title, "dimension index (sorted)", string(c.Log)+" singular value of "+of)
	lines := make([]line, len(spectra))
	top, bottom, last, sunk := math.Inf(-1), math.Inf(1), 1, false
	for i, s := range spectra {
		lines[i] = newLine(s, c.Log)
		for k, pt := range lines[i].points {
			top, bottom = max(top, pt.Y), min(bottom, pt.Y)
			if lines[i].low == nil {
				continue
			}
			for _, v := range []float64{lines[i].low[k], lines[i].high[k]} {
				if math.IsInf(v, -1) {
					sunk = true
					continue
				}
				top, bottom = max(top, v), min(bottom, v)
			}
		}
		last = max(last, s.Dim-1)
		clipped = clipped || lines[i].clipped
	}
	if math.IsInf(top, -1) { // nothing but zeros
		top, bottom = 0, c.Log.of(chartFloor)
	}
	p.X.Tick.Marker = ticks{least: 1}
	margin := max(0.05*(top-bottom), 0.05)
	p.X.Min, p.X.Max = 0, float64(last)
	p.Y.Max, p.Y.Min = top+margin, bottom-margin
	if clipped || sunk {
		p.Y.Min = bottom - max(0.25*(top-bottom), c.Log.of(10))
	}
	for i, l := range lines {
		l.style = lineStyle(i)
		if l.ring >= 0 {
			rings = true
		}
		p.Add(l)
	}
	return p, clipped, rings
}

// notes are the sentences under the table: everything that is needed to compute the
// same numbers again.
func notes(spectra []*Spectrum, clipped, rings bool) []string {
	var n []string
	if s := spectra[0]; alike(spectra) {
		rows := "Rows as they are"
		if s.Normalized {
			rows = "Rows L2-normalised"
		}
		n = append(n, fmt.Sprintf("%s; covariance centred, ddof %d.", rows, s.DDOF))
	} else {
		n = append(n, "Covariance centred; unit: rows L2-normalised, raw: as they are; then ddof.")
	}
	live := "Live: above " + power(LiveThreshold) + " of the largest singular value"
	if rings {
		live += " (ring: the last one)"
	}
	n = append(n, live+"; RankMe not centred, ε = "+power(RankMeEpsilon)+".")
	for _, s := range spectra {
		if s.Bootstrap != nil {
			n = append(n, bands(spectra, s.Bootstrap.Replicates)+".")
			break
		}
	}
	if clipped {
		n = append(n, "Triangle: what follows is 0 or below "+power(chartFloor)+" of the largest, the rounding of float32, and lies below the axis.")
	}
	for _, s := range spectra {
		if s.Samples <= s.Dim {
			n = append(n, "N ≤ dim: the samples, not the model, bound the rank at N − 1.")
			break
		}
	}
	return n
}

// Conventions are the sentences that say how spectra and their metrics were computed, as
// charts have them underneath.
func Conventions(spectra []*Spectrum) string { return strings.Join(notes(spectra, false, false), " ") }

// bands says what a chart's bands are and, where rows are few, why curves leave them.
func bands(spectra []*Spectrum, replicates int) string {
	text := fmt.Sprintf("Bands: 95 %% of %d resamplings of the rows", replicates)
	for _, s := range spectra {
		if b := s.Bootstrap; b != nil && len(b.Low) > 0 && slices.Min(b.Low) <= chartFloor*s.SingularValues[0] {
			text += ", below " + power(chartFloor) + " of the largest taken for 0"
			break
		}
	}
	for _, s := range spectra {
		if s.Samples < 10*s.Dim {
			return text + "; with few rows a dimension they show fewer dimensions than the curve, for rows drawn twice add no direction"
		}
	}
	return text
}

// power writes a power of ten, such as 1e-6.
func power(v float64) string { return strings.Replace(fmt.Sprintf("%.0e", v), "e-0", "e-", 1) }

func alike(spectra []*Spectrum) bool {
	for _, s := range spectra {
		if s.Normalized != spectra[0].Normalized || s.DDOF != spectra[0].DDOF {
			return false
		}
	}
	return true
}

// line is one source: a plotter.
type line struct {
	points  plotter.XYs // the values above the floor
	clipped bool        // whether more follow below it
	low     []float64   // a band around the points, −∞ below the floor; nil for none
	high    []float64
	ring    int // index of the last live dimension where others follow above the floor, else −1
	style   draw.LineStyle
}

// Drawn returns the logarithms of the singular values that a chart draws, and whether
// others follow that are too small: 0, or below 1e-12 of the largest.
func (s *Spectrum) Drawn(log Log) (y []float64, clipped bool) {
	for _, v := range s.SingularValues {
		if v <= chartFloor*s.SingularValues[0] {
			return y, true
		}
		y = append(y, log.of(v))
	}
	return y, false
}

// above is the logarithm of a value above the floor of a spectrum's chart, −∞ of others.
func (l Log) above(s *Spectrum, v float64) float64 {
	if v <= chartFloor*s.SingularValues[0] {
		return math.Inf(-1)
	}
	return l.of(v)
}

func newLine(s *Spectrum, log Log) line {
	l := line{ring: -1}
	var y []float64
	y, l.clipped = s.Drawn(log)
	for i, v := range y {
		l.points = append(l.points, plotter.XY{X: float64(i), Y: v})
		if b := s.Bootstrap; b != nil && len(b.Low) == s.Dim && len(b.High) == s.Dim {
			l.low, l.high = append(l.low, log.above(s, b.Low[i])), append(l.high, log.above(s, b.High[i]))
		}
	}
	if live := s.Metrics.LiveDims; live > 0 && live < len(l.points) {
		l.ring = live - 1
	}
	return l
}

// Plot implements plot.Plotter.
func (l line) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	pts := make([]vg.Point, 0, len(l.points)+1)
	for _, pt := range l.points {
		pts = append(pts, vg.Point{X: x(pt.X), Y: y(pt.Y)})
	}
	if l.clipped {
		pts = append(pts, vg.Point{X: x(float64(len(l.points))), Y: c.Min.Y})
	}
	if l.low != nil {
		at := func(i int, v float64) vg.Point {
			return vg.Point{X: x(float64(i)), Y: max(y(v), c.Min.Y)}
		}
		var band []vg.Point
		for i := range l.points {
			band = append(band, at(i, l.high[i]))
		}
		for i := len(l.points) - 1; i >= 0; i-- {
			band = append(band, at(i, l.low[i]))
		}
		c.FillPolygon(faded(l.style.Color), c.ClipPolygonXY(band))
	}
	solid := draw.GlyphStyle{Color: l.style.Color, Radius: 1.6, Shape: draw.CircleGlyph{}}
	if len(pts) > 1 {
		c.StrokeLines(l.style, pts)
	}
	if len(l.points) <= 32 { // few enough to be told apart
		for _, pt := range pts[:len(l.points)] {
			c.DrawGlyph(solid, pt)
		}
	}
	if l.clipped {
		end := pts[len(pts)-1]
		const r = vg.Length(3.5)
		c.FillPolygon(l.style.Color, []vg.Point{{X: end.X - r, Y: end.Y + 2*r}, {X: end.X + r, Y: end.Y + 2*r}, end})
	}
	if l.ring >= 0 {
		ring := pts[l.ring]
		c.DrawGlyph(draw.GlyphStyle{Color: l.style.Color, Radius: 3.6, Shape: draw.CircleGlyph{}}, ring)
		c.DrawGlyph(draw.GlyphStyle{Color: color.White, Radius: 2.1, Shape: draw.CircleGlyph{}}, ring)
	}
}
