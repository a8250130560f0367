package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/pflag"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/file"
	"onnxclr/internal/npy"
)

type runOptions struct {
	out     string
	inputs  []string
	outputs []string
	batch   int
	exact   bool
	force   bool
}

var runVerb = &verb{
	name:    "run",
	args:    "MODEL.onnx --input [NAME=]X.npy… -o Y.npy|Y.npz",
	summary: "compute a model's outputs for an array of images",
	about: `
X is a float array of images N×C×H×W, already normalised: what the model's input expects. Batch
normalisation uses its running statistics. A model of several inputs gets one --input for each,
of any shape, floats or integers; those without a NAME are taken in the model's order. X may also
be a .pb file that holds a TensorProto. Y.npy receives one output, the model's first unless
--output names another; Y.npz receives all outputs, or those named. Any tensor of the graph can
be named; inspect lists them.`,
	example: "onnxclr run resnet50.onnx --input images.npy -o representation.npy",
	prepare: func(f *pflag.FlagSet) action {
		o := &runOptions{}
		f.StringArrayVar(&o.inputs, "input", nil, "`[NAME=]X.npy`, the images; NAME is the model's input; may be repeated")
		f.StringVarP(&o.out, "out", "o", "", "`file` of the result: .npy for one output, .npz for several")
		f.StringArrayVar(&o.outputs, "output", nil, "`tensor` to compute; may be repeated")
		f.IntVar(&o.batch, "batch", 64, "`images` at a time; does not change the results")
		f.BoolVar(&o.exact, "exact", false, exactUsage)
		f.BoolVar(&o.force, "force", false, "replace an existing output")
		return o.run
	},
}

func (o *runOptions) run(ctx context.Context, t *terminal, args []string) error {
	switch {
	case len(args) != 1:
		return usagef("want one model, %d given", len(args))
	case o.out == "":
		return usagef("say where the result goes, with -o Y.npy or -o Y.npz")
	case o.batch < 1 || o.batch > 1<<16:
		return usagef("--batch is %d, want 1 to %d", o.batch, 1<<16)
	}
	if err := hasExtension(o.out, ".npy", ".npz"); err != nil {
		return err
	}
	single := hasExtension(o.out, ".npy") == nil
	if single && len(o.outputs) > 1 {
		return usagef("a .npy holds one output, %d are named; write a .npz", len(o.outputs))
	}
	m, err := importer.OpenModel(args[0])
	if err != nil {
		return err
	}
	defer m.Close()
	files, err := assign(m.ONNX, o.inputs)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if err := mayWrite(o.force, append(slices.Collect(maps.Values(files)), args[0]), o.out); err != nil {
		return err
	}
	outputs := o.outputs
	for _, out := range m.ONNX.Graph.Outputs {
		if len(o.outputs) == 0 && (len(outputs) == 0 || !single) {
			outputs = append(outputs, out.Name)
		}
	}
	t.kernels()
	results, err := o.compute(ctx, t, m.ONNX, files, outputs)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	err = file.WriteNew(o.out, o.force, func(w io.Writer) error {
		if single {
			return npy.Write(w, results[0].Shape, results[0].Data)
		}
		return npy.WriteZip(w, results)
	})
	if err != nil {
		return err
	}
	for _, r := range results {
		t.print("%s %s\n", r.Name, shapeText(r.Shape))
	}
	t.say("wrote %s", o.out)
	return nil
}

// compute runs the model once on the arrays in the files or, where they are one batch of
// images, some at a time.
func (o *runOptions) compute(ctx context.Context, t *terminal, m *onnx.Model, files map[string]string, outputs []string) ([]npy.Named, error) {
	var inputs []*weights.Tensor
	for _, in := range m.Graph.DataInputs() {
		x, err := readInput(files[in.Name], in)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, x)
	}
	if !ofImages(m, inputs, outputs) {
		return evaluateOnce(m, inputs, outputs, o.exact)
	}
	images, err := inputs[0].Float32s()
	if err != nil {
		return nil, err
	}
	return o.evaluate(ctx, t, m, images, inputs[0].Shape, outputs)
}

// ofImages reports whether the outputs are computed from one batch of images, and
// depend on what is in them.
func ofImages(m *onnx.Model, inputs []*weights.Tensor, outputs []string) bool {
	if len(inputs) != 1 || !inputs[0].DType.IsFloat() || len(inputs[0].Shape) != 4 {
		return false
	}
	s, err := onnx.InferShapes(m, map[string][]int{inputs[0].Name: inputs[0].Shape})
	return err == nil && inputs[0].Len() > 0 && !slices.ContainsFunc(outputs, func(name string) bool {
		return s.Const[name] != nil || slices.Contains(s.Shape[name], 0)
	})
}

// evaluate computes outputs for images of the shape [N,C,H,W], some at a time.
func (o *runOptions) evaluate(ctx context.Context, t *terminal, m *onnx.Model, images []float32, shape []int, outputs []string) ([]npy.Named, error) {
	n, size := shape[0], [3]int{shape[1], shape[2], shape[3]}
	e, err := newEvaluator(m, size, min(n, o.batch), o.exact, outputs)
	if err != nil {
		return nil, err
	}
	defer e.close()
	results := make([]npy.Named, len(outputs))
	values := make([][]float32, len(outputs))
	each := size[0] * size[1] * size[2]
	for first := 0; first < n; first += o.batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t.progress("%d of %d images", first, n)
		got, err := e.run(images[first*each : min(first+o.batch, n)*each])
		if err != nil {
			return nil, err
		}
		for i := range outputs {
			values[i] = append(values[i], got[i]...)
		}
	}
	for i, name := range outputs {
		results[i] = npy.Named{Name: name, Shape: e.shape(name, n), Data: values[i]}
	}
	return results, nil
}
