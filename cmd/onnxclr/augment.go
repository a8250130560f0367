package main

import (
	"context"
	"image/png"
	"io"

	"github.com/spf13/pflag"

	"onnxclr/internal/file"
	"onnxclr/train/data"
)

type augmentOptions struct {
	data, split, out string
	count, size      int
	seed             uint64
	force            bool
}

var augmentVerb = &verb{
	name:    "augment",
	args:    "--data D -o SHEET.png",
	summary: "show what training sees: images beside their two views",
	about: `
Each image stands beside the two views that a run with this seed and image size shows the
network in its first epoch. D is what train takes.`,
	example: "onnxclr augment --data generated:textures --image-size 64 -o views.png",
	prepare: func(f *pflag.FlagSet) action {
		o := &augmentOptions{}
		f.StringVar(&o.data, "data", "", "the `data set`")
		f.StringVar(&o.split, "split", data.Auto, "`part` of the data: auto (train, or all if there are no splits), train, test, val, all")
		f.IntVar(&o.count, "count", 12, "`images`, spread evenly over the data")
		f.IntVar(&o.size, "image-size", paperSize, "height and width of a view in `pixels`")
		f.Uint64Var(&o.seed, "seed", 0, "the run's `seed`")
		f.StringVarP(&o.out, "out", "o", "", "`file` of the sheet, .png")
		f.BoolVar(&o.force, "force", false, "replace an existing output")
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
	case o.size < 8 || o.size > 1024:
		return usagef("--image-size is %d, want 8 to 1024", o.size)
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
	sheet, err := data.ContactSheet(ds, o.count, o.seed, o.size)
	if err != nil {
		return err
	}
	if err := file.WriteNew(o.out, o.force, func(w io.Writer) error { return png.Encode(stoppable{ctx, w}, sheet) }); err != nil {
		return err
	}
	t.say("wrote %s", o.out)
	return nil
}
