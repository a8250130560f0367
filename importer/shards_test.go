package importer

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/importer/safetensors"
	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
	"onnxclr/internal/npy"
)

// writeParts splits tensors over n files and returns the path of their index, which
// change may alter.
func writeParts(t *testing.T, dir, ext string, tensors []*weights.Tensor, n int, change func(index map[string]string)) string {
	t.Helper()
	index := map[string]string{}
	for i := range n {
		part := tensors[i*len(tensors)/n : (i+1)*len(tensors)/n]
		name := "model-0000" + string(rune('1'+i)) + ext
		var b bytes.Buffer
		var err error
		if ext == ".safetensors" {
			err = safetensors.Write(&b, part, nil)
		} else {
			err = torch.Write(&b, torch.StateDict(part, nil))
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, x := range part {
			index[x.Name] = name
		}
	}
	if change != nil {
		change(index)
	}
	text, err := json.Marshal(map[string]any{"metadata": map[string]int{"total_size": 1}, "weight_map": index})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "model"+ext+".index.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestParts: a checkpoint in several files is the checkpoint in one.
func TestParts(t *testing.T) {
	tensors := tiny().random(1)
	want, _ := mustConvert(t, plain(t, tensors), ConvertOptions{})
	for ext, format := range map[string]string{".safetensors": "safetensors in 3 parts", ".bin": "PyTorch (zip) in 3 parts"} {
		c, err := OpenCheckpoint(writeParts(t, t.TempDir(), ext, tensors, 3, nil))
		if err != nil {
			t.Fatal(err)
		}
		m, r := mustConvert(t, c, ConvertOptions{})
		if r.Format != format || r.Used != len(tensors) {
			t.Errorf("%s with %d tensors, want %s with %d", r.Format, r.Used, format, len(tensors))
		}
		for i, x := range m.Graph.Initializers {
			if w := want.Graph.Initializers[i]; x.Name != w.Name || !bytes.Equal(x.Data, w.Data) {
				t.Errorf("%s: tensor %d is %s, or its bits differ from %s", ext, i, x.Name, w.Name)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestPartsThatDoNotFit(t *testing.T) {
	for _, test := range []struct {
		what   string
		change func(index map[string]string)
		want   string
	}{
		{"part outside the folder", func(m map[string]string) { m["fc.bias"] = "../secret.safetensors" }, `puts tensor "fc.bias" into "../secret.safetensors"`},
		{"absolute part", func(m map[string]string) { m["fc.bias"] = "/etc/passwd" }, "a file in the folder of the index"},
		{"the folder", func(m map[string]string) { m["fc.bias"] = ".." }, "a file in the folder of the index"},
		{"part that is not there", func(m map[string]string) { m["zz"] = "model-00009.safetensors" }, "a part is missing"},
		{"index as a part", func(m map[string]string) { m["zz"] = "model.safetensors.index.json" }, "not a checkpoint: JSON text"},
		{"tensor in another part", func(m map[string]string) { m["fc.bias"] = m["conv1.weight"] }, "model-00001.safetensors lacks 1 tensor that the index puts into it: fc.bias"},
		{"tensor that is not there", func(m map[string]string) { m["fc.gain"] = m["fc.bias"] }, "fc.gain"},
		{"tensor that is not listed", func(m map[string]string) { delete(m, "fc.bias") }, `holds a tensor "fc.bias" that the index does not list`},
		{"nothing", func(m map[string]string) { clear(m) }, "no index of a checkpoint in parts"},
	} {
		_, err := OpenCheckpoint(writeParts(t, t.TempDir(), ".safetensors", tiny().random(1), 2, test.change))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.what, err, test.want)
		}
	}
	path := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(path, []byte(`{"a": [1`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenCheckpoint(path)
	wantError(t, err, "no index of a checkpoint in parts")
}

// TestNPZ: arrays by the network's keys are a checkpoint too.
func TestNPZ(t *testing.T) {
	tensors := tiny().random(1)
	var arrays []npy.Named
	for _, x := range tensors {
		if x.DType == weights.Int64 {
			v, err := x.Int64s()
			if err != nil {
				t.Fatal(err)
			}
			arrays = append(arrays, npy.Named{Name: "module." + x.Name, Shape: x.Shape, Data: v})
			continue
		}
		v, err := x.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		arrays = append(arrays, npy.Named{Name: "module." + x.Name, Shape: x.Shape, Data: v})
	}
	var b bytes.Buffer
	if err := npy.WriteZip(&b, arrays); err != nil {
		t.Fatal(err)
	}
	c, err := ReadCheckpoint("weights.npz", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	m, r := mustConvert(t, c, ConvertOptions{})
	if r.Format != "NumPy (npz)" || r.Prefix != "module." || m.Meta(MetaBatches) != "101" {
		t.Errorf("report %+v, batches %s", r, m.Meta(MetaBatches))
	}
	want, _ := mustConvert(t, plain(t, tensors), ConvertOptions{})
	for i, x := range m.Graph.Initializers {
		if !bytes.Equal(x.Data, want.Graph.Initializers[i].Data) {
			t.Errorf("%s differs", x.Name)
		}
	}
	_, err = ReadCheckpoint("cut.npz", b.Bytes()[:b.Len()/2])
	wantError(t, err, "cut.npz: not a valid npz archive")
}
