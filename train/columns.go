package train

import (
	G "gorgonia.org/gorgonia"

	"onnxclr/importer"
	"onnxclr/internal/stream"
)

// Two of the recipe's projectors are none: the loss takes features of the
// representation that are drawn anew at every step. Group shuffles all of them and
// takes groups (the published code's mode of that name), random-dropout takes d0
// (arXiv:2110.09348, appendix F). Both views of all images have the same.

// taken returns the columns of z that the loss takes, nil for all. All graphs of a run
// share them, so that a draw reaches each.
func (l *learner) taken(r *Recipe, z *G.Node) []int {
	n := 0
	switch r.Head().Kind {
	case importer.HeadGroup:
		n = z.Shape()[1]
	case importer.HeadDropout:
		n = r.D0
	}
	if l.columns == nil && n > 0 {
		l.columns = make([]int, n)
		drawColumns(l.columns, z.Shape()[1], r.Seed, 0)
	}
	return l.columns
}

// drawColumns writes the columns, out of d, that the step takes.
func drawColumns(columns []int, d int, seed uint64, step int) {
	if columns != nil {
		copy(columns, stream.New(seed, "features", uint64(step)).Perm(d))
	}
}
