package probe

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
)

func pool(t testing.TB, workers int) *kernel.Pool {
	p := kernel.NewPool(workers)
	t.Cleanup(p.Close)
	return p
}

// features makes rows of a few clusters, class by class.
func features(n, dim, classes int, seed uint64) *Features {
	r := rand.New(rand.NewPCG(seed, 1))
	rows, labels := make([]float32, n*dim), make([]int, n)
	for i := range n {
		labels[i] = r.IntN(classes)
		for j := range dim {
			rows[i*dim+j] = float32(r.NormFloat64())
		}
		rows[i*dim+labels[i]%dim] += 2
	}
	return NewFeatures(rows, dim, labels)
}

func TestVotesEqualScikitLearns(t *testing.T) {
	g := golden.Load(t, "probe/knn.npz")
	bank := NewFeatures(g["bank"].Float32s(), 24, g["bank_labels"].Ints())
	queries := NewFeatures(g["queries"].Float32s(), 24, g["query_labels"].Ints())
	const classes = 7
	p := pool(t, 2)
	for _, k := range []KNN{{20, 0.1}, {200, 0.07}, {5, math.Inf(1)}} {
		t.Run(fmt.Sprint(k.K), func(t *testing.T) {
			s := newSearch(p, k.K, bank, queries.Len())
			s.find(queries, 0, queries.Len())
			var votes []float64
			for q := range queries.Len() {
				v := make([]float64, classes)
				k.vote(v, s.neighbours[q].sorted(), bank.Labels)
				var sum float64
				for _, w := range v {
					sum += w
				}
				for c := range v {
					v[c] /= sum
				}
				votes = append(votes, v...)
			}
			golden.Check(t, "votes", golden.TorchForward, votes, g[fmt.Sprintf("votes_%d", k.K)].Float64s())

			o, err := k.Classify(context.Background(), p, bank, queries, classes, nil)
			if err != nil {
				t.Fatal(err)
			}
			var top1, top5 float64
			for _, place := range g[fmt.Sprintf("places_%d", k.K)].Ints() {
				if place == 0 {
					top1 += 1 / float64(queries.Len())
				}
				if place < 5 {
					top5 += 1 / float64(queries.Len())
				}
			}
			golden.CheckValue(t, "top-1", golden.Closed, o.Top1, top1)
			golden.CheckValue(t, "top-5", golden.Closed, *o.Top5, top5)
		})
	}
}

// The search in blocks finds what sorting everything finds, ties included.
func TestSearchEqualsSorting(t *testing.T) {
	const n, dim, k = bankBlock + 300, 5, 37
	bank := features(n, dim, 3, 1)
	for i := range bank.Rows { // few distinct rows: many ties
		bank.Rows[i] = float32(math.Round(float64(bank.Rows[i])))
	}
	clear(bank.row(17)) // a zero row is at cosine 0
	const count = queryBlock + 9
	queries := features(count, dim, 3, 2)
	s := newSearch(pool(t, 2), k, bank, count)
	s.find(queries, 0, count)
	unit := func(f *Features) []float32 {
		var rows []float32
		for i := range f.Len() {
			for _, v := range f.row(i) {
				rows = append(rows, v*inverseNorm(f.row(i)))
			}
		}
		return rows
	}
	rows, columns := unit(bank), unit(queries)
	for q := range count {
		got := s.neighbours[q].sorted()
		products := make([]float32, n)
		kernel.Gemm(s.pool, false, false, n, 1, dim, 1, rows, dim, columns[q*dim:], 1, 0, products, 1, nil)
		cosine := make([]float64, n)
		order := make([]int, n)
		for i, v := range products {
			cosine[i], order[i] = float64(v), i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cosine[b], cosine[a]) })
		for i, g := range got {
			if g.row() != order[i] || float64(g.cosine()) != cosine[order[i]] {
				t.Fatalf("query %d: neighbour %d is row %d at %v, want %d at %v", q, i, g.row(), g.cosine(), order[i], cosine[order[i]])
			}
		}
	}
}

func TestWorkersDoNotMatter(t *testing.T) {
	bank, queries := features(3000, 33, 6, 1), features(300, 33, 6, 2)
	fit := Fit{SGD: SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 1e-6}, Epochs: 3, Batch: 100, Seed: 3}
	var near []*Outcome
	var fits []*Fitted
	for _, workers := range []int{1, 2, 3} {
		p := pool(t, workers)
		o, err := KNN{K: 50, Temperature: 0.1}.Classify(context.Background(), p, bank, queries, 6, nil)
		if err != nil {
			t.Fatal(err)
		}
		f, err := fit.Train(context.Background(), p, []*Features{bank}, queries, 6, nil)
		if err != nil {
			t.Fatal(err)
		}
		near, fits = append(near, o), append(fits, f)
	}
	for i := 1; i < 3; i++ {
		if !slices.Equal(near[i].Predicted, near[0].Predicted) {
			t.Errorf("%d workers classify otherwise than one", i+1)
		}
		golden.Check(t, "weights", golden.Exact, fits[i].Weight, fits[0].Weight)
	}
}

// Columns of wider rows are what rows of only those columns are.
func TestColumns(t *testing.T) {
	wide := features(500, 40, 4, 1)
	part, err := wide.Columns(8, 24)
	if err != nil {
		t.Fatal(err)
	}
	var rows []float32
	for i := range wide.Len() {
		rows = append(rows, wide.Rows[i*40+8:][:16]...)
	}
	narrow := NewFeatures(rows, 16, wide.Labels)
	p := pool(t, 2)
	var got [2]*Outcome
	var fits [2]*Fitted
	fit := DefaultFit
	fit.Epochs = 2
	for i, f := range []*Features{part, narrow} {
		if got[i], err = DefaultKNN.Classify(context.Background(), p, f, f, 4, nil); err != nil {
			t.Fatal(err)
		}
		if fits[i], err = fit.Train(context.Background(), p, []*Features{f}, f, 4, nil); err != nil {
			t.Fatal(err)
		}
	}
	golden.Check(t, "predicted", golden.Exact, got[0].Predicted, got[1].Predicted)
	golden.Check(t, "weights", golden.Exact, fits[0].Weight, fits[1].Weight)
	if _, err := wide.Columns(0, 41); err == nil {
		t.Error("columns beyond the rows are accepted")
	}
}

func TestConfusion(t *testing.T) {
	o := &Outcome{Predicted: []int{0, 1, 1, 2}}
	if got, want := fmt.Sprint(o.Confusion([]int{0, 0, 1, 2}, 3)), "[[1 1 0] [0 1 0] [0 0 1]]"; got != want {
		t.Errorf("confusion %s, want %s", got, want)
	}
}

func TestRefuses(t *testing.T) {
	ok := features(20, 4, 3, 1)
	with := func(change func(*Features)) *Features {
		f := features(20, 4, 3, 1)
		change(f)
		return f
	}
	p := pool(t, 1)
	for want, f := range map[string]*Features{
		"row 3 has label 3, want 0 to 2":    with(func(f *Features) { f.Labels[3] = 3 }),
		"row 2 has label -1":                with(func(f *Features) { f.Labels[2] = -1 }),
		"row 1 holds NaN in column 2":       with(func(f *Features) { f.Rows[6] = float32(math.NaN()) }),
		"row 0 holds +Inf in column 0":      with(func(f *Features) { f.Rows[0] = float32(math.Inf(1)) }),
		"there are no":                      NewFeatures(nil, 4, nil),
		"79 values for 20 rows of 4":        NewFeatures(ok.Rows[:79], 4, ok.Labels),
		"have 3 values|cannot be compared ": features(20, 3, 3, 1),
	} {
		_, knn := DefaultKNN.Classify(context.Background(), p, ok, f, 3, nil)
		_, linear := DefaultFit.Train(context.Background(), p, []*Features{ok}, f, 3, nil)
		for _, err := range []error{knn, linear} {
			if err == nil || !slices.ContainsFunc(strings.Split(want, "|"), func(w string) bool { return strings.Contains(err.Error(), w) }) {
				t.Errorf("error %v, want one with %q", err, want)
			}
		}
	}
	for _, k := range []KNN{{0, 0.1}, {5, 0}, {5, math.NaN()}} {
		if _, err := k.Classify(context.Background(), p, ok, ok, 3, nil); err == nil {
			t.Errorf("%+v is accepted", k)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := DefaultKNN.Classify(ctx, p, ok, ok, 3, nil); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := DefaultFit.Train(ctx, p, []*Features{ok}, ok, 3, nil); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

func BenchmarkKNN(b *testing.B) {
	bank, queries := features(10000, 2048, 10, 1), features(512, 2048, 10, 2)
	p := pool(b, 0)
	for b.Loop() {
		if _, err := DefaultKNN.Classify(context.Background(), p, bank, queries, 10, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// A score that is not a number finds no class.
func TestPlace(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		scores            []float64
		label, place, top int
	}{
		{[]float64{1, 3, 2}, 2, 1, 1},
		{[]float64{2, 2, 2}, 0, 0, 0},
		{[]float64{2, 2, 2}, 2, 2, 0},
		{[]float64{nan, nan}, 0, 2, 0},
		{[]float64{1, nan}, 1, 2, 0},
	} {
		if place, top := place(c.scores, c.label); place != c.place || top != c.top {
			t.Errorf("%v, label %d: place %d, first %d, want %d and %d", c.scores, c.label, place, top, c.place, c.top)
		}
	}
}
