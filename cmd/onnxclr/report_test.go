package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/analysis"
	"onnxclr/internal/golden"
)

func TestReport(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	model := golden.Testdata(t, "onnx/basic_op17_training.onnx")
	for _, name := range []string{"one", "two"} {
		args := []string{"train", "-q", "--model", model, "--data", "generated:textures", "--batch", "4", "--image-size", "32", "--steps", "3", "--warmup-epochs", "0.001", "-o", in(name)}
		if name == "two" {
			args = append(args, "--method", "directclr", "--d0", "12")
		}
		must(t, args...)
	}
	saveRows(t, dir, "one.npy", 300, 6)
	must(t, "spectrum", in("one.npy"), "-o", in("s.png"), "--json", in("s.json"), "--label", "saved <i>")
	r := must(t, "report", in("one"), in("two"), in("one.npy"), in("s.json"), "--title", "All & sundry", "-o", in("r.html"))
	if !strings.Contains(r.err, "wrote "+in("r.html")) {
		t.Errorf("says %q", r.err)
	}
	page, err := os.ReadFile(in("r.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"<h1>All &amp; sundry</h1>", "2 runs and 2 sets of embeddings", ">one</th>", ">two</th>", "saved &lt;i&gt;",
		"<code>method</code></th><td>simclr</td><td>directclr</td>", "<td>complete</td><td>3</td>",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(string(page), dir) {
		t.Error("the page names folders of this machine")
	}
	// The same file whatever stood there and whatever is loaded again.
	refused(t, exitFailed, "pass --force to replace it", "report", in("one"), "-o", in("r.html"))
	must(t, "report", in("one"), in("two"), in("one.npy"), in("s.json"), "--title", "All & sundry", "-o", in("r.html"), "--force")
	if again, _ := os.ReadFile(in("r.html")); !bytes.Equal(again, page) {
		t.Error("equal inputs gave another page")
	}
	must(t, "report", in("s.json"), "--label", "renamed", "-o", in("e.html"))
	if b, _ := os.ReadFile(in("e.html")); !bytes.Contains(b, []byte("renamed")) || bytes.Contains(b, []byte("saved")) {
		t.Error("the label is not on the page")
	}
}

// Spectra of equal labels are told apart by where they come from.
func TestReportLabelsAreUnique(t *testing.T) {
	from := []string{"x/one.npy", "x/s.json", "y/s.json", "y/s.json", "z.npy"}
	var spectra []*analysis.Spectrum
	for _, label := range []string{"one", "one", "one", "one", "z"} {
		spectra = append(spectra, &analysis.Spectrum{Label: label})
	}
	distinguish(spectra, from)
	for i, want := range []string{"one (x/one.npy)", "one (x/s.json)", "one (y/s.json)", "one (y/s.json, 2)", "z"} {
		if spectra[i].Label != want {
			t.Errorf("%q, want %q", spectra[i].Label, want)
		}
	}
}

func TestReportRefuses(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	out := in("r.html")
	write := func(name, text string) string {
		os.MkdirAll(filepath.Dir(in(name)), 0o755)
		if err := os.WriteFile(in(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return in(name)
	}
	run := filepath.Dir(write("run/recipe.yaml", "batch: 4\n"))
	write("run/metrics.jsonl", "{\"step\":0,\"loss\":1}\n{\"step\":1,\"lo\n{\"step\":2,\"loss\":1}\n")
	refused(t, exitUsage, "name at least one", "report", "-o", out)
	refused(t, exitUsage, "say where", "report", run)
	refused(t, exitUsage, "want the extension .html", "report", run, "-o", in("r.pdf"))
	refused(t, exitUsage, "2 labels for 1 sources", "report", run, "--label", "a", "--label", "b", "-o", out)
	refused(t, exitUsage, "--ddof is 2", "report", run, "--ddof", "2", "-o", out)
	refused(t, exitFailed, "no such file", "report", in("absent"), "-o", out)
	refused(t, exitFailed, "is not a run directory: it has no recipe.yaml", "report", dir, "-o", out)
	refused(t, exitFailed, filepath.Join("run", "metrics.jsonl")+":2: damaged", "report", run, "-o", out)
	refused(t, exitFailed, "not spectra in JSON", "report", write("a.json", "{}"), "-o", out)
	refused(t, exitFailed, "not spectra in JSON", "report", write("b.json", "[1"), "-o", out)
	refused(t, exitFailed, `not the result of a probe: no "top1"`, "report", write("p.json", `{"kind":"knn"}`), "-o", out)
	refused(t, exitFailed, "source 0 is null", "report", write("c.json", `{"sources":[null]}`), "-o", out)
	for i, s := range []string{`"dim":2,"singular_values":[1]`, `"dim":2,"singular_values":[1,2]`, `"dim":1,"singular_values":[-1]`, `"dim":0`} {
		refused(t, exitFailed, `source 0, "x"`, "report", write(fmt.Sprintf("s%d.json", i), `{"sources":[{"label":"x",`+s+`}]}`), "-o", out)
	}
	refused(t, exitFailed, "notes.txt", "report", write("notes.txt", "hello"), "-o", out)
	if _, err := os.Stat(out); err == nil {
		t.Error("a page was written")
	}
}
