package main

import (
	"cmp"
	"context"

	"github.com/spf13/pflag"

	"onnxclr/importer"
)

type exportOptions struct {
	out, layout, dtype string
	projector, force   bool
}

var exportVerb = &verb{
	name:    "export",
	args:    "RUN|MODEL.onnx -o OUT.onnx|.pth|.safetensors",
	summary: "write a trained model for PyTorch or ONNX Runtime",
	about: `
RUN is the folder of a training run: its final model, or its newest checkpoint if it has not
ended. A .pth is a state_dict with PyTorch's keys, num_batches_tracked included, that
torch.load(weights_only=True) and load_state_dict(strict=True) accept; .safetensors holds the
same tensors; .onnx is the model with batch normalisation in its evaluation form.

Keys, the dictionaries around them and the types of the weights are those of the checkpoint that
the model was converted from, and tensors that nobody changed are bit for bit as they were.
--layout writes them as another code base has them: torchvision or timm (the plain names),
directclr, moco, moco-v3, swav, dino, barlow-twins, vicreg, vissl, lightly, lightly-sequential,
solo-learn, simclr-sthalles, simclr-spijkervet, mmpretrain, bolts or detectron2.`,
	example: "onnxclr export runs/directclr -o resnet50-directclr.pth",
	prepare: func(f *pflag.FlagSet) action {
		o := &exportOptions{}
		f.StringVarP(&o.out, "out", "o", "", "`file` to write; the extension names the format")
		f.StringVar(&o.layout, "layout", importer.LayoutSame, "`code base` whose keys to write, such as torchvision; same: the checkpoint's")
		f.StringVar(&o.dtype, "dtype", importer.DTypeSame, "`type` of the weights: float32, float16, bfloat16 or float64; same: the checkpoint's")
		f.BoolVar(&o.projector, "projector", false, "include the weights of the projector in .pth and .safetensors")
		f.BoolVar(&o.force, "force", false, "replace an existing output")
		return o.run
	},
}

func (o *exportOptions) run(_ context.Context, t *terminal, args []string) error {
	switch {
	case len(args) != 1:
		return usagef("want one run or model, %d given", len(args))
	case o.out == "":
		return usagef("say where the weights go, with -o OUT.pth")
	}
	if err := cmp.Or(oneOf("layout", o.layout, importer.ExportLayouts()...), oneOf("dtype", o.dtype, importer.ExportTypes()...)); err != nil {
		return err
	}
	if err := hasExtension(o.out, ".onnx", ".pth", ".pt", ".safetensors"); err != nil {
		return err
	}
	path, err := modelPath(args[0])
	if err != nil {
		return err
	}
	if err := mayWrite(o.force, []string{path}, o.out); err != nil {
		return err
	}
	m, err := importer.OpenModel(path)
	if err != nil {
		return err
	}
	defer m.Close()
	report, err := importer.Export(m.ONNX, o.out, importer.ExportOptions{Projector: o.projector, Force: o.force, Layout: o.layout, DType: o.dtype})
	if err != nil {
		return err
	}
	for _, note := range report.Notes {
		t.say("note: %s", note)
	}
	t.print("%s, %d tensors", report.Format, report.Tensors)
	if report.Layout != "" {
		t.print(", keys of %s", report.Layout)
	}
	t.print("\n")
	t.say("wrote %s", o.out)
	return nil
}
