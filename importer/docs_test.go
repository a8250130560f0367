package importer

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
)

var update = flag.Bool("update", false, "rewrite the generated tables of docs/checkpoints.md")

// TestCheckpointDocs generates the tables of docs/checkpoints.md from the layouts that
// TestLayouts converts, and holds the page to them. Tests that the page names must be
// there.
func TestCheckpointDocs(t *testing.T) {
	path := golden.Testdata(t, "../docs/checkpoints.md")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := section(t, string(b), "layouts", layoutTable(t))
	page = section(t, page, "exports", exportTable())
	if page != string(b) {
		if !*update {
			t.Errorf("%s is not what the tests say; run with -update", path)
		} else if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	code := sources(t, "*_test.go")
	for _, name := range regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z]*)`").FindAllStringSubmatch(page, -1) {
		if !strings.Contains(code, "func "+name[1]+"(") {
			t.Errorf("the page names %s, which is no test", name[1])
		}
	}
}

// section replaces what stands between the marks of a name.
func section(t *testing.T, page, name, text string) string {
	t.Helper()
	open, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, ok1 := strings.Cut(page, open)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("the page has no section %s", name)
	}
	return before + open + text + end + after
}

// layoutTable converts a checkpoint of each layout and says what came of it.
func layoutTable(t *testing.T) string {
	var s strings.Builder
	s.WriteString("| checkpoint of | a key in it | recognised as | taken from | of several encoders |\n|---|---|---|---|---|\n")
	for _, test := range layoutTests {
		net := tiny()
		if test.pad > 0 {
			net.Stem.Kernel = 3
		}
		root := &torch.Dict{}
		for i, w := range test.encoders {
			putEncoder(root, w.dict, w.prefix, w.style, net.random(uint64(i)), w.fc)
		}
		for _, e := range test.extra {
			dict, key, _ := strings.Cut(e, ":")
			put(root, dict, weights.FromFloat32(key, []int{2}, []float32{1, 2}))
		}
		m, r := mustConvert(t, checkpoint(t, root), ConvertOptions{})
		why := ""
		if len(test.encoders) > 1 {
			for _, l := range layouts {
				if l.Name == r.Layout && l.Why != "" {
					why = l.Why
				}
			}
		}
		from := r.Prefix
		if r.Dict != "" {
			from = r.Dict + ": " + r.Prefix
		}
		if from != "" {
			from = "`" + strings.TrimSpace(from) + "`"
		}
		if m.Meta(MetaNaming) != "" {
			from = strings.TrimSpace(from + " (" + m.Meta(MetaNaming) + ")")
		}
		fmt.Fprintf(&s, "| %s | `%s` | %s | %s | %s |\n", test.name, test.key, r.Layout, from, why)
	}
	return s.String()
}

func exportTable() string {
	var s strings.Builder
	s.WriteString("| `--layout` | dictionary | a key |\n|---|---|---|\n| `same` | as in the checkpoint | as in the checkpoint |\n")
	for _, l := range exportLayouts {
		dict := l.dict
		if dict != "" {
			dict = "`" + dict + "`"
		}
		fmt.Fprintf(&s, "| `%s` | %s | `%s` |\n", l.name, dict, l.prefix+l.naming.write("layer1.0.conv1.weight"))
	}
	return s.String()
}

// sources is the text of the tests that the page may name.
func sources(t *testing.T, pattern string) string {
	var s strings.Builder
	for _, dir := range []string{".", "torch", "safetensors", "onnx", "../internal/npy", "../internal/graph", "../cmd/onnxclr"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s in %s: %v", pattern, dir, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			s.Write(b)
		}
	}
	return s.String()
}

// TestHostileTable: what the page says that hostile files are told is what the code or
// a test says, and the tests it names are there.
func TestHostileTable(t *testing.T) {
	b, err := os.ReadFile(golden.Testdata(t, "../docs/checkpoints.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(b), "\n## Hostile files\n")
	tests, code, rows := sources(t, "*_test.go"), sources(t, "*.go"), 0
	quoted := regexp.MustCompile("`([^`]+)`")
	for _, line := range strings.Split(page, "\n") {
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || !strings.Contains(cells[2], "`Test") {
			continue
		}
		rows++
		for _, name := range quoted.FindAllStringSubmatch(cells[2], -1) {
			if !strings.Contains(tests, "\nfunc "+name[1]+"(") {
				t.Errorf("%s is no test", name[1])
			}
		}
		for _, said := range quoted.FindAllStringSubmatch(cells[1], -1) {
			for _, part := range strings.Split(said[1], " … ") {
				if !strings.Contains(code, part) {
					t.Errorf("%s: nothing says %q", cells[0], part)
				}
			}
		}
	}
	if rows < 25 {
		t.Errorf("%d rows", rows)
	}
}
