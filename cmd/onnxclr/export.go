package main

import (
	"context"

	"github.com/spf13/pflag"

	"onnxclr/importer"
)

type exportOptions struct {
	out              string
	projector, force bool
}

var exportVerb = &verb{
	name:    "export",
	args:    "RUN|MODEL.onnx -o OUT.onnx|.pth|.safetensors",
	summary: "write a trained model for PyTorch or ONNX Runtime",
	about: `
RUN is the folder of a training run: its final model, or its newest checkpoint if it has not
ended. A .pth is a state_dict with PyTorch's keys, num_batches_tracked included, which
torch.load(weights_only=True) and load_state_dict(strict=True) accept where the network is
torchvision's; .safetensors holds the same tensors; .onnx is the model with batch normalisation
in its evaluation form.`,
	example: "onnxclr export runs/directclr -o resnet50-directclr.pth",
	prepare: func(f *pflag.FlagSet) action {
		o := &exportOptions{}
		f.StringVarP(&o.out, "out", "o", "", "`file` to write; the extension names the format")
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
	report, err := importer.Export(m.ONNX, o.out, importer.ExportOptions{Projector: o.projector, Force: o.force})
	if err != nil {
		return err
	}
	for _, note := range report.Notes {
		t.say("note: %s", note)
	}
	t.print("%s, %d tensors\n", report.Format, report.Tensors)
	t.say("wrote %s", o.out)
	return nil
}
