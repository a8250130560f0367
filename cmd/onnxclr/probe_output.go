package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"onnxclr/analysis"
	"onnxclr/internal/file"
	"onnxclr/train/probe"
)

// probeReport is probe-KIND.json.
type probeReport struct {
	Kind         string   `json:"kind"`
	Encoder      string   `json:"encoder,omitempty"` // SHA-256 of its weights
	On           string   `json:"on"`
	Dim          int      `json:"dim"`
	Classes      int      `json:"classes"`
	TrainSamples int      `json:"train_samples"`
	TestSamples  int      `json:"test_samples"`
	ImageSize    int      `json:"image_size,omitempty"`
	K            *int     `json:"k,omitempty"`
	Temperature  *float64 `json:"temperature,omitempty"`
	Top1         float64  `json:"top1"` // of a linear probe, after the last epoch
	Top5         *float64 `json:"top5,omitempty"`

	Linear *linearReport `json:"linear,omitempty"`
}

type linearReport struct {
	LR              float64       `json:"learning_rate"`
	Schedule        string        `json:"schedule"`
	Momentum        float64       `json:"momentum"`
	WeightDecay     float64       `json:"weight_decay"`
	Batch           int           `json:"batch"`
	Seed            uint64        `json:"seed"`
	AugmentedPasses int           `json:"augmented_passes"`
	BestTop1        bestEpoch     `json:"best_top1"` // chosen on the test rows
	BestTop5        *bestEpoch    `json:"best_top5,omitempty"`
	Epochs          []probe.Epoch `json:"epochs"`
}

type bestEpoch struct {
	Share float64 `json:"share"`
	Epoch int     `json:"epoch"` // from 0
}

func (o *probeOptions) output(name string) string { return filepath.Join(o.out, "probe-"+o.kind+name) }

// outputs are the files that are written to -o.
func (o *probeOptions) outputs() []string {
	if o.out == "" {
		return nil
	}
	if _, err := os.Stat(o.out); err != nil {
		return []string{o.out} // to be made; its own folder must be there
	}
	var paths []string
	for _, name := range []string{".json", "-confusion.csv", "-confusion.png"} {
		paths = append(paths, o.output(name))
	}
	return paths
}

// mostConfused is how many classes a confusion matrix is written of: a number for each pair.
const mostConfused = 4096

func (o *probeOptions) write(t *terminal, r *probeReport, outcome *probe.Outcome, set *probeSet) error {
	document := func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	if o.out != "" {
		if err := os.MkdirAll(o.out, 0o755); err != nil {
			return err
		}
		if err := file.WriteNew(o.output(".json"), o.force, document); err != nil {
			return err
		}
		if err := o.writeConfusion(t, outcome, set); err != nil {
			return err
		}
	}
	if o.json {
		t.wipe()
		return document(t.out)
	}
	r.print(t)
	return nil
}

// print writes the table.
func (r *probeReport) print(t *terminal) {
	percent := func(v *float64) string {
		if v == nil {
			return "–"
		}
		return fmt.Sprintf("%.2f %%", 100**v)
	}
	rows := [][]string{{"probe", "on", "dim", "classes", "train", "test", "top-1", "top-5"}}
	row := func(name string, top1, top5 *float64) {
		rows = append(rows, []string{name, r.On, fmt.Sprint(r.Dim), fmt.Sprint(r.Classes), fmt.Sprint(r.TrainSamples), fmt.Sprint(r.TestSamples), percent(top1), percent(top5)})
	}
	if l := r.Linear; l == nil {
		temperature := "inf"
		if r.Temperature != nil {
			temperature = fmt.Sprint(*r.Temperature)
		}
		row(fmt.Sprintf("knn, k %d, temperature %s", *r.K, temperature), &r.Top1, r.Top5)
	} else {
		row(fmt.Sprintf("linear, last epoch (%d)", len(l.Epochs)), &r.Top1, r.Top5)
		best, epochs := &l.BestTop1.Share, fmt.Sprint(l.BestTop1.Epoch+1)
		if l.BestTop5 == nil {
			row(fmt.Sprintf("linear, best epoch (%s)", epochs), best, nil)
		} else {
			row(fmt.Sprintf("linear, best epochs (%s and %d)", epochs, l.BestTop5.Epoch+1), best, &l.BestTop5.Share)
		}
	}
	t.table(rows, 2)
}

// writeConfusion writes the confusion matrix beside the report, unless it would be huge.
func (o *probeOptions) writeConfusion(t *terminal, outcome *probe.Outcome, set *probeSet) error {
	classes := set.classes
	if len(classes) > mostConfused {
		t.warn("the confusion matrix of %d classes is left out", len(classes))
		t.say("wrote %s", o.output(".json"))
		return nil
	}
	counts := outcome.Confusion(set.test.Labels, len(classes))
	chart := analysis.Confusion(counts, classes)
	err := file.WriteNew(o.output("-confusion.csv"), o.force, func(w io.Writer) error { return writeConfusion(w, counts, classes) })
	if err == nil {
		err = file.WriteNew(o.output("-confusion.png"), o.force, func(w io.Writer) error { return chart.Write(w, ".png") })
	}
	if err == nil {
		t.say("wrote %s and the confusion matrix beside it", o.output(".json"))
	}
	return err
}

// writeConfusion writes counts, a row a true class.
func writeConfusion(w io.Writer, counts [][]int, classes []string) error {
	out := csv.NewWriter(w)
	out.Write(append([]string{`true\predicted`}, classes...))
	for i, row := range counts {
		record := []string{classes[i]}
		for _, n := range row {
			record = append(record, fmt.Sprint(n))
		}
		out.Write(record)
	}
	out.Flush()
	return out.Error()
}

// firstFew joins the first few names.
func firstFew(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
