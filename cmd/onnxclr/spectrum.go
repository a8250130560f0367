package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"onnxclr/analysis"
	"onnxclr/internal/file"
	"onnxclr/train"
	"onnxclr/train/data"
)

type spectrumOptions struct {
	out, json, csv string
	labels         []string
	normalize      bool
	ddof           int
	log            string
	dpi            int
	force          bool

	of, invalid, classLabels, saveMoments, metricsCSV, metricsChart, cumulativeChart string
	metrics, exact                                                                   bool
	bootstrap                                                                        int
	seed                                                                             uint64

	data, split string // with models as sources
	corrupt     string
	images      data.Dataset // that they embed
	nodes       []string
	layers      bool
	gradient    bool
	input       inputFlags
	batch       int
	first       *train.Recipe // how the first source saw images
	given       func(string) bool
}

var spectrumVerb = &verb{
	name:    "spectrum",
	args:    "SRC… -o CHART.png|.svg|.pdf",
	summary: "chart the singular values of embeddings and count collapsed dimensions",
	about: `
Each SRC is a file of embeddings, samples × features, of any float or integer type: .npy, .npz or
.safetensors (FILE:NAME where it holds several arrays), .csv, .parquet (its column of lists, or
FILE:NAME,… for columns of numbers, * standing for any text); or moments that --save-moments
wrote. FILE[A:B] takes the columns from A up to B. In an array samples × views × features, as
embed --views writes it, every view is a row, and --metrics compares the views of a sample. One curve a source. The chart shows the sorted
logarithms of the singular values of their covariance (arXiv:2110.09348, figures 2 and 7), the
table on standard output the same numbers in short: live dimensions (above 1e-6 of the largest
singular value), RankMe, effective rank (of the centred rows), stable rank (not centred) and
participation ratio. --metrics adds the literature's others, with their conventions.

With --data, sources are models or runs, and the rows what they compute of its images in evaluation
mode, as embed does: the representation, the tensors or nodes that --node names, or with --layers
the end of every stage; maps are averaged over height and width, tokens over their row.
With --gradient, sources are runs, and a row is the gradient of the run's loss with respect to the
representation, or to the input of the last residual block, of one view of one image: views are
drawn as in training, as many images as in a step are each other's negatives, and the network is
in evaluation mode (figure 10). Such rows are not scaled to unit length unless asked.

By default rows are scaled to unit length first and the covariance is divided by N−1, as the
paper's code does; its equation 1 divides by N (--ddof 0). RankMe as published takes rows as
they are (--normalize=false).`,
	example: `onnxclr spectrum before.npy after.npy --label before --label "SimCLR, 10 epochs" -o spectrum.png --json spectrum.json`,
	prepare: func(f *pflag.FlagSet) action {
		o := &spectrumOptions{given: f.Changed}
		f.StringVarP(&o.out, "out", "o", "", "`file` of the chart: .png, .svg or .pdf")
		f.StringArrayVar(&o.labels, "label", nil, "`name` of a source on the chart, once a source, in their order (default: its file name)")
		f.BoolVar(&o.normalize, "normalize", true, "scale rows to unit length first")
		f.IntVar(&o.ddof, "ddof", 1, "the covariance is divided by N−ddof, `0 or 1`")
		f.StringVar(&o.log, "log", "ln", "logarithm of the vertical axis, `ln or log10`")
		f.StringVar(&o.of, "of", "", "what the rows are, `r, z` or a word, for the axis and the files (default: of models, what --data computes)")
		f.BoolVar(&o.metrics, "metrics", false, "compute the other metrics too, those of pairs on a sample of 2048 rows")
		f.BoolVar(&o.exact, "exact-rank", false, "compute rank and condition number from the centred rows themselves (QR), where small ones matter: their covariance squares them and hides what is below 1e-8; slower")
		f.StringVar(&o.metricsCSV, "metrics-csv", "", "write all metrics and their conventions to this `file` as CSV, a row each; - for standard output")
		f.StringVar(&o.cumulativeChart, "cumulative-chart", "", "draw the cumulative explained variance to this `file`: .png, .svg or .pdf")
		f.StringVar(&o.metricsChart, "metrics-chart", "", "draw RankMe, effective rank and live dimensions, a row a source, to this `file`: .png, .svg or .pdf; with --bootstrap their intervals")
		f.IntVar(&o.bootstrap, "bootstrap", 0, "`number` of resamplings of the rows for bands and intervals of 95 %; each reads the source again")
		f.Uint64Var(&o.seed, "seed", 0, "`seed` of the resampling, or of the images and views of --gradient")
		f.StringVar(&o.classLabels, "class-labels", "", "`file` of labels, .npy or .parquet:COLUMN, one a row: adds the spectra between and within classes (one source)")
		f.StringVar(&o.invalid, "invalid", "fail", "rows with NaN or infinity, or zero ones where rows are scaled: `fail or drop`")
		f.StringVar(&o.saveMoments, "save-moments", "", "write the moments of one source to this `file`, .npz, to be merged or charted later")
		f.StringVar(&o.data, "data", "", "the `data set` that sources, then models, embed")
		f.StringVar(&o.split, "split", data.HeldOut, "`part` of the data: train, test, val, all, or held-out (test or val; all if there are no splits)")
		corruptFlag(f, &o.corrupt, "")
		f.StringArrayVar(&o.nodes, "node", nil, "`tensor or node` to look at instead of the representation; may be repeated")
		f.BoolVar(&o.layers, "layers", false, "look at the end of every stage of the network")
		f.BoolVar(&o.gradient, "gradient", false, "look at the gradient of a run's loss instead, at r and before the last residual block, or at --node")
		o.input.declare(f)
		f.IntVar(&o.batch, "batch", 64, "`images` at a time; does not change the rows (of --gradient: the run's)")
		f.StringVar(&o.json, "json", "", "write spectra and metrics to this `file` as JSON; - for standard output")
		f.StringVar(&o.csv, "csv", "", "write the singular values to this `file` as CSV, a row each with what they are of and their conventions; - for standard output")
		f.IntVar(&o.dpi, "dpi", 200, "`dots` an inch of a .png, 20 to 2400")
		f.BoolVar(&o.force, "force", false, "replace existing outputs")
		return o.run
	},
}

func (o *spectrumOptions) run(ctx context.Context, t *terminal, sources []string) error {
	if err := o.check(sources); err != nil {
		return err
	}
	if err := mayWrite(o.force, inputs(sources), o.out, o.json, o.csv, o.saveMoments, o.metricsCSV, o.metricsChart, o.cumulativeChart); err != nil {
		return err
	}
	labels := o.labels
	if len(labels) == 0 {
		labels = fileLabels(sources)
	}
	if o.data != "" {
		ds, err := openSplit(t, o.data, o.split)
		if err != nil {
			return err
		}
		defer ds.Close()
		if o.images, err = withoutCorrupt(ctx, t, ds, o.corrupt); err != nil {
			return err
		}
	}
	var spectra []*analysis.Spectrum
	for i, source := range sources {
		of := o.spectra
		if o.data != "" {
			of = o.modelSpectra
		}
		if o.gradient {
			of = o.gradientSpectra
		}
		more, err := of(ctx, t, source, labels[i])
		if err != nil {
			return err
		}
		for _, s := range more {
			s.Of = cmp.Or(o.of, s.Of)
		}
		spectra = append(spectra, more...)
	}
	return o.write(t, spectra)
}

func (o *spectrumOptions) check(sources []string) error {
	switch {
	case len(sources) == 0:
		return usagef("name at least one file of embeddings")
	case o.bootstrap != 0 && (o.bootstrap < 2 || o.bootstrap > 10000):
		return usagef("--bootstrap is %d, want 2 to 10000", o.bootstrap)
	case o.given("seed") && o.bootstrap == 0 && !o.gradient:
		return usagef("--seed is for --bootstrap and --gradient")
	case o.classLabels != "" && len(sources) > 1:
		return usagef("--class-labels are those of one source, %d are given", len(sources))
	case o.saveMoments != "" && len(sources) > 1:
		return usagef("--save-moments keeps those of one source, %d are given", len(sources))
	case o.out == "":
		return usagef("say where the chart goes, with -o CHART.png")
	case len(o.labels) > 0 && len(o.labels) != len(sources):
		return usagef("%d labels for %d sources; give one --label for each, or none", len(o.labels), len(sources))
	case o.ddof != 0 && o.ddof != 1:
		return usagef("--ddof is %d, want 0 or 1", o.ddof)
	case o.dpi < 20 || o.dpi > 2400:
		return usagef("--dpi is %d, want 20 to 2400", o.dpi)
	case stdouts(o.json, o.csv, o.metricsCSV) > 1:
		return usagef("only one of --json, --csv and --metrics-csv can go to standard output")
	}
	if err := cmp.Or(oneOf("invalid", o.invalid, "fail", "drop"), oneOf("log", o.log, string(analysis.Ln), string(analysis.Log10)), checkCorrupt(o.corrupt)); err != nil {
		return err
	}
	for _, path := range []string{o.out, o.metricsChart, o.cumulativeChart} {
		if path == "" {
			continue
		}
		if _, err := analysis.FormatOf(path); err != nil {
			return usageError(err.Error())
		}
	}
	return errors.Join(o.checkImages(), o.checkGradient())
}

func (o *spectrumOptions) write(t *terminal, spectra []*analysis.Spectrum) error {
	format, err := analysis.FormatOf(o.out)
	if err != nil {
		return err
	}
	of := spectra[0].Of // of all, or ""
	for _, s := range spectra {
		if s.Of != of {
			of = ""
		}
	}
	chart := analysis.Chart{Log: analysis.Log(o.log), DPI: o.dpi, Of: of}
	outputs := []struct {
		path  string
		write func(io.Writer) error
	}{
		{o.out, func(w io.Writer) error { return chart.Write(w, format, spectra) }},
		{o.metricsChart, func(w io.Writer) error {
			format, err := analysis.FormatOf(o.metricsChart)
			if err != nil {
				return err
			}
			return analysis.Forest{DPI: o.dpi, Of: of}.Write(w, format, spectra)
		}},
		{o.cumulativeChart, func(w io.Writer) error {
			format, err := analysis.FormatOf(o.cumulativeChart)
			if err != nil {
				return err
			}
			return analysis.Cumulative{DPI: o.dpi, Of: of}.Write(w, format, spectra)
		}},
		{o.json, func(w io.Writer) error { return analysis.WriteJSON(w, spectra) }},
		{o.csv, func(w io.Writer) error { return analysis.WriteCSV(w, spectra) }},
		{o.metricsCSV, func(w io.Writer) error { return analysis.WriteMetricsCSV(w, spectra) }},
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
	if o.json != "-" && o.csv != "-" && o.metricsCSV != "-" {
		printMetrics(t, spectra)
		rows := ""
		if of != "" {
			rows = "Rows are " + of + ". "
		}
		t.print("%s%s\n", rows, analysis.Conventions(spectra))
		if o.metrics || o.exact {
			t.print("\n")
			t.table(analysis.MetricsTable(spectra), 2)
		}
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

// stdouts counts the outputs that go to standard output.
func stdouts(paths ...string) (n int) {
	for _, p := range paths {
		if p == "-" {
			n++
		}
	}
	return n
}

// inputs are the files that sources are read from.
func inputs(sources []string) []string {
	paths := make([]string, len(sources))
	for i, s := range sources {
		paths[i] = inputPath(s)
	}
	return paths
}

// fileLabels are the names of files without folder and extension, or the paths
// where names repeat.
func fileLabels(paths []string) []string {
	count := map[string]int{}
	name := func(path string) string {
		of := inputPath(path)
		return strings.TrimSuffix(filepath.Base(of), filepath.Ext(of)) + path[len(of):]
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
