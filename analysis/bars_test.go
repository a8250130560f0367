package analysis

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"

	"gonum.org/v1/plot/cmpimg"

	"onnxclr/internal/golden"
)

func TestBarChart(t *testing.T) {
	c := BarChart{Y: "times the old speed", Reference: "old", Width: 4, DPI: 100, Panels: []BarPanel{
		{"forward", []BarGroup{
			{"small\n1 × 32²", []Bar{{"new", 1.46}, {"other", 0.99}, {"third", 0}}},
			{"large\n8 × 224²", []Bar{{"third", 0.4}}},
			{"nothing", nil},
		}},
		{"backward", []BarGroup{{"one", []Bar{{"new", 0.1}}}}},
	}}
	draw := func() []byte {
		var b bytes.Buffer
		if err := c.Write(&b, ".png"); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	got := draw()
	if !bytes.Equal(got, draw()) {
		t.Error("drawn twice, the bytes differ")
	}
	path := golden.Path(t, "charts/bars.png")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := cmpimg.EqualApprox("png", got, want, 0.1); err != nil || !same {
		t.Errorf("differs from %s (err %v); look at both, then run with -update", path, err)
	}
}

func TestBarChartRefuses(t *testing.T) {
	bar := func(v float64) BarChart {
		return BarChart{Panels: []BarPanel{{"p", []BarGroup{{"g", []Bar{{"s", v}}}}}}}
	}
	for _, tc := range []struct {
		chart  BarChart
		format string
		want   string
	}{
		{BarChart{}, ".png", "at least one panel"},
		{BarChart{Panels: []BarPanel{{Title: "empty"}}}, ".png", `"empty" has no bars`},
		{bar(-1), ".png", `s of "g" is -1`},
		{bar(math.NaN()), ".png", "NaN"},
		{bar(math.Inf(1)), ".png", "+Inf"},
		{bar(1), ".gif", ".gif"},
	} {
		var b bytes.Buffer
		if err := tc.chart.Write(&b, tc.format); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want an error with %q", err, tc.want)
		}
	}
}
