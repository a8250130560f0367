package analysis

import (
	"bytes"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// panels are the golden images of line charts and heat maps.
var panels = []struct {
	name  string
	chart interface {
		Write(w io.Writer, format string) error
	}
}{
	{"lines.png", LineChart{
		Note: "Bands: from the lowest to the highest of three seeds.",
		Panels: []LinePanel{
			{Title: "weights", X: "dimension index (sorted)", Y: "ln singular value", Whole: true, Lines: []Line{
				{Label: "k = 0.5", X: []float64{0, 1, 2, 3}, Y: []float64{1, 0.9, 0.7, 0.5}, Low: []float64{0.9, 0.8, 0.6, 0.3}, High: []float64{1.1, 1, 0.8, 0.6}, Dots: true},
				{Label: "k = 2", X: []float64{0, 1, 2, 3}, Y: []float64{1.1, 1, -3, -5}, Dots: true, Color: 1},
			}},
			{Title: "growth", X: "step", Y: "σ", LogX: true, Marks: []Mark{{X: 100, Label: "threshold"}}, Lines: []Line{
				{X: []float64{0, 1, 10, 100, 1000}, Y: []float64{0, 0, 0.1, 0.5, 0.6}, Shade: 0.1},
				{X: []float64{0, 1, 10, 100, 1000}, Y: []float64{0, 0, 0.3, math.NaN(), 0.9}, Shade: 1},
				{Label: "closed form", X: []float64{1, 10, 100, 1000}, Y: []float64{0, 0.1, 1, 10}, Dashed: true},
			}},
		},
	}},
	{"heat.png", HeatMap{
		Scale: "|V₂ᵀU₁|", Note: "Values from 0 to 1.", High: 1,
		Panels: []HeatPanel{
			{Title: "before", X: "column", Y: "row", Cells: [][]float64{{0.3, 0.2, 0.9}, {0.5, 0.5, 0.1}, {0.1, 0.8, 0.4}}},
			{Title: "after", X: "column", Y: "row", Cells: [][]float64{{0.97, 0.1, 0}, {0.1, 0.99, 0.02}, {0, 0.02, 1}}, Values: true},
		},
	}},
	{"heat-signed.svg", HeatMap{Panels: []HeatPanel{
		{X: "predicted", Y: "true", Cells: [][]float64{{-2, 1}, {0, 4}}, Rows: []string{"cat", "dog"}, Columns: []string{"cat", "dog"}, Values: true},
	}}},
	{"confusion.png", Confusion([][]int{{8, 1, 1}, {0, 30, 3}, {2, 2, 5}}, []string{"cat", "dog", "bird"})},
}

func TestPanels(t *testing.T) {
	for _, c := range panels {
		t.Run(c.name, func(t *testing.T) {
			var a, b bytes.Buffer
			format := c.name[strings.LastIndexByte(c.name, '.'):]
			if err := c.chart.Write(&a, format); err != nil {
				t.Fatal(err)
			}
			if err := c.chart.Write(&b, format); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
				t.Errorf("written twice, the bytes differ (%v)", err)
			}
			compareImage(t, c.name, format, a.Bytes())
		})
	}
}

func TestPanelErrors(t *testing.T) {
	for want, chart := range map[string]interface {
		Write(w io.Writer, format string) error
	}{
		"at least one panel":    LineChart{},
		"nothing to draw":       LineChart{Panels: []LinePanel{{Title: "empty", Lines: []Line{{X: []float64{1}, Y: []float64{math.NaN()}}}}}},
		"2, 1, 0 and 0 numbers": LineChart{Panels: []LinePanel{{Lines: []Line{{X: []float64{1, 2}, Y: []float64{1}}}}}},
		"row 1 has 1 cells":     HeatMap{Panels: []HeatPanel{{Cells: [][]float64{{1, 2}, {3}}}}},
		"no cells":              HeatMap{Panels: []HeatPanel{{}}},
		"a cell of NaN":         HeatMap{Panels: []HeatPanel{{Cells: [][]float64{{math.NaN()}}}}},
		"1 and 0 names":         HeatMap{Panels: []HeatPanel{{Cells: [][]float64{{1}, {2}}, Rows: []string{"a"}}}},
	} {
		if err := chart.Write(io.Discard, ".png"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestForest(t *testing.T) {
	a, b, c := curve("SimCLR, two-layer projector", 512, 330, -2.2, 0.05, 0), curve("DirectCLR, d0 = 360, a label that is too long for its place", 512, 460, -2.8, 0.02, 0), curve("before training", 512, 512, -3, 0.01, 0)
	for _, s := range []*Spectrum{a, b, c} {
		s.Metrics.EffectiveRank = 0.9 * s.Metrics.RankMe
	}
	shift := func(m Metrics, by float64) *Metrics {
		m.RankMe, m.EffectiveRank, m.LiveDims = m.RankMe*by, m.EffectiveRank*by, int(float64(m.LiveDims)*by)
		return &m
	}
	a.Bootstrap = &Band{Replicates: 100, MetricsLow: shift(a.Metrics, 0.9), MetricsHigh: shift(a.Metrics, 1.08)}
	b.Bootstrap = &Band{Replicates: 100, MetricsLow: shift(b.Metrics, 0.95), MetricsHigh: shift(b.Metrics, 1.02)}
	var image bytes.Buffer
	if err := (Forest{Of: "r"}).Write(&image, ".png", []*Spectrum{a, b, c}); err != nil {
		t.Fatal(err)
	}
	compareImage(t, "forest.png", ".png", image.Bytes())
	if err := (Forest{}).Write(&image, ".png", nil); err == nil {
		t.Error("a forest of nothing is drawn")
	}
}

// Of variances 6, 3 and 1 of 10 one direction holds half, two hold 90 % and three 99 %;
// a chart of the three says so, and one of nothing is refused.
func TestCumulative(t *testing.T) {
	part := CumulativeVariance([]float64{6, 3, 1})
	for want, of := range map[int]float64{1: 0.5, 2: 0.9, 3: 0.99} {
		if got := Holding(part, of); got != want {
			t.Errorf("%g of the variance in %d directions, want %d", of, got, want)
		}
	}
	if got := Holding(CumulativeVariance([]float64{0, 0}), 0.9); got != 0 {
		t.Errorf("nothing is held by %d directions", got)
	}
	s := curve("three", 3, 3, 0, 1, 0)
	s.SingularValues = []float64{6, 3, 1}
	l := Cumulative{}.chart([]*Spectrum{s}).Panels[0].Lines[0]
	if l.Label != "three: 90 % in 2, 99 % in 3 of 3 dimensions" || !slices.Equal(l.X, []float64{1, 2, 3}) || math.Abs(l.Y[0]-60) > 1e-9 || math.Abs(l.Y[2]-100) > 1e-9 {
		t.Errorf("the chart's line is %+v", l)
	}
	if err := (Cumulative{}).Write(io.Discard, ".svg", nil); err == nil {
		t.Error("a chart of nothing was drawn")
	}
}

// The band of a metric is that of its values in the resamplings.
func TestBandOfMetrics(t *testing.T) {
	var replicates []*Spectrum
	for i := range 41 {
		s := curve("x", 4, 4, 0, 1, 0)
		s.Metrics.RankMe, s.Metrics.LiveDims = float64(i), i%3+1
		replicates = append(replicates, s)
	}
	b := NewBand(replicates)
	if b.MetricsLow.RankMe != 1 || b.MetricsHigh.RankMe != 39 || b.MetricsLow.LiveDims != 1 || b.MetricsHigh.LiveDims != 3 || b.MetricsLow.CollapsedDims != 1 {
		t.Errorf("%+v to %+v", b.MetricsLow, b.MetricsHigh)
	}
}
