package theory

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"onnxclr/analysis"
)

// AlignmentFigures are those of figure 5: the alignment matrix |V₂ᵀU₁| of two layers
// before and after training, and how near to the identity it comes on the way.
func AlignmentFigures(ctx context.Context, o Options) ([]*Figure, error) {
	type outcome struct {
		config         Config
		at             []int
		diagonal, near []float64
		first, last    *mat.Dense
	}
	var jobs []job
	var outcomes []*outcome
	for _, c := range o.seeded(Alignment()) {
		if c.Layers < 2 {
			return nil, fmt.Errorf("alignment is between two layers, there is %d", c.Layers)
		}
		out := &outcome{config: c, at: spaced(c.Steps, 60)}
		outcomes = append(outcomes, out)
		jobs = append(jobs, job{c, out.at, func(s *Simulation) error {
			a, err := s.Alignment(0)
			if err != nil {
				return err
			}
			diagonal, near := AlignmentScore(a)
			out.diagonal, out.near = append(out.diagonal, diagonal), append(out.near, near)
			if out.first == nil {
				out.first = a
			}
			out.last = a
			return nil
		}})
	}
	if err := simulate(ctx, o, jobs); err != nil {
		return nil, err
	}
	c := outcomes[0].config
	matrix := &Figure{Name: "alignment", Columns: []string{"seed", "step", "row", "column", "absolute_value"}}
	score := &Figure{Name: "alignment-score", Columns: []string{"seed", "step", "mean_diagonal", "energy_within_2"}}
	var diagonals, nears [][]float64
	for _, out := range outcomes {
		appendMatrix(matrix, out.config.Seed, 0, out.first)
		appendMatrix(matrix, out.config.Seed, c.Steps, out.last)
		for i, step := range out.at {
			score.row(out.config.Seed, step, out.diagonal[i], out.near[i])
		}
		diagonals, nears = append(diagonals, out.diagonal), append(nears, out.near)
		last := len(out.diagonal) - 1
		matrix.Says = append(matrix.Says, fmt.Sprintf("seed %d: mean |A_kk| %.2f before, %.2f after; energy within ±2 of the diagonal %.2f before, %.2f after (evenly spread: %.2f, %.2f)",
			out.config.Seed, out.diagonal[0], out.diagonal[last], out.near[0], out.near[last], spreadDiagonal(c.Dim), spreadNear(c.Dim)))
	}
	matrix.Chart = analysis.HeatMap{
		Panels: []analysis.HeatPanel{
			{Title: "Before training", X: "left singular vector of W₁", Y: "right singular vector of W₂", Cells: cells(outcomes[0].first)},
			{Title: fmt.Sprintf("After %d steps", c.Steps), X: "left singular vector of W₁", Y: "right singular vector of W₂", Cells: cells(outcomes[0].last)},
		},
		High: 1, Scale: "|V₂ᵀU₁|",
		Note: c.text() + fmt.Sprintf(" Seed %d. The theorem needs distinct singular values: augmentation of variance %g to %g by coordinate keeps them so.", c.Seed, c.Noise[0], c.Noise[c.Dim-1]),
	}
	line := func(label string, color int, series [][]float64) analysis.Line {
		mean, low, high := band(series)
		return analysis.Line{Label: label, X: asFloats(outcomes[0].at), Y: mean, Low: low, High: high, Color: color}
	}
	score.Chart = analysis.LineChart{
		Width: 4.5,
		Panels: []analysis.LinePanel{{X: "step", Y: "alignment (1: identity)", LogX: true, Lines: []analysis.Line{
			line("mean |A_kk|", 0, diagonals), line("energy within ±2 of the diagonal", 1, nears),
		}}},
		Note: c.text() + " " + o.bands(),
	}
	return []*Figure{matrix, score}, nil
}

// AlignmentScore says how near |V₂ᵀU₁| is to the identity: the mean of its diagonal, and
// the part of its squares within two places of the diagonal, which does not fall when
// neighbours change places.
func AlignmentScore(a *mat.Dense) (diagonal, near float64) {
	d, _ := a.Dims()
	for i := range d {
		diagonal += a.At(i, i) / float64(d)
		for j := max(0, i-2); j <= min(d-1, i+2); j++ {
			near += a.At(i, j) * a.At(i, j) / float64(d)
		}
	}
	return diagonal, near
}

// spreadDiagonal is the mean |A_kk| of a random rotation of so many dimensions.
func spreadDiagonal(d int) float64 {
	a, _ := math.Lgamma(float64(d) / 2)
	b, _ := math.Lgamma(float64(d+1) / 2)
	return math.Exp(a-b) / math.Sqrt(math.Pi)
}

// spreadNear is the energy within two places of the diagonal where it is even.
func spreadNear(d int) float64 {
	n := 0
	for i := range d {
		n += min(d-1, i+2) - max(0, i-2) + 1
	}
	return float64(n) / float64(d*d)
}

func cells(m *mat.Dense) [][]float64 {
	r, _ := m.Dims()
	rows := make([][]float64, r)
	for i := range rows {
		rows[i] = m.RawRowView(i)
	}
	return rows
}

func appendMatrix(f *Figure, seed uint64, step int, m *mat.Dense) {
	for i, row := range cells(m) {
		for j, v := range row {
			f.row(seed, step, i, j, v)
		}
	}
}
