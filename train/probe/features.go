package probe

import (
	"fmt"
	"math"
)

// Features are rows with their labels.
type Features struct {
	Rows   []float32 // [N,Stride]; of each row the values From … From+Dim−1 count
	Stride int
	From   int
	Dim    int
	Labels []int // [N], each in [0,C)
}

// NewFeatures returns rows [N,dim] with their labels.
func NewFeatures(rows []float32, dim int, labels []int) *Features {
	return &Features{Rows: rows, Stride: dim, Dim: dim, Labels: labels}
}

// Len returns N.
func (f *Features) Len() int { return len(f.Labels) }

// Columns returns the values from … to−1 of every row, without copying them.
func (f *Features) Columns(from, to int) (*Features, error) {
	if from < 0 || to > f.Dim || from >= to {
		return nil, fmt.Errorf("columns %d to %d of rows of %d values", from, to, f.Dim)
	}
	part := *f
	part.From, part.Dim = f.From+from, to-from
	return &part, nil
}

// row returns the values of row i.
func (f *Features) row(i int) []float32 { return f.Rows[i*f.Stride+f.From:][:f.Dim] }

// tail returns the rows from i on as an operand with Stride values between rows.
func (f *Features) tail(i int) []float32 { return f.Rows[i*f.Stride+f.From:] }

// check refuses what cannot be computed with. what names the rows in the message.
func (f *Features) check(what string, classes int) error {
	switch {
	case f.Len() == 0:
		return fmt.Errorf("there are no %s", what)
	case f.Dim < 1 || f.From < 0 || f.From+f.Dim > f.Stride:
		return fmt.Errorf("%s: columns %d to %d of rows of %d values", what, f.From, f.From+f.Dim, f.Stride)
	case len(f.Rows) < f.Len()*f.Stride:
		return fmt.Errorf("%s: %d values for %d rows of %d", what, len(f.Rows), f.Len(), f.Stride)
	}
	for i, l := range f.Labels {
		if l < 0 || l >= classes {
			return fmt.Errorf("%s: row %d has label %d, want 0 to %d", what, i, l, classes-1)
		}
		for j, v := range f.row(i) {
			if v-v != 0 {
				return fmt.Errorf("%s: row %d holds %v in column %d", what, i, v, j)
			}
		}
	}
	return nil
}

// inverseNorm returns 1/‖row‖, and 0 for a zero row, whose cosine with any other then
// is 0.
func inverseNorm(row []float32) float32 {
	var s float64
	for _, v := range row {
		s += float64(v) * float64(v)
	}
	if s == 0 {
		return 0
	}
	return float32(1 / math.Sqrt(s))
}
