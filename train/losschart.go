package train

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"onnxclr/analysis"
	"onnxclr/internal/file"
)

// lossChart draws how a run learns into its directory: loss, contrastive accuracy and
// learning rate by step, as they are in metrics.jsonl.
type lossChart struct {
	dir, loss string        // the loss's name
	drawn     time.Time     // when it was drawn last
	took      time.Duration // and how long that took
}

// lossPoints is how many points a line has at most, lossDots how many are marked.
const lossPoints, lossDots = 200, 32

func newLossChart(dir, loss string) *lossChart {
	return &lossChart{dir: dir, loss: loss, drawn: time.Now(), took: time.Second}
}

// rarely is draw, left out where it would take more than a fiftieth of the time.
func (c *lossChart) rarely() error {
	if time.Since(c.drawn) < 50*c.took {
		return nil
	}
	return c.draw()
}

// draw draws what there is so far, nothing before the first step.
func (c *lossChart) draw() error {
	start := time.Now()
	series, err := ReadMetrics(filepath.Join(c.dir, metricsName))
	if err != nil || len(series) == 0 {
		return err
	}
	chart := analysis.LineChart{}
	for i, p := range []struct{ name, title, y string }{
		{"loss", "Loss", c.loss + " loss"},
		{"contrastive_accuracy", "Contrastive accuracy", "share of views"},
		{"learning_rate", "Learning rate", "learning rate"},
	} {
		for _, s := range series {
			if s.Name != p.name {
				continue
			}
			l := analysis.Line{Color: i}
			l.X, l.Y, l.Low, l.High = s.Means(lossPoints)
			l.Dots = len(l.X) <= lossDots
			if i == 1 {
				chart.Note += "Contrastive accuracy: whose nearest view of the other kind is of the same image. "
			}
			if i == 0 && l.Low != nil {
				chart.Note += fmt.Sprintf("Each point is the mean of about %d successive steps; the band spans their least and greatest. ", (len(s.Steps)+lossPoints/2)/lossPoints)
			}
			chart.Panels = append(chart.Panels, analysis.LinePanel{Title: p.title, X: "step", Y: p.y, Whole: true, Lines: []analysis.Line{l}})
		}
	}
	err = file.Write(filepath.Join(c.dir, lossName), func(w io.Writer) error { return chart.Write(w, ".png") })
	c.drawn, c.took = time.Now(), time.Since(start)
	return err
}
