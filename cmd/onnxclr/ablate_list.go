package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"onnxclr/importer"
	"onnxclr/internal/file"
	"onnxclr/internal/study"
	"onnxclr/train"
	"onnxclr/train/data"
)

// forecast is what a cell takes.
type forecast struct {
	time   time.Duration
	memory int64
}

// list prints the cells with what they take, as a few steps of each variant tell, and the
// command lines that they are. Nothing is left behind.
func (o *ablateOptions) list(ctx context.Context, t *terminal, p *study.Plan) error {
	dir, err := os.MkdirTemp("", "onnxclr-ablate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	known := map[string]forecast{}
	var total time.Duration
	most := int64(0)
	for i := range p.Cells {
		c := &p.Cells[i]
		f, ok := known[c.Variant]
		if !ok {
			if f, err = o.forecast(ctx, t, dir, p, c); err != nil {
				return fmt.Errorf("variant %s: %w", c.Variant, err)
			}
			known[c.Variant] = f
		}
		total += f.time
		most = max(most, f.memory)
		memory := "no training of its own"
		if f.memory > 0 {
			memory = fmt.Sprintf("%.1f GB", float64(f.memory)/1e9)
		}
		t.print("%s, seed %d: about %s, %s\n", c.Label, c.Seed, roughly(f.time), memory)
		for _, s := range c.Steps {
			t.print("  onnxclr %s\n", strings.Join(s.In(o.out), " "))
		}
	}
	t.print("%d cells: about %s one after the other, up to %.1f GB\n", len(p.Cells), roughly(total), float64(most)/1e9)
	return nil
}

// roughly rounds a time to what an estimate is good for.
func roughly(d time.Duration) string {
	switch {
	case d > time.Hour:
		return d.Round(time.Minute).String()
	case d > time.Minute:
		return d.Round(time.Second).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// forecast times a few steps of the cell's run. What comes after it are passes of images
// forward, a third of a training pass of one view, and the linear probe, whose products
// run about as fast as those of training.
func (o *ablateOptions) forecast(ctx context.Context, t *terminal, dir string, p *study.Plan, c *study.Cell) (f forecast, err error) {
	passes := map[string]int{}
	for _, split := range []string{data.Auto, data.HeldOut} {
		ds, err := data.Open(o.data, split)
		if err != nil {
			return f, err
		}
		passes[split] = ds.Len()
		ds.Close()
	}
	var recipe *train.Recipe
	for _, s := range c.Steps {
		if s.Args[0] != "train" {
			continue
		}
		r, err := o.recipe(dir, p, s)
		if err != nil {
			return f, err
		}
		recipe = &r
	}
	if recipe == nil {
		return f, nil // features are there from the cell whose run it looks at
	}
	t.progress("timing %s", c.Label)
	run, err := train.DryRun(ctx, *recipe, train.Options{})
	if err != nil {
		return f, err
	}
	f.memory = run.Memory
	perImage := run.Step().Seconds() / float64(run.Recipe.Batch)
	images := float64(passes[data.Auto] + 2*passes[data.HeldOut])
	seconds := run.Remaining().Seconds() + images*perImage/6
	f.time = time.Duration(seconds * float64(time.Second))
	return f, nil
}

// recipe is that of a training step, with the model in dir.
func (o *ablateOptions) recipe(dir string, p *study.Plan, s study.Step) (train.Recipe, error) {
	r, err := p.Resolve(s)
	if err != nil {
		return r, err
	}
	model := filepath.Join(dir, "model.onnx")
	if _, err := os.Stat(model); err != nil {
		m, err := importer.RandomResNet(p.Arch, importer.RandomOptions{})
		if err != nil {
			return r, err
		}
		if err := file.Write(model, func(w io.Writer) error { return m.Encode(w) }); err != nil {
			return r, err
		}
	}
	r.Model = model
	return r, nil
}
