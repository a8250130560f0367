package main

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/spf13/pflag"

	"onnxclr/train"
)

type trainOptions struct {
	flags         *pflag.FlagSet
	recipe, out   string
	resume, force bool
	accept        bool
	profile       bool
	dry           bool
	values        map[string]*setting // of the recipe's keys
}

var trainVerb = &verb{
	name:    "train",
	args:    "--model MODEL.onnx (--data D | --views DIR) --method simclr|directclr -o RUN",
	summary: "train a model contrastively",
	about: `
The defaults are the paper's recipe (arXiv:2110.09348) for the method, at its batch of 4096
images: give at least --batch on a small machine. Settings come from the defaults, then from
--recipe, then from the flags.

D is an image folder, a .tar or .tar.gz of one, WebDataset or other shards (a folder of them,
"train-{000..146}.tar" or @LIST), CIFAR binary files, an .npy array N×H×W×3 of bytes, or
generated:textures. DIR holds ready-made batches, one .npz each in name order, with arrays view1
and view2, float32, N×3×H×W, normalised. Decoded images are kept in memory for the epochs to
come, as many as fit into 1 GiB or a quarter of what is free.

--profile prints, also after Ctrl-C, the time of every kind of operator and of what lies around
the graph, beside the machine's peaks, which it measures before the first step.

RUN receives recipe.yaml (all settings), metrics.jsonl (one object a step), loss.png, checkpoints/
and the final model.onnx. Ctrl-C saves; --resume continues to the same bits, with the settings of the
run where no others are given, and refuses settings that change the result, or other data, unless
--accept-changes is given. Of the checkpoints the newest are kept, and that of the epoch of the
lowest mean loss.

--micro-batch M takes the loss of the whole batch while M images are in memory at a time: first
the embeddings of one part after the other, then, with the loss's gradient, every part again.

--monitor-every adds what held-out images say about the model: spectra, RankMe, live dimensions,
kNN and an online probe (monitor.jsonl, spectrum.png). --tensorboard adds event files: the numbers
of metrics.jsonl, views as the network saw them, histograms of parameters, gradients and
embeddings; to see them,
tensorboard --logdir RUN.`,
	example: "onnxclr train --model resnet50.onnx --data images.tar --method directclr --batch 64 --image-size 64 --epochs 10 --warmup-epochs 1 -o runs/directclr\n" +
		"onnxclr train --model resnet18.onnx --data cifar10.tar --recipe simclr-mlp-cifar10-32 -o runs/simclr",
	prepare: func(f *pflag.FlagSet) action {
		o := &trainOptions{flags: f, values: map[string]*setting{}}
		f.StringVarP(&o.out, "out", "o", "", "`folder` of the run")
		f.StringVar(&o.recipe, "recipe", "", "`recipe` of the program (see recipe list), YAML file of settings, or folder of a run")
		f.BoolVar(&o.resume, "resume", false, "continue the run in RUN; where there is none yet, begin it")
		f.BoolVar(&o.accept, "accept-changes", false, "with --resume: continue with another recipe or other data")
		f.BoolVar(&o.force, "force", false, "replace the run in RUN")
		f.BoolVar(&o.dry, "dry-run", false, "print what the run would be, its shapes, memory and, from a few steps, time; write nothing")
		f.BoolVar(&o.profile, "profile", false, "print at the end where the time of a step went")
		for _, key := range train.Keys() {
			name := strings.ReplaceAll(key, "_", "-")
			o.values[name] = recipeFlag(f, key, name)
		}
		return o.run
	},
}

// setting is a flag whose text the recipe understands.
type setting struct{ text, kind string }

func (s *setting) String() string     { return s.text }
func (s *setting) Set(v string) error { s.text = v; return nil }
func (s *setting) Type() string       { return s.kind }

// recipeFlag declares the flag of a recipe's key, with the key's own note and its
// defaults.
func recipeFlag(f *pflag.FlagSet, key, name string) *setting {
	simclr, directclr := recipeField("simclr", key), recipeField("directclr", key)
	kinds := map[string]string{"bool": "bool", "text": "name", "int": "number", "number": "number", "numbers": "list", "groups": "list"}
	value := &setting{kind: kinds[train.Kind(key)]}
	switch key {
	case "model":
		value.kind = "file"
	case "data", "views":
		value.kind = "path"
	}
	usage := train.Note(key)
	a, b := recipeText(simclr), recipeText(directclr)
	switch {
	case key == "method":
		usage += " (default " + a + ")"
	case simclr.IsZero() && directclr.IsZero():
	case a == b:
		usage += " (default " + a + ")"
	case simclr.IsZero():
		usage += " (default for directclr " + b + ")"
	case directclr.IsZero():
		usage += " (default for simclr " + a + ")"
	default:
		usage += " (default for simclr " + a + ", for directclr " + b + ")"
	}
	flag := f.VarPF(value, name, "", usage)
	if value.kind == "bool" {
		flag.NoOptDefVal = "true"
	}
	return value
}

// recipeField is the default value of a key for a method.
func recipeField(method, key string) reflect.Value {
	r := reflect.ValueOf(train.Defaults(method))
	for i := range r.NumField() {
		if r.Type().Field(i).Tag.Get("yaml") == key {
			return r.Field(i)
		}
	}
	panic("cmd: recipe without the key " + key) // train.Keys lists them
}

// recipeText writes a value as the flag takes it.
func recipeText(v reflect.Value) string {
	text := fmt.Sprint(v)
	if v.Kind() == reflect.Slice {
		text = strings.ReplaceAll(strings.Trim(text, "[]"), " ", ",")
	}
	return text
}

func (o *trainOptions) run(ctx context.Context, t *terminal, args []string) error {
	switch {
	case len(args) > 0:
		return usagef("takes no arguments beside its flags, %q given", args[0])
	case o.out == "" && (!o.dry || o.resume):
		return usagef("say where the run goes, with -o RUN")
	case o.dry && o.profile:
		return usagef("--dry-run makes too few steps for --profile; give one")
	case o.accept && !o.resume:
		return usagef("--accept-changes is for runs that are continued, with --resume")
	case o.resume && o.force:
		return usagef("--resume continues the run and --force replaces it; give one")
	}
	r, warnings, err := o.settle()
	if err != nil {
		return err
	}
	for _, w := range warnings {
		t.warn("%s", w)
	}
	t.kernels()
	options := train.Options{Dir: o.out, Resume: o.resume, Accept: o.accept, Force: o.force}
	if o.dry {
		return dryRun(ctx, t, r, options)
	}
	if o.profile {
		options.Profile = func(p *train.Profile) { printProfile(t, p) }
	}
	return trainRun(ctx, t, r, options)
}

// settle puts the recipe together.
func (o *trainOptions) settle() (train.Recipe, []string, error) {
	var settings []train.Setting
	resuming := false
	if o.resume {
		own, err := train.RunRecipe(o.out)
		if err != nil {
			return train.Recipe{}, nil, err
		}
		settings, resuming = append(settings, own...), own != nil
	}
	if o.recipe != "" {
		more, err := train.OpenRecipe(o.recipe)
		if err != nil {
			return train.Recipe{}, nil, err
		}
		settings = append(settings, more...)
	}
	for _, key := range train.Keys() {
		name := strings.ReplaceAll(key, "_", "-")
		if o.flags.Changed(name) {
			settings = append(settings, train.Flag(name, o.values[name].text))
		}
	}
	r, warnings, err := train.Resolve(settings...)
	if err == nil {
		if err = r.Complete(); err != nil && o.resume && o.recipe == "" && !resuming {
			err = fmt.Errorf("there is no run to resume in %s; to start one there, give --model and --data", o.out)
		}
	}
	if err != nil {
		return r, nil, usageError(err.Error())
	}
	return r, warnings, nil
}

// trainRun runs the recipe, reporting to the terminal.
func trainRun(ctx context.Context, t *terminal, r train.Recipe, o train.Options) error {
	o.Reporter = train.Quiet(t.err)
	if f, ok := t.err.(*os.File); ok && !t.quiet {
		o.Reporter = train.NewReporter(f)
	}
	return train.Run(ctx, r, o)
}
