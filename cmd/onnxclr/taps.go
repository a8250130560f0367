package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"onnxclr/importer/onnx"
	"onnxclr/train"
	"onnxclr/train/data"
)

// taps computes rows of several tensors of a model at once: what has height and width, or
// a row of tokens, is averaged over them.
type taps struct {
	*evaluator
	dims   []int
	means  []int // values that are averaged to one of a row
	tokens []bool
}

// newTaps prepares to compute the tensors, leaving out those that are no rows where skip
// is set.
func newTaps(m *onnx.Model, tensors []string, size, batch int, exact, skip bool) (*taps, []string, error) {
	e, err := newEvaluator(m, [3]int{3, size, size}, batch, exact, tensors)
	if err != nil {
		return nil, nil, err
	}
	t := &taps{evaluator: e}
	var kept []string
	for _, name := range tensors {
		shape := e.shape(name, batch)
		mean, dim, tokens := 1, 0, false
		switch {
		case len(shape) == 2 && shape[0] == batch:
			dim = shape[1]
		case len(shape) == 3 && shape[0] == batch:
			mean, dim, tokens = shape[1], shape[2], true
		case len(shape) == 4 && shape[0] == batch:
			mean, dim = shape[2]*shape[3], shape[1]
		case skip:
			continue
		default:
			e.close()
			return nil, nil, fmt.Errorf("tensor %q has shape %v, want a row [N,D], tokens [N,T,D] or maps [N,C,H,W] an image", name, shape)
		}
		kept = append(kept, name)
		t.dims, t.means, t.tokens = append(t.dims, dim), append(t.means, mean), append(t.tokens, tokens)
	}
	if len(kept) < len(tensors) {
		e.close()
		return newTaps(m, kept, size, batch, exact, false)
	}
	return t, kept, nil
}

// rows returns one block of rows [n,D] for each tensor, in float64.
func (t *taps) rows(images []float32) ([][]float64, error) {
	values, err := t.run(images)
	if err != nil {
		return nil, err
	}
	out := make([][]float64, len(values))
	for k, v := range values {
		d, m := t.dims[k], t.means[k]
		n := len(v) / (d * m)
		out[k] = make([]float64, n*d)
		for i := range n {
			row, from := out[k][i*d:][:d], v[i*d*m:][:d*m]
			for at, x := range from {
				if t.tokens[k] {
					row[at%d] += float64(x) / float64(m)
				} else {
					row[at/m] += float64(x) / float64(m)
				}
			}
		}
	}
	return out, nil
}

// each computes the rows of all images of a data set, some at a time.
func (t *taps) each(ctx context.Context, term *terminal, label string, ds data.Dataset, r *train.Recipe, take func(rows [][]float64) error) (err error) {
	images, err := data.NewLoader(ds, evaluation(r, min(t.batch, ds.Len())))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, images.Close()) }()
	done := 0
	for {
		batch, err := images.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
		term.progress("%s: %d of %d images", label, done, ds.Len())
		rows, err := t.rows(batch.Images)
		if err != nil {
			return err
		}
		if err := take(rows); err != nil {
			return err
		}
		done += batch.N()
	}
}
