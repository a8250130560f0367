package graph

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Columns adds the columns of z [N,D] whose numbers stand in columns whenever the graph
// runs: [N,len(columns)]. The caller may change the numbers, but not how many they are,
// between runs; each is from 0 to D−1, and none stands there twice.
func Columns(z *G.Node, columns []int) (*G.Node, error) {
	s := z.Shape()
	if s.Dims() != 2 || len(columns) < 1 || len(columns) > s[1] {
		return nil, fmt.Errorf("%d columns of an array of shape %v, want 1 to D of [N,D]", len(columns), []int(s))
	}
	for _, c := range columns {
		if c < 0 || c >= s[1] {
			return nil, fmt.Errorf("column %d of an array of shape %v", c, []int(s))
		}
	}
	m := identityMap(s)
	m.Offset[1] = columns // a row is contiguous: the offset of a column is its number
	return move("Columns", m, tensor.Shape{s[0], len(columns)}, z, nil)
}
