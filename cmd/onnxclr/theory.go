package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"onnxclr/analysis/theory"
	"onnxclr/internal/file"
	"onnxclr/internal/nearest"
)

type theoryOptions struct {
	flags        *pflag.FlagSet
	out, format  string
	dpi          int
	force        bool
	seeds        int
	seed         uint64
	k            []float64
	depths       []int
	loss         string
	dim, batch   int
	pool, steps  int
	lr, temp     float64
	variance     float64
	scale, decay float64
	both, bias   bool
	figures      []string
}

// theoryFigures are the verb's arguments, in the order of the paper.
var theoryFigures = []string{"strong-augmentation", "alignment", "dynamics", "depth"}

var theoryVerb = &verb{
	name:    "theory",
	args:    "strong-augmentation|alignment|dynamics|depth|all -o DIR",
	summary: "simulate the paper's toy networks and draw its figures 3, 5, 6 and 11",
	about: `
The two mechanisms of dimensional collapse (arXiv:2110.09348, sections 4 and 5), on Gaussian data
and networks of square layers, in float64 with gradients in closed form:

  strong-augmentation  figure 3: one layer; directions in which augmentation varies more than data
                       die, the others live; with the threshold and theorem 1's exponential
  alignment            figure 5: the singular vectors of two layers align
  dynamics             figure 6: singular values of two layers and of the embedding during training,
                       and theorem 3's closed form
  depth                figure 11: more layers, fewer live dimensions; linear and with ReLU

DIR receives a chart and its numbers as CSV for each. Settings that the paper's text leaves open
have defaults under which its claims show; every one can be overridden for all figures asked for.
Losses: eq2 (the paper's equation 2), dot (its published programs'), infonce, ntxent.`,
	example: "onnxclr theory all -o theory",
	prepare: func(f *pflag.FlagSet) action {
		o := &theoryOptions{flags: f}
		f.StringVarP(&o.out, "out", "o", "", "`folder` of charts and CSV files")
		f.IntVar(&o.seeds, "seeds", 3, "`number` of simulations a setting, drawn as bands")
		f.Uint64Var(&o.seed, "seed", 0, "`seed` of the first, the others count up")
		f.Float64SliceVar(&o.k, "k", []float64{0.1, 0.5, 1, 1.5, 2, 4}, "`variances` of augmentation that strong-augmentation compares, with commas between them")
		f.Lookup("k").DefValue = "0.1,0.5,1,1.5,2,4"
		f.IntSliceVar(&o.depths, "layers", []int{1, 2, 3, 4}, "`numbers` of layers that depth compares, 1 to 16 each")
		f.Lookup("layers").DefValue = "1,2,3,4"
		f.IntVar(&o.steps, "steps", 0, "`number` of steps, from 1 (default 10000, for alignment 40000)")
		f.Float64Var(&o.lr, "lr", 0, "learning `rate` (default 0.05, for alignment 0.1, for depth 0.01)")
		f.StringVar(&o.loss, "loss", "", "`name` of the loss: eq2, dot, infonce, ntxent (default eq2, for depth dot)")
		f.Float64Var(&o.temp, "temperature", 0, "`number` that every loss but eq2 divides similarities by (default 0.1)")
		f.IntVar(&o.dim, "dim", 0, "`width` of data and layers, 2 to 256 (default 16)")
		f.IntVar(&o.batch, "batch", 0, "`samples` a step, 2 to 4096 (default 128)")
		f.IntVar(&o.pool, "pool", 0, "`samples` that batches are drawn from (default 10000)")
		f.Float64Var(&o.variance, "variance", 0, "`variance` of the data (default 1, for strong-augmentation 0.5)")
		f.Float64Var(&o.scale, "init-scale", 0, "`number`: the largest initial singular value, without a decay the largest initial weight (default 1, for strong-augmentation 0.25, for alignment 0.3)")
		f.Float64Var(&o.decay, "init-decay", 0, "`number`: the initial singular values are init-scale·e^(−decay·index) (default 0.35, for alignment 0.1, for strong-augmentation none)")
		f.BoolVar(&o.both, "both-views", false, "augment either view by half of the variance instead of x′ alone")
		f.BoolVar(&o.bias, "bias", false, "give layers a bias")
		f.StringVar(&o.format, "format", "png", "of the charts, `png, svg or pdf`")
		f.IntVar(&o.dpi, "dpi", 200, "`dots` an inch of a .png, 20 to 2400")
		f.BoolVar(&o.force, "force", false, "replace existing outputs")
		return o.run
	},
}

func (o *theoryOptions) run(ctx context.Context, t *terminal, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	if err := o.rehearse(ctx, t); err != nil {
		return err
	}
	if _, err := os.Stat(o.out); err != nil {
		defer os.Remove(o.out) // where nothing came of it, it is empty
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	for _, name := range o.figures {
		figures, err := o.simulate(ctx, t, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, f := range figures {
			if err := o.write(t, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *theoryOptions) check(args []string) error {
	if len(args) == 0 {
		return usagef("say what to simulate: %s or all", strings.Join(theoryFigures, ", "))
	}
	for _, a := range args {
		switch {
		case a == "all":
			o.figures = theoryFigures
		case !slices.Contains(theoryFigures, a):
			return usagef("unknown figure %q%s; there are %s and all", a, nearest.Hint(a, theoryFigures), strings.Join(theoryFigures, ", "))
		case !slices.Contains(o.figures, a):
			o.figures = append(o.figures, a)
		}
	}
	switch {
	case o.out == "":
		return usagef("say where the figures go, with -o DIR")
	case o.seeds < 1 || o.seeds > 1000:
		return usagef("--seeds is %d, want 1 to 1000", o.seeds)
	case o.dpi < 20 || o.dpi > 2400:
		return usagef("--dpi is %d, want 20 to 2400", o.dpi)
	case o.flags.Changed("steps") && o.steps < 1:
		return usagef("--steps is %d, want at least 1", o.steps)
	case o.flags.Changed("k") && !slices.Contains(o.figures, "strong-augmentation"):
		return usagef("--k is for strong-augmentation")
	case o.flags.Changed("layers") && !slices.Contains(o.figures, "depth"):
		return usagef("--layers is for depth")
	case o.flags.Changed("temperature") && o.loss == "eq2":
		return usagef("--temperature has no effect on --loss eq2")
	}
	if err := chartFormat(o.format); err != nil {
		return err
	}
	if o.flags.Changed("loss") {
		if err := oneOf("loss", o.loss, theoryLosses()...); err != nil {
			return err
		}
	}
	for _, k := range o.k {
		if !(k >= 0) {
			return usagef("--k has %g, want variances from 0", k)
		}
	}
	for _, name := range o.figures {
		for _, f := range theoryFiles[name] {
			for _, path := range o.paths(f) {
				if _, err := os.Stat(path); err == nil && !o.force {
					return file.Exists(path)
				}
			}
		}
	}
	return nil
}

// rehearse fails, before the first figure is simulated, on settings that one does not
// take: a figure looks at all of them before it begins.
func (o *theoryOptions) rehearse(ctx context.Context, t *terminal) error {
	ended, end := context.WithCancel(ctx)
	end()
	for _, name := range o.figures {
		if _, err := o.simulate(ended, t, name); err != nil && !errors.Is(err, context.Canceled) {
			return usagef("%s: %v", name, err)
		}
	}
	return nil
}

func theoryLosses() (names []string) {
	for _, l := range theory.Losses {
		names = append(names, string(l))
	}
	return names
}

// theoryFiles are what each figure is written as.
var theoryFiles = map[string][]string{
	"strong-augmentation": {"strong-augmentation", "strong-augmentation-growth"},
	"alignment":           {"alignment", "alignment-score"},
	"dynamics":            {"dynamics", "dynamics-closed-form"},
	"depth":               {"depth"},
}

func (o *theoryOptions) paths(name string) []string {
	base := filepath.Join(o.out, name)
	return []string{base + "." + o.format, base + ".csv"}
}

// change overrides the settings that flags name.
func (o *theoryOptions) change(c *theory.Config) {
	given := o.flags.Changed
	if given("loss") {
		c.Loss = theory.Loss(o.loss)
	}
	if given("steps") {
		if c.DropAt > 0 { // at the same part of the run
			c.DropAt = max(1, o.steps*c.DropAt/max(c.Steps, 1))
		}
		c.Steps = o.steps
	}
	if given("dim") {
		c.Resize(o.dim)
	}
	for name, to := range map[string]*int{"batch": &c.Batch, "pool": &c.Pool} {
		if given(name) {
			*to = map[string]int{"batch": o.batch, "pool": o.pool}[name]
		}
	}
	if given("lr") {
		c.LR = o.lr
	}
	if given("temperature") {
		c.Temperature = o.temp
	}
	if given("variance") {
		c.Variance = o.variance
	}
	if given("init-scale") {
		c.Init.Scale = o.scale
	}
	if given("init-decay") {
		c.Init.Spectral, c.Init.Decay = true, o.decay
	}
	if given("both-views") {
		c.BothViews = o.both
	}
	if given("bias") {
		c.Bias = o.bias
	}
}

func (o *theoryOptions) simulate(ctx context.Context, t *terminal, name string) ([]*theory.Figure, error) {
	start := time.Now()
	options := theory.Options{Seeds: o.seeds, Seed: o.seed, Change: o.change, Progress: func(done, total int) {
		if elapsed := time.Since(start); done > 0 {
			rate := float64(done) / elapsed.Seconds()
			left := time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
			t.progress("%s: %d of %d steps, %.0f a second, %v left", name, done, total, rate, left)
		}
	}}
	switch name {
	case "strong-augmentation":
		return theory.StrongAugmentationFigures(ctx, options, o.k)
	case "alignment":
		return theory.AlignmentFigures(ctx, options)
	case "dynamics":
		return theory.DynamicsFigures(ctx, options)
	}
	return theory.DepthFigures(ctx, options, o.depths)
}

func (o *theoryOptions) write(t *terminal, f *theory.Figure) error {
	paths := o.paths(f.Name)
	err := file.WriteNew(paths[0], o.force, func(w io.Writer) error { return f.WriteChart(w, "."+o.format, o.dpi) })
	if err != nil {
		return err
	}
	if err := file.WriteNew(paths[1], o.force, f.WriteCSV); err != nil {
		return err
	}
	for _, line := range f.Says {
		t.wipe()
		t.print("%s: %s\n", f.Name, line)
	}
	t.say("wrote %s", strings.Join(paths, ", "))
	return nil
}
