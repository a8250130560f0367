package study

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"onnxclr/analysis"
	"onnxclr/train"
)

func options(t *testing.T, scale string) Options {
	t.Helper()
	s, err := FindScale(scale)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Data: "images", Seeds: 2, Scale: s, Dim: 2048, ProbeEpochs: 10}
}

// Every run of every study is a recipe that train takes.
func TestStudiesAreRecipes(t *testing.T) {
	for _, s := range Studies {
		for _, scale := range Scales {
			p, err := s.Plan(options(t, scale.Name))
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Cells) != 2*len(s.Variants) {
				t.Errorf("%s: %d cells", s.Name, len(p.Cells))
			}
			for _, c := range p.Cells {
				for _, step := range c.Steps {
					if step.Args[0] != "train" {
						continue
					}
					settings, err := train.OpenRecipe(p.Recipe)
					if err != nil {
						t.Fatal(err)
					}
					for _, arg := range step.Args {
						if key, value, ok := strings.Cut(strings.TrimPrefix(arg, "--"), "="); ok {
							settings = append(settings, train.Flag(key, value))
						}
					}
					r, warnings, err := train.Resolve(settings...)
					if err == nil {
						err = r.Validate()
					}
					if err != nil || len(warnings) > 0 {
						t.Errorf("%s, %s, %s: %v, warnings %q", s.Name, scale.Name, c.Variant, err, warnings)
					}
				}
			}
		}
	}
}

func TestPlan(t *testing.T) {
	s, err := Find("appendix-f")
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, "imagenet")
	p, err := s.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	if p.D0 != 360 || p.Arch != "resnet50" {
		t.Errorf("d0 %d of %s", p.D0, p.Arch)
	}
	sub := p.Cells[1]
	if got := strings.Join(sub.Steps[0].Args, " "); !strings.Contains(got, "cells/directclr/seed0/run") || !strings.Contains(got, "r[:360]") {
		t.Errorf("the sub-vector is probed by %q", got)
	}
	part := *p
	if err := part.Only([]string{"directclr-subvector"}, s); err != nil || len(part.Cells) != 4 {
		t.Errorf("with what it needs a variant has %d cells: %v", len(part.Cells), err)
	}
	if len(p.Cells) != 6 || p.Cells[2].Variant != "random-dropout" || p.Cells[5].Variant != "random-dropout" {
		t.Errorf("the whole grid is %+v after a part of it was chosen", p.Cells)
	}
	if err := p.Only([]string{"directclr-subvec"}, s); err == nil || !strings.Contains(err.Error(), "did you mean") {
		t.Errorf("unknown variant: %v", err)
	}
	if _, err := Find("tabel1"); err == nil || !strings.Contains(err.Error(), "table1") {
		t.Errorf("unknown study: %v", err)
	}

	dir := t.TempDir()
	whole, _ := s.Plan(o)
	if err := whole.Begin(dir); err != nil {
		t.Fatal(err)
	}
	if err := whole.Begin(dir); err != nil {
		t.Errorf("the same grid again: %v", err)
	}
	o.Set = []string{"epochs=3"}
	changed, _ := s.Plan(o)
	if err := changed.Begin(dir); err == nil || !strings.Contains(err.Error(), "its train of directclr is without --epochs, asked for is --epochs=3") {
		t.Errorf("another grid in the same folder: %v", err)
	}
	o.Set, o.Data, o.Images = nil, "elsewhere", nil
	changed, _ = s.Plan(o)
	if err := changed.Begin(dir); err == nil || !strings.Contains(err.Error(), "its data is images, asked for is elsewhere") {
		t.Errorf("images elsewhere of which nothing is known: %v", err)
	}
	o.Data, o.ProbeEpochs = "images", 11
	changed, _ = s.Plan(o)
	if err := changed.Begin(dir); err == nil || !strings.Contains(err.Error(), "its probe of directclr is --epochs 10, asked for is --epochs 11") {
		t.Errorf("another probe in the same folder: %v", err)
	}
	for name, want := range map[string]string{"recipe.yaml": "holds a run", "report.html": "holds no grid, but report.html", "notes.txt": ""} {
		taken := t.TempDir()
		if err := os.WriteFile(filepath.Join(taken, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := whole.Begin(taken); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("a folder with %s: %v", name, err)
		}
	}
	lost := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(lost, "cells"), 0o755), os.WriteFile(filepath.Join(lost, "report.html"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := whole.Begin(lost); err != nil {
		t.Errorf("a grid without its plan: %v", err)
	}
	o.Images, o.ProbeEpochs = []string{"train", "test"}, 10
	known := t.TempDir()
	whole, _ = s.Plan(o)
	o.Data = "elsewhere"
	moved, _ := s.Plan(o)
	o.Images = []string{"train", "other"}
	others, _ := s.Plan(o)
	if err := whole.Begin(known); err != nil {
		t.Fatal(err)
	}
	if err := moved.Begin(known); err != nil {
		t.Errorf("the same images elsewhere: %v", err)
	}
	if err := others.Begin(known); err == nil || !strings.Contains(err.Error(), "other images, those of images") {
		t.Errorf("other images: %v", err)
	}
	reuse, foreign, err := NewReuse(moved, []string{known})
	if err != nil || len(foreign) != 0 || reuse.own[moved.Cells[0].Steps[1].Done] != whole.keys()[whole.Cells[0].Steps[1].Done] {
		t.Errorf("what is done on the same images elsewhere is not taken (%v, %v)", foreign, err)
	}
	if err := os.WriteFile(filepath.Join(dir, planFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := whole.Begin(dir); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("half a plan: %v", err)
	}
}

func TestResults(t *testing.T) {
	s, _ := Find("table1")
	o := options(t, "cifar10")
	p, err := s.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	top1 := map[string][2]string{"simclr-mlp": {"0.50", "0.54"}, "simclr-linear": {"0.45", "0.45"}, "simclr-none": {"0.40", "0.42"}}
	for i := range p.Cells {
		c := &p.Cells[i]
		v, ok := top1[c.Variant]
		if !ok {
			continue
		}
		for _, step := range c.Steps {
			write(step.Done, "{}")
		}
		for _, kind := range []string{"knn", "linear"} {
			write(c.Folder()+"/probe-"+kind+".json", `{"kind":"`+kind+`","top1":`+v[c.Seed]+`}`)
		}
		write(c.Folder()+"/spectra.json", `{"sources":[{"label":"r","samples":9,"dim":2,"normalized":true,"ddof":1,"singular_values":[2,1],"metrics":{"live_dims":2,"rankme":1.9}},{"label":"z","samples":9,"dim":1,"normalized":true,"ddof":1,"singular_values":[1],"metrics":{"live_dims":1,"rankme":1}}]}`)
		write(c.Folder()+"/run/metrics.jsonl", `{"step":0,"loss":3}`+"\n"+`{"step":1,"loss":1}`+"\n")
	}
	failed := &p.Cells[3]
	if failed.Variant != "directclr" {
		t.Fatalf("cell 3 is %s", failed.Variant)
	}
	if err := Fail(dir, failed, os.ErrPermission); err != nil {
		t.Fatal(err)
	}
	outcomes, err := p.Collect(dir)
	if err != nil {
		t.Fatal(err)
	}
	rows := s.Table(outcomes)
	if got := rows[0].Linear.String(); got != "52.0 ± 2.8" {
		t.Errorf("mean and deviation %q", got)
	}
	if rows[3].Failed != 1 || rows[3].Seeds != 0 || rows[0].Seeds != 2 || rows[0].LiveR.Mean != 2 {
		t.Errorf("rows %+v", rows)
	}
	a := Compare(rows)
	if a.Pairs != 3 || a.Same != 3 {
		t.Errorf("%d of %d pairs agree: %q", a.Same, a.Pairs, a.Sentences)
	}
	var page, again, csv, js bytes.Buffer
	for _, b := range []*bytes.Buffer{&page, &again} {
		if err := s.WritePage(b, p, o.Scale, []string{"<b>=1"}, outcomes); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"52.0 ± 2.8", "66.5", "permission denied", "&lt;b&gt;=1", "<svg", "3 of 3 pairs", "Spectra of the representation r, seed 0", "Mean ± standard deviation over seeds. Live"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page.String(), "1.0 ± 0.0</td><td>1.0") {
		t.Error("whole numbers that all seeds share have decimals")
	}
	if !bytes.Equal(page.Bytes(), again.Bytes()) {
		t.Error("the page differs from one time to the next")
	}
	if err := WriteCells(&csv, outcomes); err != nil || strings.Count(csv.String(), "\n") != 9 {
		t.Errorf("CSV: %v\n%s", err, csv.String())
	}
	if err := s.WriteJSON(&js, p, outcomes); err != nil || !strings.Contains(js.String(), `"loss": 2`) {
		t.Errorf("JSON: %v", err)
	}
	write(p.Cells[0].Folder()+"/probe-knn.json", "{")
	if _, err := p.Collect(dir); err == nil || !strings.Contains(err.Error(), "probe-knn.json") {
		t.Errorf("a damaged result: %v", err)
	}
	if err := Recover(dir, failed); err != nil {
		t.Fatal(err)
	}
}

// The page of the sweep draws accuracy against d0, and says of each seed whether no
// projector collapses most.
func TestSweepAndCollapse(t *testing.T) {
	s, _ := Find("d0-sweep")
	o := options(t, "cifar10")
	p, err := s.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []*Outcome
	for i, c := range p.Cells {
		top1 := 0.5 - 0.01*float64(i)
		outcomes = append(outcomes, &Outcome{Variant: c.Variant, Label: c.Label, Seed: c.Seed, Status: "done", KNN: &top1, Linear: &top1, Dim: 2048})
	}
	chart, ok := p.sweep(s.Table(outcomes), outcomes)
	if x := chart.Panels[0].Lines[0].X; !ok || len(x) != 6 || x[0] != 128 || x[2] != 360 || x[5] != 2048 {
		t.Errorf("d0 %v", x)
	}
	var page bytes.Buffer
	if err := s.WritePage(&page, p, o.Scale, nil, outcomes); err != nil || !strings.Contains(page.String(), "Accuracy against d0") {
		t.Errorf("the page has no chart: %v", err)
	}

	rank := func(v float64) *float64 { return &v }
	cells := []*Outcome{
		{Variant: "simclr-none", Label: "none", RankMeR: rank(3)}, {Variant: "directclr", Label: "DirectCLR", RankMeR: rank(9)},
		{Variant: "simclr-none", Label: "none", Seed: 1, RankMeR: rank(4)}, {Variant: "directclr", Label: "DirectCLR", Seed: 1, RankMeR: rank(9)},
	}
	if text := MostCollapsed(cells); !strings.Contains(text, "every one of 2 seeds") {
		t.Error(text)
	}
	*cells[3].RankMeR = 2
	if text := MostCollapsed(cells); !strings.Contains(text, "on 1 of 2 seeds; it is that of “DirectCLR” on seed 1") {
		t.Error(text)
	}
	if text := MostCollapsed(cells[1:2]); text != "" {
		t.Error(text)
	}
}

// TestCompare: every pair once, in whatever order the study has its variants; those within
// the paper's noise are left out.
func TestCompare(t *testing.T) {
	var rows []Row
	for _, r := range []struct {
		label       string
		paper, ours float64
	}{{"none", 51.5, 44}, {"orthogonal", 52.2, 45}, {"trainable", 61.1, 40}, {"diagonal", 60.2, 46}, {"ours alone", 0, 50}} {
		rows = append(rows, Row{Label: r.label, Paper: r.paper, Linear: Mean{N: 1, Mean: r.ours}})
	}
	a := Compare(rows)
	if a.Pairs != 5 || a.Same != 2 || a.Near != 1 || a.Sum() != "2 of 5 pairs of variants are in the paper's order" {
		t.Errorf("%+v", a)
	}
	want := []string{
		"“trainable” is not ahead of “none” here: −4.0 points; in the paper +9.6.",
		"“diagonal” is ahead of “none” here: +2.0 points; in the paper +8.7.",
		"“trainable” is not ahead of “orthogonal” here: −5.0 points; in the paper +8.9.",
		"“diagonal” is ahead of “orthogonal” here: +1.0 points; in the paper +8.0.",
		"“trainable” is not ahead of “diagonal” here: −6.0 points; in the paper +0.9.",
	}
	if !slices.Equal(a.Sentences, want) {
		t.Errorf("sentences %q", a.Sentences)
	}
	a = Compare([]Row{
		{Label: "a", Paper: 66.5, Linear: Mean{N: 3, Mean: 44.99, SD: 0.3}}, {Label: "b", Paper: 61.1, Linear: Mean{N: 3, Mean: 45, SD: 2.9}},
		{Label: "c", Paper: 51.5, Linear: Mean{N: 3, Mean: 41, SD: 0.5}},
	})
	want = []string{
		"“a” is not ahead of “b” here: +0.0 points, less than the spread over seeds, ±2.9; in the paper +5.4.",
		"“a” is ahead of “c” here: +4.0 points; in the paper +15.0.",
		"“b” is ahead of “c” here: +4.0 points; in the paper +9.6.",
	}
	if !slices.Equal(a.Sentences, want) {
		t.Errorf("sentences %q", a.Sentences)
	}
}

// TestCompares: what a study compares is not one setting for all of its runs.
func TestCompares(t *testing.T) {
	for name, c := range map[string]struct{ compared, common []string }{
		"table1":                {[]string{"method", "projector"}, []string{"d0", "epochs", "lr"}},
		"d0-sweep":              {[]string{"d0"}, []string{"temperature"}},
		"precision":             {[]string{"precision"}, []string{"crop_scale_min"}},
		"augmentation-strength": {[]string{"jitter", "crop_scale_min"}, []string{"method", "precision"}},
		"residual":              {nil, []string{"d0", "method"}},
	} {
		s, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range c.compared {
			if !s.Compares(key) {
				t.Errorf("%s does not compare %s", name, key)
			}
		}
		for _, key := range c.common {
			if s.Compares(key) {
				t.Errorf("%s compares %s", name, key)
			}
		}
	}
}

// TestDrawingsNameTheirSeed: a chart shows one seed, the first that has anything.
func TestDrawingsNameTheirSeed(t *testing.T) {
	pair := []*analysis.Spectrum{{Label: "r"}, {Label: "z"}}
	s := Study{Variants: []Variant{{Name: "a", Gradient: true}, {Name: "b"}}}
	outcomes := []*Outcome{
		{Variant: "a", Label: "A", Seed: 0}, {Variant: "b", Label: "B", Seed: 1, spectra: pair},
		{Variant: "a", Label: "A", Seed: 1, spectra: pair, gradients: []*analysis.Spectrum{{Label: "A, gradient at r"}}}, {Variant: "a", Label: "A", Seed: 2, spectra: pair},
	}
	d := s.Spectra(outcomes, 1)
	if d.Title != "Spectra of the embedding z, seed 1" || len(d.Spectra) != 2 || d.Spectra[0].Label != "A" || d.Spectra[1].Label != "B" {
		t.Errorf("%q of %d", d.Title, len(d.Spectra))
	}
	outcomes[2].spectra = pair[:1] // of a file that somebody has changed
	if d = s.Spectra(outcomes, 1); len(d.Spectra) != 1 || d.Spectra[0].Label != "B" {
		t.Errorf("a cell without the embedding's: %d", len(d.Spectra))
	}
	if d = s.Gradients(outcomes); d.Title != "Spectra of the loss's gradient, seed 1" || len(d.Spectra) != 1 || d.Spectra[0].Label != "gradient at r" {
		t.Errorf("%q of %d", d.Title, len(d.Spectra))
	}
}

// TestPlanLeavesOutCorruptImages everywhere where training passes over them.
func TestPlanLeavesOutCorruptImages(t *testing.T) {
	o := options(t, "cifar10")
	o.Set = []string{"corrupt=skip"}
	s, err := Find("residual")
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.Cells {
		for _, step := range c.Steps {
			if line := strings.Join(step.Args, " "); step.Args[0] != "init" && !strings.Contains(line, "--corrupt=skip") && !strings.Contains(line, "--corrupt skip") {
				t.Errorf("%s reads every image", line)
			}
		}
	}
}
