package main

import (
	"slices"

	"github.com/spf13/pflag"

	"onnxclr/importer/onnx"
	"onnxclr/train"
	"onnxclr/train/augment"
	"onnxclr/train/data"
)

// openSplit opens the images that are looked at, and warns where there are none held out.
func openSplit(t *terminal, path, split string) (data.Dataset, error) {
	ds, err := data.Open(path, split)
	if err == nil && split == data.HeldOut && data.TrainedOn(ds) {
		t.warn("%s has no test or val split: its training images are taken", path)
	}
	return ds, err
}

// inputFlags say how images become what a network takes.
type inputFlags struct {
	size      int
	mean, std string
	flags     *pflag.FlagSet
}

func (i *inputFlags) declare(f *pflag.FlagSet) {
	i.flags = f
	f.IntVar(&i.size, "image-size", 0, "height and width in `pixels` (default: the run's or the model's own, else 224)")
	f.StringVar(&i.mean, "mean", "", "`list` subtracted from red, green and blue, which are between 0 and 1 (default: the run's, else ImageNet's 0.485,0.456,0.406)")
	f.StringVar(&i.std, "std", "", "`list` that red, green and blue are then divided by (default: the run's, else ImageNet's 0.229,0.224,0.225)")
}

func (i *inputFlags) check() error {
	if i.size < 0 || i.size > 4096 || i.size > 0 && i.size < 8 {
		return usagef("--image-size is %d, want 8 to 4096", i.size)
	}
	if _, _, err := train.Resolve(i.normalization()...); err != nil {
		return usageError(err.Error())
	}
	return nil
}

// normalization is what was given of it.
func (i *inputFlags) normalization() (given []train.Setting) {
	if i.flags.Changed("mean") {
		given = append(given, train.Flag("mean", i.mean))
	}
	if i.flags.Changed("std") {
		given = append(given, train.Flag("std", i.std))
	}
	return given
}

// withoutViews leaves out of a recipe that its views are ready-made: those have no
// augmentation, images that are named instead have.
func withoutViews(settings []train.Setting) []train.Setting {
	return slices.DeleteFunc(settings, func(s train.Setting) bool { return s.Key == "views" })
}

// settle returns the recipe that says how a model or a run sees images: that of the run,
// which a model may lie in, else the default one, with what was given. The size is the
// one given, else that of the run, else that of the model, else the paper's. Of a run on
// ready-made views neither size nor augmentation is known.
func (i *inputFlags) settle(t *terminal, source string, m *onnx.Model, ds data.Dataset) (*train.Recipe, error) {
	var settings []train.Setting
	run := train.RunOf(source)
	if run != "" {
		var err error
		if settings, err = train.RunRecipe(run); err != nil {
			return nil, err
		}
	}
	written := len(settings)
	settings = withoutViews(settings)
	sized := run != "" && len(settings) == written
	r, _, err := train.Resolve(append(settings, i.normalization()...)...)
	if err != nil {
		return nil, err
	}
	switch {
	case i.size > 0:
		r.ImageSize = i.size
	case sized:
	default:
		r.ImageSize, err = ownSize(t, m, ds)
	}
	return &r, err
}

// ownSize is the image size of the model, else the paper's.
func ownSize(t *terminal, m *onnx.Model, ds data.Dataset) (int, error) {
	for _, in := range m.Graph.Inputs {
		if m.Graph.Initializer(in.Name) == nil && len(in.Shape) == 4 && in.Shape[2].Value > 0 {
			return int(in.Shape[2].Value), nil
		}
	}
	const paper = 224
	img, err := ds.Image(0)
	if err != nil {
		return 0, err
	}
	if short := min(img.W, img.H); 2*short <= paper {
		t.warn("images are enlarged from %d×%d to %d×%d; --image-size %d would be faster and nearer to them", img.W, img.H, paper, paper, short)
	}
	return paper, nil
}

// evaluation is one pass over images as a recipe's network sees them outside of training.
func evaluation(r *train.Recipe, batch int) data.Options {
	return data.Options{
		Views: []augment.Pipeline{augment.Evaluation(r.ImageSize)}, Values: r.Normalization(), Size: r.ImageSize, Batch: batch, Once: true,
	}
}
