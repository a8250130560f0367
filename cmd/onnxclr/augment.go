package main

import (
	"context"
	"image/png"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"onnxclr/internal/file"
	"onnxclr/train"
	"onnxclr/train/data"
)

type augmentOptions struct {
	flags            *pflag.FlagSet
	data, split, out string
	recipe           string
	count            int
	force            bool
	values           map[string]*setting // of the recipe's keys
}

var augmentVerb = &verb{
	name:    "augment",
	args:    "--data D -o SHEET.png",
	summary: "show what training sees: images beside their two views",
	about: `
Each image stands beside the two views that a run with this recipe, seed and image size shows
the network in its first epoch; what makes them is printed. D is what train takes.`,
	example: "onnxclr augment --data generated:textures --image-size 64 -o views.png",
	prepare: func(f *pflag.FlagSet) action {
		o := &augmentOptions{flags: f, values: map[string]*setting{}}
		f.StringVar(&o.data, "data", "", "the `data set`")
		f.StringVar(&o.split, "split", data.Auto, "`part` of the data: auto (train, or all if there are no splits), train, test, val, all")
		f.StringVar(&o.recipe, "recipe", "", "`recipe`, as train takes; its settings of the views, the image size and the seed matter")
		f.IntVar(&o.count, "count", 12, "`images`, spread evenly over the data")
		f.StringVarP(&o.out, "out", "o", "", "`file` of the sheet, .png")
		f.BoolVar(&o.force, "force", false, "replace an existing output")
		for _, key := range append([]string{"image_size", "seed", "corrupt"}, train.AugmentationKeys()...) {
			name := strings.ReplaceAll(key, "_", "-")
			o.values[name] = recipeFlag(f, key, name)
		}
		return o.run
	},
}

func (o *augmentOptions) run(ctx context.Context, t *terminal, args []string) error {
	switch {
	case len(args) > 0:
		return usagef("takes no arguments beside its flags, %q given", args[0])
	case o.data == "":
		return usagef("name the images, with --data")
	case o.out == "":
		return usagef("say where the sheet goes, with -o SHEET.png")
	case o.count < 1 || o.count > 1000:
		return usagef("--count is %d, want 1 to 1000", o.count)
	}
	r, err := o.settle()
	if err != nil {
		return err
	}
	if r.ImageSize > 1024 {
		return usagef("image-size is %d, want 8 to 1024", r.ImageSize)
	}
	if err := hasExtension(o.out, ".png"); err != nil {
		return err
	}
	if err := mayWrite(o.force, []string{o.data}, o.out); err != nil {
		return err
	}
	ds, err := data.Open(o.data, o.split)
	if err != nil {
		return err
	}
	defer ds.Close()
	views := r.Augmentation().Pipelines(r.ImageSize)
	sheet, skipped, err := data.Sheet{Images: o.count, Size: r.ImageSize, Seed: r.Seed, Views: views, Skip: r.Corrupt == "skip"}.Draw(ctx, ds)
	if err != nil {
		return unreadable(err)
	}
	warnSkipped(t, skipped, o.count)
	if err := file.WriteNew(o.out, o.force, func(w io.Writer) error { return png.Encode(stoppable{ctx, w}, sheet) }); err != nil {
		return err
	}
	for i, view := range views {
		t.say("view %d: %v", i+1, view)
	}
	t.say("wrote %s", o.out)
	return nil
}

// settle returns the recipe of the views.
func (o *augmentOptions) settle() (train.Recipe, error) {
	var settings []train.Setting
	if o.recipe != "" {
		var err error
		if settings, err = train.OpenRecipe(o.recipe); err != nil {
			return train.Recipe{}, err
		}
	}
	settings = withoutViews(settings)
	for name, value := range o.values {
		if o.flags.Changed(name) {
			settings = append(settings, train.Flag(name, value.text))
		}
	}
	r, _, err := train.Resolve(settings...)
	if err != nil {
		return r, usageError(err.Error())
	}
	return r, nil
}
