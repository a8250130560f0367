package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/analysis"
	"onnxclr/importer/safetensors"
	"onnxclr/importer/weights"
	"onnxclr/internal/file"
	"onnxclr/internal/golden"
	"onnxclr/internal/npy"
	"onnxclr/train"
)

// The same rows in every format give the same bytes of JSON.
func TestSpectrumFormats(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	const n, d = 300, 5
	values := make([]float64, n*d)
	floats := make([]float32, n*d)
	var text strings.Builder
	text.WriteString("a,b,c,d,e\n")
	for i := range values {
		floats[i] = float32(math.Sin(float64(i*i)) * float64(1+i%d))
		values[i] = float64(floats[i])
		text.WriteString(fmt.Sprint(values[i]))
		if i%d == d-1 {
			text.WriteString("\n")
		} else {
			text.WriteString(", ")
		}
	}
	saveArray(t, dir, "x.npy", []int{n, d}, floats)
	write := func(name string, f func(io.Writer) error) {
		t.Helper()
		if err := file.Write(in(name), f); err != nil {
			t.Fatal(err)
		}
	}
	write("x.npz", func(w io.Writer) error {
		return npy.WriteZip(w, []npy.Named{{Name: "other", Shape: []int{1}, Data: []float64{1}}, {Name: "z", Shape: []int{n, d}, Data: values}})
	})
	write("x.safetensors", func(w io.Writer) error {
		return safetensors.Write(w, []*weights.Tensor{weights.FromFloat32("z", []int{n, d}, floats)}, nil)
	})
	write("x.csv", func(w io.Writer) error { _, err := io.WriteString(w, text.String()); return err })
	spectrum := func(source string, more ...string) string {
		t.Helper()
		return must(t, append([]string{"spectrum", source, "--label", "x", "-o", in("s.png"), "--force", "--json", "-", "-q"}, more...)...).out
	}
	want := spectrum(in("x.npy"))
	for _, source := range []string{"x.npz:z", "x.safetensors:z", "x.safetensors", "x.csv", "x.npy[0:5]", "x.npy[:]"} {
		if got := spectrum(in(source)); got != want {
			t.Errorf("%s gives another spectrum than x.npy", source)
		}
	}
	if got := spectrum(in("x.npy[1:3]")); !strings.Contains(got, `"dim": 2`) {
		t.Errorf("two columns give %s", got)
	}
	// Moments of parts, merged, are those of the whole.
	saveArray(t, dir, "a.npy", []int{100, d}, floats[:100*d])
	saveArray(t, dir, "b.npy", []int{200, d}, floats[100*d:])
	for _, part := range []string{"a", "b"} {
		must(t, "spectrum", in(part+".npy"), "-o", in("s.png"), "--force", "--save-moments", in(part+"-m.npz"), "-q")
	}
	if out := must(t, "merge", in("a-m.npz"), in("b-m.npz"), "-o", in("m.npz")).out; !strings.Contains(out, "300 rows of 5 values") {
		t.Errorf("merge says %q", out)
	}
	merged, whole := spectrum(in("m.npz")), want
	for _, key := range []string{`"samples": 300`, `"rankme": `} {
		i, j := strings.Index(merged, key), strings.Index(whole, key)
		if i < 0 || j < 0 || merged[i:i+len(key)+10] != whole[j:j+len(key)+10] {
			t.Errorf("merged moments differ in %s", key)
		}
	}

	saveArray(t, dir, "m.npy", []int{1}, []float32{1})
	os.WriteFile(in("no.npz"), append([]byte("PK\x05\x06"), make([]byte, 18)...), 0o600)
	os.WriteFile(in("bad.csv"), []byte("1,2\n3\n"), 0o600)
	os.WriteFile(in("word.csv"), []byte("1,2\n3,x\n"), 0o600)
	os.WriteFile(in("none.csv"), []byte("a,b\n"), 0o600)
	for source, say := range map[string]string{
		"x.npz": "name one", "no.npz": "holds no array", "x.npz:y": "no array", "x.safetensors:y": "no tensor", "x.npy[3:9]": "columns 3 to 9 asked of 5", "x.npy[4:2]": "are none",
		"bad.csv": "line 2 has 1 columns", "word.csv": "line 2, column 2", "none.csv": "no row of numbers", "x.pkl": "pickles are not read",
	} {
		refused(t, exitFailed, say, "spectrum", in(source), "-o", in("s.png"), "--force")
	}
	// What pandas writes is the rows: with its index where that is left out, and under a
	// heading of the numbers of columns, which are no row.
	count := func(source, text string) string {
		t.Helper()
		if err := os.WriteFile(in("pandas.csv"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(must(t, "spectrum", in(source), "-o", in("s.png"), "--force").out, "\n")
		return strings.Join(strings.Fields(lines[1])[1:3], " ")
	}
	if got := count("pandas.csv", "\ufeff0,1,2\n1,2,4\n3,4,4\n5,7,8\n"); got != "3 3" {
		t.Errorf("rows under the numbers of columns: %s", got)
	}
	if got := count("pandas.csv[1:]", ",0,1,2\n0,1,2,4\n1,3,4,4\n2,5,7,8\n"); got != "3 3" {
		t.Errorf("rows beside an index: %s", got)
	}
	if got := count("pandas.csv", "\ufeff1,2,4\n3,4,4\n5,7,8\n"); got != "3 3" {
		t.Errorf("rows of Excel: %s", got)
	}
	os.WriteFile(in("pandas.csv"), []byte(",a,b\n0,1,2\n1,3,5\n"), 0o600)
	refused(t, exitFailed, "its first column has no name: an index, as pandas writes it?", "spectrum", in("pandas.csv"), "-o", in("s.png"), "--force")
	refused(t, exitFailed, "does not hold moments", "merge", in("x.npz"), "-o", in("y.npz"))
	refused(t, exitUsage, "holds moments, not rows", "spectrum", in("m.npz"), "--bootstrap", "3", "-o", in("s.png"), "--force")
	refused(t, exitUsage, "of which --normalize was true", "spectrum", in("m.npz"), "--normalize=false", "-o", in("s.png"), "--force")
	refused(t, exitUsage, "is given twice", "merge", in("m.npz"), in("m.npz"), "-o", in("y.npz"))
	refused(t, exitUsage, "without a factor", "spectrum", in("m.npz"), "--exact-rank", "-o", in("s.png"), "--force")
}

// Parquet's lists and columns are the rows that .npy holds, for spectra and probes.
func TestParquetRows(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	const n, d = 40, 6
	values, labels := make([]float32, n*d), make([]int64, n)
	for i := range values {
		values[i], labels[i/d] = float32(i)*.5-3, int64(i/d%3)
	}
	saveArray(t, dir, "x.npy", []int{n, d}, values)
	saveArray(t, dir, "l.npy", []int{n}, labels)
	golden := "../../testdata/golden/parquet/"
	spectrum := func(rows, labels string) string {
		t.Helper()
		return must(t, "spectrum", rows, "--label", "x", "-o", in("s.png"), "--force", "--json", "-", "-q", "--class-labels", labels).out
	}
	want := spectrum(in("x.npy"), in("l.npy"))
	for rows, labels := range map[string]string{"list_zstd.parquet": "list_zstd.parquet:id", "mixed.parquet:f*": "mixed.parquet:label", "two_lists.parquet:z": "fixed_f4.parquet:label"} {
		if got := spectrum(golden+rows, golden+labels); got != want {
			t.Errorf("%s gives another spectrum than x.npy", rows)
		}
	}
	probe := func(rows, labels string) string {
		t.Helper()
		return must(t, "probe", "--kind", "knn", "--train-features", rows, "--train-labels", labels, "--test-features", rows, "--test-labels", labels, "--json").out
	}
	if probe(golden+"list_zstd.parquet", golden+"list_zstd.parquet:id") != probe(in("x.npy"), in("l.npy")) {
		t.Error("a probe of Parquet's rows differs")
	}
	for source, say := range map[string]string{"mixed.parquet:labl": "did you mean label?", "ragged.parquet": "row 20", "nan.parquet": "row 20 holds NaN in column 1", "mixed.parquet": "name the columns"} {
		refused(t, exitFailed, say, "spectrum", golden+source, "-o", in("s.png"), "--force")
	}
	refused(t, exitFailed, "labels are text", "probe", "--kind", "knn", "--train-features", golden+"list_zstd.parquet", "--train-labels", golden+"mixed.parquet:name",
		"--test-features", in("x.npy"), "--test-labels", in("l.npy"))
}

func TestSpectrumOptionsAddUp(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	const n, d = 400, 4
	rows, labels := make([]float32, n*d), make([]int64, n)
	for i := range n {
		labels[i] = int64(i % 3)
		for j := range d {
			rows[i*d+j] = float32(math.Sin(float64(7*i*d+3*j)) + 5*float64(i%3)*float64(j%2))
		}
	}
	saveArray(t, dir, "x.npy", []int{n, d}, rows)
	saveArray(t, dir, "l.npy", []int{n}, labels)
	saveArray(t, dir, "short.npy", []int{3}, labels[:3])
	base := []string{"spectrum", in("x.npy"), "-o", in("s.png"), "--force"}
	out := must(t, append(base, "--metrics", "--bootstrap", "8", "--class-labels", in("l.npy"), "--normalize=false", "--json", in("s.json"), "--metrics-csv", in("m.csv"), "--metrics-chart", in("m.png"), "--exact-rank", "--of", "r")...)
	if _, err := os.Stat(in("m.png")); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"x, between classes", "x, within classes", "TwoNN dimension", "pseudo-condition", "exact rank", "Rows are r. Rows as they are; covariance centred, ddof 1."} {
		if !strings.Contains(out.out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out.out)
		}
	}
	if !strings.Contains(out.err, "% of the variance lies between its 3 classes") {
		t.Errorf("says %s", out.err)
	}
	b, err := os.ReadFile(in("s.json"))
	if err != nil || !strings.Contains(string(b), `"bootstrap"`) || !strings.Contains(string(b), `"more_metrics"`) || !strings.Contains(string(b), `"metrics_low"`) || !strings.Contains(string(b), `"of": "r"`) {
		t.Errorf("the JSON lacks bootstrap or metrics: %v", err)
	}
	refused(t, exitFailed, "3 labels for the 400 rows", append(base, "--class-labels", in("short.npy"))...)
	refused(t, exitUsage, "charts are written as", append(base, "--metrics-chart", in("m.jpg"))...)
	refused(t, exitUsage, "--bootstrap is 1", append(base, "--bootstrap", "1")...)

	rows[5*d] = float32(math.NaN())
	for j := range d {
		rows[9*d+j] = 0
	}
	saveArray(t, dir, "bad.npy", []int{n, d}, rows)
	r := must(t, "spectrum", in("bad.npy"), "-o", in("s.png"), "--force", "--invalid", "drop")
	if !strings.Contains(r.err, "dropped 2 rows") || !strings.Contains(r.out, "398") {
		t.Errorf("dropping says %q and %q", r.err, r.out)
	}
}

// A file that is not what its extension says is told what it looks to be.
func TestFilesOfAnotherKind(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	saveArray(t, dir, "x.npy", []int{3, 2}, []float32{1, 2, 3, 5, 8, 13})
	must(t, "spectrum", in("x.npy"), "-o", in("x.png"))
	for copied, say := range map[string]string{
		"x.npy x.csv":         "x.csv: looks to be a NumPy array, not what its extension says; as .npy it could be read",
		"x.npy x.parquet":     "looks to be a NumPy array, not",
		"x.npy x.safetensors": "looks to be a NumPy array, not",
		"x.npy x.npz":         "looks to be a NumPy array, not",
		"x.png y.npy":         "y.npy: looks to be a PNG image, not what its extension says",
		"x.png y.csv":         "looks to be a PNG image, not",
		"x.png y.png":         "y.png: looks to be a PNG image",
	} {
		from, to, _ := strings.Cut(copied, " ")
		b, err := os.ReadFile(in(from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(in(to), b, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, exitFailed, say, "spectrum", in(to), "-o", in("s.png"))
	}
	if err := os.WriteFile(in("t.npy"), []byte("1,2\n3,5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, exitFailed, "looks to be text, not what its extension says; as .csv", "spectrum", in("t.npy"), "-o", in("s.png"))
	refused(t, exitFailed, "looks to be a PNG image", "spectrum", in("x.npy"), "-o", in("s.png"), "--class-labels", in("y.npy"))
}

// A model and images give what embed and spectrum give one after the other.
func TestSpectrumOfAModel(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, "convert", basic(t), "-o", in("m.onnx"))
	images := []string{"--data", "generated:textures?train=16&test=40&size=24", "--image-size", "16"}
	must(t, append([]string{"embed", "--model", in("m.onnx"), "-o", in("r.npy")}, images...)...)
	want := must(t, "spectrum", in("r.npy"), "--of", "r", "--label", "x", "-o", in("s.png"), "--json", "-", "-q").out
	base := append([]string{"spectrum", in("m.onnx"), "--label", "x", "-o", in("s.png"), "--force", "--json", "-", "-q"}, images...)
	if got := must(t, base...).out; got != want {
		t.Errorf("the model's own spectrum differs:\n%s\n%s", got, want)
	}
	layers := must(t, append(base, "--layers")...).out
	for _, name := range []string{"x, conv1", "x, layer1", "x, layer4"} {
		if !strings.Contains(layers, name) {
			t.Errorf("--layers lacks %q", name)
		}
	}
	if got := must(t, append(base, "--node", "representation", "--node", "layer1.0.relu_1")...).out; !strings.Contains(got, "x, layer1.0.relu_1") {
		t.Errorf("--node gives %s", got)
	}
	must(t, append([]string{"embed", "--model", in("m.onnx"), "-o", in("v.npy"), "--views", "4", "--batch", "10"}, images...)...)
	views := must(t, "spectrum", in("v.npy"), "--metrics", "-o", in("s.png"), "--force", "--of", "r").out
	if !strings.Contains(views, "LiDAR") || !strings.Contains(views, "160") {
		t.Errorf("views of a sample give %s", views)
	}
	refused(t, exitUsage, "--views is 1", append([]string{"embed", "--model", in("m.onnx"), "-o", in("w.npy"), "--views", "1"}, images...)...)
	refused(t, exitFailed, "computes no tensor", append(base, "--node", "layer1.0.relu_9")...)
	refused(t, exitUsage, "goes with --data", "spectrum", in("r.npy"), "--layers", "-o", in("s.png"), "--force")
	refused(t, exitUsage, "goes with files", append(base, "--bootstrap", "5")...)
}

// Sources that see images in different ways are said to.
func TestSpectrumWarnsOfInputs(t *testing.T) {
	var said strings.Builder
	o, screen := &spectrumOptions{}, &terminal{out: io.Discard, err: &said}
	recipe := func(size int, mean float64) *train.Recipe {
		return &train.Recipe{ImageSize: size, Mean: []float64{mean, mean, mean}, Std: []float64{1, 1, 1}}
	}
	o.compareInputs(screen, "a", recipe(224, 0))
	o.compareInputs(screen, "b", recipe(224, 0))
	if said.Len() > 0 {
		t.Errorf("equal inputs: %s", &said)
	}
	o.compareInputs(screen, "c", recipe(32, 0))
	if !strings.Contains(said.String(), "c sees images of 32×32, the first source of 224×224") || strings.Contains(said.String(), "normalised") {
		t.Errorf("says %q", &said)
	}
	said.Reset()
	o.compareInputs(screen, "d", recipe(224, 0.5))
	if !strings.Contains(said.String(), "d sees images normalised with mean [0.5 0.5 0.5]") {
		t.Errorf("says %q", &said)
	}
}

// A transformer's tokens are averaged over their row, whatever looks at them.
func TestTokensAreRows(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	const images = "generated:textures?train=16&test=24&size=16"
	must(t, "train", "--model", golden.Testdata(t, "onnx/families/vit_op18_dynamo.onnx"), "--data", images, "--method", "directclr", "--d0", "3", "--batch", "8", "--image-size", "16", "--steps", "1", "--warmup-epochs", "0", "-q", "-o", in("run"))
	must(t, "embed", "--model", in("run"), "--data", images, "--node", "add_3", "-o", in("rows.npy"))
	values := func(line ...string) []float64 {
		must(t, append(append([]string{"spectrum"}, line...), "-o", in("s.svg"), "--json", in("s.json"), "--force")...)
		f, err := os.Open(in("s.json"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s, err := analysis.ReadJSON(f)
		if err != nil {
			t.Fatal(err)
		}
		if s[0].Dim != 16 {
			t.Errorf("%v: rows of %d values, the tokens have 16", line, s[0].Dim)
		}
		return s[0].SingularValues
	}
	a, b := values(in("rows.npy")), values(in("run"), "--data", images, "--node", "add_3")
	golden.Check(t, "spectrum of embedded rows", golden.Stat, a, b)
	values(in("run"), "--data", images, "--gradient", "--node", "add_3")
}
