package train

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Series is one number of metrics.jsonl over the steps that have it. A number inside
// of an object is named after both: monitor.rankme.
type Series struct {
	Name   string
	Steps  []int // ascending
	Values []float64
}

// Means reduces a series to at most n points: the mean step and value of as many
// neighbours as needed, with the least and the greatest of their values. low and high
// are nil where the points are the values themselves.
func (s *Series) Means(n int) (x, y, low, high []float64) {
	if len(s.Values) <= n {
		for _, step := range s.Steps {
			x = append(x, float64(step))
		}
		return x, s.Values, nil, nil
	}
	for k := range n {
		from, to := k*len(s.Values)/n, (k+1)*len(s.Values)/n
		var steps, sum float64
		least, greatest := s.Values[from], s.Values[from]
		for i := from; i < to; i++ {
			steps += float64(s.Steps[i])
			sum += s.Values[i]
			least, greatest = min(least, s.Values[i]), max(greatest, s.Values[i])
		}
		m := float64(to - from)
		x, y = append(x, steps/m), append(y, sum/m)
		low, high = append(low, least), append(high, greatest)
	}
	return x, y, low, high
}

// History is what a run directory tells of a run, one that still trains included.
type History struct {
	// Settings are those of recipe.yaml in their order, as the file has them: settings
	// without effect are not there.
	Settings []HistorySetting
	Series   []Series
	Done     bool // the final model is there

	resolved []HistorySetting // with what recipe.yaml leaves to defaults
}

// Value returns the value of a setting, or what the program that wrote the recipe did
// when it had no such setting yet; "" for one without effect.
func (h *History) Value(key string) string {
	for _, s := range slices.Concat(h.Settings, h.resolved) {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// HistorySetting is a key of a recipe and its value as YAML.
type HistorySetting struct{ Key, Value string }

// ReadHistory reads the history of the run in dir. It fails when the directory is no
// run, and naming the line where a file of it is damaged.
func ReadHistory(dir string) (*History, error) {
	if !isRun(dir) {
		return nil, fmt.Errorf("%s is not a run directory: it has no %s", dir, recipeName)
	}
	h := &History{}
	settings, err := RunRecipe(dir)
	if err != nil {
		return nil, err
	}
	h.Settings = history(settings)
	if r, _, err := Resolve(settings...); err == nil { // else a later program wrote it
		if all, err := ParseRecipe(recipeName, r.YAML()); err == nil {
			h.resolved = history(all)
		}
	}
	h.Series, err = ReadMetrics(filepath.Join(dir, metricsName))
	if errors.Is(err, fs.ErrNotExist) { // not one step
		err = nil
	}
	_, missing := os.Stat(filepath.Join(dir, modelName))
	h.Done = missing == nil
	return h, err
}

func history(settings []Setting) (all []HistorySetting) {
	for _, s := range settings {
		all = append(all, HistorySetting{s.Key, valueText(s.Value)})
	}
	return all
}

// valueText writes a value of a recipe in one line.
func valueText(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	var items []string
	for _, item := range n.Content {
		items = append(items, valueText(item))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// ReadMetrics returns the series of a metrics.jsonl, in the order in which they first
// appear. A last line without its end, which a run that is being written or was killed
// leaves, is not counted. Any other line that is not an object with a step above that
// of the line before is an error that names the line.
func ReadMetrics(path string) ([]Series, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	series, line, err := readMetrics(f)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: damaged: %w", path, line, err)
	}
	return series, nil
}

// readMetrics also returns the number of the line that an error is in.
func readMetrics(r io.Reader) (series []Series, line int, err error) {
	index := map[string]int{}
	b := bufio.NewReader(r)
	last := -1
	for line = 1; ; line++ {
		text, err := b.ReadBytes('\n')
		if err == io.EOF {
			return series, line, nil
		}
		if err != nil {
			return nil, line, err
		}
		numbers, err := numbersOf(text)
		if err != nil {
			return nil, line, err
		}
		step := -1
		for _, n := range numbers {
			if n.name == "step" && n.value == math.Trunc(n.value) && n.value >= 0 && n.value < 1<<52 {
				step = int(n.value)
			}
		}
		switch {
		case step < 0:
			return nil, line, errors.New("no step, a whole number from 0, in the line")
		case step <= last:
			return nil, line, fmt.Errorf("step %d after step %d", step, last)
		}
		last = step
		for _, n := range numbers {
			if n.name == "step" {
				continue
			}
			i, ok := index[n.name]
			if !ok {
				i = len(series)
				index[n.name] = i
				series = append(series, Series{Name: n.name})
			}
			s := &series[i]
			if k := len(s.Steps); k > 0 && s.Steps[k-1] == step {
				return nil, line, fmt.Errorf("%q appears twice", n.name)
			}
			s.Steps, s.Values = append(s.Steps, step), append(s.Values, n.value)
		}
	}
}

// named is a number in a line of metrics.
type named struct {
	name  string
	value float64
}

// numbersOf returns the numbers of a JSON object, those in objects inside of it
// included and those in lists not.
func numbersOf(line []byte) ([]named, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	t, err := d.Token()
	if err == nil && t != json.Delim('{') {
		err = errors.New("not a JSON object")
	}
	var numbers []named
	if err == nil {
		numbers, err = appendNumbers(nil, d, "", 0)
	}
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("more than a JSON object")
		}
	}
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the JSON object is cut short")
	}
	return numbers, err
}

// appendNumbers reads the rest of an object whose brace has been read.
func appendNumbers(list []named, d *json.Decoder, prefix string, depth int) ([]named, error) {
	if depth > 8 {
		return nil, errors.New("objects nested more than 8 deep")
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := prefix + t.(string) // a key, says the decoder's syntax
		if t, err = d.Token(); err != nil {
			return nil, err
		}
		switch v := t.(type) {
		case float64:
			list = append(list, named{name, v})
		case json.Delim:
			if v == '{' {
				if list, err = appendNumbers(list, d, name+".", depth+1); err != nil {
					return nil, err
				}
				continue
			}
			for open := 1; open > 0; { // a list
				if t, err = d.Token(); err != nil {
					return nil, err
				}
				if c, ok := t.(json.Delim); ok && (c == '[' || c == '{') {
					open++
				} else if ok {
					open--
				}
			}
		}
	}
	_, err := d.Token() // the closing brace
	return list, err
}
