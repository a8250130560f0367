package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/file"
	"onnxclr/internal/npy"
	"onnxclr/train"
	"onnxclr/train/data"
)

type embedOptions struct {
	model, data, node, split, out, labels string
	corrupt                               string
	batch, views                          int
	input                                 inputFlags
	seed                                  uint64
	exact, force                          bool
}

var embedVerb = &verb{
	name:    "embed",
	args:    "--model MODEL.onnx|RUN --data D -o E.npy",
	summary: "compute the representations of a data set",
	about: `
One float32 row an image, in the data set's order, in evaluation mode: the shorter side resized
to 8/7 of the image size, the centre cut out, normalised as the run does it (a file: as --mean
and --std say); running statistics in batch normalisation. --node takes any tensor of the graph,
or a node by its name; what has height and width is averaged over them, tokens over their row.

D is an image folder, a .tar or .tar.gz of one, WebDataset or other shards (a folder of them,
"train-{000..146}.tar" or @LIST), CIFAR binary files, an .npy array N×H×W×3 of bytes, or
generated:textures.`,
	example: "onnxclr embed --model runs/directclr --data images.tar -o directclr.npy --labels labels.npy",
	prepare: func(f *pflag.FlagSet) action {
		o := &embedOptions{}
		f.StringVar(&o.model, "model", "", "`ONNX file or run folder`")
		f.StringVar(&o.data, "data", "", "the `data set`")
		f.StringVar(&o.node, "node", importer.RepresentationName, "`tensor or node` whose values are the rows")
		f.StringVar(&o.split, "split", data.HeldOut, "`part` of the data: train, test, val, all, or held-out (test or val; all if there are no splits)")
		corruptFlag(f, &o.corrupt, " of rows and labels")
		o.input.declare(f)
		f.IntVar(&o.batch, "batch", 64, "`images` at a time; does not change the rows")
		f.IntVar(&o.views, "views", 0, "`number`, from 2, of augmented views of every image, as the run's training (of a file, the paper's) draws them: rows become N×views×D (0: the image itself, once)")
		f.Uint64Var(&o.seed, "seed", 0, "`seed` of the views")
		f.BoolVar(&o.exact, "exact", false, exactUsage)
		f.StringVarP(&o.out, "out", "o", "", "`file` of the rows: .npy, N×D, float32")
		f.StringVar(&o.labels, "labels", "", "`file` of the labels: .npy, N, int64")
		f.BoolVar(&o.force, "force", false, "replace existing outputs")
		return o.run
	},
}

func (o *embedOptions) run(ctx context.Context, t *terminal, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	path, err := modelPath(o.model)
	if err != nil {
		return err
	}
	if err := mayWrite(o.force, []string{path, o.data}, o.out, o.labels); err != nil {
		return err
	}
	m, err := importer.OpenModel(path)
	if err != nil {
		return err
	}
	defer m.Close()
	ds, err := openSplit(t, o.data, o.split)
	if err != nil {
		return err
	}
	defer ds.Close()
	if ds, err = withoutCorrupt(ctx, t, ds, o.corrupt); err != nil {
		return err
	}
	if o.labels != "" && ds.Classes() == nil {
		return fmt.Errorf("%s has no labels to write to %s: its images are not in a folder a class", o.data, o.labels)
	}
	r, err := o.input.settle(t, o.model, m.ONNX, ds)
	if err != nil {
		return err
	}
	tensor, err := o.tensor(m.ONNX)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	t.kernels()
	e, err := newEmbedder(m.ONNX, tensor, r.ImageSize, min(o.batch, ds.Len()), o.exact)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer e.close()
	err = file.WriteNew(o.out, o.force, func(w io.Writer) error {
		if o.views > 0 {
			return e.writeViews(ctx, t, w, ds, r, o.views, o.seed)
		}
		return e.write(ctx, t, w, ds, r)
	})
	if err != nil {
		return err
	}
	if o.labels != "" {
		err := file.WriteNew(o.labels, o.force, func(w io.Writer) error { return writeLabels(w, ds) })
		if err != nil {
			return err
		}
	}
	shape := fmt.Sprintf("[%d,%d]", ds.Len(), e.dim)
	if o.views > 0 {
		shape = fmt.Sprintf("[%d,%d,%d]", ds.Len(), o.views, e.dim)
	}
	t.print("%s %s at %d×%d\n", o.node, shape, r.ImageSize, r.ImageSize)
	t.say("wrote %s", o.out)
	return nil
}

func (o *embedOptions) check(args []string) error {
	switch {
	case len(args) > 0:
		return usagef("takes no arguments beside its flags, %q given", args[0])
	case o.model == "":
		return usagef("name a model or a run, with --model")
	case o.data == "":
		return usagef("name the images, with --data")
	case o.out == "":
		return usagef("say where the rows go, with -o E.npy")
	case o.batch < 1 || o.batch > 1<<16:
		return usagef("--batch is %d, want 1 to %d", o.batch, 1<<16)
	case o.views == 1 || o.views < 0 || o.views > 1<<10:
		return usagef("--views is %d, want 2 to %d, or 0 for the images themselves", o.views, 1<<10)
	}
	if err := cmp.Or(o.input.check(), checkCorrupt(o.corrupt)); err != nil {
		return err
	}
	if o.labels != "" {
		if err := hasExtension(o.labels, ".npy"); err != nil {
			return err
		}
	}
	return hasExtension(o.out, ".npy")
}

// tensor is the name of the tensor meant by --node.
func (o *embedOptions) tensor(m *onnx.Model) (string, error) {
	if o.node == importer.RepresentationName {
		return train.Representation(m)
	}
	for _, n := range m.Graph.Nodes {
		if n.Name == o.node && len(n.Outputs) > 0 {
			return n.Outputs[0], nil
		}
	}
	return o.node, findTensor(m, o.node)
}

func writeLabels(w io.Writer, ds data.Dataset) error {
	labels := make([]int64, ds.Len())
	for i := range labels {
		labels[i] = int64(ds.Label(i))
	}
	return npy.Write(w, []int{len(labels)}, labels)
}

// modelPath is the ONNX file that a file or a run folder stands for.
func modelPath(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !st.IsDir() {
		return path, nil
	}
	return train.FinalModel(path)
}

// embedder turns images into rows.
type embedder struct {
	*evaluator
	dim    int  // of a row
	pixels int  // that are averaged to a value of it
	tokens bool // which are these pixels, each with a whole row of values
}

func newEmbedder(m *onnx.Model, tensor string, size, batch int, exact bool) (*embedder, error) {
	e, err := newEvaluator(m, [3]int{3, size, size}, batch, exact, []string{tensor})
	if err != nil {
		return nil, err
	}
	shape := e.shape(tensor, batch)
	if len(shape) < 2 || len(shape) > 4 || shape[0] != batch {
		e.close()
		return nil, fmt.Errorf("tensor %q has shape %v, want a row [N,D], tokens [N,T,D] or maps [N,C,H,W] an image", tensor, shape)
	}
	em := &embedder{evaluator: e, dim: shape[1], pixels: 1}
	switch len(shape) {
	case 3:
		em.dim, em.pixels, em.tokens = shape[2], shape[1], true
	case 4:
		em.pixels = shape[2] * shape[3]
	}
	return em, nil
}

// write streams the rows of all images as one array.
func (e *embedder) write(ctx context.Context, t *terminal, w io.Writer, ds data.Dataset, r *train.Recipe) error {
	out, err := npy.NewWriter(w, weights.Float32, []int{ds.Len(), e.dim})
	if err != nil {
		return err
	}
	if err := e.each(ctx, t, ds, evaluation(r, e.batch), func(rows []float32) error { return out.Append(rows) }); err != nil {
		return err
	}
	return out.Close()
}

// writeViews streams the rows of several views of every image, drawn by the recipe's two
// pipelines in turn, as an array [N,views,D].
func (e *embedder) writeViews(ctx context.Context, t *terminal, w io.Writer, ds data.Dataset, r *train.Recipe, views int, seed uint64) error {
	out, err := npy.NewWriter(w, weights.Float32, []int{ds.Len(), views, e.dim})
	if err != nil {
		return err
	}
	o := data.Options{Values: r.Normalization(), Size: r.ImageSize, Batch: max(1, e.batch/views), Once: true, Seed: seed}
	pipelines := r.Augmentation().Pipelines(r.ImageSize)
	for v := range views {
		o.Views = append(o.Views, pipelines[v%2])
	}
	err = e.each(ctx, t, ds, o, func(rows []float32) error { // [views·n,D], view by view
		n := len(rows) / (views * e.dim)
		sample := make([]float32, 0, len(rows))
		for i := range n {
			for v := range views {
				sample = append(sample, rows[(v*n+i)*e.dim:][:e.dim]...)
			}
		}
		return out.Append(sample)
	})
	if err != nil {
		return err
	}
	return out.Close()
}

// each computes the rows of all images, once and in order, some at a time; they are
// valid until the next ones.
func (e *embedder) each(ctx context.Context, t *terminal, ds data.Dataset, o data.Options, take func(rows []float32) error) (err error) {
	o.Batch = min(o.Batch, ds.Len())
	images, err := data.NewLoader(ds, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, images.Close()) }()
	done := 0
	for {
		batch, err := images.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
		t.progress("%d of %d images", done, ds.Len())
		values, err := e.run(batch.Images)
		if err != nil {
			return err
		}
		if err := take(e.average(values[0])); err != nil {
			return err
		}
		done += batch.N()
	}
}

// average reduces maps [N,C,H,W] to rows [N,C], in float64.
func (e *embedder) average(values []float32) []float32 {
	if e.pixels == 1 {
		return values
	}
	rows := make([]float32, len(values)/e.pixels)
	for i := range rows {
		from, stride := i*e.pixels, 1
		if e.tokens {
			from, stride = i/e.dim*e.dim*e.pixels+i%e.dim, e.dim
		}
		var s float64
		for k := range e.pixels {
			s += float64(values[from+k*stride])
		}
		rows[i] = float32(s / float64(e.pixels))
	}
	return rows
}
