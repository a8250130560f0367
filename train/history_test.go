package train

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReadMetrics(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.jsonl")
	text := `{"step":0,"loss":4,"monitor":{"rankme":12.5,"values":[1,2,{"a":3}],"kind":"r"}}
{"step":3,"loss":3.5,"ok":true,"note":"6"}
{"step":4,"loss":3,"monitor":{"rankme":11}}
{"step":5,"loss":2,"mon`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	series, err := ReadMetrics(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(series) != 2 || series[0].Name != "loss" || series[1].Name != "monitor.rankme" {
		t.Fatalf("series %+v", series)
	}
	if !slices.Equal(series[0].Steps, []int{0, 3, 4}) || !slices.Equal(series[0].Values, []float64{4, 3.5, 3}) {
		t.Errorf("loss %+v", series[0])
	}
	if !slices.Equal(series[1].Steps, []int{0, 4}) || !slices.Equal(series[1].Values, []float64{12.5, 11}) {
		t.Errorf("rankme %+v", series[1])
	}
}

func TestReadMetricsNamesTheLine(t *testing.T) {
	good := `{"step":0,"loss":1}` + "\n"
	for name, c := range map[string]struct{ line, want string }{
		"garbage":      {"\x00\x00\x00", ":2: damaged: invalid character"},
		"not a object": {"[1]", ":2: damaged: not a JSON object"},
		"cut short":    {`{"step":1,`, ":2: damaged: the JSON object is cut short"},
		"empty":        {"", ":2: damaged: the JSON object is cut short"},
		"two objects":  {`{"step":1} {"step":2}`, ":2: damaged: more than a JSON object"},
		"no step":      {`{"loss":1}`, ":2: damaged: no step"},
		"step":         {`{"step":1.5}`, ":2: damaged: no step"},
		"negative":     {`{"step":-1}`, ":2: damaged: no step"},
		"again":        {`{"step":0}`, ":2: damaged: step 0 after step 0"},
		"twice":        {`{"step":1,"loss":1,"loss":2}`, `:2: damaged: "loss" appears twice`},
		"overflow":     {`{"step":1,"loss":1e999}`, ":2: damaged: json"},
		"deep":         {`{"step":1,"a":` + strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 21), ":2: damaged: objects nested more than 8 deep"},
	} {
		path := filepath.Join(t.TempDir(), "metrics.jsonl")
		if err := os.WriteFile(path, []byte(good+c.line+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := ReadMetrics(path)
		if err == nil || !strings.Contains(err.Error(), path+c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// Every series has ascending steps, one for each value, whatever is read.
func FuzzReadMetrics(f *testing.F) {
	f.Add([]byte(`{"step":0,"loss":4,"monitor":{"rankme":12.5}}` + "\n"))
	f.Add([]byte(`{"step":0,"a":[[{"b":1}],2],"step":1}` + "\n" + `{"step":1e3}` + "\n"))
	f.Add([]byte(`{"a":{"b":{}},"step":2,"c":null}` + "\n{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		series, line, err := readMetrics(bytes.NewReader(b))
		if err != nil {
			if n := bytes.Count(b, []byte("\n")); line < 1 || line > n {
				t.Fatalf("line %d of %d", line, n)
			}
			return
		}
		for _, s := range series {
			if len(s.Steps) != len(s.Values) || len(s.Steps) == 0 || !slices.IsSorted(s.Steps) || s.Steps[0] < 0 {
				t.Fatalf("%+v", s)
			}
		}
	})
}

func TestSeriesMeans(t *testing.T) {
	s := Series{Steps: []int{0, 1, 2, 3, 4}, Values: []float64{4, 2, 1, 3, 5}}
	x, y, low, high := s.Means(5)
	if fmt.Sprint(x, y, low, high) != "[0 1 2 3 4] [4 2 1 3 5] [] []" {
		t.Errorf("as they are: %v %v %v %v", x, y, low, high)
	}
	x, y, low, high = s.Means(2)
	if fmt.Sprint(x, y, low, high) != "[0.5 3] [3 3] [2 1] [4 5]" {
		t.Errorf("two points: %v %v %v %v", x, y, low, high)
	}
}

// What an earlier program did before there was a setting for it is that setting's default.
func TestHistoryOfAnEarlierRun(t *testing.T) {
	mean := func(drop string) string {
		r, _, err := Resolve(Flag("model", "m.onnx"), Flag("data", "images"), Flag("batch", "16"), Flag("monitor-every", "3"))
		if err != nil {
			t.Fatal(err)
		}
		var kept []string
		for line := range strings.Lines(string(r.YAML())) {
			if drop == "" || !strings.HasPrefix(line, drop+":") {
				kept = append(kept, line)
			}
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, recipeName), []byte(strings.Join(kept, "")), 0o644); err != nil {
			t.Fatal(err)
		}
		h, err := ReadHistory(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Value("d0"); got != "" {
			t.Errorf("d0, which has no effect, is %s", got)
		}
		return h.Value("mean")
	}
	if was, is := mean("mean"), mean(""); was != is || is != "[0.485, 0.456, 0.406]" {
		t.Errorf("the mean is %q without the setting, %q with it", was, is)
	}
}
