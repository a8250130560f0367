package theory

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

// brief shortens every figure to what a test can wait for.
func brief() Options {
	return Options{Seeds: 2, Seed: 5, Change: func(c *Config) {
		c.Resize(6)
		c.Batch, c.Pool, c.Steps = 16, 200, 60
		if c.DropAt > 0 {
			c.DropAt = 30
		}
	}}
}

func figures(ctx context.Context, o Options) (all []*Figure, err error) {
	for _, f := range []func() ([]*Figure, error){
		func() ([]*Figure, error) { return StrongAugmentationFigures(ctx, o, []float64{0.5, 2}) },
		func() ([]*Figure, error) { return AlignmentFigures(ctx, o) },
		func() ([]*Figure, error) { return DynamicsFigures(ctx, o) },
		func() ([]*Figure, error) { return DepthFigures(ctx, o, []int{1, 2}) },
	} {
		more, err := f()
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// Figures do not depend on how many simulations run at a time, and can be drawn in
// every format.
func TestFigures(t *testing.T) {
	one, two := brief(), brief()
	one.Workers, two.Workers = 1, 3
	last := 0
	one.Progress = func(done, total int) {
		if done < 1 || done > total {
			t.Errorf("progress %d of %d", done, total)
		}
		last = total - done
	}
	a, err := figures(context.Background(), one)
	if err != nil {
		t.Fatal(err)
	}
	if last != 0 {
		t.Errorf("progress ends %d steps before the end", last)
	}
	b, err := figures(context.Background(), two)
	if err != nil {
		t.Fatal(err)
	}
	for i := range a {
		var first, second, csv bytes.Buffer
		if err := a[i].WriteChart(&first, ".svg", 0); err != nil {
			t.Fatal(a[i].Name, err)
		}
		if err := b[i].WriteChart(&second, ".svg", 0); err != nil {
			t.Fatal(b[i].Name, err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("%s: the chart depends on the number of workers", a[i].Name)
		}
		if err := a[i].WriteCSV(&csv); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(csv.String()), "\n")
		if columns := strings.Count(lines[0], ",") + 1; len(lines) < 10 || columns != len(a[i].Columns) {
			t.Errorf("%s: %d lines of %d columns", a[i].Name, len(lines), columns)
		}
	}
}

func TestFiguresRefuse(t *testing.T) {
	ctx := context.Background()
	for want, change := range map[string]func(*Config){
		"loss is":        func(c *Config) { c.Loss = "hinge" },
		"batch is":       func(c *Config) { c.Batch = 1 },
		"pool is":        func(c *Config) { c.Pool = 5 },
		"dim is":         func(c *Config) { c.Dim = 1000 },
		"learning rate":  func(c *Config) { c.LR = -1 },
		"variance is":    func(c *Config) { c.Variance = 0 },
		"noise is":       func(c *Config) { c.Noise = c.Noise[:3] },
		"initial scale":  func(c *Config) { c.Init.Scale = 0 },
		"no longer fini": func(c *Config) { c.Loss, c.Temperature, c.LR, c.Layers, c.Steps = Dot, 0.1, 1e9, 3, 500 },
	} {
		o := Options{Change: change}
		if _, err := DynamicsFigures(ctx, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if _, err := DepthFigures(ctx, brief(), []int{2, 2}); err == nil {
		t.Error("a depth named twice is accepted")
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := AlignmentFigures(stopped, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}
