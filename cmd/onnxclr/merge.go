package main

import (
	"context"
	"slices"

	"github.com/spf13/pflag"

	"onnxclr/internal/file"
)

type mergeOptions struct {
	out   string
	force bool
}

var mergeVerb = &verb{
	name:    "merge",
	args:    "MOMENTS.npz… -o MOMENTS.npz",
	summary: "add up moments of embeddings that are spread over files or machines",
	about: `
Each argument is what spectrum --save-moments wrote of a part of the rows; the result is that of
all of them, and spectrum charts it. Only the parts' means and scatters travel, D² numbers each.`,
	example: "onnxclr merge part1.npz part2.npz -o all.npz",
	prepare: func(f *pflag.FlagSet) action {
		o := &mergeOptions{}
		f.StringVarP(&o.out, "out", "o", "", "`file` of the sum, .npz")
		f.BoolVar(&o.force, "force", false, "replace an existing output")
		return o.run
	},
}

func (o *mergeOptions) run(_ context.Context, t *terminal, args []string) error {
	switch {
	case len(args) == 0:
		return usagef("name the files of moments")
	case o.out == "":
		return usagef("say where the sum goes, with -o MOMENTS.npz")
	}
	if err := hasExtension(o.out, ".npz"); err != nil {
		return err
	}
	for i, arg := range args {
		if slices.Contains(args[:i], arg) {
			return usagef("%s is given twice: its rows would count twice", arg)
		}
	}
	if err := mayWrite(o.force, args, o.out); err != nil {
		return err
	}
	m, err := mergeMoments(args)
	if err != nil {
		return err
	}
	if err := file.WriteNew(o.out, o.force, m.Save); err != nil {
		return err
	}
	t.print("%d rows of %d values\n", m.Len(), m.Dim())
	t.say("wrote %s", o.out)
	return nil
}
