package main

import (
	"context"
	"path/filepath"

	"onnxclr/internal/kernel"
	"onnxclr/internal/npy"
	"onnxclr/train/probe"
)

// prepareProbe returns a step of our side of compareProbes: all queries by their
// neighbours, or an epoch of the linear probe. The value is the accuracy or the loss.
func prepareProbe(c benchCase) (step func() (float64, error), err error) {
	var sets [2]*probe.Features
	for i, name := range []string{"bank.npy", "queries.npy"} {
		a, err := npy.Open(filepath.Join(c.Model, name))
		if err != nil {
			return nil, err
		}
		rows, err := a.Float32s()
		if err != nil {
			return nil, err
		}
		labels := make([]int, a.Shape[0])
		for j := range labels {
			labels[j] = j % c.Size
		}
		sets[i] = probe.NewFeatures(rows, a.Shape[1], labels)
		if err := a.Close(); err != nil {
			return nil, err
		}
	}
	pool := kernel.NewPool(c.Threads)
	ctx := context.Background()
	if c.Pass == "knn" {
		return func() (float64, error) {
			o, err := probe.DefaultKNN.Classify(ctx, pool, sets[0], sets[1], c.Size, nil)
			if err != nil {
				return 0, err
			}
			return o.Top1, nil
		}, nil
	}
	fit := probe.DefaultFit
	fit.Epochs, fit.Batch, fit.LR = 1, c.Batch, 0.001
	few := probe.NewFeatures(sets[1].Rows[:sets[1].Dim], sets[1].Dim, sets[1].Labels[:1])
	return func() (float64, error) {
		f, err := fit.Train(ctx, pool, sets[:1], few, c.Size, nil)
		if err != nil {
			return 0, err
		}
		return f.Epochs[0].Loss, nil
	}, nil
}
