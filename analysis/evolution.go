package analysis

import (
	"fmt"
	"math"
)

// Evolution is how spectra change while a model trains.
type Evolution struct {
	Points []EvolutionPoint // in ascending order of Steps
	DPI    int              // of a .png; 0 means 200
}

// EvolutionPoint is what was seen after a number of steps.
type EvolutionPoint struct {
	Steps int
	R, Z  *Spectrum // of representation and embedding; nil where there is none
}

// evolutionLines is how many spectra are drawn at most: as many as can be told apart.
const evolutionLines = 9

// Chart draws the spectra of r and z, a line a point from light to dark, with RankMe
// over the steps beside them.
func (e Evolution) Chart() LineChart {
	drawn := e.drawn()
	last := e.Points[len(e.Points)-1]
	panel := func(title string, of func(EvolutionPoint) *Spectrum) LinePanel {
		p := LinePanel{Title: title, X: "dimension index (sorted)", Y: "ln singular value of covariance", Whole: true}
		low := math.Inf(1)
		for i, at := range drawn {
			s := of(at)
			if s == nil {
				continue
			}
			line := Line{Label: fmt.Sprintf("after %d steps", at.Steps), Shade: 0.05 + 0.95*float64(i+1)/float64(len(drawn))}
			for j, v := range s.SingularValues {
				y := math.NaN() // what is 0 or noise of the solver is not drawn
				if v > chartFloor*s.SingularValues[0] {
					y = math.Log(v)
					low = min(low, y)
				}
				line.X, line.Y = append(line.X, float64(j)), append(line.Y, y)
			}
			p.Lines = append(p.Lines, line)
		}
		return p
	}
	rank := LinePanel{Title: "RankMe", X: "steps", Y: "RankMe", Whole: true}
	c := LineChart{DPI: e.DPI}
	for i, of := range []func(EvolutionPoint) *Spectrum{
		func(p EvolutionPoint) *Spectrum { return p.R },
		func(p EvolutionPoint) *Spectrum { return p.Z },
	} {
		label := []string{"representation r", "embedding z"}[i]
		line := Line{Label: label, Color: i, Dots: true}
		for _, p := range e.Points {
			if s := of(p); s != nil {
				line.X, line.Y = append(line.X, float64(p.Steps)), append(line.Y, s.Metrics.RankMe)
			}
		}
		if s := of(last); s != nil || len(line.X) > 0 {
			if p := panel(label, of); drawable(p) {
				c.Panels = append(c.Panels, p)
			}
			rank.Lines = append(rank.Lines, line)
		}
	}
	c.Panels = append(c.Panels, rank)
	c.Note = e.note()
	return c
}

// drawable reports whether a panel has a point.
func drawable(p LinePanel) bool {
	for _, l := range p.Lines {
		for _, y := range l.Y {
			if finite(y) {
				return true
			}
		}
	}
	return false
}

// drawn are the points whose spectra are drawn: first, last, and others evenly between.
func (e Evolution) drawn() []EvolutionPoint {
	n := len(e.Points)
	if n <= evolutionLines {
		return e.Points
	}
	var points []EvolutionPoint
	for i := range evolutionLines {
		points = append(points, e.Points[i*(n-1)/(evolutionLines-1)])
	}
	return points
}

// note says how the numbers came about.
func (e Evolution) note() string {
	for _, p := range e.Points {
		for _, s := range []*Spectrum{p.R, p.Z} {
			if s == nil {
				continue
			}
			rows := "as they are"
			if s.Normalized {
				rows = "L2-normalised"
			}
			return fmt.Sprintf("%d held-out images, evaluation mode, rows %s, covariance centred, ddof %d; values below %s of the largest are left out.",
				s.Samples, rows, s.DDOF, power(chartFloor))
		}
	}
	return ""
}
