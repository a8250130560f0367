package analysis

import (
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// lineLegend holds the labels of a LineChart, in rows that fill its width.
type lineLegend struct {
	rows [][]Line
}

const legendGap = vg.Length(14) // between two entries

func newLegend(panels []LinePanel, width vg.Length) *lineLegend {
	var seen []string
	l := &lineLegend{}
	sty := textStyle(tickSize)
	room := vg.Length(0)
	var lines []Line // what a formula says comes last, as it is drawn
	for _, formulas := range []bool{false, true} {
		for _, p := range panels {
			for _, line := range p.Lines {
				if line.Dashed == formulas {
					lines = append(lines, line)
				}
			}
		}
	}
	for _, line := range lines {
		if line.Label == "" || slices.Contains(seen, line.Label) {
			continue
		}
		seen = append(seen, line.Label)
		need := sample + gap + sty.Width(line.Label) + legendGap
		if len(l.rows) == 0 || need > room {
			l.rows = append(l.rows, nil)
			room = width
		}
		room -= need
		l.rows[len(l.rows)-1] = append(l.rows[len(l.rows)-1], line)
	}
	return l
}

func (l *lineLegend) height() vg.Length { return rowHeight * vg.Length(len(l.rows)) }

// draw puts the legend's top left at (x, y) and returns where it ends below.
func (l *lineLegend) draw(c draw.Canvas, x, y vg.Length) vg.Length {
	sty := textStyle(tickSize)
	for _, row := range l.rows {
		y -= rowHeight
		at := x
		for _, line := range row {
			mid := y + 0.33*tickSize
			if line.Low != nil {
				c.FillPolygon(faded(line.style().Color), []vg.Point{{X: at, Y: mid - 3}, {X: at + sample, Y: mid - 3}, {X: at + sample, Y: mid + 3}, {X: at, Y: mid + 3}})
			}
			c.StrokeLine2(line.style(), at, mid, at+sample, mid)
			c.FillText(sty, vg.Point{X: at + sample + gap, Y: y}, line.Label)
			at += sample + gap + sty.Width(line.Label) + legendGap
		}
	}
	return y
}
