package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/npy"
)

// embed leaves damaged images out of rows and labels alike where it is told to, and
// says which; the rows of the others stay what they are.
func TestEmbedSkipsCorruptImages(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, "convert", basic(t), "-o", in("m.onnx"))
	oneDamaged(t, in("d"))
	embed := []string{"embed", "--model", in("m.onnx"), "--data", in("d"), "--image-size", "16", "-o", in("e.npy"), "--labels", in("l.npy")}
	refused(t, exitFailed, "a/2.jpg: is damaged", embed...)
	refused(t, exitUsage, "want fail or skip", append(embed, "--corrupt", "ignore")...)
	r := must(t, append(embed, "--corrupt", "skip")...)
	if !strings.Contains(r.err, "skipped: "+in("d")+": a/2.jpg: is damaged or truncated") {
		t.Errorf("the message is %q", r.err)
	}
	rows, err := npy.Open(in("e.npy"))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	labels, err := npy.Open(in("l.npy"))
	if err != nil {
		t.Fatal(err)
	}
	defer labels.Close()
	if got, err := labels.Int64s(); err != nil || rows.Shape[0] != 3 || !reflect.DeepEqual(got, []int64{0, 1, 1}) {
		t.Errorf("%d rows, labels %v, error %v", rows.Shape[0], got, err)
	}
}

// oneDamaged makes an image folder of two classes and four images, the second damaged.
func oneDamaged(t *testing.T, dir string) {
	t.Helper()
	whole, err := os.ReadFile(golden.Testdata(t, "images/420.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"a/1.jpg": whole, "a/2.jpg": whole[:300], "b/1.jpg": whole, "b/2.jpg": whole} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A probe leaves damaged images out of what it learns from and of what it counts.
func TestProbeSkipsCorruptImages(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, "convert", basic(t), "-o", in("m.onnx"))
	oneDamaged(t, in("d/train"))
	oneDamaged(t, in("d/test"))
	probe := []string{"--model", in("m.onnx"), "--data", in("d"), "--kind", "knn", "--k", "1", "--image-size", "16"}
	refused(t, exitFailed, "a/2.jpg: is damaged", append([]string{"probe"}, probe...)...)
	refused(t, exitUsage, "want fail or skip", append([]string{"probe", "--corrupt", "ignore"}, probe...)...)
	if r := probeOf(t, append(probe, "--corrupt", "skip")...); r.TrainSamples != 3 || r.TestSamples != 3 {
		t.Errorf("report %+v", r)
	}
}

// spectrum leaves damaged images out of every model's rows, and says so once.
func TestSpectrumSkipsCorruptImages(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, "convert", basic(t), "-o", in("m.onnx"))
	oneDamaged(t, in("d"))
	spectrum := []string{"spectrum", in("m.onnx"), in("m.onnx"), "--label", "one", "--label", "two", "--data", in("d"), "--image-size", "16", "-o", in("s.png"), "--json", in("s.json")}
	refused(t, exitFailed, "a/2.jpg: is damaged", spectrum...)
	refused(t, exitUsage, "want fail or skip", append(spectrum, "--corrupt", "ignore")...)
	refused(t, exitUsage, "--corrupt goes with --data", "spectrum", in("e.npy"), "-o", in("s.png"), "--corrupt", "skip")
	if r := must(t, append(spectrum, "--corrupt", "skip")...); strings.Count(r.err, "skipped: ") != 1 {
		t.Errorf("the message is %q", r.err)
	}
	text, err := os.ReadFile(in("s.json"))
	if err != nil || strings.Count(string(text), `"samples": 3`) != 2 || strings.Count(string(text), `"of": "r"`) != 2 {
		t.Errorf("%v, want two sources of 3 samples in\n%s", err, text)
	}
}

// augment shows the next image in the place of a damaged one, as training does.
func TestAugmentSkipsCorruptImages(t *testing.T) {
	dir := t.TempDir()
	oneDamaged(t, filepath.Join(dir, "d"))
	augment := []string{"augment", "--data", filepath.Join(dir, "d"), "--image-size", "16", "-o", filepath.Join(dir, "a.png")}
	refused(t, exitFailed, "a/2.jpg: is damaged", augment...)
	if r := must(t, append(augment, "--corrupt", "skip")...); strings.Count(r.err, "skipped: ") != 1 {
		t.Errorf("the message is %q", r.err)
	}
}

func TestDiagnoseSkipsCorruptImages(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, "convert", basic(t), "-o", in("m.onnx"))
	oneDamaged(t, in("d/1"))
	oneDamaged(t, in("d/2"))
	diagnose := []string{"diagnose", "--model", in("m.onnx"), "--data", in("d"), "--image-size", "16", "-o", in("out")}
	refused(t, exitFailed, "a/2.jpg: is damaged", diagnose...)
	refused(t, exitUsage, "want fail or skip", append(diagnose, "--corrupt", "ignore")...)
	if r := must(t, append(diagnose, "--corrupt", "skip")...); strings.Count(r.err, "skipped: ") != 2 {
		t.Errorf("the message is %q", r.err)
	}
}
