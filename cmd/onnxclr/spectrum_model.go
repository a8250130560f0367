package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"onnxclr/analysis"
	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/train"
	"onnxclr/train/data"
)

// modelSpectra returns the spectra of what a model or a run computes of the images: its
// representation, the tensors named, or the end of each of its stages.
func (o *spectrumOptions) modelSpectra(ctx context.Context, t *terminal, source, label string) ([]*analysis.Spectrum, error) {
	path, err := modelPath(source)
	if err != nil {
		return nil, err
	}
	m, err := importer.OpenModel(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	names, tensors, err := o.tensors(m.ONNX)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r, err := o.input.settle(t, source, m.ONNX, o.images)
	if err != nil {
		return nil, err
	}
	o.compareInputs(t, label, r)
	t.kernels()
	taps, kept, err := newTaps(m.ONNX, tensors, r.ImageSize, min(o.batch, o.images.Len()), false, o.layers)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer taps.close()
	var moments []*analysis.Moments
	var samples []*analysis.Sample
	for _, d := range taps.dims {
		m, err := analysis.NewMoments(d, o.normalize)
		if err != nil {
			return nil, err
		}
		if o.exact {
			m.KeepFactor()
		}
		s, err := analysis.NewSample(d, analysis.DefaultSample)
		if err != nil {
			return nil, err
		}
		moments, samples = append(moments, m), append(samples, s)
	}
	dropped := make([]int, len(moments))
	err = taps.each(ctx, t, label, o.images, r, func(rows [][]float64) error {
		for k, block := range rows {
			err := o.valid(taps.dims[k], 0, block, &dropped[k], func(_ int, part []float64) error {
				if o.metrics {
					if err := samples[k].Add(part); err != nil {
						return err
					}
				}
				return moments[k].Add(part)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", kept[k], err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	named := map[string]string{}
	for i, tensor := range tensors {
		named[tensor] = names[i]
	}
	var spectra []*analysis.Spectrum
	for k, tensor := range kept {
		full := label
		if len(kept) > 1 || len(o.nodes) > 0 {
			full += ", " + named[tensor]
		}
		if dropped[k] > 0 {
			t.warn("%s: dropped %d rows that are not finite or have no direction", full, dropped[k])
		}
		var sample *analysis.Sample
		if o.metrics {
			sample = samples[k]
		}
		s, err := o.finish(t, moments[k], sample, full)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, named[tensor], err)
		}
		s.Of = rowsOf(named[tensor])
		spectra = append(spectra, s)
	}
	return spectra, nil
}

// rowsOf is what the rows of a tensor are called: r and z as in the paper.
func rowsOf(tensor string) string {
	switch tensor {
	case importer.RepresentationName:
		return "r"
	case importer.EmbeddingName:
		return "z"
	}
	return tensor
}

// compareInputs warns where a source sees images in another way than the first did.
func (o *spectrumOptions) compareInputs(t *terminal, label string, r *train.Recipe) {
	if o.first == nil {
		o.first = r
	}
	if size, first := r.ImageSize, o.first.ImageSize; size != first {
		t.warn("%s sees images of %d×%d, the first source of %d×%d: some of what differs may be the size; --image-size takes one for all", label, size, size, first, first)
	}
	if !slices.Equal(r.Mean, o.first.Mean) || !slices.Equal(r.Std, o.first.Std) {
		t.warn("%s sees images normalised with mean %v and std %v, the first source with %v and %v, each as it was trained; --mean and --std take one for all", label, r.Mean, r.Std, o.first.Mean, o.first.Std)
	}
}

// tensors returns the tensors to look at and what they are called.
func (o *spectrumOptions) tensors(m *onnx.Model) (names, tensors []string, err error) {
	switch {
	case o.layers:
		seen := map[string]bool{}
		for _, s := range importer.Parts(m) {
			if !seen[s.Output] {
				seen[s.Output] = true
				names, tensors = append(names, s.Name), append(tensors, s.Output)
			}
		}
		if len(tensors) == 0 {
			return nil, nil, fmt.Errorf("the model's parameters have no names to tell stages apart; name tensors with --node")
		}
	case len(o.nodes) > 0:
		for _, node := range o.nodes {
			e := embedOptions{node: node}
			tensor, err := e.tensor(m)
			if err != nil {
				return nil, nil, err
			}
			names, tensors = append(names, node), append(tensors, tensor)
		}
	default:
		r, err := train.Representation(m)
		if err != nil {
			return nil, nil, err
		}
		names, tensors = []string{"r"}, []string{r}
	}
	return names, tensors, nil
}

// checkImages fails on flags that go with images only, or not with them.
func (o *spectrumOptions) checkImages() error {
	images := map[string]bool{"--node": len(o.nodes) > 0, "--layers": o.layers, "--split": o.split != data.HeldOut, "--image-size": o.input.size != 0, "--mean": o.input.mean != "", "--std": o.input.std != "", "--corrupt": o.corrupt != "fail"}
	rows := map[string]bool{"--bootstrap": o.bootstrap > 0, "--class-labels": o.classLabels != "", "--save-moments": o.saveMoments != ""}
	for _, c := range []struct {
		flags  map[string]bool
		ok     bool
		reason string
	}{{images, o.data != "", "goes with --data and models as sources"}, {rows, o.data == "", "goes with files of embeddings; write them with embed"}} {
		var given []string
		for _, name := range []string{"--node", "--layers", "--split", "--image-size", "--mean", "--std", "--corrupt", "--bootstrap", "--class-labels", "--save-moments"} {
			if c.flags[name] {
				given = append(given, name)
			}
		}
		if !c.ok && len(given) > 0 {
			return usagef("%s %s", strings.Join(given, ", "), c.reason)
		}
	}
	switch {
	case o.layers && len(o.nodes) > 0:
		return usagef("--layers and --node both say what to look at; give one")
	case o.batch < 1 || o.batch > 1<<16:
		return usagef("--batch is %d, want 1 to %d", o.batch, 1<<16)
	}
	return o.input.check()
}
