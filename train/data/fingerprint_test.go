package data

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFingerprint(t *testing.T) {
	print := func(f tree) (names, labels, contents string) {
		t.Helper()
		d, err := Open(f.write(t), "all")
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		parts := strings.Split(Fingerprint(d), ", ")
		if len(parts) != 3 || !strings.HasPrefix(parts[0], "names ") || !strings.HasPrefix(parts[1], "labels ") || len(parts[2]) != len("contents ")+16 {
			t.Fatalf("fingerprint %q", parts)
		}
		return parts[0], parts[1], parts[2]
	}
	names, labels, contents := print(pets())
	check := func(what string, f tree, sameNames, sameLabels, sameContents bool) {
		t.Helper()
		n, l, c := print(f)
		if (n == names) != sameNames || (l == labels) != sameLabels || (c == contents) != sameContents {
			t.Errorf("%s: %s, %s, %s beside %s, %s, %s", what, n, l, c, names, labels, contents)
		}
	}
	check("the same", pets(), true, true, true)
	more := pets()
	more["train/dog/z.png"] = pixel(1)
	check("one more", more, false, false, false)
	moved := pets()
	moved["train/dog/a.png"] = moved["train/cat/a.png"]
	delete(moved, "train/cat/a.png")
	if n, l, _ := print(moved); n == names || l == labels {
		t.Error("an image moved to another class is not noticed")
	}
	painted := pets()
	painted["train/cat/a.png"] = pixel(77)
	check("other pixels", painted, true, true, false)
}

// An image that changes while the set is in use is an error, not skipped as damaged.
func TestChangeIsNoticed(t *testing.T) {
	dir := pets().write(t)
	d, err := Open(dir, "train")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	Fingerprint(d)
	path := filepath.Join(dir, filepath.FromSlash(d.Name(0)))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Image(0); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(path, append(b, 0), 0o644)
	_, err = d.Image(0)
	var changed ChangedError
	if !errors.As(err, &changed) || !strings.Contains(err.Error(), d.Name(0)) || !strings.Contains(err.Error(), "the data set has changed while it was in use") {
		t.Errorf("got %v", err)
	}
	if Corrupt(err) {
		t.Error("it would be skipped")
	}
}
