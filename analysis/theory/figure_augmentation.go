package theory

import (
	"context"
	"fmt"
	"math"

	"onnxclr/analysis"
)

// StrongAugmentationFigures are those of section 4: figure 3, the singular values of a
// single layer's weights after training under augmentation of several strengths k, with
// the threshold; and how the augmented directions grow or die from the first step on,
// beside the exponential of theorem 1.
func StrongAugmentationFigures(ctx context.Context, o Options, ks []float64) ([]*Figure, error) {
	if len(ks) == 0 {
		return nil, fmt.Errorf("strong augmentation needs at least one strength k")
	}
	type outcome struct {
		config Config
		at     []int
		sigma  []float64
		grown  [2][]float64 // root mean square of the columns not augmented, augmented
	}
	var jobs []job
	outcomes := make([][]*outcome, len(ks))
	for i, k := range ks {
		for _, c := range o.seeded(StrongAugmentation(k)) {
			out := &outcome{config: c, at: spaced(c.Steps, 60)}
			outcomes[i] = append(outcomes[i], out)
			jobs = append(jobs, job{c, out.at, func(s *Simulation) (err error) {
				for half := range 2 {
					out.grown[half] = append(out.grown[half], s.columns(half))
				}
				if s.Steps() == c.Steps {
					out.sigma, err = s.WeightSpectrum(0)
				}
				return err
			}})
		}
	}
	if err := simulate(ctx, o, jobs); err != nil {
		return nil, err
	}
	c := outcomes[0][0].config
	first := c.Dim - c.Dim/2 // of the singular values that augmentation can kill
	threshold := Threshold(c.Variance)
	spectra := &Figure{Name: "strong-augmentation", Columns: []string{"k", "seed", "index", "weight_singular_value"}}
	growth := &Figure{Name: "strong-augmentation-growth", Columns: []string{"k", "seed", "step", "clean_columns_rms", "augmented_columns_rms", "augmented_early_exponential"}}
	left := analysis.LinePanel{Title: "Weights after training", X: "dimension index (sorted)", Y: "ln singular value of W", Whole: true, MinY: -12}
	right := analysis.LinePanel{
		Title: "Against the threshold", X: "augmentation variance k", Y: fmt.Sprintf("ln singular value %d of %d", first+1, c.Dim),
		Marks: []analysis.Mark{{X: threshold, Label: fmt.Sprintf("k* = 2·Var(x) = %g", threshold)}},
	}
	panels := [2]analysis.LinePanel{
		{Title: "Columns of W, not augmented", X: "step", Y: "ln root mean square", LogX: true},
		{Title: "Columns of W, augmented", X: "step", Y: "ln root mean square", LogX: true},
	}
	against := make([][]float64, len(outcomes[0]))
	for i, k := range ks {
		var series [][]float64
		var halves [2][][]float64
		for j, out := range outcomes[i] {
			series = append(series, logs(out.sigma))
			against[j] = append(against[j], math.Log(out.sigma[first]))
			for n, v := range out.sigma {
				spectra.row(k, out.config.Seed, n, v)
			}
			for half := range 2 {
				halves[half] = append(halves[half], logs(out.grown[half]))
			}
			for n, step := range out.at {
				early := out.grown[1][0] * math.Exp(EarlyRate(c.Variance, k, c.Batch)*c.LR*float64(step))
				growth.row(k, out.config.Seed, step, out.grown[0][n], out.grown[1][n], early)
			}
		}
		label := fmt.Sprintf("k = %g", k)
		mean, low, high := band(series)
		left.Lines = append(left.Lines, analysis.Line{Label: label, X: counting(c.Dim), Y: mean, Low: low, High: high, Color: i, Dots: true})
		steps := asFloats(outcomes[i][0].at)
		for half, noise := range []float64{0, k} {
			mean, low, high := band(halves[half])
			panels[half].Lines = append(panels[half].Lines, analysis.Line{Label: label, X: steps, Y: mean, Low: low, High: high, Color: i})
			if half == 1 || i == 0 {
				early := make([]float64, len(steps))
				for n, step := range steps {
					early[n] = mean[0] + EarlyRate(c.Variance, noise, c.Batch)*c.LR*step
				}
				panels[half].Lines = append(panels[half].Lines, analysis.Line{Label: "small weights: σ(0)·exp((2·Var(x) − k)·t)", X: steps, Y: early, Dashed: true})
			}
		}
		dead := 0
		for _, out := range outcomes[i] {
			if out.sigma[first] < collapsed*out.sigma[0] {
				dead++
			}
		}
		spectra.Says = append(spectra.Says, fmt.Sprintf("k = %g: singular value %d is %.2g, the largest %.2g; below a thousandth of it in %d of %d seeds",
			k, first+1, math.Exp(mean[first]), math.Exp(mean[0]), dead, len(outcomes[i])))
	}
	if mean, low, high := band(against); len(ks) > 1 {
		right.Lines = []analysis.Line{{X: ks, Y: mean, Low: low, High: high, Dots: true}}
		right.MinY = left.MinY
	}
	spectra.Chart = analysis.LineChart{Panels: nonEmpty(left, right), Note: c.text() + " x′ is augmented by variance k in the last half of the coordinates, x is not. " + o.bands() + " Values below e^−12 are cut off."}
	growth.Chart = analysis.LineChart{Panels: panels[:], Note: c.text() + " " + o.bands() + " Dashed: theorem 1 with the X of small weights; it holds until they are not. At the bottom lies what single batches add."}
	return []*Figure{spectra, growth}, nil
}

// collapsed is the part of the largest singular value of weights below which
// one counts as collapsed.
const collapsed = 1e-3

// nonEmpty drops panels without lines.
func nonEmpty(panels ...analysis.LinePanel) (kept []analysis.LinePanel) {
	for _, p := range panels {
		if len(p.Lines) > 0 {
			kept = append(kept, p)
		}
	}
	return kept
}

// columns returns the root mean square of the weights on one half of the inputs.
func (s *Simulation) columns(half int) float64 {
	d := s.config.Dim
	split := d - d/2
	var sum float64
	n := 0
	for i, w := range s.layers[0].w {
		if (i%d >= split) == (half == 1) {
			sum += w * w
			n++
		}
	}
	return math.Sqrt(sum / float64(n))
}
