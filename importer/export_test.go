package importer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"onnxclr/importer/onnx"
	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
	"onnxclr/internal/file"
	"onnxclr/internal/golden"
)

// exported writes the model and opens what was written as a checkpoint.
func exported(t *testing.T, m *onnx.Model, ext string, o ExportOptions) (*Checkpoint, *ExportReport) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out"+ext)
	r, err := Export(m, path, o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := OpenCheckpoint(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, r
}

// TestRoundTrip: .pth → ONNX file → .pth and .safetensors gives every tensor back to
// the bit, under its key and in its place, counters and half precision included.
func TestRoundTrip(t *testing.T) {
	for _, name := range []string{"basic", "bottleneck", "grouped", "wide", "cifar", "half"} {
		t.Run(name, func(t *testing.T) {
			source := goldenCheckpoint(t, name)
			converted, _ := mustConvert(t, source, ConvertOptions{})
			path := filepath.Join(t.TempDir(), "model.onnx")
			if _, err := Export(converted, path, ExportOptions{}); err != nil {
				t.Fatal(err)
			}
			m, err := OpenModel(path)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			want := source.Dicts[0].Tensors
			back, r := exported(t, m.ONNX, ".pth", ExportOptions{})
			if len(r.Notes) > 0 || r.Tensors != len(want) {
				t.Errorf("report %+v, want %d tensors and no notes", r, len(want))
			}
			sameTensors(t, back.Dicts[0].Tensors, want)
			safe, _ := exported(t, m.ONNX, ".safetensors", ExportOptions{})
			sameTensors(t, byOrder(safe.Dicts[0].Tensors, want), want)
		})
	}
}

// byOrder puts tensors in the order of others; safetensors have their own.
func byOrder(tensors, order []*weights.Tensor) []*weights.Tensor {
	index := map[string]*weights.Tensor{}
	for _, x := range tensors {
		index[x.Name] = x
	}
	var out []*weights.Tensor
	for _, x := range order {
		if index[x.Name] != nil {
			out = append(out, index[x.Name])
		}
	}
	return out
}

func sameTensors(t *testing.T, got, want []*weights.Tensor) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d tensors, want %d", len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		if g.Name != w.Name || g.DType != w.DType || len(g.Shape)+len(w.Shape) > 0 && !reflect.DeepEqual(g.Shape, w.Shape) {
			t.Errorf("tensor %d is %s %v %v, want %s %v %v", i, g.Name, g.DType, g.Shape, w.Name, w.DType, w.Shape)
		} else if !bytes.Equal(g.Data, w.Data) {
			t.Errorf("%s: the bits differ", g.Name)
		}
	}
}

// TestExportedFileIsOneThatConvertReads closes the circle.
func TestExportedFileIsOneThatConvertReads(t *testing.T) {
	source := goldenCheckpoint(t, "moco")
	m, _ := mustConvert(t, source, ConvertOptions{})
	back, r := exported(t, m, ".pth", ExportOptions{Layout: "torchvision"})
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "model.fc = torch.nn.Identity()") {
		t.Errorf("notes %q, want one about fc", r.Notes)
	}
	again, _ := mustConvert(t, back, ConvertOptions{})
	if len(again.Graph.Initializers) != len(m.Graph.Initializers) {
		t.Fatalf("%d initializers, want %d", len(again.Graph.Initializers), len(m.Graph.Initializers))
	}
	for i, x := range again.Graph.Initializers {
		if !bytes.Equal(x.Data, m.Graph.Initializers[i].Data) {
			t.Errorf("%s differs", x.Name)
		}
	}
}

func TestExportProjector(t *testing.T) {
	m := tinyModel(t)
	if err := AttachHead(m, Head{Kind: HeadMLP, Dim: 2}); err != nil {
		t.Fatal(err)
	}
	if err := AddBatches(m, 4, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	plainKeys := len(tiny().params())
	c, r := exported(t, m, ".pth", ExportOptions{})
	if got := len(c.Dicts[0].Tensors); got != plainKeys || len(r.Notes) != 1 {
		t.Errorf("%d tensors, notes %q; want %d and one that the projector is left out", got, r.Notes, plainKeys)
	}
	c, _ = exported(t, m, ".pth", ExportOptions{Projector: true})
	var names []string
	for _, x := range c.Dicts[0].Tensors[plainKeys:] {
		names = append(names, strings.TrimPrefix(x.Name, "projector."))
	}
	want := strings.Fields(`0.weight 1.weight 1.bias 1.running_mean 1.running_var 1.num_batches_tracked
		3.weight 4.weight 4.bias 4.running_mean 4.running_var 4.num_batches_tracked`)
	if !reflect.DeepEqual(names, want) {
		t.Errorf("the projector's keys are %q, want %q", names, want)
	}
	for name, want := range map[string]int64{"bn1.num_batches_tracked": 105, "projector.4.num_batches_tracked": 4} {
		for _, x := range c.Dicts[0].Tensors {
			if x.Name != name {
				continue
			}
			if n, err := x.Int64s(); err != nil || n[0] != want {
				t.Errorf("%s is %v (%v), want %d", name, n, err, want)
			}
		}
	}
}

// TestExportSlice: DirectCLR's head has no tensors for PyTorch, but the ONNX file
// keeps it.
func TestExportSlice(t *testing.T) {
	m := tinyModel(t)
	if err := AttachHead(m, Head{Kind: HeadSlice, D0: 2}); err != nil {
		t.Fatal(err)
	}
	c, _ := exported(t, m, ".pth", ExportOptions{Projector: true})
	if got, want := len(c.Dicts[0].Tensors), len(tiny().params()); got != want {
		t.Errorf("%d tensors, want %d", got, want)
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if _, err := Export(m, path, ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	opened, err := OpenModel(path)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if h, ok, err := AttachedHead(opened.ONNX); err != nil || !ok || h != (Head{Kind: HeadSlice, D0: 2}) {
		t.Errorf("head %+v, %v, %v", h, ok, err)
	}
}

// TestOldCheckpoints: before PyTorch 0.4.1 there were no counters; they count from 0.
func TestOldCheckpoints(t *testing.T) {
	var tensors []*weights.Tensor
	for _, x := range tiny().random(1) {
		if !strings.HasSuffix(x.Name, counterName) {
			tensors = append(tensors, x)
		}
	}
	m, r := mustConvert(t, plain(t, tensors), ConvertOptions{})
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "count from 0") || m.Meta(MetaBatches) != "" {
		t.Errorf("notes %q, metadata %q", r.Notes, m.Meta(MetaBatches))
	}
	c, _ := exported(t, m, ".pth", ExportOptions{})
	if got, want := len(c.Dicts[0].Tensors), len(tiny().params()); got != want {
		t.Errorf("%d tensors, want %d with the counters", got, want)
	}
}

func TestDTypes(t *testing.T) {
	for _, dtype := range []weights.DType{weights.Float16, weights.BFloat16, weights.Float64} {
		t.Run(dtype.String(), func(t *testing.T) {
			var source []*weights.Tensor
			for _, x := range tiny().random(1) {
				if x.DType == weights.Float32 {
					x = coarse(x)
					switch dtype {
					case weights.Float64:
						x = double(t, x)
					default:
						n, ok, err := x.As(dtype)
						if !ok || err != nil {
							t.Fatalf("%s is not exact", x.Name)
						}
						x = n
					}
				}
				source = append(source, x)
			}
			m, r := mustConvert(t, plain(t, source), ConvertOptions{})
			if r.DType != dtype.String() || m.Meta(MetaSourceDType) != dtype.String() {
				t.Errorf("report says %s, metadata %s, want %v", r.DType, m.Meta(MetaSourceDType), dtype)
			}
			for _, x := range m.Graph.Initializers {
				if x.DType != weights.Float32 {
					t.Fatalf("%s is %v in the model, want float32", x.Name, x.DType)
				}
			}
			c, er := exported(t, m, ".pth", ExportOptions{})
			if len(er.Notes) > 0 {
				t.Errorf("notes %q, want none", er.Notes)
			}
			sameTensors(t, c.Dicts[0].Tensors, source)
			// One weight moves between two numbers of the half types: it is rounded, and
			// said to be.
			v, err := m.Graph.Initializer("conv1.weight").Float32s()
			if err != nil {
				t.Fatal(err)
			}
			v[0] = 0.1
			m.Graph.SetInitializer(weights.FromFloat32("conv1.weight", m.Graph.Initializer("conv1.weight").Shape, v))
			c, er = exported(t, m, ".pth", ExportOptions{})
			sameTensors(t, c.Dicts[0].Tensors[1:], source[1:])
			got, err := c.Dicts[0].Tensors[0].Float32s()
			want := map[weights.DType]float32{weights.Float16: 0.0999755859375, weights.BFloat16: 0.10009765625, weights.Float64: 0.1}[dtype]
			if err != nil || got[0] != want || c.Dicts[0].Tensors[0].DType != dtype {
				t.Errorf("conv1.weight begins with %v as %v (%v), want %v as %v", got[0], c.Dicts[0].Tensors[0].DType, err, want, dtype)
			}
			if noted := len(er.Notes) == 1 && strings.Contains(er.Notes[0], "1 changed tensor is rounded to "+dtype.String()); noted != (dtype != weights.Float64) {
				t.Errorf("notes %q", er.Notes)
			}
			c, er = exported(t, m, ".pth", ExportOptions{DType: "float32"})
			if got := c.Dicts[0].Tensors[0]; got.DType != weights.Float32 || len(er.Notes) > 0 {
				t.Errorf("asked for float32: %v, notes %q", got.DType, er.Notes)
			}
		})
	}
	t.Run("float64 beyond float32", func(t *testing.T) {
		var source []*weights.Tensor
		for i, x := range tiny().random(1) {
			if x.DType == weights.Float32 {
				x = double(t, x)
				for j := 0; j < len(x.Data); j += 8 {
					x.Data[j], x.Data[j+2] = byte(i+j), byte(j) // digits that float32 has not
				}
			}
			source = append(source, x)
		}
		binary.LittleEndian.PutUint64(source[1].Data, math.Float64bits(1e300)) // becomes infinite
		converted, _ := mustConvert(t, plain(t, source), ConvertOptions{})
		path := filepath.Join(t.TempDir(), "m.onnx")
		if err := file.WriteNew(path, false, converted.Encode); err != nil {
			t.Fatal(err)
		}
		before := len(converted.Graph.Initializers)
		clean := filepath.Join(t.TempDir(), "clean.onnx")
		if r, err := Export(converted, clean, ExportOptions{}); err != nil || r.Tensors >= before || converted.Meta(MetaResidual) == "" || len(converted.Graph.Initializers) != before {
			t.Fatalf("exported to ONNX: %+v, %v; want what no node reads left out, and the model unchanged", r, err)
		}
		m, err := OpenModel(path)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		c, _ := exported(t, m.ONNX, ".pth", ExportOptions{})
		got := c.Dicts[0].Tensors
		sameTensors(t, append(got[:1:1], got[2:]...), append(source[:1:1], source[2:]...))
		// A changed tensor is widened; what was rounded off belongs to its old values.
		w := m.ONNX.Graph.Initializer("conv1.weight")
		v, err := w.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		v[0] = 2
		m.ONNX.Graph.SetInitializer(weights.FromFloat32(w.Name, w.Shape, v))
		c, _ = exported(t, m.ONNX, ".pth", ExportOptions{})
		sameTensors(t, c.Dicts[0].Tensors[:1], []*weights.Tensor{double(t, weights.FromFloat32(w.Name, w.Shape, v))})
	})
	t.Run("mixed", func(t *testing.T) {
		source := tiny().random(1)
		source[0] = halve(t, coarse(source[0]))
		source[2] = double(t, source[2])
		m, r := mustConvert(t, plain(t, source), ConvertOptions{})
		if r.DType != mixed {
			t.Errorf("report says %s, want mixed", r.DType)
		}
		c, _ := exported(t, m, ".pth", ExportOptions{})
		sameTensors(t, c.Dicts[0].Tensors, source)
		_, err := Export(m, filepath.Join(t.TempDir(), "x.pth"), ExportOptions{DType: "int8"})
		wantError(t, err, `unknown type "int8"; want one of same, float32, float16`)
	})
	t.Run("counters as floats", func(t *testing.T) {
		source := tiny().random(1)
		for i, x := range source {
			if strings.HasSuffix(x.Name, counterName) {
				source[i] = weights.FromFloat32(x.Name, nil, []float32{64})
			}
		}
		if m, _ := mustConvert(t, plain(t, source), ConvertOptions{}); m.Meta(MetaBatches) != "64" {
			t.Errorf("metadata %q, want 64", m.Meta(MetaBatches))
		}
		for i, x := range source {
			if x.Name == "bn1."+counterSuffix {
				source[i] = weights.FromFloat32(x.Name, nil, []float32{0.5})
			}
		}
		_, _, err := Convert(plain(t, source), ConvertOptions{})
		wantError(t, err, "bn1.num_batches_tracked is 0.5, want a whole number")
	})
}

// double widens a float32 tensor.
func double(t *testing.T, x *weights.Tensor) *weights.Tensor {
	t.Helper()
	v, err := x.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	out := &weights.Tensor{Name: x.Name, DType: weights.Float64, Shape: x.Shape}
	for _, f := range v {
		out.Data = binary.LittleEndian.AppendUint64(out.Data, math.Float64bits(float64(f)))
	}
	return out
}

func TestExportEvaluationForm(t *testing.T) {
	m := tinyModel(t)
	bn := m.Graph.Producer("bn1_output")
	bn.SetAttribute(onnx.IntAttr("training_mode", 1))
	bn.Outputs = append(bn.Outputs, "mean", "var")
	path := filepath.Join(t.TempDir(), "m.onnx")
	if _, err := Export(m, path, ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	out, err := OpenModel(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if n := out.ONNX.Graph.Producer("bn1_output"); len(n.Outputs) != 1 || n.Int("training_mode", 0) != 0 || n.Float("epsilon", 0) != 1e-5 {
		t.Errorf("written as %+v", n)
	}
	if len(bn.Outputs) != 3 || bn.Int("training_mode", 0) != 1 {
		t.Error("the model in memory was changed")
	}
}

// A network whose normalisation was folded away is exported, with a note that its
// keys are not torchvision's: with biases, and where the exporter dropped them.
func TestExportNotesFolding(t *testing.T) {
	m := torchExport(t, "basic_op13_eval")
	if _, err := Normalize(m); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"12 convolutions have a bias", "there is no batch normalisation"} {
		_, report := exported(t, m, ".pth", ExportOptions{})
		if notes := strings.Join(report.Notes, "\n"); !strings.Contains(notes, want) {
			t.Errorf("notes %q, want %q", notes, want)
		}
		for _, n := range m.Graph.Nodes {
			if n.OpType == "Conv" {
				n.Inputs = n.Inputs[:2]
			}
		}
	}
}

func TestExportRefuses(t *testing.T) {
	dir := t.TempDir()
	m := tinyModel(t)
	_, err := Export(m, filepath.Join(dir, "out.bin"), ExportOptions{})
	wantError(t, err, `unknown extension ".bin"; want .onnx`)
	path := filepath.Join(dir, "out.pth")
	for _, force := range []bool{false, true} {
		if _, err := Export(m, path, ExportOptions{Force: force}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Export(m, path, ExportOptions{}); !errors.Is(err, file.ErrExists) {
		t.Errorf("error %v, want that the file exists", err)
	}
	if _, err := Export(m, filepath.Join(dir, "no", "such", "folder.onnx"), ExportOptions{}); err == nil {
		t.Error("wrote into a folder that does not exist")
	}
	broken := tinyModel(t)
	broken.Graph.Nodes = broken.Graph.Nodes[1:]
	if _, err := Export(broken, filepath.Join(dir, "broken.onnx"), ExportOptions{}); err == nil {
		t.Error("wrote a graph whose first node is missing")
	}
	lost := tinyModel(t)
	if err := lost.Graph.Rename(map[string]string{"conv1.weight": "onnx::Conv_12"}); err != nil {
		t.Fatal(err)
	}
	_, err = Export(lost, filepath.Join(dir, "lost.pth"), ExportOptions{})
	wantError(t, err, `the names of 1 weight are no PyTorch keys ("onnx::Conv_12"`)
	lost.SetMeta(MetaBatches, "{")
	_, err = Export(lost, filepath.Join(dir, "lost.pth"), ExportOptions{})
	wantError(t, err, `metadata num_batches_tracked is "{", want a number`)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v (%v), want out.pth only", entries, err)
	}
}

func TestOpenModel(t *testing.T) {
	dir := t.TempDir()
	m := tinyModel(t)
	run := filepath.Join(dir, "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := OpenModel(run)
	wantError(t, err, "is a directory without model.onnx")
	path := filepath.Join(run, RunModel)
	if _, err := Export(m, path, ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{path, run} {
		got, err := OpenModel(at)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.Path != path || got.SHA256() != hash(b) || got.BatchNorm.Kept != 6 || got.BatchNorm.Folded != 0 {
			t.Errorf("opened %s with hash %s, %+v", got.Path, got.SHA256(), got.BatchNorm)
		}
		if !bytes.Equal(encode(t, got.ONNX), encode(t, m)) {
			t.Error("the model is not the one written")
		}
		if err := got.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err = OpenModel(golden.Path(t, "importer/basic.pth"))
	wantError(t, err, "basic.pth -o model.onnx")
	_, err = OpenModel(filepath.Join(dir, "absent.onnx"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want that the file does not exist", err)
	}
	for name, contents := range map[string]string{"empty.onnx": "", "page.onnx": "<html>", "noise.onnx": "noise", "cut.onnx": string(encode(t, m)[:900])} {
		at := filepath.Join(dir, name)
		if err := os.WriteFile(at, []byte(contents), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenModel(at)
		wantError(t, err, name+": ")
	}
}

// TestReadsOtherFormats: the same weights as safetensors convert to the same model.
func TestReadsOtherFormats(t *testing.T) {
	m := tinyModel(t)
	safe, _ := exported(t, m, ".safetensors", ExportOptions{})
	if safe.Format != "safetensors" {
		t.Errorf("format %q", safe.Format)
	}
	again, _ := mustConvert(t, safe, ConvertOptions{})
	for i, x := range again.Graph.Initializers {
		if w := m.Graph.Initializers[i]; x.Name != w.Name || !bytes.Equal(x.Data, w.Data) {
			t.Errorf("%s differs from %s", x.Name, w.Name)
		}
	}
}

// BenchmarkConvert is the whole way of a 46 MB checkpoint to its file.
func BenchmarkConvert(b *testing.B) {
	stem := Stem{Width: 64, Kernel: 7, Stride: 2, Pad: 3, MaxPool: true}
	net := &ResNet{Channels: 3, Groups: 1, Stem: stem, Classes: 1000}
	for i := range 4 {
		net.Stages = append(net.Stages, Stage{Blocks: 2, Mid: 64 << i, Out: 64 << i, Downsample: i > 0})
	}
	dir := b.TempDir()
	source := filepath.Join(dir, "resnet18.pth")
	tensors := net.random(1)
	if err := file.Write(source, func(w io.Writer) error { return torch.Write(w, torch.StateDict(tensors, nil)) }); err != nil {
		b.Fatal(err)
	}
	st, err := os.Stat(source)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(st.Size())
	b.ReportAllocs()
	for b.Loop() {
		c, err := OpenCheckpoint(source)
		if err != nil {
			b.Fatal(err)
		}
		m, _, err := Convert(c, ConvertOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Export(m, filepath.Join(dir, "m.onnx"), ExportOptions{Force: true}); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

// A model made of functions goes out as it came in: the calls are there, with the
// functions; a call whose body had to change is written out.
func TestExportKeepsFunctions(t *testing.T) {
	for name, calls := range map[string]bool{"tiny_op17_functions_preserve": true, "tiny_op17_functions_training": false} {
		m, err := OpenModel(golden.Testdata(t, "onnx/"+name+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		w := m.ONNX.Graph.Initializer("fc.bias")
		trained := weights.FromFloat32(w.Name, w.Shape, make([]float32, w.Len()))
		m.ONNX.Graph.SetInitializer(trained)
		path := filepath.Join(t.TempDir(), "out.onnx")
		if _, err := Export(m.ONNX, path, ExportOptions{}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out, err := onnx.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := onnx.Check(out); err != nil {
			t.Error(name, err)
		}
		if got := out.Graph.Nodes[0]; len(out.Functions) != 12 || calls != (len(out.Graph.Nodes) == 1 && got.OpType == "ResNet" && got.Domain == "__main__") {
			t.Errorf("%s: %d nodes, the first a %s, and %d functions", name, len(out.Graph.Nodes), got.OpType, len(out.Functions))
		}
		if !bytes.Equal(out.Graph.Initializer("fc.bias").Data, trained.Data) {
			t.Errorf("%s: the trained weights are not there", name)
		}
	}
}

// A head takes its place inside the call that is the whole model: that one is written
// out, and the calls that it was made of are kept.
func TestHeadKeepsFunctions(t *testing.T) {
	m, err := OpenModel(golden.Testdata(t, "onnx/tiny_op17_functions_preserve.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := AttachHead(m.ONNX, Head{Kind: HeadSlice, D0: 4}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "out.onnx")
	if _, err := Export(m.ONNX, path, ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out, err := onnx.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := onnx.Check(out); err != nil {
		t.Error(err)
	}
	var ops []string
	for _, n := range out.Graph.Nodes {
		ops = append(ops, n.OpType)
	}
	// The second block has a shortcut of its own, and is another function.
	want := "Conv2d BatchNorm2d ReLU MaxPool2d Sequential.2 Sequential.1 AdaptiveAvgPool2d Flatten Linear Slice"
	if got := strings.Join(ops, " "); got != want || len(out.Functions) != 12 {
		t.Errorf("%d functions and the nodes\n%s\nwant\n%s", len(out.Functions), got, want)
	}
}

// externalFile writes a fixture with its weights in a file of their own.
func externalFile(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.onnx")
	data, err := os.Create(filepath.Join(filepath.Dir(path), "weights.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	err = file.Write(path, func(w io.Writer) error { return torchExport(t, name).EncodeExternal(w, data, "weights.bin") })
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A model with external data is exported as one, at once and after its weights have
// been through a file without.
func TestExportExternal(t *testing.T) {
	source := externalFile(t, "bottleneck_op13_preserve")
	m, err := OpenModel(source)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	run := filepath.Join(t.TempDir(), "run.onnx") // as training writes it
	if err := file.Write(run, m.ONNX.Encode); err != nil {
		t.Fatal(err)
	}
	trained, err := OpenModel(run)
	if err != nil {
		t.Fatal(err)
	}
	defer trained.Close()
	for _, m := range []*Model{m, trained} {
		out := filepath.Join(t.TempDir(), "out.onnx")
		r, err := Export(m.ONNX, out, ExportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "out.onnx.data") {
			t.Errorf("notes %q", r.Notes)
		}
		if st, err := os.Stat(out); err != nil || st.Size() > 40_000 {
			t.Errorf("the model's file: %v, %v", st.Size(), err)
		}
		if _, err := Export(m.ONNX, out, ExportOptions{}); !errors.Is(err, file.ErrExists) {
			t.Errorf("over itself: %v", err)
		}
		os.Remove(out)
		if _, err := Export(m.ONNX, out, ExportOptions{}); !errors.Is(err, file.ErrExists) || !strings.Contains(err.Error(), "out.onnx.data") {
			t.Errorf("over the data of another: %v", err)
		}
		if _, err := Export(m.ONNX, out, ExportOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
		again, err := OpenModel(out)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		want := torchExport(t, "bottleneck_op13_preserve")
		for _, w := range want.Graph.Initializers {
			if got := again.ONNX.Graph.Initializer(w.Name); got == nil || !bytes.Equal(got.Data, w.Data) {
				t.Errorf("%s differs", w.Name)
			}
		}
		if m.ONNX.Meta(MetaExternal) == "" {
			t.Error("exporting made it forget where its weights were")
		}
	}
	// Onto its own files, which are mapped.
	if _, err := Export(m.ONNX, source, ExportOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if again, err := OpenModel(source); err != nil {
		t.Error(err)
	} else {
		again.Close()
	}
}

// Weights go from file to file: opening and exporting a model takes no memory for
// them, however large they are.
func TestExportStreams(t *testing.T) {
	const side = 4096 // 64 MiB
	dir := t.TempDir()
	data, err := os.Create(filepath.Join(dir, "w.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if err := data.Truncate(4 * side * side); err != nil {
		t.Fatal(err)
	}
	data.Close()
	w := onnx.NewTensor(&weights.Tensor{Name: "fc.weight", DType: weights.Float32, Shape: []int{side, side}})
	w.External = []onnx.Property{{Key: "location", Value: "w.bin"}}
	g := &onnx.Graph{Name: "g",
		Inputs:  []*onnx.ValueInfo{onnx.FloatValue("x", onnx.Dim{Param: "n"}, onnx.Dim{Value: side})},
		Outputs: []*onnx.ValueInfo{onnx.FloatValue("y", onnx.Dim{Param: "n"}, onnx.Dim{Value: side})},
		Nodes:   []*onnx.Node{{Name: "fc", OpType: "Gemm", Inputs: []string{"x", "fc.weight"}, Outputs: []string{"y"}, Attributes: []*onnx.Attribute{onnx.IntAttr("transB", 1)}}}}
	g.AddInitializer(w)
	path := filepath.Join(dir, "m.onnx")
	if err := file.Write(path, (&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: g}).Encode); err != nil {
		t.Fatal(err)
	}
	for _, ext := range []string{".onnx", ".safetensors", ".pth"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := OpenModel(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Export(m.ONNX, filepath.Join(dir, "out"+ext), ExportOptions{}); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		m.Close()
		if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
			t.Errorf("%s: %d bytes allocated for weights of %d", ext, got, 4*side*side)
		}
	}
}
