package main

import (
	"cmp"
	"context"
	"encoding/json"
	"io"

	"github.com/spf13/pflag"

	"onnxclr/importer"
	"onnxclr/internal/file"
)

type convertOptions struct {
	out, arch, key, prefix, head, stem string
	opset                              int
	missing, json, force               bool
}

var convertVerb = &verb{
	name:    "convert",
	args:    "CKPT -o MODEL.onnx",
	summary: "turn a PyTorch checkpoint into an ONNX model that can be trained",
	about: `
CKPT is a .pth or .pt file of PyTorch, .safetensors (of several files, their .index.json) or
.npz, with a network of the ResNet family in it. Nothing in the file is executed. The
architecture is read off the shapes of the weights; the encoder is found in the wrappers people
have (module., backbone., encoder_q., state_dict …), and of several encoders the one that the
method's authors evaluate. What was recognised and why, and what was left out, goes to standard
output.

The model has the outputs "representation" (the pooled features) and, unless dropped, "logits";
batch size, height and width are free, batch normalisation is kept, and parameters have
PyTorch's names.`,
	example: "onnxclr convert resnet50.pth -o resnet50.onnx",
	prepare: func(f *pflag.FlagSet) action {
		o := &convertOptions{}
		f.StringVarP(&o.out, "out", "o", "", "`file` of the model")
		f.StringVar(&o.arch, "arch", "auto", "the `architecture` that must be found, such as resnet50; auto takes any")
		f.StringVar(&o.key, "key", "auto", "take the encoder under this `key`, such as student or encoder_k; auto looks at all")
		f.StringVar(&o.prefix, "prefix", "auto", "`keys` before the encoder's, such as module.encoder_k; auto finds them")
		f.StringVar(&o.head, "head", "keep", "`keep or drop` the classifier (output logits)")
		f.StringVar(&o.stem, "stem", "auto", "what a 3×3 first convolution belongs to: `auto, cifar, pad2, maxpool or no-pool`")
		f.BoolVar(&o.missing, "allow-missing", false, "begin tensors that the checkpoint lacks with untrained values")
		f.IntVar(&o.opset, "opset", importer.DefaultOpset, "ONNX operator set `version` to write")
		f.BoolVar(&o.json, "json", false, "print what was recognised as JSON")
		f.BoolVar(&o.force, "force", false, "replace an existing output")
		return o.run
	},
}

func (o *convertOptions) run(ctx context.Context, t *terminal, args []string) error {
	switch {
	case len(args) != 1:
		return usagef("want one checkpoint, %d given", len(args))
	case o.out == "":
		return usagef("say where the model goes, with -o MODEL.onnx")
	case o.opset < importer.MinOpset || o.opset > importer.MaxOpset:
		return usagef("--opset is %d, want %d to %d", o.opset, importer.MinOpset, importer.MaxOpset)
	}
	stems := []string{"auto", string(importer.StemCIFAR), string(importer.StemPad2), string(importer.StemMaxPool), string(importer.StemNoPool)}
	if err := cmp.Or(oneOf("head", o.head, "keep", "drop"), oneOf("stem", o.stem, stems...), hasExtension(o.out, ".onnx")); err != nil {
		return err
	}
	if err := mayWrite(o.force, args, o.out); err != nil {
		return err
	}
	options := importer.ConvertOptions{Arch: o.arch, Key: o.key, Prefix: o.prefix, AllowMissing: o.missing, DropClassifier: o.head == "drop", Opset: o.opset}
	if o.stem != "auto" {
		options.Stem = importer.StemKind(o.stem)
	}
	c, err := importer.OpenCheckpoint(args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	report, err := convert(ctx, c, options, o.out, o.force)
	if err != nil {
		return err
	}
	if o.json {
		e := json.NewEncoder(t.out)
		e.SetIndent("", "  ")
		if err := e.Encode(report); err != nil {
			return err
		}
	} else {
		t.print("%s\n", report)
	}
	t.say("wrote %s", o.out)
	return nil
}

// convert writes the encoder of a checkpoint as an ONNX file.
func convert(ctx context.Context, c *importer.Checkpoint, options importer.ConvertOptions, out string, force bool) (*importer.Report, error) {
	m, report, err := importer.Convert(c, options)
	if err != nil {
		return nil, err
	}
	return report, file.WriteNew(out, force, func(w io.Writer) error { return m.Encode(stoppable{ctx, w}) })
}
