package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas/blas64"
)

// Classes accumulates the sums of rows by label, for the part of a covariance that lies
// between classes and the part within them.
type Classes struct {
	moments *Moments
	sums    map[int][]float64 // [D], relative to nothing
	counts  map[int]int
}

// NewClasses returns an empty accumulator beside the moments of the same rows, which it
// fills as well.
func NewClasses(m *Moments) *Classes {
	return &Classes{moments: m, sums: map[int][]float64{}, counts: map[int]int{}}
}

// maxClasses bounds what a file of labels can take in memory.
const maxClasses = 1 << 16

// Add adds rows with their labels, to the moments too.
func (c *Classes) Add(rows []float64, labels []int) error {
	d := c.moments.dim
	if len(rows) != len(labels)*d {
		return fmt.Errorf("%d labels for %d rows", len(labels), len(rows)/d)
	}
	if err := c.moments.Add(rows); err != nil {
		return err
	}
	for i, label := range labels {
		sum := c.sums[label]
		if sum == nil {
			if len(c.sums) == maxClasses {
				return fmt.Errorf("more than %d classes: are these labels?", maxClasses)
			}
			sum = make([]float64, d)
			c.sums[label] = sum
		}
		row := rows[i*d:][:d]
		scale := 1.0
		if c.moments.normalize {
			scale = 1 / blas64.Nrm2(blas64.Vector{N: d, Inc: 1, Data: row})
		}
		for j, v := range row {
			sum[j] += scale * v
		}
		c.counts[label]++
	}
	return nil
}

// Len returns the number of classes.
func (c *Classes) Len() int { return len(c.sums) }

// Decompose returns the moments of the class means, each counted as often as the class
// has rows, and those of the rows about the means of their classes: their covariances add
// up to that of the rows. It fails on fewer than two classes.
func (c *Classes) Decompose() (between, within *Moments, err error) {
	m := c.moments
	m.fold()
	if len(c.sums) < 2 {
		return nil, nil, fmt.Errorf("%d class: at least two are needed to tell what lies between them", len(c.sums))
	}
	mean := m.Mean()
	between, err = NewMoments(m.dim, false)
	if err != nil {
		return nil, nil, err
	}
	within, err = NewMoments(m.dim, false)
	if err != nil {
		return nil, nil, err
	}
	diff := make([]float64, m.dim)
	for _, label := range slices.Sorted(maps.Keys(c.sums)) {
		n := float64(c.counts[label])
		for j, s := range c.sums[label] {
			diff[j] = s/n - mean[j]
		}
		blas64.Syr(n, blas64.Vector{N: m.dim, Inc: 1, Data: diff}, between.symmetric())
	}
	for k, v := range m.scatter {
		within.scatter[k] = v - between.scatter[k]
	}
	for _, part := range []*Moments{between, within} {
		part.n, part.origin, part.normalize = m.n, make([]float64, m.dim), false
	}
	copy(between.mean, mean)
	return between, within, nil
}

// BetweenOverTotal returns the part of the variance that lies between classes.
func BetweenOverTotal(between, within *Moments) float64 {
	trace := func(m *Moments) (t float64) {
		for j := range m.dim {
			t += m.scatter[j*m.dim+j]
		}
		return t
	}
	b, w := trace(between), trace(within)
	if b+w == 0 {
		return math.NaN()
	}
	return b / (b + w)
}
