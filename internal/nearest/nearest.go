// Package nearest guesses what somebody meant to write.
package nearest

import (
	"fmt"
	"strings"
)

// Hint is "; did you mean conv1?", to stand behind a name that is none of the
// candidates, or "" when none of them is near. A name of the same letters in another
// case is near.
func Hint(name string, candidates []string) string {
	best := To(name, candidates, min(len(name), max(2, 1+len(name)/3)))
	for _, c := range candidates {
		if strings.EqualFold(c, name) {
			best = c
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// To returns the candidate that differs least from name, the first of equals, or ""
// when every one differs in limit places or more: letters that are others, missing, too
// many, or swapped with the next (Damerau's distance). Near enough to be the same thing
// written otherwise is a quarter of the name.
func To(name string, candidates []string, limit int) string {
	best := ""
	for _, c := range candidates {
		if d := distance(name, c, limit); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance is Damerau's without changes within a swap, or limit when that is reached.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, prior, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, prior, row = prior, row, before
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			d := prior[j-1]
			if a[i-1] != b[j-1] {
				d++
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, before[j-2]+1)
			}
			row[j] = min(d, prior[j]+1, row[j-1]+1)
			least = min(least, row[j])
		}
		if least >= limit {
			return limit
		}
	}
	return min(row[len(b)], limit)
}
