package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"onnxclr/analysis"
	"onnxclr/importer"
	"onnxclr/internal/file"
	"onnxclr/internal/kernel"
	"onnxclr/internal/study"
	"onnxclr/train"
	"onnxclr/train/data"
	"onnxclr/train/probe"
)

// cost is what a step or a cell takes; of several, memory is the largest. Bytes.
type cost struct {
	time         time.Duration
	memory, disk int64
}

func (c *cost) add(d cost) {
	c.time, c.memory, c.disk = c.time+d.time, max(c.memory, d.memory), c.disk+d.disk
}

// stopwatch tells what the steps of a grid take, by a sample of each that it times.
type stopwatch struct {
	*footprint
	ctx     context.Context
	t       *terminal
	options *ablateOptions

	classes  int
	recipe   *train.Recipe // of a run; all see images alike
	path     string        // of an untrained model
	write    time.Duration
	image    time.Duration   // forward
	rows     map[string]bool // runs whose rows are computed
	training map[string]cost // by variant
	probes   map[string]time.Duration
}

// sampled is how many rows are probed for a sample, at most.
const sampled = 4096

func (o *ablateOptions) newStopwatch(ctx context.Context, t *terminal, dir string, p *study.Plan, f *footprint) (*stopwatch, error) {
	s := &stopwatch{footprint: f, ctx: ctx, t: t, options: o, path: filepath.Join(dir, "model.onnx"),
		rows: map[string]bool{}, training: map[string]cost{}, probes: map[string]time.Duration{}}
	start := time.Now()
	m, err := importer.RandomResNet(p.Arch, importer.RandomOptions{})
	if err == nil {
		err = file.Write(s.path, func(w io.Writer) error { return m.Encode(w) })
	}
	if err != nil {
		return nil, err
	}
	s.write = time.Since(start)
	ds, err := data.Open(o.data, data.HeldOut)
	if err != nil {
		return nil, err
	}
	defer ds.Close()
	s.classes = max(2, len(ds.Classes()))
	return s, s.timeForward(ds)
}

// timeForward times the forward pass of a few batches, their images read and cut.
func (s *stopwatch) timeForward(ds data.Dataset) (err error) {
	for _, c := range s.plan.Cells {
		for _, step := range c.Steps {
			if step.Args[0] == "train" && s.recipe == nil {
				r, err := s.plan.Resolve(step)
				if err != nil {
					return err
				}
				s.recipe = &r
			}
		}
	}
	m, err := importer.OpenModel(s.path)
	if err != nil {
		return err
	}
	defer m.Close()
	const images, most = 64, 8
	s.t.progress("timing the forward pass")
	e, err := newEvaluator(m.ONNX, [3]int{3, s.recipe.ImageSize, s.recipe.ImageSize}, min(images, ds.Len()), false, []string{importer.RepresentationName})
	if err != nil {
		return err
	}
	defer e.close()
	loader, err := data.NewLoader(ds, evaluation(s.recipe, e.batch))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, loader.Close()) }()
	var first, start time.Time
	done := 0
	for i := range most {
		if i == 1 {
			start = time.Now() // the first warms up
		}
		batch, err := loader.Next(s.ctx)
		if err == io.EOF || err == nil && batch.N() < e.batch {
			break
		}
		if err != nil {
			return err
		}
		if i == 0 {
			first = time.Now()
		}
		if _, err := e.run(batch.Images); err != nil {
			return err
		}
		if i > 0 {
			done += batch.N()
		} else {
			s.image = time.Since(first) / time.Duration(batch.N())
		}
	}
	if done > 0 {
		s.image = time.Since(start) / time.Duration(done)
	}
	return nil
}

// step returns what a step of the cell takes.
func (s *stopwatch) step(c *study.Cell, step study.Step) (cost, error) {
	of, err := s.timed(c, step)
	if err == nil {
		of.disk, err = s.footprint.of(step)
	}
	return of, err
}

// timed returns the time and the memory of it.
func (s *stopwatch) timed(c *study.Cell, step study.Step) (cost, error) {
	args := step.Args
	forward := func(images int) time.Duration { return s.image * time.Duration(images) }
	switch args[0] {
	case "init":
		return cost{time: s.write}, nil
	case "train":
		of, ok := s.training[c.Variant]
		if !ok {
			var err error
			if of, err = s.train(c, step); err != nil {
				return of, err
			}
			s.training[c.Variant] = of
		}
		return of, nil
	case "probe":
		run := args[slices.Index(args, "--model")+1]
		kind := args[slices.Index(args, "--kind")+1]
		took, err := s.probe(kind)
		of := cost{time: took}
		if !s.rows[run] { // once a run, then they are in the cache
			s.rows[run] = true
			of.time += forward(s.trainN + s.testN)
		}
		return of, err
	case "spectrum":
		took, err := s.spectrum()
		if slices.Contains(args, "--gradient") { // of two views, forward twice and back, which is two more
			return cost{time: took + forward(8*s.testN)}, err
		}
		return cost{time: took + forward(s.testN)}, err
	}
	return cost{}, fmt.Errorf("no time is known of %s", args[0])
}

// train times a few steps; checkpoints are written once an epoch, with an optimizer's
// state as large as the model.
func (s *stopwatch) train(c *study.Cell, step study.Step) (cost, error) {
	r, err := s.plan.Resolve(step)
	if err != nil {
		return cost{}, err
	}
	r.Model = s.path
	s.t.progress("timing %s", c.Label)
	run, err := train.DryRun(s.ctx, r, train.Options{})
	if err != nil {
		return cost{}, err
	}
	checkpoints := (run.Steps + run.StepsPerEpoch - 1) / max(1, run.StepsPerEpoch)
	return cost{time: run.Remaining() + s.write*time.Duration(2*checkpoints+1), memory: run.Memory}, nil
}

// probe times a probe of random rows, as many as a sample has, and takes it to all.
func (s *stopwatch) probe(kind string) (time.Duration, error) {
	if took, ok := s.probes[kind]; ok {
		return took, nil
	}
	share := min(1, float64(sampled)/float64(max(s.trainN, s.testN)))
	draw := rand.New(rand.NewPCG(1, 2))
	rows := func(n int) *probe.Features {
		n = max(1, int(share*float64(n)))
		values, labels := make([]float32, n*s.dim), make([]int, n)
		for i := range values {
			values[i] = draw.Float32()
		}
		for i := range labels {
			labels[i] = i % s.classes
		}
		return probe.NewFeatures(values, s.dim, labels)
	}
	bank, test := rows(s.trainN), rows(s.testN)
	pool := kernel.NewPool(0)
	defer pool.Close()
	s.t.progress("timing a probe, %s", kind)
	start := time.Now()
	var err error
	times := 1 / share
	if kind == kindKNN {
		knn := probe.DefaultKNN
		knn.K = min(knn.K, bank.Len())
		_, err = knn.Classify(s.ctx, pool, bank, test, s.classes, func(int) {})
		times /= share
	} else {
		fit := probe.DefaultFit
		fit.Epochs = 2
		_, err = fit.Train(s.ctx, pool, []*probe.Features{bank}, test, s.classes, func(probe.Epoch) {})
		times *= float64(s.options.probeEpochs) / float64(fit.Epochs)
	}
	if err != nil {
		return 0, err
	}
	took := time.Duration(times * float64(time.Since(start)))
	s.probes[kind] = took
	return took, nil
}

// spectrum times two spectra, of r and of an embedding as wide.
func (s *stopwatch) spectrum() (time.Duration, error) {
	const key = "spectrum"
	if took, ok := s.probes[key]; ok {
		return took, nil
	}
	s.t.progress("timing a spectrum")
	draw := rand.New(rand.NewPCG(3, 4))
	n := min(s.testN, sampled)
	rows := make([]float64, n*s.dim)
	for i := range rows {
		rows[i] = draw.Float64()
	}
	start := time.Now()
	m, err := analysis.NewMoments(s.dim, true)
	if err == nil {
		err = m.Add(rows)
	}
	if err != nil {
		return 0, err
	}
	adding := time.Since(start)
	start = time.Now()
	spectrum, err := m.Spectrum("r", 1)
	if err != nil {
		return 0, err
	}
	took := 2 * (time.Since(start) + time.Duration(float64(adding)*float64(s.testN)/float64(n)))
	start = time.Now()
	if err := (analysis.Chart{DPI: 200}).Write(io.Discard, ".png", []*analysis.Spectrum{spectrum}); err != nil {
		return 0, err
	}
	took += time.Since(start)
	s.probes[key] = took
	return took, nil
}
