package main

import (
	"os"
	"path/filepath"
	"slices"

	"onnxclr/importer/onnx"
	"onnxclr/internal/file"
	"onnxclr/internal/memory"
	"onnxclr/internal/study"
	"onnxclr/train/data"
)

// footprint tells what the steps of a grid leave on the disk, in bytes.
type footprint struct {
	plan          *study.Plan
	model         int64 // an untrained one
	dim           int   // of the representation
	trainN, testN int   // images

	embedded map[string]bool // runs whose rows are in the cache
}

func newFootprint(p *study.Plan, m *onnx.Model, dim int) (*footprint, error) {
	var size counter
	if err := m.Encode(&size); err != nil {
		return nil, err
	}
	source, err := data.OpenSource(p.Data)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	f := &footprint{plan: p, model: int64(size), dim: dim, embedded: map[string]bool{}}
	for split, n := range map[string]*int{data.Auto: &f.trainN, data.HeldOut: &f.testN} {
		ds, err := source.Split(split)
		if err != nil {
			return nil, err
		}
		*n = ds.Len()
	}
	return f, nil
}

// of returns that of a step: a model; a run's checkpoints, each with an optimizer's state
// as large as the model, and its final model; once a run, rows.
func (f *footprint) of(step study.Step) (int64, error) {
	switch step.Args[0] {
	case "init":
		return f.model, nil
	case "train":
		r, err := f.plan.Resolve(step)
		if err != nil {
			return 0, err
		}
		perEpoch := max(1, f.trainN/r.Batch)
		kept := r.KeepCheckpoints
		if r.KeepBest {
			kept++
		}
		every := perEpoch
		if r.CheckpointEvery > 0 {
			every = min(every, r.CheckpointEvery)
		}
		checkpoints := (r.Total(perEpoch) + every - 1) / every
		return f.model * int64(1+2*min(checkpoints, kept)), nil
	case "probe":
		run := step.Args[slices.Index(step.Args, "--model")+1]
		if f.embedded[run] {
			return 0, nil
		}
		f.embedded[run] = true
		return 4 * int64(f.dim) * int64(f.trainN+f.testN), nil
	}
	return 0, nil
}

// warn says so where what is not done yet of the grid in dir needs more than is free there.
func (f *footprint) warn(t *terminal, dir string) error {
	var need int64
	made := map[string]bool{} // files that an earlier cell makes
	for _, c := range f.plan.Cells {
		for _, step := range c.Steps {
			if _, err := os.Stat(filepath.Join(dir, step.Done)); err == nil || made[step.Done] {
				continue
			}
			made[step.Done] = true
			bytes, err := f.of(step)
			if err != nil {
				return err
			}
			need += bytes
		}
	}
	if free := file.Free(dir); free > 0 && need > free {
		t.warn("the grid needs about %s more of disk, and %s has %s free: it stops when that is used up, and the same command line continues", memory.Text(need), dir, memory.Text(free))
	}
	return nil
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
