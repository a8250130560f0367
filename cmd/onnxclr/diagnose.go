package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"gonum.org/v1/gonum/mat"

	"onnxclr/analysis"
	"onnxclr/analysis/diagnosis"
	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/internal/file"
	"onnxclr/internal/report"
	"onnxclr/train"
	"onnxclr/train/augment"
	"onnxclr/train/data"
)

type diagnoseOptions struct {
	model, data, split, out, format string
	corrupt                         string
	samples, batch, layers          int
	input                           inputFlags
	recipe                          *train.Recipe // how images are seen
	temperature                     float64
	seed                            uint64
	dpi                             int
	exact, force                    bool
	given                           func(string) bool
}

var diagnoseVerb = &verb{
	name:    "diagnose",
	args:    "--model MODEL.onnx|RUN --data D -o DIR",
	summary: "say by which mechanism a representation collapses",
	about: `
The paper (arXiv:2110.09348) finds two mechanisms of dimensional collapse. This looks for both in
a real network, on images and views of them as the run draws them (of a file, as the paper does):

  1. strong augmentation (section 4): at the representation and at the inputs of the projector's
     layers it estimates the weighted covariances of data and of augmentation, Σ̂₀ and Σ̂₁, and
     X = Σ̂₀ − Σ̂₁, whose negative eigenvalues are the directions that gradient descent shrinks.
     Directions are found on one half of the pairs and measured on the other.
  2. implicit regularisation (section 5): the singular values of the last layers' weights, and
     whether the singular vectors of layers one after the other are aligned.

Batch normalisation uses running statistics. DIR receives diagnosis.json and a chart for each;
the verdict, with its evidence, is printed.`,
	example: "onnxclr diagnose --model runs/directclr --data images.tar -o diagnosis",
	prepare: func(f *pflag.FlagSet) action {
		o := &diagnoseOptions{given: f.Changed}
		f.StringVar(&o.model, "model", "", "`ONNX file or run folder`")
		f.StringVar(&o.data, "data", "", "the `data set`")
		f.StringVar(&o.split, "split", data.HeldOut, "`part` of the data: train, test, val, all, or held-out (test or val; all if there are no splits)")
		f.IntVar(&o.samples, "samples", 4096, "`images`, two views each; twice the dimensions or more show the weak directions too")
		f.IntVar(&o.batch, "batch", 256, "`images` that are each other's negatives")
		f.Float64Var(&o.temperature, "temperature", 0, "`number` that the loss divides cosines by (default: the run's, else 0.1)")
		f.IntVar(&o.layers, "layers", 3, "`number` of last weighted layers to look at")
		o.input.declare(f)
		f.Uint64Var(&o.seed, "seed", 0, "`seed` of the choice of images and of their views")
		corruptFlag(f, &o.corrupt, "")
		f.BoolVar(&o.exact, "exact", false, exactUsage)
		f.StringVarP(&o.out, "out", "o", "", "`folder` of the findings")
		f.StringVar(&o.format, "format", "png", "of the charts, `png, svg or pdf`")
		f.IntVar(&o.dpi, "dpi", 200, "`dots` an inch of a .png, 20 to 2400")
		f.BoolVar(&o.force, "force", false, "replace existing outputs")
		return o.run
	},
}

// The files of a diagnosis.
const (
	diagnosisFile    = report.DiagnosisFile
	diagnosisWeights = "weights"
	diagnosisAligned = "alignment"
	diagnosisAugment = "augmentation"
)

func (o *diagnoseOptions) run(ctx context.Context, t *terminal, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	path, err := modelPath(o.model)
	if err != nil {
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
	if err := o.settle(t, m.ONNX, ds); err != nil {
		return err
	}
	t.kernels()
	d, err := o.diagnose(ctx, t, m.ONNX, ds)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return o.write(t, d)
}

func (o *diagnoseOptions) check(args []string) error {
	switch {
	case len(args) > 0:
		return usagef("takes no arguments beside its flags, %q given", args[0])
	case o.model == "":
		return usagef("name a model or a run, with --model")
	case o.data == "":
		return usagef("name the images, with --data")
	case o.out == "":
		return usagef("say where the findings go, with -o DIR")
	case o.batch < 2 || o.batch > 4096:
		return usagef("--batch is %d, want 2 to 4096", o.batch)
	case o.samples < 4:
		return usagef("--samples is %d, want at least 4", o.samples)
	case o.layers < 1 || o.layers > 64:
		return usagef("--layers is %d, want 1 to 64", o.layers)
	case o.given("temperature") && !(o.temperature > 0 && o.temperature <= math.MaxFloat64):
		return usagef("--temperature is %g, want a positive number", o.temperature)
	case o.dpi < 20 || o.dpi > 2400:
		return usagef("--dpi is %d, want 20 to 2400", o.dpi)
	}
	if err := cmp.Or(chartFormat(o.format), o.input.check(), checkCorrupt(o.corrupt)); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(o.out, diagnosisFile)); err == nil && !o.force {
		return file.Exists(filepath.Join(o.out, diagnosisFile))
	}
	return nil
}

// settle takes what was not given from the run, the model and the data.
func (o *diagnoseOptions) settle(t *terminal, m *onnx.Model, ds data.Dataset) error {
	var err error
	if o.recipe, err = o.input.settle(t, o.model, m, ds); err != nil {
		return err
	}
	if !o.given("temperature") {
		o.temperature = o.recipe.Temp
		if o.temperature == 0 { // which such losses have not
			o.temperature = train.Defaults(o.recipe.Method).Temp
			t.warn("the run's loss, %s, has no temperature: its pairs are weighted as those of infonce at %g (--temperature)", o.recipe.Loss, o.temperature)
		}
	}
	if n := ds.Len(); o.samples > n {
		if n < 4 {
			return fmt.Errorf("%s holds %d images, at least 4 are needed", o.data, n)
		}
		if o.given("samples") {
			t.warn("%s holds %d images, fewer than --samples %d", o.data, n, o.samples)
		}
		o.samples = n
	}
	if o.samples < 2*o.batch {
		if o.given("batch") {
			return usagef("--samples %d are less than two batches of %d: one finds directions, the other measures along them", o.samples, o.batch)
		}
		o.batch = o.samples / 2
	}
	return nil
}

// tensors returns the representation, the embedding, and the inputs of the head's
// layers where they are something else.
func headTensors(m *onnx.Model, layers []importer.WeightedLayer) (r, z string, inputs []string, err error) {
	if r, err = train.Representation(m); err != nil {
		return "", "", nil, err
	}
	z = r
	if m.Graph.Output(importer.EmbeddingName) != nil {
		z = importer.EmbeddingName
	}
	for _, l := range layers {
		if strings.HasPrefix(l.Name, "projector.") && l.Input != r {
			inputs = append(inputs, l.Input)
		}
	}
	return r, z, inputs, nil
}

func (o *diagnoseOptions) diagnose(ctx context.Context, t *terminal, m *onnx.Model, ds data.Dataset) (*diagnosis.Diagnosis, error) {
	r, z, _, err := headTensors(m, nil)
	if err != nil {
		return nil, err
	}
	layers, err := importer.LastLayers(m, z, o.layers)
	if err != nil {
		return nil, err
	}
	_, _, inputs, err := headTensors(m, layers)
	if err != nil {
		return nil, err
	}
	outputs := append([]string{r}, inputs...)
	if z != r {
		outputs = append(outputs, z)
	}
	e, err := newEvaluator(m, [3]int{3, o.recipe.ImageSize, o.recipe.ImageSize}, min(64, o.batch), o.exact, outputs)
	if err != nil {
		return nil, err
	}
	defer e.close()
	var dims []int
	for _, name := range outputs {
		shape := e.shape(name, e.batch)
		if len(shape) != 2 {
			return nil, fmt.Errorf("tensor %q has shape %v, want a row [N,D] an image", name, shape)
		}
		dims = append(dims, shape[1])
	}
	var places []*diagnosis.Place
	for i, name := range outputs[:1+len(inputs)] {
		title := "the representation r"
		if i > 0 {
			title = "the input of " + layers[len(layers)-len(inputs)+i-1].Name
		}
		p, err := diagnosis.NewPlace(title, dims[i], o.temperature)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		places = append(places, p)
	}
	moments, err := analysis.NewMoments(dims[0], true)
	if err != nil {
		return nil, err
	}
	take := func(views [3][]*mat.Dense) error {
		last := len(outputs) - 1
		for i, p := range places {
			if err := p.Add(views[0][i], views[1][i], views[0][last], views[1][last]); err != nil {
				return err
			}
		}
		return moments.Add(views[2][0].RawMatrix().Data)
	}
	if err := o.each(ctx, t, e, ds, dims, take); err != nil {
		return nil, err
	}
	d := &diagnosis.Diagnosis{}
	t.progress("eigenvalues")
	if d.Spectrum, err = moments.Spectrum("representation r", 1); err != nil {
		return nil, err
	}
	for _, p := range places {
		a, err := p.Augmentation()
		if err != nil {
			return nil, err
		}
		d.Augmentation = append(d.Augmentation, a)
	}
	t.progress("singular values of weights")
	if d.Weights, err = inspectWeights(t, layers); err != nil {
		return nil, err
	}
	d.Judge()
	return d, nil
}

func inspectWeights(t *terminal, layers []importer.WeightedLayer) (*diagnosis.Weights, error) {
	var list []diagnosis.Layer
	for _, l := range layers {
		if l.Groups > 1 {
			t.warn("%s is a convolution of %d groups: its weights are taken as one matrix, group by group", l.Name, l.Groups)
		}
		list = append(list, diagnosis.Layer{Name: l.Name, Out: l.Out, In: l.In, K: l.Taps, Weights: l.Values, FedByPrior: l.FedByPrior && l.Groups == 1})
	}
	return diagnosis.InspectWeights(list)
}

// each computes the outputs of whole batches of two views as training draws them and
// one as evaluation does: matrices [N,D], by view and output.
func (o *diagnoseOptions) each(ctx context.Context, t *terminal, e *evaluator, ds data.Dataset, dims []int, take func([3][]*mat.Dense) error) (err error) {
	size := o.recipe.ImageSize
	images, err := data.NewLoader(ds, data.Options{
		Views:  append(o.recipe.Augmentation().Pipelines(size), augment.Evaluation(size)),
		Values: o.recipe.Normalization(), Size: size, Batch: o.batch, Shuffle: true, Once: true, Seed: o.seed,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, images.Close()) }()
	pixels := 3 * size * size
	for done := 0; done+o.batch <= o.samples; done += o.batch {
		t.progress("%d of %d images", done, o.samples)
		batch, err := images.Next(ctx)
		if err != nil {
			return unreadable(err)
		}
		var views [3][]*mat.Dense
		for v := range views {
			for _, d := range dims {
				views[v] = append(views[v], mat.NewDense(o.batch, d, nil))
			}
			rows := batch.Images[v*o.batch*pixels:][:o.batch*pixels]
			for first := 0; first < o.batch; first += min(64, o.batch) {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				n := min(64, o.batch-first)
				values, err := e.run(rows[first*pixels:][:n*pixels])
				if err != nil {
					return err
				}
				for k, d := range dims {
					to := views[v][k].RawMatrix().Data[first*d:]
					for i, x := range values[k] {
						to[i] = float64(x)
					}
				}
			}
		}
		if err := take(views); err != nil {
			return err
		}
	}
	return nil
}

func (o *diagnoseOptions) write(t *terminal, d *diagnosis.Diagnosis) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	var written []string
	put := func(name string, write func(io.Writer) error) error {
		path := filepath.Join(o.out, name)
		written = append(written, path)
		return file.WriteNew(path, o.force, write)
	}
	format := "." + o.format
	for i, a := range d.Augmentation {
		name := diagnosisAugment
		if i > 0 {
			name += fmt.Sprintf("-%d", i)
		}
		c := a.Chart()
		c.DPI = o.dpi
		if err := put(name+format, func(w io.Writer) error { return c.Write(w, format) }); err != nil {
			return err
		}
	}
	c := d.Weights.Chart()
	c.DPI = o.dpi
	if err := put(diagnosisWeights+format, func(w io.Writer) error { return c.Write(w, format) }); err != nil {
		return err
	}
	if len(d.Weights.Alignments) > 0 {
		h := d.Weights.HeatMap()
		h.DPI = o.dpi
		if err := put(diagnosisAligned+format, func(w io.Writer) error { return h.Write(w, format) }); err != nil {
			return err
		}
	}
	err := put(diagnosisFile, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(d)
	})
	if err != nil {
		return err
	}
	t.wipe()
	for _, s := range d.Verdict.Sentences {
		t.print("%s\n", s)
	}
	t.say("wrote %s", strings.Join(written, ", "))
	return nil
}
