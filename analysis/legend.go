package analysis

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// table is the legend of a chart: a row a source, its line, its label and numbers.
// It stands under the axes, where it cannot cover data.
type table struct {
	head   []string
	rows   [][]string
	widths []vg.Length // of the columns after the label, with their gap
	label  vg.Length   // room for the label
	// stacked puts the numbers of a source on a line of their own, for labels that
	// are too long to stand beside them.
	stacked bool
	style   text.Style
	note    text.Style
}

const (
	sample    = vg.Length(22) // length of the line beside a label
	rowHeight = vg.Length(tickSize * 1.35)
)

func newTable(spectra []*Spectrum, width vg.Length) *table {
	t := &table{
		head:  []string{"", "N", "dim", "live", "collapsed", "RankMe"},
		style: textStyle(tickSize), note: textStyle(noteSize),
	}
	same := alike(spectra)
	if !same {
		t.head = append(t.head, "rows, ddof")
	}
	for _, s := range spectra {
		row := []string{oneLine(s.Label), strconv.Itoa(s.Samples), strconv.Itoa(s.Dim),
			strconv.Itoa(s.Metrics.LiveDims), strconv.Itoa(s.Metrics.CollapsedDims), fmt.Sprintf("%.1f", s.Metrics.RankMe)}
		if !same {
			rows := "raw"
			if s.Normalized {
				rows = "unit"
			}
			row = append(row, fmt.Sprintf("%s, %d", rows, s.DDOF))
		}
		t.rows = append(t.rows, row)
	}
	t.label = width - sample - gap
	for j := 1; j < len(t.head); j++ {
		w := t.note.Width(t.head[j])
		for _, row := range t.rows {
			w = max(w, t.style.Width(row[j]))
		}
		t.widths = append(t.widths, w+3*gap)
		t.label -= w + 3*gap
	}
	for _, row := range t.rows {
		t.stacked = t.stacked || t.style.Width(row[0]) > t.label
	}
	if t.stacked {
		for _, row := range t.rows {
			row[0] = shorten(t.style, row[0], width-sample-gap)
		}
	}
	return t
}

func (t *table) height() vg.Length {
	lines := 1 + len(t.rows)
	if t.stacked {
		lines += len(t.rows)
	}
	return rowHeight * vg.Length(lines)
}

// draw puts the table at the top left of c.
func (t *table) draw(c draw.Canvas) {
	right := func(s text.Style, x, y vg.Length, text string) {
		s.XAlign = draw.XRight
		c.FillText(s, vg.Point{X: x, Y: y}, text)
	}
	y := c.Max.Y - tickSize
	rule := draw.LineStyle{Color: frame, Width: 0.5}
	x := c.Min.X + sample + gap + t.label
	for j, w := range t.widths {
		x += w
		right(t.note, x, y, t.head[j+1])
	}
	c.StrokeLine2(rule, c.Min.X, y-0.3*tickSize, x, y-0.3*tickSize)
	for i, row := range t.rows {
		y -= rowHeight
		mid := y + 0.33*tickSize
		c.StrokeLine2(lineStyle(i), c.Min.X, mid, c.Min.X+sample, mid)
		c.FillText(t.style, vg.Point{X: c.Min.X + sample + gap, Y: y}, row[0])
		if t.stacked {
			y -= rowHeight
		}
		x := c.Min.X + sample + gap + t.label
		for j, w := range t.widths {
			x += w
			right(t.style, x, y, row[j+1])
		}
	}
}

// oneLine replaces line breaks and other control characters, which have no glyphs.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// shorten cuts s in the middle until it fits: both ends of a label tell sources apart.
func shorten(sty text.Style, s string, width vg.Length) string {
	r := []rune(s)
	for cut := s; ; cut = string(r[:(len(r)+1)/2]) + "…" + string(r[len(r)-len(r)/2:]) {
		if sty.Width(cut) <= width || len(r) < 2 {
			return cut
		}
		mid := len(r) / 2
		r = append(r[:mid:mid], r[mid+1:]...)
	}
}

// wrap breaks text between words into lines of at most width.
func wrap(sty text.Style, text string, width vg.Length) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		longer := strings.TrimSpace(line + " " + word)
		if line != "" && sty.Width(longer) > width {
			lines = append(lines, line)
			longer = word
		}
		line = longer
	}
	return append(lines, line)
}
