package importer

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/file"
	"onnxclr/internal/golden"
	"onnxclr/internal/golden/bounded"
)

// seedModels adds the smallest exports under testdata, and the hand-made hostile ones.
func seedModels(f *testing.F, add func(model []byte)) {
	files, err := filepath.Glob(filepath.Join(golden.Testdata(f, "onnx"), "tiny_*.onnx"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 16_000 {
			add(b)
		}
	}
	for _, edit := range []func(*onnx.Model){
		func(m *onnx.Model) {},
		func(m *onnx.Model) { external(m, "w.bin", "0", "") },
		func(m *onnx.Model) { external(m, "../w.bin", "", "") },
		func(m *onnx.Model) { external(m, "w.bin", "9223372036854775807", "-1") },
		func(m *onnx.Model) { m.Graph.Outputs[0].Shape[1].Value = 1 << 60 },
		func(m *onnx.Model) { m.Graph.Nodes[0].Inputs[0] = m.Graph.Outputs[0].Name },
	} {
		m := tinyModel(f)
		edit(m)
		var b bytes.Buffer
		if err := m.Encode(&b); err != nil {
			f.Fatal(err)
		}
		add(b.Bytes())
	}
}

// external puts the model's first initializer into a file beside it.
func external(m *onnx.Model, location, offset, length string) {
	t := m.Graph.Initializers[0]
	t.Data, t.External = nil, []onnx.Property{{Key: "location", Value: location}}
	for key, value := range map[string]string{"offset": offset, "length": length} {
		if value != "" {
			t.External = append(t.External, onnx.Property{Key: key, Value: value})
		}
	}
}

// openBytes is OpenModel for a file of these bytes in dir.
func openBytes(dir string, b []byte) (*Model, error) {
	m := &Model{Path: filepath.Join(dir, "model.onnx"), mapping: &file.Mapping{Bytes: b}}
	if err := m.read(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// FuzzOpenModel opens any bytes as a model, beside a file that its tensors may name as
// their external data. What opens is valid, was not changed on disk, and is the same
// model when written and opened again; nothing panics that asks about it.
func FuzzOpenModel(f *testing.F) {
	seedModels(f, func(model []byte) { f.Add(model, make([]byte, 512)) })
	dir, last := f.TempDir(), []byte(nil) // of w.bin; disks are slow
	f.Fuzz(func(t *testing.T, b, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		if !bytes.Equal(data, last) || last == nil {
			if err := os.WriteFile(filepath.Join(dir, "w.bin"), data, 0o600); err != nil {
				t.Fatal(err)
			}
			last = bytes.Clone(data)
		}
		kept := bytes.Clone(b)
		var m *Model
		var err error
		bounded.Allocation(t, len(b)+len(data), func() { m, err = openBytes(dir, b) })
		if !bytes.Equal(b, kept) {
			t.Fatal("the file's bytes were changed")
		}
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		defer m.Close()
		if err := onnx.Check(m.ONNX); err != nil {
			t.Fatalf("opened, but not valid: %v", err)
		}
		_ = m.BatchNorm.String()
		_, _ = m.Folded()
		_, _ = Representation(m.ONNX)
		var first, second bytes.Buffer
		if err := m.ONNX.Encode(&first); err != nil {
			return // more than 2 GiB
		}
		again, err := openBytes(dir, first.Bytes())
		if err != nil {
			t.Fatalf("opened and written, but not opened again: %v", err)
		}
		defer again.Close()
		if err := again.ONNX.Encode(&second); err != nil {
			t.Fatal(err)
		}
		third, err := openBytes(dir, second.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		defer third.Close()
		var last bytes.Buffer
		if err := third.ONNX.Encode(&last); err != nil || !bytes.Equal(second.Bytes(), last.Bytes()) {
			t.Fatalf("opening and writing it goes on changing it (%v)", err)
		}
	})
}

// FuzzHead attaches heads to any model and exports it in every format: what comes out
// is valid, has the width asked for, is read again, and is the model it was once the
// head is detached.
func FuzzHead(f *testing.F) {
	kinds := []string{HeadNone, HeadSlice, HeadLinear, HeadMLP, HeadDiagonal, HeadOrthogonal, HeadLowRank, HeadGroup}
	seedModels(f, func(model []byte) {
		for kind := range kinds {
			f.Add(model, uint8(kind), 3, 2)
		}
	})
	f.Fuzz(func(t *testing.T, b []byte, kind uint8, dim, hidden int) {
		if dim > 16 || hidden > 16 {
			return // the user's own wish, not the file's
		}
		if hidden == 0 {
			hidden = 1 // 0 is the width of the representation
		}
		m, err := openBytes("nowhere", b)
		if err != nil {
			return
		}
		defer m.Close()
		before := encodeFuzzed(t, m.ONNX)
		h := Head{Kind: kinds[int(kind)%len(kinds)], Dim: dim, D0: dim, Hidden: hidden, Groups: dim, Layers: 2 + hidden%2, Seed: 1}
		if h.Kind == HeadOrthogonal && dim == 0 {
			return // as wide as the file says
		}
		had := m.ONNX.Graph.Output(EmbeddingName) != nil
		bounded.Allocation(t, len(b), func() { err = AttachHead(m.ONNX, h) })
		if err != nil {
			if !had && !bytes.Equal(before, encodeFuzzed(t, m.ONNX)) {
				t.Fatalf("refused (%v), but the model was changed", err)
			}
			return
		}
		if err := onnx.Check(m.ONNX); err != nil {
			t.Fatalf("with the head it is not valid: %v", err)
		}
		if _, ok, err := AttachedHead(m.ONNX); err != nil || !ok && !had {
			t.Fatalf("the head is not found again: %v", err)
		}
		exportFuzzed(t, m.ONNX)
		if had {
			return
		}
		if !DetachHead(m.ONNX) {
			t.Fatal("the head does not come off")
		}
		if m.ONNX.IRVersion >= 4 && len(m.ONNX.Graph.Inputs) == 0 {
			return
		}
		if err := onnx.Check(m.ONNX); err != nil {
			t.Fatalf("without the head it is not valid any more: %v", err)
		}
	})
}

func encodeFuzzed(t *testing.T, m *onnx.Model) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.Encode(&b); err != nil {
		t.Skip(err) // more than 2 GiB
	}
	return b.Bytes()
}

// exportFuzzed exports a model in every format it can be and reads the results: in
// memory, as a disk would be most of the time.
func exportFuzzed(t *testing.T, m *onnx.Model) {
	t.Helper()
	eval := evaluation(m)
	dropResiduals(eval)
	again, err := openBytes("nowhere", encodeFuzzed(t, eval))
	if err != nil {
		t.Fatalf("exported to ONNX, but not opened: %v", err)
	}
	again.Close()
	for _, ext := range []string{".pth", ".safetensors"} {
		r, write, err := exportTensors(m, ext, ExportOptions{Projector: true})
		if err != nil || r.Tensors == 0 {
			continue // its weights have no names, or there are none
		}
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatalf("%s: %v", ext, err)
		}
		c, err := ReadCheckpoint("out"+ext, b.Bytes())
		if err != nil {
			t.Fatalf("exported to %s, but not read: %v", ext, err)
		}
		total := 0
		for _, d := range c.Dicts {
			for _, x := range d.Tensors {
				if size, err := weights.ByteSize(x.Shape, x.DType); err != nil || size != len(x.Data) {
					t.Fatalf("%s: %q has %d bytes, %v", ext, x.Name, len(x.Data), err)
				}
				total++
			}
		}
		if total != r.Tensors {
			t.Fatalf("%s: %d tensors, the report says %d", ext, total, r.Tensors)
		}
		c.Close()
	}
}
