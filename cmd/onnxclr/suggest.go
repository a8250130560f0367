package main

import (
	"fmt"

	"onnxclr/internal/nearest"
)

// didYouMean names the candidate nearest to what was typed, or nothing when none is
// near.
func didYouMean(typed string, candidates []string) string {
	best := nearest.To(typed, candidates, 1+len(typed)/3)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}
