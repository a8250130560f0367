package onnx

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"onnxclr/internal/golden"
)

// exports are the fixtures that PyTorch wrote, by name.
func exports(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(golden.Testdata(t, "onnx/*.onnx"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	files := map[string][]byte{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(p)] = b
	}
	return files
}

func decodeFile(t testing.TB, name string) *Model {
	t.Helper()
	b, err := os.ReadFile(golden.Testdata(t, "onnx/"+name))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func encode(t testing.TB, m *Model) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// PyTorch's files and ours hold their fields in the order of their numbers, so what
// was not touched comes back byte for byte: what onnx.checker said of the fixtures
// when they were made holds for what Encode writes.
func TestUntouchedModelIsWrittenUnchanged(t *testing.T) {
	for name, want := range exports(t) {
		t.Run(name, func(t *testing.T) {
			m, err := Decode(want)
			if err != nil {
				t.Fatal(err)
			}
			got := encode(t, m)
			if !bytes.Equal(got, want) {
				t.Fatalf("%d bytes became %d others; first difference at %d", len(want), len(got), differ(got, want))
			}
			again, err := Decode(got)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(again, m) {
				t.Error("decoded, encoded and decoded is not what was decoded")
			}
			if err := Check(m); err != nil {
				t.Error(err)
			}
		})
	}
}

func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
