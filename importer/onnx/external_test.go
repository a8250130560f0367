package onnx

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/importer/weights"
)

func externalModel(props ...Property) *Model {
	m := small()
	w := m.Graph.Initializers[0]
	w.Data, w.External = nil, props
	return m
}

func TestLoadExternal(t *testing.T) {
	dir := t.TempDir()
	data := make([]byte, 64)
	for i := range data {
		data[i] = byte(i)
	}
	if err := os.WriteFile(filepath.Join(dir, "w.bin"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	m := externalModel(Property{Key: "location", Value: "w.bin"}, Property{Key: "offset", Value: "16"}, Property{Key: "length", Value: "24"})
	value := NewTensor(&weights.Tensor{Name: "v", DType: weights.Int64, Shape: []int{2}})
	value.External = []Property{{Key: "location", Value: "w.bin"}, {Key: "offset", Value: "8"}}
	m.Graph.Nodes = append(m.Graph.Nodes, &Node{OpType: "Constant", Outputs: []string{"c"}, Attributes: []*Attribute{TensorAttr("value", value)}})

	// Reading and writing keeps them where they are.
	again, err := Decode(encode(t, m))
	if err != nil {
		t.Fatal(err)
	}
	if !HasExternal(again) || len(again.Graph.Initializers[0].External) != 3 {
		t.Fatalf("external data are lost: %+v", again.Graph.Initializers[0])
	}
	c, err := LoadExternal(again, dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(again.Graph.Initializers[0].Data); got != string(data[16:40]) {
		t.Errorf("the initializer is %x, want %x", got, data[16:40])
	}
	if got := string(again.Graph.Nodes[2].Tensor("value").Data); got != string(data[8:24]) {
		t.Errorf("the constant is %x, want %x", got, data[8:24])
	}
	if HasExternal(again) {
		t.Error("still external")
	}
	inside, err := Decode(encode(t, again))
	if err != nil || string(inside.Graph.Initializers[0].Data) != string(data[16:40]) {
		t.Errorf("written with its data: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestLoadExternalRefuses(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "model")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(parent, "secret"), filepath.Join(dir, "w.bin")} {
		if err := os.WriteFile(path, make([]byte, 32), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(parent, "secret"), filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	for _, tt := range []struct{ location, offset, length, want string }{
		{filepath.Join(parent, "secret"), "", "", "own folder"},
		{"../secret", "", "", "own folder"},
		{"sub/../../secret", "", "", "own folder"},
		{`..\secret`, "", "", "own folder"},
		{"", "", "", "own folder"},
		{"link", "", "", "escapes"},
		{"missing", "", "", "missing"},
		{".", "", "", "directory"},
		{"w.bin", "-1", "", `offset "-1"`},
		{"w.bin", "x", "", `offset "x"`},
		{"w.bin", "16", "", "at offset 16"},
		{"w.bin", "9223372036854775807", "", "offset 9223372036854775807"},
		{"w.bin", "0", "23", "23 bytes of external data, want 24"},
		{"w.bin", "0", "9223372036854775807", "want 24"},
	} {
		props := []Property{{Key: "location", Value: tt.location}}
		if tt.offset != "" {
			props = append(props, Property{Key: "offset", Value: tt.offset})
		}
		if tt.length != "" {
			props = append(props, Property{Key: "length", Value: tt.length})
		}
		m := externalModel(props...)
		_, err := LoadExternal(m, dir)
		var f *FormatError
		if !errors.As(err, &f) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), `"w"`) {
			t.Errorf("%+v: %v, want a FormatError with %q", tt, err, tt.want)
		}
		if m.Graph.Initializers[0].Data != nil {
			t.Errorf("%+v: there are data all the same", tt)
		}
	}
}
