package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"onnxclr/train"
)

// Run is a run to be shown.
type Run struct {
	Label     string
	history   *train.History
	batch     int // images a step; 0 where the recipe does not say
	probes    []*Probe
	diagnoses []*Diagnosis
	looks     []train.MonitorPoint
}

// ReadRun reads the run in dir. It fails when the directory is no run, and naming file
// and line where one of its files is damaged.
func ReadRun(dir, label string) (*Run, error) {
	h, err := train.ReadHistory(dir)
	if err != nil {
		return nil, err
	}
	r := &Run{Label: label, history: h}
	if b, err := strconv.Atoi(r.setting("batch")); err == nil && b > 0 {
		r.batch = b
	}
	if r.probes, err = readProbes(dir, label); err != nil {
		return nil, err
	}
	if r.diagnoses, err = readDiagnoses(dir, label); err != nil {
		return nil, err
	}
	if r.looks, err = train.ReadMonitor(dir); err != nil {
		return nil, err
	}
	return r, nil
}

// setting returns the value of a key of the recipe, "" where it has none.
func (r *Run) setting(key string) string {
	for _, s := range r.history.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// series returns the numbers of this name, nil where the run has none.
func (r *Run) series(name string) *train.Series {
	for i := range r.history.Series {
		if r.history.Series[i].Name == name {
			return &r.history.Series[i]
		}
	}
	return nil
}

// window is how many steps the figures of a table are means of.
const window = 10

// runTable sums the runs up.
type runTable struct {
	table
	Caution string
}

// summaries makes the table of what became of the runs.
func summaries(runs []*Run) *runTable {
	t := &runTable{}
	t.Head = []string{"run", "state", "steps", "epochs", "images seen", "loss", "least loss", "contrastive accuracy", "time", "images/s", "waiting for data"}
	monitored := monitored(runs)
	for _, name := range monitored {
		_, last, _ := strings.Cut(name, ".")
		t.Head = append(t.Head, titleOf(last))
	}
	for i, r := range runs {
		t.Rows = append(t.Rows, row{&key{i, r.Label}, r.Label, append(r.summary(), r.lasts(monitored)...)})
	}
	t.drop()
	t.Note = fmt.Sprintf("Loss and accuracy are means of the last %d steps, the least loss is the least mean of %d successive ones, with the last of their steps. "+
		"Images are counted once a step, images/s with both views. Time, images/s and waiting were measured while training, and depend on the machine.", window, window)
	if len(monitored) > 0 {
		t.Note += " What the monitor saw is its last look."
	}
	var differ []string
	for _, k := range []string{"loss", "temperature", "batch"} {
		for _, r := range runs {
			if r.setting(k) != runs[0].setting(k) {
				differ = append(differ, k)
				break
			}
		}
	}
	if len(differ) > 0 {
		t.Caution = "The losses of these runs cannot be compared: they differ in " + and(differ) + ", which the value of the loss depends on."
	}
	return t
}

// monitored lists the numbers in objects that any run has, such as monitor.rankme.
func monitored(runs []*Run) []string {
	var names []string
	for _, r := range runs {
		for _, s := range r.history.Series {
			if strings.Contains(s.Name, ".") && !hidden[s.Name] && !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	return names
}

// lasts are the last values of the series.
func (r *Run) lasts(names []string) []string {
	var cells []string
	for _, name := range names {
		cell := ""
		if s := r.series(name); s != nil {
			cell = short(s.Values[len(s.Values)-1])
		}
		cells = append(cells, cell)
	}
	return cells
}

// summary is the cells of a run, in the order of the table's head.
func (r *Run) summary() []string {
	cells := make([]string, 10)
	loss := r.series("loss")
	if loss == nil {
		cells[0] = "no step made"
		return cells
	}
	steps := loss.Steps[len(loss.Steps)-1] + 1
	cells[0] = "complete"
	if !r.history.Done {
		cells[0] = "not ended"
	}
	cells[1] = thousands(steps)
	if e := r.series("epoch"); e != nil {
		cells[2] = short(e.Values[len(e.Values)-1] + 1)
	}
	if r.batch > 0 {
		cells[3] = thousands(steps * r.batch)
	}
	means := runningMeans(loss.Values)
	cells[4] = digits(means[len(means)-1])
	best := 0
	for i, m := range means {
		if m < means[best] {
			best = i
		}
	}
	last := best + min(window, len(loss.Values)) - 1
	cells[5] = fmt.Sprintf("%s (step %s)", digits(means[best]), thousands(loss.Steps[last]))
	if a := r.series("contrastive_accuracy"); a != nil {
		m := runningMeans(a.Values)
		cells[6] = percent(m[len(m)-1])
	}
	if s := r.series("time"); s != nil {
		total := sum(s.Values)
		cells[7] = clock(total)
		if r.batch > 0 && total > 0 {
			cells[8] = short(2 * float64(r.batch) * float64(len(s.Values)) / total)
		}
		if w := r.series("wait"); w != nil && total > 0 {
			cells[9] = percent(sum(w.Values) / total)
		}
	}
	return cells
}

// drop removes the columns that have nothing in any row.
func (t *table) drop() {
	for j := len(t.Head) - 1; j > 0; j-- {
		empty := true
		for _, r := range t.Rows {
			empty = empty && r.Cells[j-1] == ""
		}
		if !empty {
			continue
		}
		t.Head = slices.Delete(t.Head, j, j+1)
		for i := range t.Rows {
			t.Rows[i].Cells = slices.Delete(t.Rows[i].Cells, j-1, j)
		}
	}
}

// runningMeans returns the means of every window values, or of all if they are fewer.
func runningMeans(v []float64) []float64 {
	n := min(window, len(v))
	means := make([]float64, 0, len(v)-n+1)
	for i := range len(v) - n + 1 {
		means = append(means, sum(v[i:i+n])/float64(n))
	}
	return means
}

func sum(v []float64) float64 {
	var s float64
	for _, x := range v {
		s += x
	}
	return s
}

// short writes a whole number as it is, and others with four digits that count.
func short(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return minus(thousands(int(v)))
	}
	return digits(v)
}

// digits writes a number with four digits that count.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000 && a < 1e15:
		return minus(thousands(int(math.Round(v))))
	case a >= 1e-3 && a < 1e15:
		return minus(strconv.FormatFloat(v, 'f', max(0, 3-int(math.Floor(math.Log10(a)))), 64))
	}
	return minus(strconv.FormatFloat(v, 'g', 4, 64))
}

func minus(s string) string { return strings.Replace(s, "-", "−", 1) }

func percent(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }

// thousands writes 25557032 as 25,557,032.
func thousands(n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// clock writes seconds as 1 h 02 min, 3 min 04 s or 5.6 s.
func clock(seconds float64) string {
	switch {
	case seconds >= 3599.5:
		m := int(math.Round(seconds / 60))
		return fmt.Sprintf("%s h %02d min", thousands(m/60), m%60)
	case seconds >= 59.95:
		s := int(math.Round(seconds))
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	}
	return fmt.Sprintf("%.1f s", seconds)
}

// and lists words: a, b and c.
func and(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}
