package analysis

import (
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// ticks puts labels at round steps of 1, 2 or 5 times a power of ten, at most seven
// of them, no finer than least, and a mark between two labels.
type ticks struct{ least float64 }

// Ticks implements plot.Ticker.
func (t ticks) Ticks(low, high float64) []plot.Tick {
	step := t.step(high - low)
	var marks []plot.Tick
	for k := math.Ceil(2 * low / step); k*step/2 <= high; k++ {
		mark := plot.Tick{Value: k*step/2 + 0} // no −0
		if math.Mod(k, 2) == 0 {
			mark.Label = tickLabel(mark.Value, step)
		}
		if mark.Label != "" || step/2 >= t.least {
			marks = append(marks, mark)
		}
	}
	return marks
}

// Ticks returns where the house puts labels on an axis from low to high, no finer than
// least, and what they say: for whoever draws axes of their own.
func Ticks(low, high, least float64) (at []float64, labels []string) {
	for _, mark := range (ticks{least}).Ticks(low, high) {
		if mark.Label != "" {
			at, labels = append(at, mark.Value), append(labels, mark.Label)
		}
	}
	return at, labels
}

func (t ticks) step(span float64) float64 {
	decade := math.Pow(10, math.Floor(math.Log10(span))-1)
	for {
		for _, f := range []float64{1, 2, 5} {
			if s := f * decade; s >= t.least && span/s < 7 {
				return s
			}
		}
		decade *= 10
	}
}

// tickLabel writes v with the digits that steps of this size need, and a minus sign
// rather than a hyphen.
func tickLabel(v, step float64) string {
	digits := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	return strings.Replace(strconv.FormatFloat(v, 'f', digits, 64), "-", "−", 1)
}
