package main

import (
	"cmp"
	"context"
	"io"

	"github.com/spf13/pflag"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/internal/file"
)

type initOptions struct {
	out, stem   string
	seed        uint64
	classes     int
	zero, force bool
	opset       int
}

var initVerb = &verb{
	name:    "init",
	args:    "ARCHITECTURE -o MODEL.onnx",
	summary: "write an untrained network, to train from scratch",
	about: `
ARCHITECTURE is one of torchvision's: resnet18, resnet34, resnet50, resnet101, resnet152,
wide_resnet50_2, wide_resnet101_2, resnext50_32x4d, resnext101_32x8d, resnext101_64x4d. Weights
begin as PyTorch's do. The paper's code also begins the last normalisation of every block at 0
(--zero-init-residual).`,
	example: "onnxclr init resnet50 --seed 0 --zero-init-residual -o resnet50.onnx",
	prepare: func(f *pflag.FlagSet) action {
		o := &initOptions{}
		f.StringVarP(&o.out, "out", "o", "", "`file` of the model")
		f.Uint64Var(&o.seed, "seed", 0, "`seed` of the weights")
		f.StringVar(&o.stem, "stem", "imagenet", "`imagenet`: 7×7, stride 2, pooling; cifar: 3×3, for images of 32 pixels; or pad2: the same with padding 2, solo-learn's")
		f.BoolVar(&o.zero, "zero-init-residual", false, "blocks begin as the identity")
		f.IntVar(&o.classes, "classes", 0, "`number` of outputs of a classifier behind the representation; 0 leaves it out")
		f.IntVar(&o.opset, "opset", importer.DefaultOpset, "ONNX operator set `version` to write")
		f.BoolVar(&o.force, "force", false, "replace an existing output")
		return o.run
	},
}

func (o *initOptions) run(ctx context.Context, t *terminal, args []string) error {
	switch {
	case len(args) != 1:
		return usagef("want one architecture, %d given", len(args))
	case o.out == "":
		return usagef("say where the model goes, with -o MODEL.onnx")
	case o.classes < 0 || o.classes > 1<<20:
		return usagef("--classes is %d, want 0 to %d", o.classes, 1<<20)
	}
	if err := cmp.Or(oneOf("stem", o.stem, "imagenet", string(importer.StemCIFAR), string(importer.StemPad2)), hasExtension(o.out, ".onnx")); err != nil {
		return err
	}
	if err := mayWrite(o.force, nil, o.out); err != nil {
		return err
	}
	random := importer.RandomOptions{Seed: o.seed, ZeroResidual: o.zero, Classes: o.classes, Opset: o.opset}
	if o.stem != "imagenet" {
		random.Stem = importer.StemKind(o.stem)
	}
	m, err := importer.RandomResNet(args[0], random)
	if err != nil {
		return usageError(err.Error())
	}
	if err := onnx.Check(m); err != nil {
		return err
	}
	if err := file.WriteNew(o.out, o.force, func(w io.Writer) error { return m.Encode(stoppable{ctx, w}) }); err != nil {
		return err
	}
	t.print("%s, untrained, seed %d\n", m.Meta(importer.MetaArchitecture), o.seed)
	t.say("wrote %s", o.out)
	return nil
}
