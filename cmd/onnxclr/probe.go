package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"

	"github.com/spf13/pflag"

	"onnxclr/importer"
	"onnxclr/internal/kernel"
	"onnxclr/train/probe"
)

type probeOptions struct {
	flags                          *pflag.FlagSet
	model, data, testData          string
	trainFeatures, trainLabels     string
	testFeatures, testLabels       string
	kind, on, schedule, cache, out string
	corrupt                        string
	augment                        int
	input                          inputFlags
	exact, force, json             bool
	knn                            probe.KNN
	fit                            probe.Fit
}

const (
	kindKNN    = "knn"
	kindLinear = "linear"
)

var probeVerb = &verb{
	name:    "probe",
	args:    "--model MODEL.onnx|RUN --data D --kind knn|linear",
	summary: "measure how well frozen representations tell classes apart",
	about: `
Representations of the training images are computed in evaluation mode (as embed does) and the
labels of the test images predicted from them: with --kind knn by a vote of the nearest ones,
weighted by exp(cosine/temperature); with --kind linear by a linear classifier that SGD trains on
the frozen rows. D must have train and test (or val) splits, or name the test images with
--test-data; both with one folder a class. --on takes the representation r, columns of it, or
the projector's output z. Rows that are computed already go in by --train-features and the like.

The linear probe follows the paper's code, whose cosine schedule is never stepped: its learning
rate is constant; --lr-schedule cosine is what it meant. That code augments training images
(RandomResizedCrop and flip); here each image has one centre crop, unless --augment N computes N
augmented passes that the epochs take in turn. Accuracies are printed for the last epoch and for
the best; the best is chosen on the test images and so flatters a little.

The encoder is hashed before and after: nothing is reported if it changed meanwhile.`,
	example: "onnxclr probe --model runs/directclr --data images.tar --kind knn --on 'r[:360]' --cache features -o runs/directclr",
	prepare: func(f *pflag.FlagSet) action {
		o := &probeOptions{flags: f}
		f.StringVar(&o.model, "model", "", "`ONNX file or run folder`")
		f.StringVar(&o.data, "data", "", "the `data set`, with labels")
		f.StringVar(&o.testData, "test-data", "", "`data set` of the test images, where D has no split for them")
		f.StringVar(&o.kind, "kind", "", "`knn or linear`")
		f.StringVar(&o.on, "on", "r", "`rows` that are classified: r, z, or columns of them such as r[:360] and r[360:]")
		o.input.declare(f)
		corruptFlag(f, &o.corrupt, "")
		f.BoolVar(&o.exact, "exact", false, exactUsage)
		f.StringVar(&o.cache, "cache", "", "`folder` where computed rows are kept, for the next probe of the same encoder and images")
		f.IntVar(&o.knn.K, "k", probe.DefaultKNN.K, "knn: `number` of neighbours that vote")
		f.Float64Var(&o.knn.Temperature, "temperature", probe.DefaultKNN.Temperature, "knn: `number` that cosines are divided by in the weights, from 0.0001; inf weighs all the same")
		f.IntVar(&o.fit.Epochs, "epochs", probe.DefaultFit.Epochs, "linear: `number` of passes over the training rows")
		f.IntVar(&o.fit.Batch, "batch", probe.DefaultFit.Batch, "linear: `rows` a step")
		f.Float64Var(&o.fit.LR, "lr", probe.DefaultFit.LR, "linear: learning `rate`")
		f.StringVar(&o.schedule, "lr-schedule", "constant", "linear: `constant or cosine`, to 0 at the end")
		f.Float64Var(&o.fit.Momentum, "momentum", probe.DefaultFit.Momentum, "linear: `weight` of the past in the moving sum of gradients, below 1")
		f.Float64Var(&o.fit.WeightDecay, "weight-decay", probe.DefaultFit.WeightDecay, "linear: `share` of the weights that is added to the gradient, below 1")
		f.IntVar(&o.augment, "augment", 0, "linear: augmented `passes` over the training images; 0 = the centre crop alone")
		f.Uint64Var(&o.fit.Seed, "seed", 0, "linear: `seed` of the first weights, the order of rows and the augmentation")
		f.StringVar(&o.trainFeatures, "train-features", "", "instead of --model and --data: `file` of rows, N×D, of any format that spectrum reads")
		f.StringVar(&o.trainLabels, "train-labels", "", "`file` of their labels, .npy or .parquet:COLUMN, N whole numbers from 0")
		f.StringVar(&o.testFeatures, "test-features", "", "`file` of the test rows")
		f.StringVar(&o.testLabels, "test-labels", "", "`file` of their labels")
		f.BoolVar(&o.json, "json", false, "print JSON instead of a table")
		f.StringVarP(&o.out, "out", "o", "", "`folder` for probe-KIND.json and the confusion matrix as .csv and .png")
		f.BoolVar(&o.force, "force", false, "replace existing outputs")
		return o.run
	},
}

func (o *probeOptions) run(ctx context.Context, t *terminal, args []string) error {
	on, err := o.check(args)
	if err != nil {
		return err
	}
	if err := mayWrite(o.force, nil, o.outputs()...); err != nil {
		return err
	}
	t.kernels()
	set, err := o.features(ctx, t, on)
	if err != nil {
		return err
	}
	if err := on.cut(set); err != nil {
		return err
	}
	set.warnOfUnseen(t)
	r := &probeReport{
		Kind: o.kind, Encoder: set.encoder, On: on.text, Dim: set.test.Dim, Classes: len(set.classes),
		TrainSamples: set.train[0].Len(), TestSamples: set.test.Len(), ImageSize: set.size,
	}
	pool := kernel.NewPool(0)
	defer pool.Close()
	outcome, err := o.classify(ctx, t, pool, set, r)
	if err != nil {
		return err
	}
	if set.unchanged != nil {
		if err := set.unchanged(); err != nil {
			return err
		}
	}
	return o.write(t, r, outcome, set)
}

// classify runs the probe and fills in the report.
func (o *probeOptions) classify(ctx context.Context, t *terminal, pool *kernel.Pool, set *probeSet, r *probeReport) (*probe.Outcome, error) {
	classes := len(set.classes)
	if o.kind == kindKNN {
		n := set.test.Len()
		k, temperature := min(o.knn.K, set.train[0].Len()), o.knn.Temperature
		if k < o.knn.K && o.flags.Changed("k") {
			t.warn("--k is %d, and there are %d training rows: all of them vote", o.knn.K, k)
		}
		outcome, err := o.knn.Classify(ctx, pool, set.train[0], set.test, classes, func(done int) { t.progress("%d of %d test rows", done, n) })
		if err != nil {
			return nil, err
		}
		r.K, r.Top1, r.Top5 = &k, outcome.Top1, outcome.Top5
		if !math.IsInf(temperature, 0) { // which JSON cannot hold
			r.Temperature = &temperature
		}
		return outcome, nil
	}
	fitted, err := o.fit.Train(ctx, pool, set.train, set.test, classes, func(e probe.Epoch) {
		t.progress("epoch %d of %d: loss %.4f, top-1 %.2f %%", e.Epoch+1, o.fit.Epochs, e.Loss, 100*e.Top1)
	})
	if err != nil {
		return nil, err
	}
	r.Top1, r.Top5 = fitted.Last.Top1, fitted.Last.Top5
	top1, top5 := fitted.Best()
	r.Linear = &linearReport{
		LR: o.fit.LR, Schedule: o.schedule, Momentum: o.fit.Momentum, WeightDecay: o.fit.WeightDecay,
		Batch: o.fit.Batch, Seed: o.fit.Seed, AugmentedPasses: o.augment,
		BestTop1: bestEpoch{top1.Top1, top1.Epoch}, Epochs: fitted.Epochs,
	}
	if top5.Top5 != nil {
		r.Linear.BestTop5 = &bestEpoch{*top5.Top5, top5.Epoch}
	}
	return fitted.Last, nil
}

// Flags that one kind alone listens to, and those that need images.
var (
	knnFlags    = []string{"k", "temperature"}
	linearFlags = []string{"epochs", "batch", "lr", "lr-schedule", "momentum", "weight-decay", "augment", "seed"}
	imageFlags  = []string{"model", "data", "test-data", "image-size", "mean", "std", "corrupt", "exact", "cache", "augment"}
)

func (o *probeOptions) check(args []string) (columns, error) {
	on, err := parseColumns(o.on)
	if err != nil {
		return on, err
	}
	ready := []string{o.trainFeatures, o.trainLabels, o.testFeatures, o.testLabels}
	given := slices.ContainsFunc(ready, func(s string) bool { return s != "" })
	switch {
	case len(args) > 0:
		return on, usagef("takes no arguments beside its flags, %q given", args[0])
	case given && slices.Contains(ready, ""):
		return on, usagef("ready-made rows take all of --train-features, --train-labels, --test-features and --test-labels")
	case given && on.of != "r":
		return on, usagef("--on %s needs a model; of ready-made rows only columns, r[…:…], can be taken", o.on)
	case !given && o.model == "":
		return on, usagef("name a model or a run, with --model")
	case !given && o.data == "":
		return on, usagef("name the images, with --data")
	case o.augment < 0 || o.augment > 1000:
		return on, usagef("--augment is %d, want 0 to 1000 passes", o.augment)
	}
	if err := cmp.Or(oneOf("kind", o.kind, kindKNN, kindLinear), oneOf("lr-schedule", o.schedule, "constant", "cosine"), o.input.check(), checkCorrupt(o.corrupt)); err != nil {
		return on, err
	}
	o.fit.Cosine = o.schedule == "cosine"
	deaf, because := knnFlags, "is for --kind knn"
	if o.kind == kindKNN {
		deaf, because = linearFlags, "is for --kind linear"
	}
	for _, name := range deaf {
		if o.flags.Changed(name) {
			return on, usagef("--%s %s", name, because)
		}
	}
	for _, name := range imageFlags {
		if given && o.flags.Changed(name) {
			return on, usagef("--%s has no effect on ready-made rows", name)
		}
	}
	err = o.knn.Check()
	if o.kind == kindLinear {
		err = o.fit.Check()
	}
	if err != nil {
		return on, usagef("--%v", err) // which begins with the setting's name
	}
	return on, nil
}

// columns says which values of which tensor are classified.
type columns struct {
	text     string
	of       string // r or z
	from, to int    // −1: to the end
}

var columnsSyntax = regexp.MustCompile(`^([rz])(?:\[(\d{0,9}):(\d{0,9})\])?$`)

func parseColumns(text string) (columns, error) {
	m := columnsSyntax.FindStringSubmatch(text)
	if m == nil {
		return columns{}, usagef("--on is %q, want r, z, or columns of them such as r[:360] and r[360:]", text)
	}
	c := columns{text: text, of: m[1], to: -1}
	if m[2] != "" {
		c.from, _ = strconv.Atoi(m[2]) // nine digits
	}
	if m[3] != "" {
		c.to, _ = strconv.Atoi(m[3])
	}
	return c, nil
}

// tensor is the model's output meant.
func (c columns) tensor() string {
	if c.of == "z" {
		return importer.EmbeddingName
	}
	return importer.RepresentationName
}

// cut leaves only the columns of all rows.
func (c columns) cut(s *probeSet) error {
	for _, f := range append(slices.Clone(s.train), s.test) {
		to := c.to
		if to < 0 {
			to = f.Dim
		}
		part, err := f.Columns(c.from, to)
		if err != nil {
			return fmt.Errorf("--on %s: there are no such columns, rows have %d values", c.text, f.Dim)
		}
		*f = *part
	}
	return nil
}
