package probe

// Outcome is what a classifier makes of labelled rows.
type Outcome struct {
	Top1 float64 // share of rows whose label has the highest score
	// Top5 is the share of rows whose label is among the five highest scores; nil
	// where there are not more than five classes. Of equal scores those of lower
	// classes count as higher.
	Top5      *float64
	Predicted []int // [N]
}

// Confusion counts the rows of each true class, the first index, by what they were
// taken for.
func (o *Outcome) Confusion(labels []int, classes int) [][]int {
	m := make([][]int, classes)
	for i := range m {
		m[i] = make([]int, classes)
	}
	for i, l := range labels {
		m[l][o.Predicted[i]]++
	}
	return m
}

// place returns how many classes are ahead of class label, and the first of all. A
// score that is not a number is behind all others.
func place[F float32 | float64](scores []F, label int) (ahead, best int) {
	if scores[label] != scores[label] {
		ahead = len(scores)
	}
	for c, s := range scores {
		if s > scores[label] || s == scores[label] && c < label {
			ahead++
		}
		if s > scores[best] {
			best = c
		}
	}
	return ahead, best
}

// outcome turns the places of the labels into shares.
func outcome(places, predicted []int, classes int) *Outcome {
	var first, five int
	for _, p := range places {
		if p < 1 {
			first++
		}
		if p < 5 {
			five++
		}
	}
	n := float64(len(places))
	o := &Outcome{Top1: float64(first) / n, Predicted: predicted}
	if classes > 5 {
		top5 := float64(five) / n
		o.Top5 = &top5
	}
	return o
}
