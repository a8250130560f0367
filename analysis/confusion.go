package analysis

import "fmt"

// Confusion charts how many rows of each class, downwards, were taken for which, to
// the right, as shares of the true class. counts and classes have one length.
func Confusion(counts [][]int, classes []string) HeatMap {
	const readable = 12 // cells across in which a number can be read
	panel := HeatPanel{X: "predicted class", Y: "true class", Values: len(classes) <= readable}
	right, total := 0, 0
	for i, row := range counts {
		n := 0
		for _, c := range row {
			n += c
		}
		shares := make([]float64, len(row))
		for j, c := range row {
			if n > 0 {
				shares[j] = float64(c) / float64(n)
			}
		}
		if panel.Values {
			for j := range shares {
				shares[j] = float64(int(shares[j]*100+0.5)) / 100
			}
		}
		panel.Cells = append(panel.Cells, shares)
		right, total = right+row[i], total+n
	}
	const named = 40 // labels that fit along an axis
	if len(classes) <= named {
		panel.Rows, panel.Columns = classes, classes
	}
	h := HeatMap{Panels: []HeatPanel{panel}, Scale: "share of the true class", High: 1}
	if total > 0 {
		h.Note = fmt.Sprintf("%d of %d rows are classified correctly (%.2f %%).", right, total, 100*float64(right)/float64(total))
	}
	h.Width = min(max(3.4+0.28*float64(len(classes)), 4.2), 9)
	return h
}
