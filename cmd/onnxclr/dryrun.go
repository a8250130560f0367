package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"onnxclr/internal/memory"
	"onnxclr/train"
)

// dryRun prints what the run would be.
func dryRun(ctx context.Context, t *terminal, r train.Recipe, o train.Options) error {
	o.Reporter = train.Quiet(t.err)
	if f, ok := t.err.(*os.File); ok && !t.quiet {
		o.Reporter = train.NewReporter(f)
	}
	f, err := train.DryRun(ctx, r, o)
	if err != nil {
		return err
	}
	printForecast(t, f)
	return nil
}

func printForecast(t *terminal, f *train.Forecast) {
	r := &f.Recipe
	line := func(name, format string, args ...any) { t.print("%-11s %s\n", name, fmt.Sprintf(format, args...)) }
	head := "projector " + r.Projector
	if r.ProjDim > 0 {
		head += fmt.Sprintf(" to %d", r.ProjDim)
	}
	if r.D0 > 0 {
		head = fmt.Sprintf("d0 %d", r.D0)
	}
	loss := r.Loss
	if r.Temp > 0 {
		loss += fmt.Sprintf(" at temperature %g", r.Temp)
	}
	line("method", "%s, %s, %s", r.Method, head, loss)
	optimizer := r.Optimizer
	if r.LarsVariant != "" {
		optimizer += " as " + r.LarsVariant
	}
	line("optimizer", "%s, learning rate up to %.6g, weight decay %g, %s schedule", optimizer, r.PeakLR(), r.WeightDecay, r.Schedule)
	line("data", "%s", f.Data)
	from := ""
	if f.First > 0 {
		from = fmt.Sprintf(", from %d on", f.First)
	}
	line("steps", "%d of %d images%s; %d an epoch", f.Steps, r.Batch, from, f.StepsPerEpoch)
	for i, s := range f.Shapes {
		name := ""
		switch i {
		case 0:
			name = "shapes"
		case len(f.Shapes) - 1:
			name = "embedding"
		}
		line(name, "%s", strings.Trim(strings.ReplaceAll(fmt.Sprint(s), " ", "×"), "[]"))
	}
	if f.Micro > 0 {
		line("", "which is a micro-batch of %d images of the %d", f.Micro, r.Batch)
	}
	line("parameters", "%d values in %d tensors are trained", f.Parameters, f.Tensors)
	line("memory", "%s: plan %s, weights and input %s, optimizer and batches %s; %s are available",
		memory.Text(f.Memory), memory.Text(f.Plan), memory.Text(f.Weights), memory.Text(f.Beside), memory.Text(f.Available))
	step := f.Step()
	noun := "steps"
	if len(f.Timed) == 1 {
		noun = "step"
	}
	line("step", "%s, the median of %d %s: %.4g images/s, %.4g GFLOP/s; %.1f %% of the time waiting for data",
		step.Round(time.Millisecond), len(f.Timed), noun, 2*float64(r.Batch)/step.Seconds(), float64(f.FLOPs)/1e9/step.Seconds(), 100*f.Wait.Seconds()/total(f.Timed).Seconds())
	line("time", "about %s for %d steps, without checkpoints and monitoring", duration(f.Remaining()), f.Steps-f.First)
}

func total(ds []time.Duration) (sum time.Duration) {
	for _, d := range ds {
		sum += d
	}
	return sum
}

// duration is a time to two units.
func duration(d time.Duration) string {
	switch {
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d days %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}
