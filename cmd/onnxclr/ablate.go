package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"onnxclr/analysis"
	"onnxclr/importer"
	"onnxclr/internal/file"
	"onnxclr/internal/study"
	"onnxclr/train"
)

type ablateOptions struct {
	scale, data, out, arch       string
	seeds, parallel, probeEpochs int
	only, set, reuse             []string
	dry                          bool
	flags                        *pflag.FlagSet
}

var ablateVerb = &verb{
	name:    "ablate",
	args:    "STUDY --scale cifar10|imagenet --data D -o DIR",
	summary: "run one of the paper's experiments: train, probe and chart all variants and seeds",
	about: `
STUDY is one of the paper's (arXiv:2110.09348), table1, table2, appendix-f, d0-sweep (figure 12),
spectra (figures 2, 7, 9), residual (figure 10), theory (figures 3, 5, 6, 11), or one of ours,
augmentation-strength and precision. Every cell, a variant with a seed, is trained from scratch,
probed by nearest neighbours and linearly, and its spectra are taken, by the commands that one
would type; --dry-run -v lists them.

DIR receives cells/, table (results.json, cells.csv), spectra of all variants in one chart and
report.html, in which the paper's numbers stand in a column of their own. What is done is not done
again: interrupted or killed, the same command line continues to the same results. What every cell
would fail of is said before the first begins. A cell that fails is reported, and the others go on;
a full disk stops the grid.

Studies share runs: with --reuse, what another grid has done by the same command lines on the
same images is copied from there, whatever its variant is called; taken.txt in a cell's folder
says from where. Results are the same as if it had been run again.`,
	example: "onnxclr ablate table1 --scale cifar10 --data images.tar --seeds 3 -o table1",
	prepare: func(f *pflag.FlagSet) action {
		o := &ablateOptions{flags: f}
		f.StringVar(&o.scale, "scale", "cifar10", "`cifar10`: for two cores, or imagenet: as published")
		f.StringVar(&o.data, "data", "", "the `data set`, with labels and train and test splits")
		f.StringVarP(&o.out, "out", "o", "", "`folder` of the grid")
		f.IntVar(&o.seeds, "seeds", 3, "`number` of seeds")
		f.StringSliceVar(&o.only, "only", nil, "run these `variants` alone")
		f.StringArrayVar(&o.set, "set", nil, "another `key=value` for every run, such as epochs=5; may be repeated")
		f.StringVar(&o.arch, "arch", "", "another `network` than the study's, such as resnet18")
		f.IntVar(&o.probeEpochs, "probe-epochs", 100, "`epochs` of the linear probe")
		f.IntVar(&o.parallel, "parallel", 1, "`cells` at a time")
		f.StringArrayVar(&o.reuse, "reuse", nil, "`folder` of another grid, from which equal steps that are done are taken; may be repeated")
		f.BoolVar(&o.dry, "dry-run", false, "list what each cell takes, with -v its commands, and stop")
		return o.run
	},
}

func (o *ablateOptions) run(ctx context.Context, t *terminal, args []string) error {
	switch {
	case len(args) != 1:
		return usagef("want one study, %d given; there are %s, and theory", len(args), strings.Join(study.Names(), ", "))
	case o.out == "" && !o.dry:
		return usagef("say where the grid goes, with -o DIR")
	case args[0] == "theory":
		return o.theory(ctx, t)
	case o.data == "":
		return usagef("name the images, with --data")
	case o.seeds < 1 || o.seeds > 1000:
		return usagef("--seeds is %d, want 1 to 1000", o.seeds)
	case o.parallel < 1 || o.parallel > 64:
		return usagef("--parallel is %d, want 1 to 64", o.parallel)
	case o.probeEpochs < 1:
		return usagef("--probe-epochs is %d, want at least 1", o.probeEpochs)
	}
	s, err := study.Find(args[0])
	if err != nil {
		return usageError(err.Error())
	}
	for _, set := range o.set {
		if err := checkSet(s, set); err != nil {
			return err
		}
	}
	scale, err := study.FindScale(o.scale)
	if err != nil {
		return usageError(err.Error())
	}
	options := study.Options{Data: o.data, Seeds: o.seeds, Scale: scale, Set: o.set, Arch: o.arch, ProbeEpochs: o.probeEpochs}
	if options.Images, err = checkImages(o.data); err != nil {
		return err
	}
	m, err := importer.RandomResNet(s.Network(options), importer.RandomOptions{})
	if err != nil {
		return usageError(err.Error())
	}
	for _, out := range m.Graph.Outputs {
		if out.Name == importer.RepresentationName && len(out.Shape) == 2 {
			options.Dim = int(out.Shape[1].Value)
		}
	}
	plan, err := s.Plan(options)
	if err != nil {
		return err
	}
	whole := *plan
	if len(o.only) > 0 {
		if err := plan.Only(o.only, s); err != nil {
			return usageError(err.Error())
		}
	}
	if err := o.checkRecipes(plan); err != nil {
		return err
	}
	reuse, foreign, err := study.NewReuse(&whole, o.reuse)
	if err != nil {
		return usageError(err.Error())
	}
	for _, dir := range foreign {
		t.warn("nothing is taken from %s: its images are others", dir)
	}
	disk, err := newFootprint(plan, m, options.Dim)
	if err != nil {
		return err
	}
	if o.dry {
		return o.list(ctx, t, plan, disk, reuse)
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	if err := whole.Begin(o.out); err != nil {
		return err
	}
	if err := disk.warn(t, o.out); err != nil {
		return err
	}
	g := &grid{options: o, terminal: t, plan: plan, reuse: reuse, making: map[string]*sync.Mutex{}}
	failed, err := g.run(ctx)
	if err != nil {
		return err
	}
	if err := g.report(s, scale, &whole); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d cells failed; %s says why, and the same command line tries them again", failed, len(plan.Cells), filepath.Join(o.out, "report.html"))
	}
	return nil
}

// theory has no runs: its figures are those of the verb.
func (o *ablateOptions) theory(ctx context.Context, t *terminal) error {
	for _, name := range []string{"data", "only", "set", "arch", "probe-epochs", "parallel", "reuse"} {
		if o.flags.Changed(name) {
			return usagef("--%s has no effect on theory, which trains no network on images", name)
		}
	}
	line := []string{"theory", "all", "-o", o.out, "--seeds", strconv.Itoa(o.seeds)}
	if o.dry {
		t.print("onnxclr %s\n", strings.Join(line, " "))
		return nil
	}
	return runLine(ctx, t, line)
}

// grid runs the cells of a plan.
type grid struct {
	options  *ablateOptions
	terminal *terminal
	plan     *study.Plan
	reuse    *study.Reuse

	mu     sync.Mutex
	making map[string]*sync.Mutex // of files that several cells need
	full   error                  // the disk is used up: nothing more is begun
	failed int
	done   int
	took   time.Duration // of the cells that were run
	ran    int
}

// run runs what is not done: first the cells that train, then those that look at a run
// of another. It returns how many failed. A disk that is used up ends it: every other
// cell would fail, too.
func (g *grid) run(ctx context.Context) (failed int, err error) {
	for _, training := range []bool{true, false} {
		slots := make(chan struct{}, g.options.parallel)
		var wait sync.WaitGroup
		for i := range g.plan.Cells {
			c := &g.plan.Cells[i]
			if trains(c) != training {
				continue
			}
			slots <- struct{}{}
			if ctx.Err() != nil || g.stopped() != nil {
				<-slots
				break
			}
			wait.Go(func() {
				defer func() { <-slots }()
				if err := g.cell(ctx, c); err != nil && ctx.Err() == nil {
					g.fail(c, err)
				}
			})
		}
		wait.Wait()
		if ctx.Err() != nil {
			return g.failed, fmt.Errorf("%w; %d of %d cells are done, and the same command line continues", train.ErrInterrupted, g.done, len(g.plan.Cells))
		}
		if err := g.stopped(); err != nil {
			return g.failed, err
		}
	}
	return g.failed, nil
}

func trains(c *study.Cell) bool {
	for _, s := range c.Steps {
		if s.Args[0] == "train" {
			return true
		}
	}
	return false
}

// cell runs the steps of a cell whose files are not there.
func (g *grid) cell(ctx context.Context, c *study.Cell) error {
	dir := g.options.out
	if err := study.Recover(dir, c); err != nil {
		return err
	}
	start, ran := time.Now(), false
	for _, s := range c.Steps {
		unlock := g.lock(s.Done)
		_, err := os.Stat(filepath.Join(dir, s.Done))
		if err != nil {
			var computed bool
			computed, err = g.step(ctx, c, s)
			ran = ran || computed
		}
		unlock()
		if err != nil {
			return fmt.Errorf("%s: %w", s.Args[0], err)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.done++
	if ran {
		g.ran++
		g.took += time.Since(start)
	}
	return nil
}

// step takes the results of a step from another grid or runs it.
func (g *grid) step(ctx context.Context, c *study.Cell, s study.Step) (ran bool, err error) {
	dir, t := g.options.out, g.terminal
	if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, s.Done)), 0o755); err != nil {
		return false, err
	}
	from, err := g.reuse.Take(dir, c, s)
	if err != nil {
		t.warn("cannot take the %s of %s, seed %d, which is run instead: %v", s.Args[0], c.Label, c.Seed, err)
	}
	if from != "" {
		t.say("%s %s, seed %d: %s taken from %s", g.progress(), c.Label, c.Seed, s.Args[0], from)
		return false, nil
	}
	t.say("%s %s, seed %d: %s", g.progress(), c.Label, c.Seed, s.Args[0])
	quiet := *t
	quiet.out = io.Discard
	return true, runLine(ctx, &quiet, s.In(dir))
}

// lock keeps two cells from making one file at a time.
func (g *grid) lock(path string) (unlock func()) {
	g.mu.Lock()
	m := g.making[path]
	if m == nil {
		m = new(sync.Mutex)
		g.making[path] = m
	}
	g.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// progress says how far the grid is and when it may be done.
func (g *grid) progress() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := fmt.Sprintf("[%d of %d cells", g.done+g.failed, len(g.plan.Cells))
	if g.ran > 0 {
		left := time.Duration(float64(g.took) / float64(g.ran) * float64(len(g.plan.Cells)-g.done-g.failed) / float64(g.options.parallel))
		text += fmt.Sprintf(", about %v left", left.Round(time.Second))
	}
	return text + "]"
}

// stopped returns why no further cell is begun, if that is so.
func (g *grid) stopped() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.full
}

func (g *grid) fail(c *study.Cell, cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if file.Full(cause) {
		g.full = fmt.Errorf("stopped, for the disk is full: %s, seed %d: %w; %d of %d cells are done: make room, and the same command line continues", c.Label, c.Seed, cause, g.done, len(g.plan.Cells))
		return
	}
	g.failed++
	g.terminal.warn("%s, seed %d failed: %v", c.Label, c.Seed, cause)
	if err := study.Fail(g.options.out, c, cause); err != nil {
		g.terminal.warn("%v", err)
	}
}

// report joins the cells of the whole grid.
func (g *grid) report(s study.Study, scale study.Scale, whole *study.Plan) error {
	t, dir := g.terminal, g.options.out
	outcomes, err := whole.Collect(dir)
	if err != nil {
		return err
	}
	write := func(name string, f func(io.Writer) error) error { return file.Write(filepath.Join(dir, name), f) }
	err = errors.Join(
		write("cells.csv", func(w io.Writer) error { return study.WriteCells(w, outcomes) }),
		write("results.json", func(w io.Writer) error { return s.WriteJSON(w, whole, outcomes) }),
		write("report.html", func(w io.Writer) error { return s.WritePage(w, whole, scale, g.options.set, outcomes) }),
	)
	if err != nil {
		return err
	}
	for of, name := range []string{"spectra-r.png", "spectra-z.png"} {
		if d := s.Spectra(outcomes, of); len(d.Spectra) > 0 {
			c := analysis.Chart{Title: fmt.Sprintf("%s, seed %d", s.Title, d.Seed), Of: string("rz"[of])}
			if err := write(name, func(w io.Writer) error { return c.Write(w, ".png", d.Spectra) }); err != nil {
				return err
			}
		}
	}
	if d := s.Gradients(outcomes); len(d.Spectra) > 0 {
		c := analysis.Chart{Title: fmt.Sprintf("%s, seed %d", s.Title, d.Seed)}
		if err := write("gradient.png", func(w io.Writer) error { return c.Write(w, ".png", d.Spectra) }); err != nil {
			return err
		}
	}
	rows := [][]string{{"variant", "seeds", "linear top-1 %", "kNN top-1 %", "live r", "RankMe r", "live z", "RankMe z", "paper (ImageNet)"}}
	for _, r := range s.Table(outcomes) {
		paper := "–"
		if r.Paper > 0 {
			paper = fmt.Sprintf("%.1f", r.Paper)
		}
		rows = append(rows, []string{r.Label, fmt.Sprint(r.Seeds), r.Linear.String(), r.KNN.String(), r.LiveR.Whole(), r.RankMeR.String(), r.LiveZ.Whole(), r.RankMeZ.String(), paper})
	}
	t.table(rows, 1)
	t.say("wrote %s", filepath.Join(dir, "report.html"))
	return nil
}

// runLine executes a command line in this process and returns what went wrong.
func runLine(ctx context.Context, t *terminal, args []string) error {
	v := find(args[0])
	if v == nil {
		return fmt.Errorf("no verb %q", args[0])
	}
	quiet := *t
	flags, act := v.flags(&quiet)
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	quiet.quiet = quiet.quiet || t.quiet
	defer runtime.GC() // the memory of a run is its own
	return act(ctx, &quiet, flags.Args())
}
