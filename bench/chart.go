package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"onnxclr/analysis"
	"onnxclr/internal/file"
)

// baseline is the engine that the chart measures the others by: PyTorch in the layout
// that is the faster one on CPUs.
const baseline = "torch-channels-last"

// row is one line of a table that compare printed.
type row struct {
	model, pass, size, engine string
	seconds                   float64
	table                     int // rows of one table were measured side by side
}

// drawChart draws the tables in a Markdown file: how many times as fast as the
// baseline of the same table every engine is. Where several tables have the same case
// and engine, the first counts; a case that was not measured beside the baseline is
// left out.
func drawChart(markdown, image string) error {
	format, err := analysis.FormatOf(image)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(markdown)
	if err != nil {
		return err
	}
	rows, err := readRows(string(b))
	if err != nil {
		return fmt.Errorf("%s: %w", markdown, err)
	}
	panels, err := panelsOf(rows)
	if err != nil {
		return fmt.Errorf("%s: %w", markdown, err)
	}
	c := analysis.BarChart{Y: "times PyTorch's speed", Reference: "PyTorch, channels last", Panels: panels}
	return file.Write(image, func(w io.Writer) error { return c.Write(w, format) })
}

// readRows reads every table whose first columns are those of compare.
func readRows(markdown string) ([]row, error) {
	var rows []row
	inside, table := false, 0
	for i, line := range strings.Split(markdown, "\n") {
		if !strings.HasPrefix(line, "|") {
			inside = false
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		switch {
		case strings.HasPrefix(line, tableHead[:strings.Index(tableHead, "seconds")]):
			inside = true
			table++
		case inside && !strings.HasPrefix(cells[0], "--"):
			if len(cells) < 5 {
				return nil, fmt.Errorf("line %d has %d columns, want at least 5", i+1, len(cells))
			}
			engine, _, _ := strings.Cut(cells[3], " ")
			first, _, _ := strings.Cut(cells[4], " ")
			seconds, err := strconv.ParseFloat(first, 64)
			if err != nil || !(seconds > 0) {
				return nil, fmt.Errorf("line %d: %q are no seconds", i+1, cells[4])
			}
			rows = append(rows, row{cells[0], cells[1], cells[2], engine, seconds, table})
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no table begins with %q", tableHead)
	}
	return rows, nil
}

// panelsOf makes a panel of each pass, a group of each case, in the rows' order.
func panelsOf(rows []row) ([]analysis.BarPanel, error) {
	type key struct {
		model, pass, size string
		table             int
	}
	base := map[key]float64{}
	for _, r := range rows {
		if r.engine == baseline {
			base[key{r.model, r.pass, r.size, r.table}] = r.seconds
		}
	}
	titles := map[string]string{"train": "Training step on two views, batch × image size", "forward": "Forward pass, batch × image size"}
	var panels []analysis.BarPanel
	panel, group := map[string]int{}, map[key]int{}
	for _, r := range rows {
		b, ok := base[key{r.model, r.pass, r.size, r.table}]
		if !ok || r.engine == baseline {
			continue
		}
		i, ok := panel[r.pass]
		if !ok {
			i = len(panels)
			panel[r.pass] = i
			panels = append(panels, analysis.BarPanel{Title: titles[r.pass]})
		}
		p := &panels[i]
		k := key{r.model, r.pass, r.size, 0}
		j, ok := group[k]
		if !ok {
			j = len(p.Groups)
			group[k] = j
			p.Groups = append(p.Groups, analysis.BarGroup{Label: title(r.model) + "\n" + r.size})
		}
		bar, g := analysis.Bar{Series: title(r.engine), Value: b / r.seconds}, &p.Groups[j]
		repeated := false
		for _, other := range g.Bars {
			repeated = repeated || other.Series == bar.Series
		}
		if !repeated {
			g.Bars = append(g.Bars, bar)
		}
	}
	if len(panels) == 0 {
		return nil, fmt.Errorf("nothing was measured beside %s", baseline)
	}
	return panels, nil
}

// title returns the name that people know a model or an engine by.
func title(name string) string {
	switch name {
	case "torch":
		return "PyTorch, contiguous"
	case "onnxruntime":
		return "ONNX Runtime"
	case "compile":
		return "torch.compile"
	case "exact":
		return "onnxclr, exact"
	}
	if depth, ok := strings.CutPrefix(name, "resnet"); ok {
		return "ResNet-" + depth
	}
	if depth, ok := strings.CutPrefix(name, "resnext"); ok {
		depth, _, _ = strings.Cut(depth, "_")
		return "ResNeXt-" + depth
	}
	return name
}
