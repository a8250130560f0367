package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"onnxclr/analysis"
	"onnxclr/internal/file"
	"onnxclr/internal/report"
	"onnxclr/train"
)

type reportOptions struct {
	spectrumOptions
	title string
	from  []string // the files of the page's spectra
}

var reportVerb = &verb{
	name:    "report",
	args:    "SRC… -o REPORT.html",
	summary: "compare runs and embeddings in one HTML page",
	about: `
Each SRC is the folder of a run, a file of embeddings as spectrum takes it, the .json that spectrum
or probe wrote, or the folder of findings that diagnose wrote. The page shows what differs in the settings of the
runs, their learning curves and what the collapse monitor saw, the spectra and metrics of the
embeddings as spectrum computes them, diagnoses, and the results of probes. Those that lie in the
runs, as probe-*.json, diagnosis.json or a folder with one, are included. A run may still be training.

The page is one file that loads nothing and needs no script; it follows the reader's choice of
light or dark and can be printed. Equal inputs give equal bytes.`,
	example: `onnxclr report runs/simclr-none runs/directclr simclr.npy directclr.npy -o report.html`,
	prepare: func(f *pflag.FlagSet) action {
		o := &reportOptions{}
		f.StringVarP(&o.out, "out", "o", "", "`file` of the page, .html")
		f.StringArrayVar(&o.labels, "label", nil, "`name` of a source on the page, once a source, in their order (default: its file name)")
		f.StringVar(&o.title, "title", "", "`heading` of the page")
		f.BoolVar(&o.normalize, "normalize", true, "scale rows of embeddings to unit length first")
		f.IntVar(&o.ddof, "ddof", 1, "the covariance of embeddings is divided by N−ddof, `0 or 1`")
		f.BoolVar(&o.force, "force", false, "replace an existing output")
		return o.run
	},
}

func (o *reportOptions) run(ctx context.Context, t *terminal, sources []string) error {
	switch {
	case len(sources) == 0:
		return usagef("name at least one folder of a run or file of embeddings")
	case o.out == "":
		return usagef("say where the page goes, with -o REPORT.html")
	case len(o.labels) > 0 && len(o.labels) != len(sources):
		return usagef("%d labels for %d sources; give one --label for each, or none", len(o.labels), len(sources))
	case o.ddof != 0 && o.ddof != 1:
		return usagef("--ddof is %d, want 0 or 1", o.ddof)
	}
	if err := hasExtension(o.out, ".html", ".htm"); err != nil {
		return err
	}
	if err := mayWrite(o.force, sources, o.out); err != nil {
		return err
	}
	labels := o.labels
	if len(labels) == 0 {
		labels = sourceLabels(sources)
	}
	o.invalid = "fail"
	page := &report.Page{Title: o.title}
	for i, source := range sources {
		if err := o.add(ctx, t, page, source, labels[i]); err != nil {
			return err
		}
	}
	if len(o.labels) == 0 {
		distinguish(page.Spectra, o.from)
	}
	if err := file.WriteNew(o.out, o.force, func(w io.Writer) error { return page.Write(stoppable{ctx, w}) }); err != nil {
		return err
	}
	t.say("wrote %s", o.out)
	return nil
}

// add puts one source onto the page.
func (o *reportOptions) add(ctx context.Context, t *terminal, page *report.Page, source, label string) error {
	st, err := os.Stat(source)
	folder := err == nil && st.IsDir()
	switch ext := strings.ToLower(filepath.Ext(source)); {
	case folder && isDiagnosis(source):
		return addDiagnosis(page, filepath.Join(source, report.DiagnosisFile), label)
	case folder:
		r, err := report.ReadRun(source, label)
		if err != nil {
			return err
		}
		page.Runs = append(page.Runs, r)
	case ext == ".json":
		return o.addJSON(page, source, label)
	default:
		s, err := o.spectrum(ctx, t, source, label)
		if err != nil {
			return err
		}
		page.Spectra, o.from = append(page.Spectra, s), append(o.from, source)
	}
	return nil
}

// isDiagnosis says whether the folder is what diagnose wrote, and not a run it was
// written into.
func isDiagnosis(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, report.DiagnosisFile)); err != nil {
		return false
	}
	run, err := train.RunRecipe(dir)
	return run == nil && err == nil
}

func addDiagnosis(page *report.Page, path, label string) error {
	d, err := report.ReadDiagnosis(path, label)
	if err != nil {
		return err
	}
	page.Diagnoses = append(page.Diagnoses, d)
	return nil
}

// addJSON puts onto the page what spectrum, probe or diagnose wrote.
func (o *reportOptions) addJSON(page *report.Page, path, label string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var is struct {
		Kind    *string
		Verdict json.RawMessage
	}
	parsed := json.Unmarshal(b, &is) == nil
	if parsed && is.Verdict != nil {
		return addDiagnosis(page, path, label)
	}
	if parsed && is.Kind != nil {
		p, err := report.ReadProbe(path, label)
		if err != nil {
			return err
		}
		page.Probes = append(page.Probes, p)
		return nil
	}
	spectra, err := analysis.ReadJSON(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(o.labels) > 0 && len(spectra) == 1 {
		spectra[0].Label = label
	}
	for _, s := range spectra {
		page.Spectra, o.from = append(page.Spectra, s), append(o.from, path)
	}
	return nil
}
