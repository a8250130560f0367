package theory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"onnxclr/analysis"
)

// DepthFigures are those of figure 11: the spectrum of the embeddings of networks of
// several depths, linear and with ReLU between the layers.
func DepthFigures(ctx context.Context, o Options, depths []int) ([]*Figure, error) {
	type setting struct {
		layers int
		relu   bool
	}
	var jobs []job
	sigma := map[setting][][]float64{}
	var c Config
	for _, relu := range []bool{false, true} {
		for _, layers := range depths {
			s := setting{layers, relu}
			if sigma[s] != nil {
				return nil, fmt.Errorf("depth %d is named twice", layers)
			}
			configs := o.seeded(Depth(layers, relu))
			sigma[s] = make([][]float64, len(configs))
			for i := range configs {
				c = configs[i]
				c.Layers, c.ReLU = layers, relu // what the figure compares is not overridden
				into := sigma[s]
				jobs = append(jobs, job{c, []int{c.Steps}, func(s *Simulation) (err error) {
					into[i], err = s.EmbeddingSpectrum()
					return err
				}})
			}
		}
	}
	if len(jobs) == 0 {
		return nil, fmt.Errorf("depth needs at least one number of layers")
	}
	if err := simulate(ctx, o, jobs); err != nil {
		return nil, err
	}
	f := &Figure{Name: "depth", Columns: []string{"activation", "layers", "seed", "index", "singular_value"}}
	panels := []analysis.LinePanel{
		{Title: "Linear", X: "dimension index (sorted)", Y: "ln singular value of covariance", Whole: true, MinY: -25},
		{Title: "ReLU between the layers", X: "dimension index (sorted)", Y: "ln singular value of covariance", Whole: true, MinY: -25},
	}
	for i, relu := range []bool{false, true} {
		name := []string{"linear", "relu"}[i]
		for color, layers := range depths {
			var series [][]float64
			var live []int
			for seed, values := range sigma[setting{layers, relu}] {
				for k, v := range values {
					f.row(name, layers, o.Seed+uint64(seed), k, v)
				}
				series = append(series, logs(values))
				live = append(live, analysis.Live(values, collapsed))
			}
			mean, low, high := band(series)
			label := "1 layer"
			if layers > 1 {
				label = fmt.Sprintf("%d layers", layers)
			}
			panels[i].Lines = append(panels[i].Lines, analysis.Line{Label: label, X: counting(len(mean)), Y: mean, Low: low, High: high, Color: color, Dots: true})
			f.Says = append(f.Says, fmt.Sprintf("%s, %s: %s of %d dimensions above a thousandth of the largest", name, label, span(live), c.Dim))
		}
	}
	f.Chart = analysis.LineChart{Panels: panels, Note: c.text() + fmt.Sprintf(" Layers begin as U·diag(%g·e^(−%g·k))·V. ", c.Init.Scale, c.Init.Decay) + o.bands() + " Values below e^−25 are cut off."}
	return []*Figure{f}, nil
}

// span writes the least and the largest of some counts.
func span(counts []int) string {
	low, high := slices.Min(counts), slices.Max(counts)
	if low == high {
		return fmt.Sprint(low)
	}
	return strings.Join([]string{fmt.Sprint(low), fmt.Sprint(high)}, " to ")
}
