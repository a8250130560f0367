package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"onnxclr/analysis"
	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/train"
	"onnxclr/train/data"
)

// gradientSpectra returns the spectra of the gradient of a run's loss with respect to the
// representation and the input of the last residual block, or to the tensors named.
func (o *spectrumOptions) gradientSpectra(ctx context.Context, t *terminal, source, label string) (spectra []*analysis.Spectrum, err error) {
	settings, err := train.RunRecipe(source)
	if at, no := os.Stat(source); no == nil && (!at.IsDir() || err == nil && settings == nil) {
		err = fmt.Errorf("%s is not the folder of a run: --gradient is that of its loss", source)
	}
	if err != nil {
		return nil, err
	}
	path, err := modelPath(source)
	if err != nil {
		return nil, err
	}
	m, err := importer.OpenModel(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	ds := o.images
	names, tensors, err := o.gradientTensors(m.ONNX)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	recipe, err := o.input.settle(t, source, m.ONNX, ds)
	if err != nil {
		return nil, err
	}
	size := recipe.ImageSize
	n := min(recipe.Batch, ds.Len())
	t.kernels()
	g, err := train.NewGradients(m.ONNX, recipe, n, size, tensors)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer g.Close()
	images, err := data.NewLoader(ds, data.Options{
		Views: recipe.Augmentation().Pipelines(size), Values: recipe.Normalization(), Size: size, Batch: n, Shuffle: true, Once: true, Seed: o.seed,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, images.Close()) }()
	moments := make([]*analysis.Moments, len(tensors))
	for k, shape := range g.Shapes {
		if len(shape) < 2 || len(shape) > 4 {
			return nil, fmt.Errorf("%s: tensor %q has shape %v, want a row [N,D], tokens [N,T,D] or maps [N,C,H,W] an image", path, tensors[k], shape)
		}
		dim := shape[1]
		if len(shape) == 3 {
			dim = shape[2]
		}
		if moments[k], err = analysis.NewMoments(dim, o.normalize); err != nil {
			return nil, err
		}
	}
	for done := 0; done+n <= ds.Len(); done += n {
		t.progress("%s: gradients of %d of %d images", label, done, ds.Len())
		batch, err := images.Next(ctx)
		if err != nil {
			return nil, unreadable(err)
		}
		gradients, err := g.Of(batch.Images)
		if err != nil {
			return nil, err
		}
		for k, m := range moments {
			if err := m.Add(overMaps(gradients[k], g.Shapes[k])); err != nil {
				return nil, fmt.Errorf("%s: %w", names[k], err)
			}
		}
	}
	for k, m := range moments {
		s, err := o.finish(t, m, nil, label+", "+names[k])
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, names[k], err)
		}
		s.Of = names[k]
		spectra = append(spectra, s)
	}
	return spectra, nil
}

// gradientTensors returns what the gradient is taken with respect to.
func (o *spectrumOptions) gradientTensors(m *onnx.Model) (names, tensors []string, err error) {
	if len(o.nodes) > 0 {
		names, tensors, err = o.tensors(m)
		for i, name := range names {
			names[i] = "gradient at " + name
		}
		return names, tensors, err
	}
	r, err := train.Representation(m)
	if err != nil {
		return nil, nil, err
	}
	names, tensors = []string{"gradient at r"}, []string{r}
	if h := importer.LastBlock(m, r); h != "" {
		names, tensors = append(names, "gradient before the last block"), append(tensors, h)
	}
	return names, tensors, nil
}

// overMaps averages maps [N,D,H,W] over height and width and tokens [N,T,D] over their
// row: rows [N,D], in float64.
func overMaps(values []float32, shape []int) []float64 {
	if len(shape) == 3 {
		tokens, dim := shape[1], shape[2]
		rows := make([]float64, len(values)/tokens)
		for i, v := range values {
			rows[i/(tokens*dim)*dim+i%dim] += float64(v) / float64(tokens)
		}
		return rows
	}
	positions := 1
	for _, n := range shape[2:] {
		positions *= n
	}
	rows := make([]float64, len(values)/positions)
	for i, v := range values {
		rows[i/positions] += float64(v) / float64(positions)
	}
	return rows
}

// checkGradient fails on flags that --gradient does not go with, and takes rows as they
// are unless told otherwise: a gradient's length is part of it.
func (o *spectrumOptions) checkGradient() error {
	switch {
	case !o.gradient:
		return nil
	case o.data == "":
		return usagef("--gradient goes with --data and runs as sources")
	case o.layers || o.metrics || o.invalid != "fail":
		return usagef("--gradient does not go with --layers, --metrics and --invalid")
	}
	if !o.given("normalize") {
		o.normalize = false
	}
	return nil
}
