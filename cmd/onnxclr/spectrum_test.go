package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/analysis"
	"onnxclr/internal/golden"
	"onnxclr/internal/npy"
)

// saveArray writes values as a .npy file into dir and returns its path.
func saveArray(t *testing.T, dir, name string, shape []int, values any) string {
	t.Helper()
	path := filepath.Join(dir, name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := npy.Write(f, shape, values); err != nil {
		t.Fatal(err)
	}
	return path
}

// saveRows writes n rows of dim smooth, independent values.
func saveRows(t *testing.T, dir, name string, n, dim int) string {
	t.Helper()
	x := make([]float32, n*dim)
	for i := range x {
		x[i] = float32(math.Sin(float64(i*i) * 0.7))
	}
	return saveArray(t, dir, name, []int{n, dim}, x)
}

func TestSpectrum(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	a, b := saveRows(t, dir, "a.npy", 300, 6), saveRows(t, dir, "b.npy", 40, 3)
	r := must(t, "spectrum", a, b, "-o", in("s.png"), "--json", in("s.json"), "--csv", in("s.csv"), "--label", "first", "--label", "second one")
	for _, want := range []string{"first", "second one", "collapsed", "RankMe"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is missing in\n%s", want, r.out)
		}
	}

	var parsed struct{ Sources []analysis.Spectrum }
	text, err := os.ReadFile(in("s.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &parsed); err != nil {
		t.Fatal(err)
	}
	if len(parsed.Sources) != 2 {
		t.Fatalf("%d sources in the JSON, want 2", len(parsed.Sources))
	}
	first := parsed.Sources[0]
	if first.Label != "first" || first.Samples != 300 || first.Dim != 6 || !first.Normalized || first.DDOF != 1 || first.Metrics.LiveDims != 6 {
		t.Errorf("the JSON says %+v", first)
	}
	// The singular values of a covariance of unit rows sum to their variance.
	m, _ := analysis.NewMoments(6, true)
	rows, _ := npy.Open(a)
	defer rows.Close()
	x, _ := rows.Float64s()
	if err := m.Add(x); err != nil {
		t.Fatal(err)
	}
	want, _ := m.Spectrum("first", 1)
	golden.Check(t, "singular values", golden.Exact, first.SingularValues, want.SingularValues)

	f, err := os.Open(in("s.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 1+6+3 || lines[7][0] != "second one" || lines[7][1] != "0" {
		t.Errorf("the CSV is %v", lines)
	}
	if got := contents(t, dir); got != "a.npy b.npy s.csv s.json s.png" {
		t.Errorf("the folder holds %s", got)
	}
}

func TestSpectrumOptionsMatter(t *testing.T) {
	dir := t.TempDir()
	a := saveRows(t, dir, "a.npy", 300, 6)
	values := func(flags ...string) analysis.Spectrum {
		r := must(t, append([]string{"spectrum", a, "-o", filepath.Join(dir, "s.svg"), "--force", "--json", "-"}, flags...)...)
		var parsed struct{ Sources []analysis.Spectrum }
		if err := json.Unmarshal([]byte(r.out), &parsed); err != nil {
			t.Fatalf("%v in %s", err, r.out)
		}
		return parsed.Sources[0]
	}
	base, biased, raw := values(), values("--ddof", "0"), values("--normalize=false")
	golden.CheckValue(t, "ddof 0", golden.Closed, biased.SingularValues[0]*300/299, base.SingularValues[0])
	if raw.Normalized || raw.SingularValues[0] == base.SingularValues[0] {
		t.Error("--normalize=false changes nothing")
	}
	draw := func(flags ...string) string {
		path := filepath.Join(dir, "s.svg")
		must(t, append([]string{"spectrum", a, "-o", path, "--force"}, flags...)...)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if draw() == draw("--log", "log10") {
		t.Error("--log changes nothing")
	}
	if first, second := draw(), draw(); first != second {
		t.Error("drawn twice, the charts differ")
	}
}

func TestSpectrumRefuses(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	good := saveRows(t, dir, "good.npy", 10, 3)
	saveArray(t, dir, "nan.npy", []int{2, 2}, []float32{1, 2, float32(math.NaN()), 1})
	saveArray(t, dir, "zero.npy", []int{2, 2}, []float32{1, 2, 0, 0})
	saveArray(t, dir, "one.npy", []int{1, 2}, []float32{1, 2})
	saveArray(t, dir, "none.npy", []int{0, 2}, []float32{})
	saveArray(t, dir, "narrow.npy", []int{2, 0}, []float32{})
	saveArray(t, dir, "maps.npy", []int{1, 1, 2, 2}, []float32{1, 2, 3, 4})
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) {
		if err := os.WriteFile(in(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("cut.npy", whole[:len(whole)-5])
	write("text.npy", []byte("a,b\n1,2\n"))
	write("a.npz", whole)
	write("there.png", nil)
	before := contents(t, dir)
	for _, tc := range []struct{ source, out, want string }{
		{"nan.npy", "s.png", "row 1 holds NaN in column 0"},
		{"zero.npy", "s.png", "row 1 is zero"},
		{"one.npy", "s.png", "at least 2"},
		{"none.npy", "s.png", "at least 2"},
		{"narrow.npy", "s.png", "rows of 0 values"},
		{"maps.npy", "s.png", "two dimensions"},
		{"cut.npy", "s.png", "truncated"},
		{"text.npy", "s.png", "looks to be text"},
		{"a.npz", "s.png", "looks to be a NumPy array"},
		{"missing.npy", "s.png", "no such file"},
		{"good.npy", "there.png", "--force"},
		{"good.npy", "nowhere/s.png", "nowhere"},
	} {
		refused(t, exitFailed, tc.want, "spectrum", in(tc.source), "-o", in(tc.out))
	}
	refused(t, exitUsage, "input and output", "spectrum", good, "-o", in("s.png"), "--json", good, "--force")
	refused(t, exitUsage, "two outputs", "spectrum", good, "-o", in("s.png"), "--json", in("s.png"))
	if after := contents(t, dir); after != before {
		t.Errorf("failures left %s, was %s", after, before)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	rows := saveRows(t, dir, "a.npy", 10, 3)
	model := golden.Testdata(t, "onnx/basic_op17_preserve.onnx")
	for _, line := range [][]string{
		{"spectrum", rows, "-o", filepath.Join(dir, "s.png")},
		{"convert", basic(t), "-o", filepath.Join(dir, "m.onnx")},
		{"augment", "--data", textures, "--image-size", "16", "-o", filepath.Join(dir, "v.png")},
		{"embed", "--model", model, "--data", textures, "--image-size", "16", "-o", filepath.Join(dir, "e.npy")},
	} {
		r := commandContext(t, ctx, line...)
		if r.code != exitInterrupted || !strings.Contains(r.err, "interrupted") {
			t.Errorf("%s: exit code %d, says %q", line[0], r.code, r.err)
		}
		if got := contents(t, dir); got != "a.npy" {
			t.Errorf("%s: left %s behind", line[0], got)
		}
	}
}

// The gradient of DirectCLR's loss has d0 dimensions at the representation and more
// before the last block.
func TestSpectrumOfGradient(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	const images = "generated:textures?train=32&test=48&size=16"
	must(t, "convert", basic(t), "-o", in("model.onnx"))
	must(t, "train", "--model", in("model.onnx"), "--data", images, "--method", "directclr", "--d0", "10", "--batch", "16", "--image-size", "16", "--steps", "2", "--warmup-epochs", "0", "-o", in("run"))
	out := must(t, "spectrum", in("run"), "--data", images, "--gradient", "-o", in("s.png"), "--json", in("s.json")).out
	f, err := os.Open(in("s.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	spectra, err := analysis.ReadJSON(f)
	if err != nil || len(spectra) != 2 {
		t.Fatalf("%d spectra, %v:\n%s", len(spectra), err, out)
	}
	r, h := spectra[0], spectra[1]
	if r.Samples != 96 || r.Normalized || r.SingularValues[10] != 0 {
		t.Errorf("at r: %d rows, normalised %v, values %v", r.Samples, r.Normalized, r.SingularValues)
	}
	const rounding = 1e-12
	if at, before := analysis.Live(r.SingularValues, rounding), analysis.Live(h.SingularValues, rounding); at == 0 || before <= at {
		t.Errorf("ranks %d at r and %d before the block", at, before)
	}
	must(t, "spectrum", in("run"), "--data", images, "--gradient", "--node", "embedding", "--node", "representation", "-o", in("n.svg"))
	refused(t, exitUsage, "goes with --data", "spectrum", in("run"), "--gradient", "-o", in("x.png"))
	refused(t, exitFailed, "not the folder of a run", "spectrum", in("model.onnx"), "--data", images, "--gradient", "-o", in("x.png"))
}
