package report

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Probe is what a probe of frozen representations found, as the verb probe writes it.
type Probe struct {
	label   string
	style   int // of the run's line; −1 where it is of none
	Kind    string
	Encoder string // hash of the weights; "" where rows were given
	On      string
	Dim     int
	Classes int
	Train   int `json:"train_samples"`
	Test    int `json:"test_samples"`

	K           *int
	Temperature *float64
	Top1, Top5  *float64
	Linear      *linearProbe

	confusion template.URL // the picture that lies beside; "" if there is none
}

type linearProbe struct {
	LR       float64 `json:"learning_rate"`
	Schedule string
	BestTop1 share `json:"best_top1"`
	BestTop5 share `json:"best_top5"`
	Epochs   []struct{ Epoch int }
}

type share struct {
	Share *float64
	Epoch int
}

// ReadProbe reads what the verb probe wrote, with the picture of the confusion matrix
// where it lies beside.
func ReadProbe(path, label string) (*Probe, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := &Probe{label: label, style: -1}
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("%s: not the result of a probe: %w", path, err)
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("%s: not the result of a probe: %w", path, err)
	}
	p.confusion, err = readPicture(strings.TrimSuffix(path, ".json") + "-confusion.png")
	return p, err
}

// readPicture returns a PNG as a part of the page, "" where there is no such file.
func readPicture(path string) (template.URL, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err == nil {
		_, err = png.DecodeConfig(bytes.NewReader(b))
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b)), nil
}

func (p *Probe) check() error {
	shares := []*float64{p.Top1, p.Top5}
	if p.Linear != nil {
		shares = append(shares, p.Linear.BestTop1.Share, p.Linear.BestTop5.Share)
	}
	for _, s := range shares {
		if s != nil && !(*s >= 0 && *s <= 1) {
			return fmt.Errorf("a share of %v", *s)
		}
	}
	switch {
	case p.Kind == "":
		return errors.New(`no "kind"`)
	case p.Top1 == nil:
		return errors.New(`no "top1"`)
	}
	return nil
}

// readProbes reads the results that lie in a run.
func readProbes(dir, label string) ([]*Probe, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	var probes []*Probe
	for _, e := range entries {
		if ok, _ := filepath.Match("probe-*.json", e.Name()); !ok {
			continue
		}
		p, err := ReadProbe(filepath.Join(dir, e.Name()), label)
		if err != nil {
			return nil, err
		}
		probes = append(probes, p)
	}
	return probes, nil
}

// probeSection is a table of probes and their confusion matrices.
type probeSection struct {
	*table
	Confusions []picture
}

// picture is an image with what it shows.
type picture struct {
	Title string
	URL   template.URL
}

// probes shows the runs' probes and those given beside.
func probes(runs []*Run, given []*Probe) *probeSection {
	var all []*Probe
	for i, r := range runs {
		for _, p := range r.probes {
			p.style = i
			all = append(all, p)
		}
	}
	all = append(all, given...)
	if len(all) == 0 {
		return nil
	}
	var confusions []picture
	for _, p := range all {
		if p.confusion != "" {
			confusions = append(confusions, picture{fmt.Sprintf("%s, %s on %s", p.label, p.Kind, p.On), p.confusion})
		}
	}
	t := &table{Head: []string{"of", "probe", "on", "dim", "classes", "training rows", "test rows", "top-1", "top-5", "best epoch's top-1", "best epoch's top-5"}}
	linear := false
	for _, p := range all {
		r := row{Name: p.label, Cells: []string{p.describe(), p.On, thousands(p.Dim), thousands(p.Classes), thousands(p.Train), thousands(p.Test),
			hundredths(p.Top1), hundredths(p.Top5), "", ""}}
		if p.style >= 0 {
			r.Key = &key{p.style, p.label}
		}
		if l := p.Linear; l != nil {
			linear = true
			r.Cells[8], r.Cells[9] = l.BestTop1.text(), l.BestTop5.text()
		}
		t.Rows = append(t.Rows, r)
	}
	t.drop()
	if linear {
		t.Note = "Of a linear probe top-1 and top-5 are those after its last epoch; its best epoch is chosen on the test rows and so flatters a little. "
	}
	if changed := changedEncoders(runs); len(changed) > 0 {
		t.Note += "The probes of " + and(changed) + " saw different weights: not all of them are of the model that is there now."
	}
	return &probeSection{t, confusions}
}

// changedEncoders lists the runs whose probes are not of the same weights.
func changedEncoders(runs []*Run) []string {
	var labels []string
	for _, r := range runs {
		hashes := map[string]bool{}
		for _, p := range r.probes {
			if p.Encoder != "" {
				hashes[p.Encoder] = true
			}
		}
		if len(hashes) > 1 {
			labels = append(labels, r.Label)
		}
	}
	return labels
}

// describe says what kind of probe it was, with the settings that matter most.
func (p *Probe) describe() string {
	text := p.Kind
	if p.K != nil {
		text += fmt.Sprintf(", k %d", *p.K)
	}
	if p.Temperature != nil {
		text += fmt.Sprintf(", temperature %g", *p.Temperature)
	}
	if l := p.Linear; l != nil {
		text += strings.TrimRight(fmt.Sprintf(", %d epochs, lr %g %s", len(l.Epochs), l.LR, l.Schedule), " ")
	}
	return text
}

func (s share) text() string {
	if s.Share == nil {
		return ""
	}
	return fmt.Sprintf("%s (epoch %d)", hundredths(s.Share), s.Epoch+1)
}

func hundredths(v *float64) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf("%.2f %%", 100**v)
}
