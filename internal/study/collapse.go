package study

import (
	"fmt"
	"slices"
	"strings"

	"onnxclr/analysis"
)

// MostCollapsed says whether SimCLR without a projector has the smallest RankMe of the
// representation, as the paper's figures 7 and 9 have it, and on which seeds: a sentence,
// "" where there is nothing to compare.
func MostCollapsed(outcomes []*Outcome) string {
	least := map[int]*Outcome{} // by seed
	others := map[int]int{}
	none := map[int]bool{}
	for _, o := range outcomes {
		if o.RankMeR == nil {
			continue
		}
		if o.Variant == simclrNone.Name {
			none[o.Seed] = true
		} else {
			others[o.Seed]++
		}
		if l := least[o.Seed]; l == nil || *o.RankMeR < *l.RankMeR {
			least[o.Seed] = o
		}
	}
	seeds, held := 0, 0
	var but []string
	for seed := range slices.Max(append(seedsOf(outcomes), 0)) + 1 {
		if !none[seed] || others[seed] == 0 {
			continue
		}
		seeds++
		if l := least[seed]; l.Variant == simclrNone.Name {
			held++
		} else {
			but = append(but, fmt.Sprintf("that of “%s” on seed %d", l.Label, seed))
		}
	}
	if seeds == 0 {
		return ""
	}
	text := "By RankMe the most collapsed representation is that of SimCLR without a projector, as in the paper's figures 7 and 9"
	switch {
	case held == seeds && seeds == 1:
		return text + "."
	case held == seeds:
		return fmt.Sprintf("%s, on every one of %d seeds.", text, seeds)
	case held == 0:
		return fmt.Sprintf("By RankMe the most collapsed representation is %s; in the paper's figures 7 and 9 it is that of SimCLR without a projector.", strings.Join(but, ", "))
	}
	return fmt.Sprintf("%s, on %d of %d seeds; it is %s.", text, held, seeds, strings.Join(but, ", "))
}

// spread returns the words for several seeds, or those for one where no row has more.
func spread(rows []Row, several, one string) string {
	for _, r := range rows {
		if r.Linear.N > 1 {
			return several
		}
	}
	return one
}

func seedsOf(outcomes []*Outcome) (seeds []int) {
	for _, o := range outcomes {
		seeds = append(seeds, o.Seed)
	}
	return seeds
}

// sweep draws accuracy against d0, mean and standard deviation over seeds; a variant
// without d0 has all of r. It returns false while fewer than two variants are there.
func (p *Plan) sweep(rows []Row, outcomes []*Outcome) (analysis.LineChart, bool) {
	d0 := map[string]int{}
	for _, o := range outcomes {
		if o.Dim > 0 {
			d0[o.Variant] = o.Dim
		}
	}
	for _, c := range p.Cells {
		for _, s := range c.Steps {
			for _, arg := range s.Args {
				if value, ok := strings.CutPrefix(arg, "--d0="); ok {
					var n int
					if _, err := fmt.Sscan(value, &n); err == nil {
						d0[c.Variant] = n
					}
				}
			}
		}
	}
	linear, knn := analysis.Line{Label: "linear probe", Dots: true}, analysis.Line{Label: "kNN", Dots: true, Color: 1}
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b Row) int { return d0[a.Variant] - d0[b.Variant] })
	for _, r := range rows {
		for _, l := range []struct {
			line *analysis.Line
			of   Mean
		}{{&linear, r.Linear}, {&knn, r.KNN}} {
			if l.of.N > 0 && d0[r.Variant] > 0 {
				l.line.X, l.line.Y = append(l.line.X, float64(d0[r.Variant])), append(l.line.Y, l.of.Mean)
				l.line.Low, l.line.High = append(l.line.Low, l.of.Mean-l.of.SD), append(l.line.High, l.of.Mean+l.of.SD)
			}
		}
	}
	c := analysis.LineChart{
		Panels: []analysis.LinePanel{{X: "d0", Y: "top-1 accuracy in %", Lines: []analysis.Line{linear, knn}, Marks: []analysis.Mark{{X: float64(p.D0), Label: "published share"}}}},
		Note:   spread(rows, "Mean over seeds, band one standard deviation. ", "One seed. ") + "The last point is all of r: SimCLR without a projector.",
		Width:  6,
	}
	return c, len(linear.X) > 1 && len(knn.X) > 1
}
