package onnx

import (
	"bytes"
	"errors"
	"fmt"
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
	if err := os.Symlink("w.bin", filepath.Join(dir, "inside")); err != nil {
		t.Fatal(err)
	}
	if c, err := LoadExternal(externalModel(Property{Key: "location", Value: "inside"}), dir); err != nil {
		t.Errorf("a link that stays inside: %v", err)
	} else {
		c.Close()
	}
	if err := pipe(filepath.Join(dir, "pipe")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ location, offset, length, want string }{
		{"pipe", "", "", "pipe"},
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

// Ten thousand tensors that are each a whole file are no more memory on disk.
func TestLoadExternalRefusesOverlaps(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "w.bin"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	m := small()
	for i := range 200 {
		w := NewTensor(&weights.Tensor{Name: fmt.Sprint(i), DType: weights.Float32, Shape: []int{1 << 18}})
		w.External = []Property{{Key: "location", Value: "w.bin"}}
		m.Graph.AddInitializer(w)
	}
	_, err := LoadExternal(m, dir)
	if err == nil || !strings.Contains(err.Error(), "200 tensors take 209715200 bytes out of external files of 1048576") {
		t.Errorf("got %v", err)
	}
	m.Graph.Initializers = m.Graph.Initializers[:10] // equal tensors may share
	c, err := LoadExternal(m, dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// What EncodeExternal writes is what LoadExternal reads, from offsets that can be
// mapped.
func TestEncodeExternal(t *testing.T) {
	m := decodeFile(t, "bottleneck_op17_training.onnx")
	before := encode(t, m)
	dir := t.TempDir()
	data, err := os.Create(filepath.Join(dir, "m.data"))
	if err != nil {
		t.Fatal(err)
	}
	var model bytes.Buffer
	if err := m.EncodeExternal(&model, data, "m.data"); err != nil {
		t.Fatal(err)
	}
	data.Close()
	if !bytes.Equal(encode(t, m), before) {
		t.Error("the model was changed")
	}
	again, err := Decode(model.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(again); err != nil {
		t.Error(err)
	}
	outside := 0
	for _, w := range again.Graph.Initializers {
		if len(w.External) > 0 {
			outside++
			if _, offset, length, err := w.place(); err != nil || offset%pageSize != 0 || length < minExternal {
				t.Errorf("%q is at %d, %d bytes, %v", w.Name, offset, length, err)
			}
		}
	}
	if outside < 10 || len(model.Bytes()) > len(before)/2 {
		t.Errorf("%d tensors are outside, the model still has %d of %d bytes", outside, model.Len(), len(before))
	}
	c, err := LoadExternal(again, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !bytes.Equal(encode(t, again), before) {
		t.Error("read again, it is another model")
	}
}

func TestSize(t *testing.T) {
	m := small()
	if n, err := m.Size(); err != nil || n != len(encode(t, m)) || m.TooLarge() {
		t.Errorf("%d, %v, want %d", n, err, len(encode(t, m)))
	}
}
