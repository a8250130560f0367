package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"

	"onnxclr/analysis"
)

// chart is a pair of axes with lines, drawn as SVG that takes its colours from the
// page: light, dark or printed.
type chart struct {
	Title string
	X, Y  string // what the axes measure
	// Counts says that X counts from 0: the axis begins there, without fractions.
	Counts bool
	Lines  []line
}

// line is a curve. Style numbers its colour and dashes.
type line struct {
	Style     int
	Label     string
	X, Y      []float64
	Low, High []float64 // a band around it, or nil
	Falls     bool      // it goes on below the axis
	Fade      float64   // from 0, as it is, to 1, not to be seen
}

// Sizes in units of the drawing, which is as wide as its column.
const (
	width, height = 460, 290
	left, right   = 62, 12
	top, bottom   = 12, 44
)

// palettes is how many colours style.css has, and dashings how many kinds of dashes.
const palettes, dashings = 7, 5

// svg draws the chart. Points are finite.
func (c chart) svg() template.HTML {
	a := c.axes()
	var b strings.Builder
	fmt.Fprintf(&b, `<figure><figcaption>%s</figcaption><svg viewBox="0 0 %d %d" role="img" aria-label="%s">`,
		html.EscapeString(c.Title), width, height, html.EscapeString(c.describe()))
	a.draw(&b, c)
	for _, l := range c.Lines {
		a.band(&b, l)
	}
	for _, l := range c.Lines {
		a.line(&b, l)
	}
	b.WriteString("</svg></figure>\n")
	return template.HTML(b.String())
}

// describe says in words, for those who cannot see it, where the lines begin and end.
func (c chart) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s by %s.", c.Title, c.X)
	for _, l := range c.Lines {
		if n := len(l.Y); n > 0 {
			fmt.Fprintf(&b, " %s: from %s to %s.", l.Label, short(l.Y[0]), short(l.Y[n-1]))
		}
	}
	return b.String()
}

// axes maps values to the drawing.
type axes struct{ x0, x1, y0, y1 float64 }

func (c chart) axes() axes {
	a := axes{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
	falls := false
	for _, l := range c.Lines {
		for i, x := range l.X {
			a.x0, a.x1 = min(a.x0, x), max(a.x1, x)
			a.y0, a.y1 = min(a.y0, l.Y[i]), max(a.y1, l.Y[i])
			if l.Low != nil {
				a.y0, a.y1 = min(a.y0, l.Low[i]), max(a.y1, l.High[i])
			}
		}
		falls = falls || l.Falls
	}
	if a.x0 > a.x1 { // no points
		a = axes{0, 1, 0, 1}
	}
	if c.Counts {
		a.x0 = 0
	}
	if a.x0 == a.x1 {
		a.x0, a.x1 = a.x0-0.5, a.x1+0.5
	}
	margin := 0.05 * (a.y1 - a.y0)
	if margin == 0 {
		margin = max(0.1*math.Abs(a.y0), 1e-6)
	}
	if falls {
		a.y0 -= 4 * margin
	}
	// The margin must not make a quantity that is never negative seem to be.
	if a.y0 >= 0 && a.y0-margin < 0 {
		a.y0 = 0
	} else {
		a.y0 -= margin
	}
	a.y1 += margin
	return a
}

func (a axes) px(x float64) float64 {
	return left + (x-a.x0)/(a.x1-a.x0)*(width-left-right)
}

func (a axes) py(y float64) float64 {
	return height - bottom - (y-a.y0)/(a.y1-a.y0)*(height-top-bottom)
}

func (a axes) draw(b *strings.Builder, c chart) {
	const foot = height - bottom
	at, labels := analysis.Ticks(a.y0, a.y1, 0)
	for i, v := range at {
		p := a.py(v)
		fmt.Fprintf(b, `<path class="grid" d="M%d %sH%d"/>`, left, unit(p), width-right)
		fmt.Fprintf(b, `<text x="%d" y="%s" text-anchor="end">%s</text>`, left-6, unit(p+4), labels[i])
	}
	least := 0.0
	if c.Counts {
		least = 1
	}
	at, labels = analysis.Ticks(a.x0, a.x1, least)
	for i, v := range at {
		p := a.px(v)
		fmt.Fprintf(b, `<path class="axis" d="M%s %dv4"/>`, unit(p), foot)
		fmt.Fprintf(b, `<text x="%s" y="%d" text-anchor="middle">%s</text>`, unit(p), foot+17, labels[i])
	}
	fmt.Fprintf(b, `<path class="axis" d="M%d %dV%dH%d"/>`, left, top, foot, width-right)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`, left+(width-left-right)/2, height-8, html.EscapeString(c.X))
	middle := top + (height-top-bottom)/2
	fmt.Fprintf(b, `<text x="13" y="%d" text-anchor="middle" transform="rotate(-90 13 %d)">%s</text>`, middle, middle, html.EscapeString(c.Y))
}

func (a axes) band(b *strings.Builder, l line) {
	if l.Low == nil || len(l.X) < 2 {
		return
	}
	fmt.Fprintf(b, `<path class="band c%d" d="`, l.Style%palettes)
	for i, x := range l.X {
		fmt.Fprintf(b, "%c%s %s", "ML"[min(i, 1)], unit(a.px(x)), unit(a.py(l.High[i])))
	}
	for i := len(l.X) - 1; i >= 0; i-- {
		fmt.Fprintf(b, "L%s %s", unit(a.px(l.X[i])), unit(a.py(l.Low[i])))
	}
	b.WriteString(`Z"/>`)
}

// line draws a curve, leaving out points too near to the one before to be seen.
func (a axes) line(b *strings.Builder, l line) {
	if len(l.X) == 0 {
		return
	}
	fade := ""
	if l.Fade > 0 {
		fade = fmt.Sprintf(` opacity="%.2f"`, 1-l.Fade)
	}
	fmt.Fprintf(b, `<g class="%s"%s><title>%s</title>`, lineClass(l.Style), fade, html.EscapeString(l.Label))
	px, py := math.Inf(-1), 0.0
	if len(l.X) == 1 && !l.Falls {
		fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="3"/></g>`, unit(a.px(l.X[0])), unit(a.py(l.Y[0])))
		return
	}
	b.WriteString(`<path d="`)
	for i, x := range l.X {
		qx, qy := a.px(x), a.py(l.Y[i])
		if i > 0 && i < len(l.X)-1 && math.Hypot(qx-px, qy-py) < 0.8 {
			continue
		}
		fmt.Fprintf(b, "%c%s %s", "ML"[min(i, 1)], unit(qx), unit(qy))
		px, py = qx, qy
	}
	if l.Falls {
		end := a.px(l.X[len(l.X)-1] + 1)
		fmt.Fprintf(b, `L%s %d"/><path class="falls" d="M%s %dl-4 -8h8z`, unit(end), height-bottom, unit(end), height-bottom)
	}
	b.WriteString(`"/></g>`)
}

func lineClass(style int) string {
	return fmt.Sprintf("c%d d%d", style%palettes, style%dashings)
}

// unit writes a coordinate to a tenth.
func unit(v float64) string {
	s := strconv.FormatFloat(v, 'f', 1, 64)
	return strings.TrimSuffix(s, ".0")
}
