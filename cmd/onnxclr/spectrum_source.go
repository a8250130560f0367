package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"

	"onnxclr/analysis"
	"onnxclr/internal/file"
	"onnxclr/internal/npy"
	"onnxclr/internal/parquet"
	"onnxclr/internal/stream"
)

// spectrum returns the spectrum of one source.
func (o *spectrumOptions) spectrum(ctx context.Context, t *terminal, source, label string) (*analysis.Spectrum, error) {
	s, err := o.spectra(ctx, t, source, label)
	if err != nil {
		return nil, err
	}
	return s[0], nil
}

// spectra returns the spectrum of one source and, where there are labels, those between
// and within its classes.
func (o *spectrumOptions) spectra(ctx context.Context, t *terminal, source, label string) ([]*analysis.Spectrum, error) {
	if m, err := openMoments(source); m != nil || err != nil {
		if err == nil && (o.bootstrap > 0 || o.classLabels != "" || o.saveMoments != "") {
			err = usagef("%s holds moments, not rows: --bootstrap, --class-labels and --save-moments need rows", source)
		}
		if err == nil && o.exact && !m.HasFactor() {
			err = usagef("%s holds moments without a factor of the rows; write them with --exact-rank", source)
		}
		if err != nil {
			return nil, err
		}
		s, err := o.finish(t, m, nil, label)
		if err == nil && o.given("normalize") && s.Normalized != o.normalize {
			err = usagef("%s holds moments of rows of which --normalize was %v, and that cannot be changed", source, s.Normalized)
		}
		return []*analysis.Spectrum{s}, err
	}
	rows, err := openRows(source)
	if err != nil {
		return nil, err
	}
	defer rows.close()
	m, err := analysis.NewMoments(rows.dim, o.normalize)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	if o.exact {
		m.KeepFactor()
	}
	var sample *analysis.Sample
	if o.metrics {
		if sample, err = analysis.NewSample(rows.dim, analysis.DefaultSample); err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
	}
	var classes *analysis.Classes
	var labels []int64
	if o.classLabels != "" {
		if labels, _, err = readLabels(o.classLabels); err != nil {
			return nil, err
		}
		if rows.n >= 0 && len(labels) != rows.n {
			return nil, fmt.Errorf("%s holds %d labels for the %d rows of %s", o.classLabels, len(labels), rows.n, source)
		}
		classes = analysis.NewClasses(m)
	}
	dropped := 0
	var views []float64 // of the first samples
	err = rows.each(ctx, func(first int, block []float64) error {
		t.progress("%s: %s", label, progressOf(first, rows.n))
		if room := (comparedSamples*rows.views - first) * rows.dim; o.metrics && rows.views > 1 && room > 0 {
			views = append(views, block[:min(room, len(block))]...)
		}
		return o.valid(rows.dim, first, block, &dropped, func(row int, part []float64) error {
			if sample != nil {
				if err := sample.Add(part); err != nil {
					return err
				}
			}
			if classes == nil {
				return m.Add(part)
			}
			n := len(part) / rows.dim
			if row+n > len(labels) {
				return fmt.Errorf("%s holds %d labels, the source more rows", o.classLabels, len(labels))
			}
			ids := make([]int, n)
			for i := range ids {
				ids[i] = int(labels[row+i])
			}
			return classes.Add(part, ids)
		})
	})
	var bad *analysis.RowError
	if errors.As(err, &bad) {
		return nil, fmt.Errorf("%w (--invalid drop leaves such rows out%s)", err, map[bool]string{true: "; --normalize=false takes zero rows"}[bad.Zero])
	}
	if err != nil {
		return nil, err
	}
	if dropped > 0 {
		t.warn("%s: dropped %d rows that are not finite or have no direction", label, dropped)
	}
	t.progress("%s: eigenvalues of a %d×%d covariance", label, rows.dim, rows.dim)
	s, err := o.finish(t, m, sample, label)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	spectra := []*analysis.Spectrum{s}
	if len(views) > 0 {
		v, err := analysis.CompareViews(views, rows.dim, rows.views)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
		s.More.Views = &v
	}
	if o.bootstrap > 0 {
		if s.Bootstrap, err = o.resample(ctx, t, rows, label); err != nil {
			return nil, err
		}
	}
	if classes != nil {
		more, err := o.decompose(t, classes, label)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
		spectra = append(spectra, more...)
	}
	if o.saveMoments != "" {
		if err := file.WriteNew(o.saveMoments, o.force, m.Save); err != nil {
			return nil, err
		}
		t.say("wrote %s", o.saveMoments)
	}
	return spectra, nil
}

// comparedSamples is how many samples of several views are compared, at most.
const comparedSamples = 2048

func progressOf(done, n int) string {
	if n < 0 {
		return fmt.Sprintf("%d rows", done)
	}
	return fmt.Sprintf("%d of %d rows", done, n)
}

// valid hands on the rows of a block, first being the number of its first, without those
// that --invalid drop drops.
func (o *spectrumOptions) valid(dim, first int, block []float64, dropped *int, take func(row int, rows []float64) error) error {
	if o.invalid != "drop" || dim == 0 {
		return take(first, block)
	}
	start, n := 0, len(block)/dim
	flush := func(end int) error {
		if end > start {
			return take(first+start, block[start*dim:end*dim])
		}
		return nil
	}
	for i := range n {
		if analysis.Usable(block[i*dim:][:dim], o.normalize) {
			continue
		}
		*dropped++
		if err := flush(i); err != nil {
			return err
		}
		start = i + 1
	}
	return flush(n)
}

// finish takes the spectrum of moments and warns where it is bounded by the samples.
func (o *spectrumOptions) finish(t *terminal, m *analysis.Moments, sample *analysis.Sample, label string) (*analysis.Spectrum, error) {
	s, err := m.Spectrum(label, o.ddof)
	if err != nil {
		return nil, err
	}
	if o.metrics {
		if err := m.Complete(s, sample); err != nil {
			return nil, err
		}
	}
	if o.exact {
		if s.Exact, err = m.Exact(); err != nil {
			return nil, err
		}
	}
	switch n, dim := m.Len(), m.Dim(); {
	case n <= dim:
		t.warn("%s: %d samples in %d dimensions leave at most %d live ones, whatever the model", label, n, dim, n-1)
	case n < 10*dim:
		t.warn("%s: %d samples are fewer than ten times its %d dimensions: small singular values are estimated too low", label, n, dim)
	}
	return s, nil
}

// resample reads the rows once for each replicate and counts every row as often as a
// Poisson variable of mean 1 says, which for many rows is drawing them with replacement.
func (o *spectrumOptions) resample(ctx context.Context, t *terminal, rows *rowFile, label string) (*analysis.Band, error) {
	var replicates []*analysis.Spectrum
	for b := range o.bootstrap {
		m, err := analysis.NewMoments(rows.dim, o.normalize)
		if err != nil {
			return nil, err
		}
		draw := stream.New(o.seed, "bootstrap", uint64(b))
		dropped := 0
		err = rows.each(ctx, func(first int, block []float64) error {
			t.progress("%s: resampling %d of %d, %s", label, b+1, o.bootstrap, progressOf(first, rows.n))
			return o.valid(rows.dim, first, block, &dropped, func(_ int, part []float64) error {
				for ; len(part) > 0; part = part[rows.dim:] {
					for range poisson(draw) {
						if err := m.Add(part[:rows.dim]); err != nil {
							return err
						}
					}
				}
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
		s, err := m.Spectrum(label, o.ddof)
		if err != nil {
			return nil, err
		}
		replicates = append(replicates, s)
	}
	return analysis.NewBand(replicates), nil
}

// poisson draws a number from the Poisson distribution of mean 1, by inversion.
func poisson(r *rand.Rand) int {
	const inverseE = 0.36787944117144233
	u, p, k := r.Float64(), inverseE, 0
	for sum := p; u > sum && k < 64; sum += p {
		k++
		p /= float64(k)
	}
	return k
}

// decompose returns the spectra of class means and of rows about them.
func (o *spectrumOptions) decompose(t *terminal, c *analysis.Classes, label string) ([]*analysis.Spectrum, error) {
	between, within, err := c.Decompose()
	if err != nil {
		return nil, err
	}
	t.say("%s: %.1f %% of the variance lies between its %d classes", label, 100*analysis.BetweenOverTotal(between, within), c.Len())
	var spectra []*analysis.Spectrum
	for _, part := range []struct {
		name string
		m    *analysis.Moments
	}{{"between classes", between}, {"within classes", within}} {
		s, err := part.m.Spectrum(label+", "+part.name, o.ddof)
		if err != nil {
			return nil, err
		}
		s.Normalized = o.normalize // what the rows were before their class means were taken off
		spectra = append(spectra, s)
	}
	return spectra, nil
}

// openMoments returns the moments that a file holds, nil where it is another one.
func openMoments(source string) (*analysis.Moments, error) {
	if strings.ToLower(filepath.Ext(source)) != ".npz" {
		return nil, nil
	}
	z, err := npy.ReadZip(source)
	if err != nil {
		return nil, wrongKind(source, err)
	}
	defer z.Close()
	if !analysis.IsMoments(z) {
		return nil, nil
	}
	m, err := analysis.LoadMoments(z)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	return m, nil
}

// readLabels reads one label a row: whole numbers, or numbered text with its names.
func readLabels(source string) (labels []int64, names []string, err error) {
	path, column := splitName(source)
	if strings.ToLower(filepath.Ext(path)) == ".parquet" {
		return parquet.Labels(path, column)
	}
	a, err := npy.Open(path)
	if err != nil {
		return nil, nil, wrongKind(path, err)
	}
	defer a.Close()
	if len(a.Shape) != 1 {
		return nil, nil, fmt.Errorf("%s: array has shape %v, want one label a row", path, a.Shape)
	}
	if labels, err = a.Int64s(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return labels, nil, nil
}

// mergeMoments adds the moments of several files up.
func mergeMoments(paths []string) (*analysis.Moments, error) {
	var sum *analysis.Moments
	for _, path := range paths {
		m, err := openMoments(path)
		switch {
		case err != nil:
			return nil, err
		case m == nil:
			return nil, fmt.Errorf("%s does not hold moments; write them with spectrum --save-moments", path)
		case sum == nil:
			sum = m
			continue
		}
		if err := sum.Merge(m); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return sum, nil
}
