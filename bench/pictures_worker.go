package main

import (
	"context"
	"io"

	"onnxclr/train/augment"
	"onnxclr/train/data"
)

// preparePictures returns a step that reads every image of a folder and makes two
// views of each; the value is the mean of the first pixels of the batches.
func preparePictures(c benchCase) (step func() (float64, error), err error) {
	set, err := data.Open(c.Model, "all")
	if err != nil {
		return nil, err
	}
	views := []augment.Pipeline{augment.Contrastive(1, c.Size), augment.Contrastive(2, c.Size)}
	seed := uint64(0)
	return func() (float64, error) {
		seed++
		// A loader with Once keeps no decoded image.
		l, err := data.NewLoader(set, data.Options{Views: views, Size: c.Size, Batch: min(32, set.Len()), Once: true, Seed: seed, Workers: 1})
		if err != nil {
			return 0, err
		}
		defer l.Close()
		sum, n := 0.0, 0
		for {
			b, err := l.Next(context.Background())
			if err == io.EOF {
				return sum / float64(n), nil
			}
			if err != nil {
				return 0, err
			}
			sum, n = sum+float64(b.Images[0]), n+1
		}
	}, nil
}
