package theory

import (
	"context"
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/gonum/mat"

	"onnxclr/analysis"
	"onnxclr/internal/stream"
)

// DynamicsFigures are those of figure 6: how the singular values of two layers' weights
// and of the embeddings' covariance evolve; and the same under a fixed X from aligned
// layers, where theorem 3 has a closed form.
func DynamicsFigures(ctx context.Context, o Options) ([]*Figure, error) {
	type outcome struct {
		config Config
		at     []int
		sigma  [3][][]float64 // of W₁, W₂ and the embeddings, a row a step
	}
	var jobs []job
	var outcomes []*outcome
	for _, c := range o.seeded(Dynamics()) {
		out := &outcome{config: c, at: spaced(c.Steps, 50)}
		outcomes = append(outcomes, out)
		jobs = append(jobs, job{c, out.at, func(s *Simulation) error {
			for i := range 3 {
				look := func() ([]float64, error) { return s.WeightSpectrum(min(i, c.Layers-1)) }
				if i == 2 {
					look = s.EmbeddingSpectrum
				}
				v, err := look()
				if err != nil {
					return err
				}
				out.sigma[i] = append(out.sigma[i], v)
			}
			return nil
		}})
	}
	if err := simulate(ctx, o, jobs); err != nil {
		return nil, err
	}
	c := outcomes[0].config
	f := &Figure{Name: "dynamics", Columns: []string{"seed", "step", "of", "index", "singular_value"}}
	names := [3]string{"W1", "W2", "embedding"}
	panels := []analysis.LinePanel{
		{Title: "Weights W₁", X: "step", Y: "ln singular value", LogX: true},
		{Title: "Weights W" + subscript(c.Layers), X: "step", Y: "ln singular value", LogX: true},
		{Title: "Covariance of the embedding", X: "step", Y: "ln singular value", LogX: true},
	}
	for _, out := range outcomes {
		for i, steps := range out.sigma {
			for n, values := range steps {
				for k, v := range values {
					f.row(out.config.Seed, out.at[n], names[i], k, v)
				}
			}
		}
		last := out.sigma[2][len(out.at)-1]
		live := analysis.Live(last, collapsed)
		f.Says = append(f.Says, fmt.Sprintf("seed %d: %d of %d dimensions of the embedding are above a thousandth of the largest after %d steps, %d before",
			out.config.Seed, live, c.Dim, c.Steps, analysis.Live(out.sigma[2][0], collapsed)))
	}
	first := outcomes[0]
	for i := range panels {
		for k := range c.Dim {
			y := make([]float64, len(first.at))
			for n := range y {
				y[n] = math.Log(first.sigma[i][n][k])
			}
			line := analysis.Line{X: asFloats(first.at), Y: y, Shade: 1 - 0.95*float64(k)/float64(c.Dim-1)}
			if i == 0 && (k == 0 || k == c.Dim-1) {
				line.Label = fmt.Sprintf("singular value %d", k+1)
			}
			panels[i].Lines = append(panels[i].Lines, line)
		}
	}
	panels[2].MinY = -25
	f.Chart = analysis.LineChart{Panels: panels, Width: 9, Note: c.text() + fmt.Sprintf(" Layers begin as U·diag(%g·e^(−%g·k))·V. Seed %d, the others are in the CSV file.", c.Init.Scale, c.Init.Decay, c.Seed)}
	closed, err := closedFormFigure(c)
	return []*Figure{f, closed}, err
}

// closedFormFigure integrates Ẇ₁ = W₂ᵀW₂W₁X, Ẇ₂ = W₂W₁XW₁ᵀ for a fixed X from aligned
// layers and lays theorem 3's closed form over the singular values.
func closedFormFigure(c Config) (*Figure, error) {
	const dim, rate, steps, every = 4, 1e-3, 5000, 50
	lambda := []float64{1, 0.6, 0.3, -0.4}
	s1 := []float64{0.30, 0.35, 0.30, 0.50}
	s2 := []float64{0.25, 0.35, 0.45, 0.40}
	// U₁ = V₂ and V₁ diagonalises X; the rotations themselves are arbitrary.
	r := stream.New(c.Seed, "theory closed form")
	u1, v1, u2 := orthogonal(r, dim), orthogonal(r, dim), orthogonal(r, dim)
	product := func(a mat.Matrix, d []float64, b mat.Matrix) *mat.Dense {
		var ad, adb mat.Dense
		ad.Mul(a, mat.NewDiagDense(dim, d))
		adb.Mul(&ad, b)
		return &adb
	}
	x := product(v1, lambda, v1.T())
	w1, w2 := product(u1, s1, v1.T()), product(u2, s2, u1.T())

	f := &Figure{Name: "dynamics-closed-form", Columns: []string{"t", "direction", "lambda", "sigma1", "closed_form"}}
	panel := analysis.LinePanel{X: "t = learning rate × steps", Y: "singular value of W₁"}
	lines := make([]analysis.Line, 2*dim)
	worst := 0.0
	for step := 0; step <= steps; step++ {
		if step%every == 0 {
			t := rate * float64(step)
			var a, d mat.Dense
			a.Mul(u1.T(), w1)
			d.Mul(&a, v1)
			for k := range dim {
				got, want := d.At(k, k), TwoLayers(s1[k], s2[k], lambda[k], t)
				if got > 4 {
					got, want = math.NaN(), math.NaN()
				}
				f.row(t, k, lambda[k], got, want)
				lines[k].X, lines[k].Y = append(lines[k].X, t), append(lines[k].Y, got)
				lines[dim+k].X, lines[dim+k].Y = append(lines[dim+k].X, t), append(lines[dim+k].Y, want)
				if diff := math.Abs(got-want) / want; diff > worst {
					worst = diff
				}
			}
		}
		step1, step2 := flow(w1, w2, x)
		step1.Scale(rate, step1)
		step2.Scale(rate, step2)
		w1.Add(w1, step1)
		w2.Add(w2, step2)
	}
	for k := range dim {
		lines[k].Color, lines[k].Label = k, fmt.Sprintf("λ = %s, σ₁ %g, σ₂ %g at first", strings.Replace(fmt.Sprint(lambda[k]), "-", "−", 1), s1[k], s2[k])
		lines[dim+k].Dashed, lines[dim+k].Label = true, "closed form"
	}
	panel.Lines = lines
	f.Says = []string{fmt.Sprintf("gradient descent and the closed form differ by at most %.2g of the singular value (learning rate %g)", worst, rate)}
	f.Chart = analysis.LineChart{Width: 4.5, Panels: []analysis.LinePanel{panel},
		Note: "Two aligned layers under a fixed X with eigenvalues λ: gradient descent against the solution of σ̇₁ = σ₁(σ₁² − C)λ, C = σ₁² − σ₂²."}
	return f, nil
}

// flow returns Ẇ₁ and Ẇ₂ (lemma 3 with G = −W₂W₁X).
func flow(w1, w2, x *mat.Dense) (d1, d2 *mat.Dense) {
	var g mat.Dense
	g.Product(w2, w1, x)
	d1, d2 = new(mat.Dense), new(mat.Dense)
	d1.Mul(w2.T(), &g)
	d2.Mul(&g, w1.T())
	return d1, d2
}

// subscript writes a small number below the line.
func subscript(n int) string {
	var s []rune
	for _, r := range fmt.Sprint(n) {
		s = append(s, r-'0'+'₀')
	}
	return string(s)
}
