package probe

import (
	"context"
	"fmt"
	"math"

	"onnxclr/internal/kernel"
)

// KNN is the weighted nearest-neighbour classifier of instance discrimination
// (arXiv:1805.01978, section 3.4): the K rows of the bank nearest by cosine vote for
// their classes with weights exp(cosine/Temperature).
type KNN struct {
	K           int     // a bank of fewer rows votes as a whole
	Temperature float64 // of the weights; +Inf gives all K the same
}

// DefaultKNN are the settings that results are commonly stated for: 200 neighbours,
// temperature 0.1 (arXiv:2104.14294, appendix, and others after it use 0.07).
var DefaultKNN = KNN{K: 200, Temperature: 0.1}

// Check returns an error unless the settings can be used.
func (k KNN) Check() error {
	switch {
	case k.K < 1:
		return fmt.Errorf("k is %d, want at least 1", k.K)
	case !(k.Temperature >= 1e-4):
		return fmt.Errorf("temperature is %v, want at least 0.0001", k.Temperature)
	}
	return nil
}

// Classify classifies the queries by the bank. Cosines are float32 products of the
// rows; of equally near rows the first counts, and votes are added up in float64 from
// the nearest on, so that the pool's workers do not change a bit. Beside the rows it
// takes memory for blocks of both and of similarities, and K neighbours a query of the
// block.
// progress, if not nil, is told how many queries are done.
func (k KNN) Classify(ctx context.Context, p *kernel.Pool, bank, queries *Features, classes int, progress func(done int)) (*Outcome, error) {
	if err := k.Check(); err != nil {
		return nil, err
	}
	if err := bank.check("rows to look among", classes); err != nil {
		return nil, err
	}
	if err := queries.check("rows to classify", classes); err != nil {
		return nil, err
	}
	if bank.Dim != queries.Dim {
		return nil, fmt.Errorf("rows of %d values cannot be compared with rows of %d", queries.Dim, bank.Dim)
	}
	n := queries.Len()
	places, predicted := make([]int, n), make([]int, n)
	most := min(n, queryBlock*queryBlocks)
	s := newSearch(p, min(k.K, bank.Len()), bank, most)
	scores := make([][]float64, p.Workers())
	for w := range scores {
		scores[w] = make([]float64, classes)
	}
	for first := 0; first < n; first += most {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if progress != nil {
			progress(first)
		}
		count := min(most, n-first)
		s.find(queries, first, count)
		p.Run(count, func(q, worker int) {
			votes := scores[worker]
			k.vote(votes, s.neighbours[q].sorted(), bank.Labels)
			places[first+q], predicted[first+q] = place(votes, queries.Labels[first+q])
		})
	}
	return outcome(places, predicted, classes), nil
}

// vote adds up the weights of each class, relative to that of the nearest row.
func (k KNN) vote(votes []float64, near []neighbour, labels []int) {
	clear(votes)
	for _, v := range near {
		votes[labels[v.row()]] += math.Exp((float64(v.cosine()) - float64(near[0].cosine())) / k.Temperature)
	}
}
