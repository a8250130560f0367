package study

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"onnxclr/analysis"
	"onnxclr/train"
)

// Outcome is what a cell left behind; nil where it has not come so far.
type Outcome struct {
	Variant string   `json:"variant"`
	Label   string   `json:"label"`
	Seed    int      `json:"seed"`
	Status  string   `json:"status"` // done, missing, or failed
	Message string   `json:"message,omitempty"`
	KNN     *float64 `json:"knn_top1,omitempty"`    // share of the test images
	Linear  *float64 `json:"linear_top1,omitempty"` // after the last epoch
	Loss    *float64 `json:"loss,omitempty"`        // mean of the last ten steps
	Steps   int      `json:"steps,omitempty"`
	LiveR   *int     `json:"live_r,omitempty"`
	RankMeR *float64 `json:"rankme_r,omitempty"`
	LiveZ   *int     `json:"live_z,omitempty"`
	RankMeZ *float64 `json:"rankme_z,omitempty"`
	Dim     int      `json:"dim_r,omitempty"`

	// Gradients are those of the loss, at r and before the last residual block.
	Gradients []Gradient `json:"gradients,omitempty"`

	spectra   []*analysis.Spectrum // of r and of z
	gradients []*analysis.Spectrum
}

// Gradient is how many dimensions the gradient of the loss has at a place.
type Gradient struct {
	At   string `json:"at"` // r, or the last block
	Dim  int    `json:"dim"`
	Live int    `json:"live"` // as of a representation
	// Rank counts the singular values above the rounding of float32, 1e-12 of the largest
	// of a covariance.
	Rank   int     `json:"rank"`
	RankMe float64 `json:"rankme"`
}

// errorFile is where the message of a cell that failed is kept.
const errorFile = "error.txt"

// Fail notes why a cell failed.
func Fail(dir string, c *Cell, cause error) error {
	folder := filepath.Join(dir, c.Folder())
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, errorFile), []byte(cause.Error()+"\n"), 0o644)
}

// Recover forgets that a cell failed: it is tried again.
func Recover(dir string, c *Cell) error {
	err := os.Remove(filepath.Join(dir, c.Folder(), errorFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Done reports whether every step of the cell has left its file.
func (c *Cell) Done(dir string) bool {
	for _, s := range c.Steps {
		if _, err := os.Stat(filepath.Join(dir, s.Done)); err != nil {
			return false
		}
	}
	return true
}

// Collect reads what the cells of a grid left in dir. It fails on files that cannot be
// read; missing ones are a cell that is not done.
func (p *Plan) Collect(dir string) ([]*Outcome, error) {
	var all []*Outcome
	for i := range p.Cells {
		o, err := p.Cells[i].collect(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

func (c *Cell) collect(dir string) (*Outcome, error) {
	o := &Outcome{Variant: c.Variant, Label: c.Label, Seed: c.Seed, Status: "missing"}
	if c.Done(dir) {
		o.Status = "done"
	}
	folder := filepath.Join(dir, c.Folder())
	if b, err := os.ReadFile(filepath.Join(folder, errorFile)); err == nil {
		o.Status, o.Message = "failed", string(b[:max(len(b)-1, 0)])
	}
	for _, probe := range []struct {
		kind string
		to   **float64
	}{{"knn", &o.KNN}, {"linear", &o.Linear}} {
		var r struct {
			Top1 *float64 `json:"top1"`
		}
		if err := readJSON(filepath.Join(folder, "probe-"+probe.kind+".json"), &r); err != nil {
			return nil, err
		}
		*probe.to = r.Top1
	}
	var err error
	if o.spectra, err = readSpectra(filepath.Join(folder, "spectra.json")); err != nil {
		return nil, err
	}
	if len(o.spectra) == 2 {
		r, z := o.spectra[0].Metrics, o.spectra[1].Metrics
		o.LiveR, o.RankMeR, o.LiveZ, o.RankMeZ, o.Dim = &r.LiveDims, &r.RankMe, &z.LiveDims, &z.RankMe, o.spectra[0].Dim
	}
	if o.gradients, err = readSpectra(filepath.Join(folder, "gradient.json")); err != nil {
		return nil, err
	}
	for i, s := range o.gradients {
		const rounding = 1e-12
		at := []string{"r", "the input of the last block"}[min(i, 1)]
		o.Gradients = append(o.Gradients, Gradient{at, s.Dim, s.Metrics.LiveDims, analysis.Live(s.SingularValues, rounding), s.Metrics.RankMe})
	}
	if series, err := train.ReadMetrics(filepath.Join(folder, "run", "metrics.jsonl")); err == nil {
		for _, s := range series {
			if s.Name == "loss" && len(s.Values) > 0 {
				last := s.Values[max(0, len(s.Values)-10):]
				var mean float64
				for _, v := range last {
					mean += v / float64(len(last))
				}
				o.Loss, o.Steps = &mean, len(s.Values)
			}
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return o, nil
}

// readSpectra reads what spectrum --json wrote, if it is there.
func readSpectra(path string) ([]*analysis.Spectrum, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	spectra, err := analysis.ReadJSON(f)
	if err != nil {
		return nil, damaged(path, err)
	}
	return spectra, nil
}

// damaged says what to do about a result that cannot be read.
func damaged(path string, err error) error {
	return fmt.Errorf("%s is damaged: %w; remove it, and the same command line makes it again", path, err)
}

// readJSON reads a file if it is there.
func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return damaged(path, err)
	}
	return nil
}

// Row is a variant over all seeds.
type Row struct {
	Variant string  `json:"variant"`
	Label   string  `json:"label"`
	Paper   float64 `json:"paper_top1_percent,omitempty"` // on ImageNet, never ours
	Seeds   int     `json:"seeds"`                        // that are done
	KNN     Mean    `json:"knn_top1_percent"`
	Linear  Mean    `json:"linear_top1_percent"`
	LiveR   Mean    `json:"live_r"`
	RankMeR Mean    `json:"rankme_r"`
	LiveZ   Mean    `json:"live_z"`
	RankMeZ Mean    `json:"rankme_z"`
	Failed  int     `json:"failed,omitempty"`
}

// Mean is the mean of N values and their standard deviation (ddof 1; 0 for one).
type Mean struct {
	N    int     `json:"n"`
	Mean float64 `json:"mean"`
	SD   float64 `json:"sd"`
}

func (m Mean) String() string {
	decimals := 1
	if m.Mean >= 100 {
		decimals = 0
	}
	switch m.N {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf("%.*f", decimals, m.Mean)
	}
	return fmt.Sprintf("%.*f ± %.*f", decimals, m.Mean, decimals, m.SD)
}

// Whole is String for whole numbers, which need no decimals where all seeds have the same.
func (m Mean) Whole() string {
	if m.N > 0 && m.SD == 0 {
		return fmt.Sprintf("%.0f", m.Mean)
	}
	return m.String()
}

func meanOf(values []float64) (m Mean) {
	m.N = len(values)
	for _, v := range values {
		m.Mean += v / float64(m.N)
	}
	for _, v := range values {
		m.SD += (v - m.Mean) * (v - m.Mean)
	}
	if m.N > 1 {
		m.SD = math.Sqrt(m.SD / float64(m.N-1))
	} else {
		m.SD = 0
	}
	return m
}

// Table joins the seeds of every variant, in the study's order.
func (s Study) Table(outcomes []*Outcome) []Row {
	var rows []Row
	for _, v := range s.Variants {
		row := Row{Variant: v.Name, Paper: v.Paper}
		values := map[string][]float64{}
		add := func(key string, v *float64, scale float64) {
			if v != nil {
				values[key] = append(values[key], *v*scale)
			}
		}
		whole := func(v *int) *float64 {
			if v == nil {
				return nil
			}
			f := float64(*v)
			return &f
		}
		found := false
		for _, o := range outcomes {
			if o.Variant != v.Name {
				continue
			}
			found, row.Label = true, o.Label
			switch o.Status {
			case "done":
				row.Seeds++
			case "failed":
				row.Failed++
			}
			add("knn", o.KNN, 100)
			add("linear", o.Linear, 100)
			add("liver", whole(o.LiveR), 1)
			add("rankr", o.RankMeR, 1)
			add("livez", whole(o.LiveZ), 1)
			add("rankz", o.RankMeZ, 1)
		}
		if !found {
			continue
		}
		row.KNN, row.Linear = meanOf(values["knn"]), meanOf(values["linear"])
		row.LiveR, row.RankMeR = meanOf(values["liver"]), meanOf(values["rankr"])
		row.LiveZ, row.RankMeZ = meanOf(values["livez"]), meanOf(values["rankz"])
		rows = append(rows, row)
	}
	return rows
}

// WriteCells writes one line a cell as CSV.
func WriteCells(w io.Writer, outcomes []*Outcome) error {
	c := csv.NewWriter(w)
	c.Write([]string{"variant", "seed", "status", "knn_top1", "linear_top1", "loss", "steps", "live_r", "rankme_r", "live_z", "rankme_z", "message"})
	number := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'g', -1, 64)
	}
	whole := func(v *int) string {
		if v == nil {
			return ""
		}
		return strconv.Itoa(*v)
	}
	for _, o := range outcomes {
		c.Write([]string{o.Variant, strconv.Itoa(o.Seed), o.Status, number(o.KNN), number(o.Linear), number(o.Loss), strconv.Itoa(o.Steps),
			whole(o.LiveR), number(o.RankMeR), whole(o.LiveZ), number(o.RankMeZ), o.Message})
	}
	c.Flush()
	return c.Error()
}

// WriteJSON writes plan, cells and table.
func (s Study) WriteJSON(w io.Writer, p *Plan, outcomes []*Outcome) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Study   string     `json:"study"`
		Scale   string     `json:"scale"`
		Network string     `json:"network"`
		Data    string     `json:"data"`
		Table   []Row      `json:"table"`
		Cells   []*Outcome `json:"cells"`
	}{s.Name, p.Scale, p.Arch, p.Data, s.Table(outcomes), outcomes})
}
