package analysis

import (
	"strings"
	"testing"
)

func TestTicks(t *testing.T) {
	for _, tc := range []struct {
		low, high, least float64
		want             string
	}{
		{0, 127, 1, "0 20 40 60 80 100 120"},
		{0, 511, 1, "0 100 200 300 400 500"},
		{0, 2047, 1, "0 500 1000 1500 2000"},
		{0, 1, 1, "0 1"},
		{-25.3, -2.9, 0, "−25 −20 −15 −10 −5"},
		{-0.31, 0.02, 0, "−0.30 −0.25 −0.20 −0.15 −0.10 −0.05 0.00"},
		{-4.05, -3.95, 0, "−4.04 −4.02 −4.00 −3.98 −3.96"},
	} {
		var labels []string
		for _, mark := range (ticks{tc.least}).Ticks(tc.low, tc.high) {
			if mark.Label != "" {
				labels = append(labels, mark.Label)
			}
		}
		if got := strings.Join(labels, " "); got != tc.want {
			t.Errorf("%g to %g: got %s, want %s", tc.low, tc.high, got, tc.want)
		}
	}
}
