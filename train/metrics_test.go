package train

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A resumed run has every step once, however the file ended.
func TestMetricsAreCutBack(t *testing.T) {
	line := func(steps ...string) string {
		var b strings.Builder
		for _, s := range steps {
			b.WriteString(`{"step":` + s + `,"loss":1}` + "\n")
		}
		return b.String()
	}
	for _, c := range []struct {
		name, before string
		steps, kept  int
		want         string
	}{
		{"absent", "", 0, 0, ""},
		{"whole", line("0", "1"), 2, 2, line("0", "1")},
		{"later steps", line("0", "1", "2", "3"), 2, 2, line("0", "1")},
		{"all of it", line("0", "1"), 0, 0, ""},
		{"cut short", line("0", "1") + `{"step":2,"lo`, 3, 2, line("0", "1")},
		{"no newline", line("0") + `{"step":1}`, 2, 1, line("0")},
		{"garbage", line("0") + "\x00\x00\n" + line("1"), 2, 1, line("0")},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "metrics.jsonl")
			if c.before != "" {
				os.WriteFile(path, []byte(c.before), 0o644)
			}
			m, kept, err := openMetrics(path, c.steps)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.append(Metrics{Step: c.steps, Loss: 0.1}); err != nil {
				t.Fatal(err)
			}
			m.close()
			b, _ := os.ReadFile(path)
			head, tail := string(b[:min(len(c.want), len(b))]), string(b[min(len(c.want), len(b)):])
			if kept != c.kept || head != c.want || !strings.HasPrefix(tail, `{"step":`) || strings.Count(tail, "\n") != 1 || !strings.Contains(tail, `"loss":0.1,`) {
				t.Errorf("kept %d, file %q", kept, b)
			}
		})
	}
}
