package analysis

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot/cmpimg"

	"onnxclr/internal/golden"
)

var update = flag.Bool("update", false, "rewrite the golden images")

// curve is a made spectrum: live values from exp(start) down by slope a dimension,
// then the tail.
func curve(label string, dim, live int, start, slope, tail float64) *Spectrum {
	s := &Spectrum{Label: label, Samples: 10000, Dim: dim, Normalized: true, DDOF: 1, SingularValues: make([]float64, dim)}
	for i := range s.SingularValues {
		if i < live {
			s.SingularValues[i] = math.Exp(start - slope*float64(i))
		} else {
			s.SingularValues[i] = tail
		}
	}
	s.Metrics.LiveDims = Live(s.SingularValues, LiveThreshold)
	s.Metrics.CollapsedDims = dim - s.Metrics.LiveDims
	s.Metrics.RankMe = RankMe(roots(s.SingularValues))
	return s
}

// charts are the golden images: name, what is drawn, how.
var charts = []struct {
	name    string
	chart   Chart
	spectra []*Spectrum
}{
	{"figure2.png", Chart{}, []*Spectrum{curve("SimCLR, two-layer projector, z", 128, 94, -3.7, 0.028, 0)}},
	{"overlay.png", Chart{Title: "Representations on the validation set"}, []*Spectrum{
		curve("before training", 512, 512, -3, 0.01, 0),
		curve("SimCLR, no projector", 512, 330, -2.2, 0.05, 1e-18),
		curve("DirectCLR, d0 = 360", 512, 460, -2.8, 0.02, 1e-17),
	}},
	{"few.svg", Chart{Log: Log10}, []*Spectrum{
		curve("linear, L = 1", 16, 16, 1.7, 0.18, 0),
		curve("linear, L = 2 <η & \"ζ\">", 16, 16, 4.8, 1.2, 0),
	}},
	{"labels.pdf", Chart{Width: 3.4}, []*Spectrum{
		curve("étude Σ, a label that is much too long for the column it stands in", 64, 40, -1, 0.1, 0),
		{Label: "one\nvalue", Samples: 5, Dim: 1, SingularValues: []float64{0.2}, Metrics: Metrics{LiveDims: 1, RankMe: 1}},
		{Label: "complete collapse", Samples: 30, Dim: 64, DDOF: 1, SingularValues: make([]float64, 64), Metrics: Metrics{CollapsedDims: 64}},
	}},
}

func TestCharts(t *testing.T) {
	for _, tc := range charts {
		t.Run(tc.name, func(t *testing.T) {
			draw := func() []byte {
				var b bytes.Buffer
				if err := tc.chart.Write(&b, filepath.Ext(tc.name), tc.spectra); err != nil {
					t.Fatal(err)
				}
				return b.Bytes()
			}
			got := draw()
			if !bytes.Equal(got, draw()) {
				t.Error("drawn twice, the bytes differ")
			}
			compareImage(t, tc.name, filepath.Ext(tc.name), got)
		})
	}
}

// compareImage holds an image against the golden one of that name.
func compareImage(t *testing.T, name, format string, got []byte) {
	t.Helper()
	path := golden.Path(t, "charts/"+name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Antialiasing may round differently on another processor.
	if same, err := cmpimg.EqualApprox(format[1:], got, want, 0.1); err != nil || !same {
		t.Errorf("differs from %s (err %v); look at both, then run with -update", path, err)
	}
}

func TestChartRefuses(t *testing.T) {
	ok := []*Spectrum{curve("x", 4, 4, 0, 1, 0)}
	for _, tc := range []struct {
		chart   Chart
		format  string
		spectra []*Spectrum
		want    string
	}{
		{Chart{}, ".jpg", ok, ".jpg"},
		{Chart{Log: "log2"}, ".png", ok, "log2"},
		{Chart{}, ".png", nil, "at least one"},
		{Chart{}, ".png", []*Spectrum{{Label: "empty"}}, "empty"},
	} {
		var b bytes.Buffer
		if err := tc.chart.Write(&b, tc.format, tc.spectra); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want an error with %q", err, tc.want)
		}
	}
	if _, err := FormatOf("a/b.PNG"); err != nil {
		t.Error(err)
	}
	if _, err := FormatOf("noextension"); err == nil {
		t.Error("a file without extension has a format")
	}
}

// TestChartNotes: what the numbers depend on stands on the chart.
func TestChartNotes(t *testing.T) {
	a, b := curve("a", 4, 4, 0, 1, 0), curve("b", 4, 3, 0, 1, 0)
	text := strings.Join(notes([]*Spectrum{a, b}, true, false), " ")
	for _, want := range []string{"L2-normalised", "ddof 1", "1e-6", "Triangle"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %q", want, text)
		}
	}
	b.Normalized, b.Samples = false, 3
	text = strings.Join(notes([]*Spectrum{a, b}, false, true), " ")
	for _, want := range []string{"unit", "raw", "N ≤ dim", "ring"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %q", want, text)
		}
	}
}

// TestChartsContainTheirBands: what resampling says is never cut off, and what is only
// rounding does not squeeze the curves.
func TestChartsContainTheirBands(t *testing.T) {
	s := curve("wide", 4, 4, 0, 1, 0)
	s.Bootstrap = &Band{Replicates: 100}
	for _, v := range s.SingularValues {
		s.Bootstrap.Low, s.Bootstrap.High = append(s.Bootstrap.Low, v/50), append(s.Bootstrap.High, v*50)
	}
	s.Bootstrap.Low[3] = 0
	if text := strings.Join(notes([]*Spectrum{s}, false, false), " "); strings.Contains(text, "drawn twice") != (s.Samples < 10*s.Dim) {
		t.Errorf("%d rows of %d dimensions: %s", s.Samples, s.Dim, text)
	}
	for _, zero := range []float64{0, chartFloor * s.SingularValues[0]} {
		s.Bootstrap.Low[3] = zero
		p, _, _ := Chart{Log: Ln}.plot([]*Spectrum{s})
		top, bottom := math.Log(s.Bootstrap.High[0]), math.Log(slices.Min(s.Bootstrap.Low[:3]))
		if p.Y.Max < top || p.Y.Min > bottom || p.Y.Min < bottom-0.5*(top-bottom) {
			t.Errorf("the axis goes from %g to %g, the bands from %g to %g and one to 0", p.Y.Min, p.Y.Max, bottom, top)
		}
		if text := strings.Join(notes([]*Spectrum{s}, false, false), " "); !strings.Contains(text, "taken for 0") {
			t.Errorf("a band down to %g: %s", zero, text)
		}
	}
}

func ExampleChart() {
	m, _ := NewMoments(3, true)
	m.Add([]float64{
		1, 0, 0.2,
		0, 1, 0.1,
		-1, 0.5, -0.1,
		0.3, -1, 0,
	})
	s, _ := m.Spectrum("four rows", 1)
	var png bytes.Buffer
	err := Chart{Log: Ln}.Write(&png, ".png", []*Spectrum{s})
	fmt.Println(s.Metrics.LiveDims, "live dimensions,", err)
	// Output: 3 live dimensions, <nil>
}
