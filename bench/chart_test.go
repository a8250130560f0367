package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"onnxclr/analysis"
)

// TestChartReadsWhatIsPrinted: the chart shows the medians of the tables that compare
// writes, with text and other tables between them.
func TestChartReadsWhatIsPrinted(t *testing.T) {
	of := func(name string, seconds ...float64) *side {
		return &side{name: name, version: "v-1.2 (x)", seconds: seconds}
	}
	train := benchCase{Model: "resnet50", Pass: "train", Batch: 64, Size: 32}
	forward := benchCase{Model: "resnext50_32x4d", Pass: "forward", Batch: 1, Size: 224}
	var b bytes.Buffer
	b.WriteString("# Speed\n\n| engine | of |\n|---|---|\n| another | table |\n\n" + tableHead + "\n|---|---|---|---|---|---|---|---|\n")
	write(&b, train, []*side{of("onnxclr", 0.5, 0.25, 0.5), of("torch", 2), of(baseline, 1)})
	write(&b, forward, []*side{of("onnxclr", 0.5), of(baseline, 0.25), of("onnxruntime", 0.125)})
	b.WriteString("\nMeasured later:\n\n" + tableHead + "\n|---|---|---|---|---|---|---|---|\n")
	write(&b, train, []*side{of("onnxclr", 8), of("compile", 2), of(baseline, 4)})
	write(&b, forward, []*side{of("onnxruntime", 3), of("compile", 2)}) // no baseline
	rows, err := readRows(b.String())
	if err != nil {
		t.Fatal(err)
	}
	got, err := panelsOf(rows)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].Title = ""
	}
	want := []analysis.BarPanel{
		{Groups: []analysis.BarGroup{{Label: "ResNet-50\n64 × 32²", Bars: []analysis.Bar{
			{Series: "onnxclr", Value: 2}, {Series: "PyTorch, contiguous", Value: 0.5}, {Series: "torch.compile", Value: 2}}}}},
		{Groups: []analysis.BarGroup{{Label: "ResNeXt-50\n1 × 224²", Bars: []analysis.Bar{
			{Series: "onnxclr", Value: 0.5}, {Series: "ONNX Runtime", Value: 2}}}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestChartRefuses(t *testing.T) {
	for table, want := range map[string]string{
		"no table":                     "no table",
		tableHead + "\n| a | b |":      "line 2 has 2 columns",
		tableHead + "\n|a|b|c|d|fast|": `"fast"`,
		tableHead + "\n|resnet50|train|1 × 2²|torch|1.0|": "nothing was measured beside torch-channels-last",
	} {
		rows, err := readRows(table)
		if err == nil {
			_, err = panelsOf(rows)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", table, err, want)
		}
	}
}

// TestChartOfTheDocumentation: the published tables can be drawn.
func TestChartOfTheDocumentation(t *testing.T) {
	image := filepath.Join(t.TempDir(), "chart.svg")
	if err := drawChart("../docs/benchmarks.md", image); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(image); err != nil {
		t.Error(err)
	}
}
