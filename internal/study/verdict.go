package study

import (
	"fmt"
	"math"
	"strings"
)

// Agreement says, pair by pair of variants that the paper has numbers for, whether our
// means are in its order.
type Agreement struct {
	Pairs, Same int
	// Near counts pairs that the paper has within noise of each other, which are left out.
	Near      int
	Sentences []string
}

// noise is the difference, in points, that the paper's own table shows between runs that
// are equal by theory: an orthogonal projector and none.
const noise = 0.7

// Sum says how many pairs are in the paper's order.
func (a Agreement) Sum() string {
	if a.Pairs == 1 {
		return map[int]string{0: "The one pair of variants to compare is not in the paper's order", 1: "The one pair of variants to compare is in the paper's order"}[a.Same]
	}
	return fmt.Sprintf("%d of %d pairs of variants are in the paper's order", a.Same, a.Pairs)
}

// Compare holds the linear probes of a table against the paper's.
func Compare(rows []Row) Agreement {
	var a Agreement
	for i, row := range rows {
		for _, other := range rows[i+1:] {
			x, y := row, other
			if x.Paper == 0 || y.Paper == 0 || x.Linear.N == 0 || y.Linear.N == 0 {
				continue
			}
			gap, ours := x.Paper-y.Paper, x.Linear.Mean-y.Linear.Mean
			if gap < 0 {
				x, y, gap, ours = y, x, -gap, -ours
			}
			if gap < noise+1e-9 { // of numbers with one decimal
				a.Near++
				continue
			}
			a.Pairs++
			ours = math.Round(10*ours) / 10 // as it is written
			verb := "is not"
			if ours > 0 {
				a.Same++
				verb = "is"
			}
			within := ""
			if spread := max(x.Linear.SD, y.Linear.SD); math.Abs(ours) < spread {
				within = fmt.Sprintf(", less than the spread over seeds, ±%.1f", spread)
			}
			text := fmt.Sprintf("“%s” %s ahead of “%s” here: %+.1f points%s; in the paper %+.1f.", x.Label, verb, y.Label, ours+0, within, gap)
			a.Sentences = append(a.Sentences, strings.Replace(text, " -", " −", 1))
		}
	}
	return a
}
