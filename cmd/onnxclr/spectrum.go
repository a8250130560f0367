package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"onnxclr/analysis"
	"onnxclr/internal/file"
	"onnxclr/internal/npy"
)

type spectrumOptions struct {
	out, json, csv string
	labels         []string
	normalize      bool
	ddof           int
	log            string
	dpi            int
	force          bool
}

var spectrumVerb = &verb{
	name:    "spectrum",
	args:    "SRC… -o CHART.png|.svg|.pdf",
	summary: "chart the singular values of embeddings and count collapsed dimensions",
	about: `
Each SRC is a .npy file of embeddings, samples × features, of any float or integer type; one
curve a file. The chart shows the sorted logarithms of the singular values of their covariance
(arXiv:2110.09348, figures 2 and 7), the table on standard output the same numbers in short:
live dimensions (above 1e-6 of the largest singular value), RankMe, effective rank (of the
centred rows), stable rank (not centred) and participation ratio.

By default rows are scaled to unit length first and the covariance is divided by N−1, as the
paper's code does; its equation 1 divides by N (--ddof 0). RankMe as published takes rows as
they are (--normalize=false).`,
	example: `onnxclr spectrum before.npy after.npy --label before --label "SimCLR, 10 epochs" -o spectrum.png --json spectrum.json`,
	prepare: func(f *pflag.FlagSet) action {
		o := &spectrumOptions{}
		f.StringVarP(&o.out, "out", "o", "", "`file` of the chart: .png, .svg or .pdf")
		f.StringArrayVar(&o.labels, "label", nil, "`name` of a source on the chart, once a source, in their order (default: its file name)")
		f.BoolVar(&o.normalize, "normalize", true, "scale rows to unit length first")
		f.IntVar(&o.ddof, "ddof", 1, "the covariance is divided by N−ddof, `0 or 1`")
		f.StringVar(&o.log, "log", "ln", "logarithm of the vertical axis, `ln or log10`")
		f.StringVar(&o.json, "json", "", "write spectra and metrics to this `file` as JSON; - for standard output")
		f.StringVar(&o.csv, "csv", "", "write the singular values to this `file` as CSV; - for standard output")
		f.IntVar(&o.dpi, "dpi", 200, "dots an inch of a .png")
		f.BoolVar(&o.force, "force", false, "replace existing outputs")
		return o.run
	},
}

func (o *spectrumOptions) run(ctx context.Context, t *terminal, sources []string) error {
	if err := o.check(sources); err != nil {
		return err
	}
	if err := mayWrite(o.force, sources, o.out, o.json, o.csv); err != nil {
		return err
	}
	labels := o.labels
	if len(labels) == 0 {
		labels = fileLabels(sources)
	}
	var spectra []*analysis.Spectrum
	for i, source := range sources {
		s, err := o.spectrum(ctx, t, source, labels[i])
		if err != nil {
			return err
		}
		spectra = append(spectra, s)
	}
	return o.write(t, spectra)
}

func (o *spectrumOptions) check(sources []string) error {
	switch {
	case len(sources) == 0:
		return usagef("name at least one .npy file of embeddings")
	case o.out == "":
		return usagef("say where the chart goes, with -o CHART.png")
	case len(o.labels) > 0 && len(o.labels) != len(sources):
		return usagef("%d labels for %d sources; give one --label for each, or none", len(o.labels), len(sources))
	case o.ddof != 0 && o.ddof != 1:
		return usagef("--ddof is %d, want 0 or 1", o.ddof)
	case o.log != string(analysis.Ln) && o.log != string(analysis.Log10):
		return usagef("--log is %q, want ln or log10", o.log)
	case o.dpi < 20 || o.dpi > 2400:
		return usagef("--dpi is %d, want 20 to 2400", o.dpi)
	case o.json == "-" && o.csv == "-":
		return usagef("--json and --csv cannot both go to standard output")
	}
	if _, err := analysis.FormatOf(o.out); err != nil {
		return usageError(err.Error())
	}
	return nil
}

// spectrum streams the rows of one file.
func (o *spectrumOptions) spectrum(ctx context.Context, t *terminal, source, label string) (*analysis.Spectrum, error) {
	if ext := strings.ToLower(filepath.Ext(source)); ext == ".npz" {
		return nil, fmt.Errorf("%s: holds several arrays; save the embeddings as one .npy", source)
	}
	a, err := npy.Open(source)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	if len(a.Shape) != 2 {
		return nil, fmt.Errorf("%s: array has shape %v, want two dimensions: samples × features", source, a.Shape)
	}
	n, dim := a.Shape[0], a.Shape[1]
	m, err := analysis.NewMoments(dim, o.normalize)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	const block = 256
	rows := make([]float64, block*dim)
	for first := 0; first < n; first += block {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t.progress("%s: %d of %d rows", label, first, n)
		k := min(block, n-first)
		if err := a.Rows(first, k, rows); err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
		if err := m.Add(rows[:k*dim]); err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
		a.Forget(first, k)
	}
	t.progress("%s: eigenvalues of a %d×%d covariance", label, dim, dim)
	s, err := m.Spectrum(label, o.ddof)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	if n <= dim {
		t.warn("%s: %d samples in %d dimensions leave at most %d live ones, whatever the model", label, n, dim, n-1)
	}
	return s, nil
}

func (o *spectrumOptions) write(t *terminal, spectra []*analysis.Spectrum) error {
	format, err := analysis.FormatOf(o.out)
	if err != nil {
		return err
	}
	chart := analysis.Chart{Log: analysis.Log(o.log), DPI: o.dpi}
	outputs := []struct {
		path  string
		write func(io.Writer) error
	}{
		{o.out, func(w io.Writer) error { return chart.Write(w, format, spectra) }},
		{o.json, func(w io.Writer) error { return analysis.WriteJSON(w, spectra) }},
		{o.csv, func(w io.Writer) error { return analysis.WriteCSV(w, spectra) }},
	}
	var written []string
	for _, out := range outputs {
		switch out.path {
		case "":
			continue
		case "-":
			if err := out.write(t.out); err != nil {
				return err
			}
			continue
		}
		if err := file.WriteNew(out.path, o.force, out.write); err != nil {
			return err
		}
		written = append(written, out.path)
	}
	if o.json != "-" && o.csv != "-" {
		printMetrics(t, spectra)
	}
	t.say("wrote %s", strings.Join(written, ", "))
	return nil
}

func printMetrics(t *terminal, spectra []*analysis.Spectrum) {
	rows := [][]string{{"source", "N", "dim", "live", "collapsed", "RankMe", "effective rank", "stable rank", "participation ratio"}}
	for _, s := range spectra {
		m := s.Metrics
		rows = append(rows, []string{s.Label, fmt.Sprint(s.Samples), fmt.Sprint(s.Dim), fmt.Sprint(m.LiveDims), fmt.Sprint(m.CollapsedDims),
			fmt.Sprintf("%.1f", m.RankMe), fmt.Sprintf("%.1f", m.EffectiveRank), fmt.Sprintf("%.2f", m.StableRank), fmt.Sprintf("%.1f", m.ParticipationRatio)})
	}
	t.table(rows, 1)
}

// fileLabels are the names of files without folder and extension, or the paths
// where names repeat.
func fileLabels(paths []string) []string {
	count := map[string]int{}
	name := func(path string) string {
		return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	for _, p := range paths {
		count[name(p)]++
	}
	labels := make([]string, len(paths))
	for i, p := range paths {
		if labels[i] = name(p); count[labels[i]] > 1 {
			labels[i] = p
		}
	}
	return labels
}
