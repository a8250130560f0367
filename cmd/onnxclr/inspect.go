package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
)

type inspectOptions struct {
	json, dot   bool
	plan        string
	key, prefix string
	batch, size int
}

var inspectVerb = &verb{
	name:    "inspect",
	args:    "FILE",
	summary: "describe a model, a checkpoint or a run",
	about: `
Of a model (or a run's): architecture, opset, producer, the checkpoint it came from, inputs and
outputs, the state of its batch normalisation, every layer with its output's shape, its
parameters and its floating-point operations (a multiply-add counts two), and the metadata.
Of a checkpoint: what convert would make of it and what it was recognised by, and every tensor in
it with what becomes of it; --key and --prefix choose among encoders as they do for convert.

--plan adds what the engine would do: each step with shape, bytes moved and floating-point
operations, and the memory it takes; --plan=train the same for a training step with the InfoNCE
loss on the embedding (two views of --batch images) instead of for inference.`,
	example: "onnxclr inspect resnet50.onnx --plan=train --batch 32 --image-size 64",
	prepare: func(f *pflag.FlagSet) action {
		o := &inspectOptions{}
		f.BoolVar(&o.json, "json", false, "print everything as JSON")
		f.StringVar(&o.plan, "plan", "", "print the engine's `inference or train` plan")
		f.Lookup("plan").NoOptDefVal = planInference
		f.BoolVar(&o.dot, "dot", false, "print the graph in Graphviz's language instead")
		f.StringVar(&o.key, "key", "auto", "of a checkpoint, the encoder under this `key`")
		f.StringVar(&o.prefix, "prefix", "auto", "of a checkpoint, the `keys` before the encoder's")
		f.IntVar(&o.batch, "batch", 1, "`images` a step, for shapes and plan")
		f.IntVar(&o.size, "image-size", 0, "height and width in `pixels`, for shapes and plan (default: the model's own, else 224)")
		return o.run
	},
}

func (o *inspectOptions) run(_ context.Context, t *terminal, args []string) error {
	switch {
	case len(args) != 1:
		return usagef("want one file, %d given", len(args))
	case o.dot && (o.json || o.plan != ""):
		return usagef("--dot prints the graph alone; leave out --json and --plan")
	case o.batch < 1 || o.batch > 1<<16:
		return usagef("--batch is %d, want 1 to %d", o.batch, 1<<16)
	case o.size < 0 || o.size > 4096 || o.size > 0 && o.size < 8:
		return usagef("--image-size is %d, want 8 to 4096", o.size)
	}
	if o.plan != "" {
		if err := oneOf("plan", o.plan, planInference, planTrain); err != nil {
			return err
		}
	}
	path, err := modelPath(args[0])
	if err != nil {
		return err
	}
	d, closeFile, err := o.describeFile(path)
	if err != nil {
		return err
	}
	defer closeFile()
	if d.model != nil {
		if err := o.describeModel(d); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	} else if o.dot || o.plan != "" {
		return fmt.Errorf("%s: no model to print: %s", path, d.Checkpoint.Problem)
	}
	switch {
	case o.dot:
		writeDot(t.out, d)
		return nil
	case o.json:
		e := json.NewEncoder(t.out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(d)
	}
	d.print(t)
	return nil
}

// description is what inspect knows of a file; its JSON is the verb's.
type description struct {
	File       string                 `json:"file"`
	Kind       string                 `json:"kind"` // "model" or "checkpoint"
	SHA256     string                 `json:"sha256"`
	Checkpoint *checkpointDescription `json:"checkpoint,omitempty"`
	Model      *modelDescription      `json:"model,omitempty"`
	Plan       *planDescription       `json:"plan,omitempty"`

	model *onnx.Model // of a checkpoint, what convert makes of it; nil if nothing
	norms string      // the state of batch normalisation, in a line
}

type checkpointDescription struct {
	Format  string              `json:"format"`
	Report  *importer.Report    `json:"recognised,omitempty"`
	Problem string              `json:"problem,omitempty"` // why convert refuses it
	Tensors []tensorDescription `json:"tensors"`
}

type tensorDescription struct {
	Name  string `json:"name"` // with the keys of its dictionary
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
	Used  string `json:"used,omitempty"` // its name in the model, if it is part of it
	Not   string `json:"not,omitempty"`  // why it is not
}

// describeFile opens a model or checkpoint. What it is is told by its contents; the
// extension only decides which error is the better one.
func (o *inspectOptions) describeFile(path string) (*description, func() error, error) {
	if strings.HasSuffix(strings.ToLower(path), ".onnx") {
		return describeONNX(path)
	}
	c, err := importer.OpenCheckpoint(path)
	if err != nil {
		if d, closeFile, err := describeONNX(path); err == nil {
			return d, closeFile, nil
		}
		return nil, nil, err
	}
	d := &description{File: path, Kind: "checkpoint", SHA256: c.SHA256(), Checkpoint: &checkpointDescription{Format: c.Format, Tensors: []tensorDescription{}}}
	if d.model, d.Checkpoint.Report, err = importer.Convert(c, importer.ConvertOptions{Key: o.key, Prefix: o.prefix}); err != nil {
		d.Checkpoint.Problem = strings.TrimPrefix(err.Error(), path+": ")
	}
	use := d.Checkpoint.Report.Uses()
	for _, dict := range c.Dicts {
		for _, tensor := range dict.Tensors {
			name := tensor.Name
			if dict.Path != "" {
				name = dict.Path + "." + name
			}
			t := tensorDescription{Name: name, DType: tensor.DType.String(), Shape: shapeOf(tensor.Shape)}
			if use != nil {
				t.Used, t.Not = use(dict.Path, tensor.Name)
			}
			d.Checkpoint.Tensors = append(d.Checkpoint.Tensors, t)
		}
	}
	if d.model != nil {
		d.norms = importer.DetectBatchNorm(d.model).String()
	}
	return d, c.Close, nil
}

func describeONNX(path string) (*description, func() error, error) {
	m, err := importer.OpenModel(path)
	if err != nil {
		return nil, nil, err
	}
	return &description{File: path, Kind: "model", SHA256: m.SHA256(), model: m.ONNX, norms: m.BatchNorm.String()}, m.Close, nil
}

// shapeOf keeps a scalar's shape an empty list in JSON.
func shapeOf(s []int) []int {
	if s == nil {
		return []int{}
	}
	return s
}

// shapeText writes a shape as [N,C,H,W].
func shapeText(s []int) string { return strings.ReplaceAll(fmt.Sprint(s), " ", ",") }

func (d *description) print(t *terminal) {
	t.print("%s: %s", d.File, d.Kind)
	if c := d.Checkpoint; c != nil {
		t.print(", %s\nsha256 %s\n", c.Format, d.SHA256)
		if c.Report != nil {
			t.print("%s\n", c.Report)
		} else {
			t.print("convert refuses it: %s\n", c.Problem)
		}
		rows := [][]string{{"tensor", "type", "shape", "in the model"}}
		for _, tensor := range c.Tensors {
			use := tensor.Used
			if tensor.Not != "" {
				use = "– " + tensor.Not
			}
			rows = append(rows, []string{tensor.Name, tensor.DType, shapeText(tensor.Shape), use})
		}
		t.print("\n")
		t.table(rows, 4)
		if d.Model != nil {
			t.print("\nthe model that convert writes of it\n")
			d.Model.print(t)
		}
	} else {
		t.print("\nsha256 %s\n", d.SHA256)
		d.Model.print(t)
	}
	if d.Plan != nil {
		t.print("\n")
		d.Plan.print(t)
	}
}
