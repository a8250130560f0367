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
	whole, err := os.ReadFile(golden.Testdata(t, "images/420.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"a/1.jpg": whole, "a/2.jpg": whole[:300], "b/1.jpg": whole, "b/2.jpg": whole} {
		os.MkdirAll(filepath.Dir(in("d/"+name)), 0o755)
		if err := os.WriteFile(in("d/"+name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
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
