package torch_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"

	"onnxclr/importer/safetensors"
	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
)

// fixture returns a file that testdata/gen/checkpoints.py wrote.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(golden.Testdata(t, "checkpoints/torch/"+name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t testing.TB, name string) *torch.File {
	t.Helper()
	f, err := torch.Read(fixture(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return f
}

// flatten lists the tensors of a tree by their paths.
func flatten(prefix string, v any, out map[string]*weights.Tensor) map[string]*weights.Tensor {
	join := func(key any) string {
		if prefix == "" {
			return fmt.Sprint(key)
		}
		return fmt.Sprintf("%s/%v", prefix, key)
	}
	switch v := v.(type) {
	case *weights.Tensor:
		out[prefix] = v
	case *torch.Dict:
		for k, x := range v.All() {
			flatten(join(k), x, out)
		}
	case *torch.List:
		for i, x := range v.Items {
			flatten(join(i), x, out)
		}
	case torch.Tuple:
		for i, x := range v {
			flatten(join(i), x, out)
		}
	}
	return out
}

// Every tensor that torch.save wrote is read bit for bit, held against what the
// safetensors package wrote of the same tensors.
func TestTensorsAsSaved(t *testing.T) {
	for expect, files := range map[string]string{
		"state_dict": "state_dict_1.13 state_dict_2.15 unchecked_2.15",
		"wrapper":    "wrapper_1.13 wrapper_2.15 protocol3_1.13 protocol3_2.15 protocol4_1.13 protocol4_2.15 protocol5_2.15 legacy_1.13 legacy_2.15",
		"views":      "views_1.13 views_2.15 legacy_views_1.13 legacy_views_2.15",
		"dtypes":     "dtypes_1.13 dtypes_2.15 legacy_dtypes_1.13 legacy_dtypes_2.15",
		"parameters": "parameters_1.13 parameters_2.15",
		"attribute":  "attribute_1.13 attribute_2.15",
		"plain":      "plain_1.13 plain_2.15 plain_protocol4_1.13 plain_protocol4_2.15",
		"unsigned":   "unsigned_2.15",
	} {
		want, _, err := safetensors.Read(fixture(t, expect+".safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(files) {
			got := flatten("", read(t, name+".pth").Root, map[string]*weights.Tensor{})
			for _, w := range want {
				g := got[w.Name]
				delete(got, w.Name)
				switch {
				case g == nil:
					t.Errorf("%s: tensor %s is missing", name, w.Name)
				case g.DType != w.DType || !equalShape(g.Shape, w.Shape) || !bytes.Equal(g.Data, w.Data):
					t.Errorf("%s: tensor %s is %v %v % x, want %v %v % x", name, w.Name, g.DType, g.Shape, g.Data, w.DType, w.Shape, w.Data)
				}
			}
			for path := range got {
				t.Errorf("%s: tensor %s is not in the saved object", name, path)
			}
		}
	}
}

func equalShape(a, b []int) bool {
	return len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b))
}

func get(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, key := range path {
		d, ok := v.(*torch.Dict)
		if !ok {
			t.Fatalf("%v is in a %T, want a dictionary", key, v)
		}
		if v, ok = d.Get(key); !ok {
			t.Fatalf("no item %v", key)
		}
	}
	return v
}

// What lies beside the tensors of a training checkpoint is kept in order, with its
// Python types.
func TestWrapperAsSaved(t *testing.T) {
	for _, name := range []string{"wrapper_1.13", "wrapper_2.15", "protocol4_1.13", "protocol5_2.15", "legacy_1.13"} {
		f := read(t, name+".pth")
		root := f.Root.(*torch.Dict)
		var keys []string
		for k := range root.All() {
			keys = append(keys, k.(string))
		}
		if s := strings.Join(keys, " "); s != "epoch arch best_acc1 none flags state_dict optimizer args" {
			t.Errorf("%s: keys %s", name, s)
		}
		big70 := new(big.Int).Lsh(big.NewInt(1), 70)
		want := &torch.List{Items: []any{true, false, torch.Tuple{
			int64(1), 2.5, int64(-3), int64(70000), int64(-1 << 40), big70, new(big.Int).Neg(big70)}}}
		if got := get(t, root, "flags"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: flags %v, want %v", name, got, want)
		}
		if get(t, root, "epoch") != int64(7) || get(t, root, "arch") != "resnet18" || get(t, root, "none") != nil {
			t.Errorf("%s: epoch %v, arch %v, none %v", name, get(t, root, "epoch"), get(t, root, "arch"), get(t, root, "none"))
		}
		args := get(t, root, "args").(*torch.Opaque)
		if args.Name != "argparse.Namespace" || get(t, args.State, "lr") != 0.1 || get(t, args.State, "data") != "/data/imagenet" {
			t.Errorf("%s: args %v", name, args)
		}
		if groups := get(t, root, "optimizer", "param_groups").(*torch.List); get(t, groups.Items[0], "momentum") != 0.9 {
			t.Errorf("%s: optimizer groups %v", name, groups.Items)
		}
	}
}

// A state_dict keeps the versions of its modules.
func TestMetadata(t *testing.T) {
	for _, name := range []string{"state_dict_1.13.pth", "state_dict_2.15.pth"} {
		d := read(t, name).Root.(*torch.Dict)
		if d.Class != torch.OrderedDict {
			t.Errorf("%s: class %q", name, d.Class)
		}
		if v := get(t, d.Attrs, "_metadata", "bn1", "version"); v != int64(2) {
			t.Errorf("%s: version of bn1 is %v, want 2", name, v)
		}
		var names []string
		for _, tensor := range d.Tensors() {
			names = append(names, tensor.Name)
		}
		if s := strings.Join(names, " "); s != "conv1.weight bn1.weight bn1.bias bn1.running_mean bn1.running_var bn1.num_batches_tracked fc.weight fc.bias" {
			t.Errorf("%s: tensors %s", name, s)
		}
	}
}

// Plain Python and NumPy values come as Go values; objects that are only data come as
// Opaque.
func TestPlainValues(t *testing.T) {
	for _, name := range []string{"plain_1.13.pth", "plain_2.15.pth", "plain_protocol4_1.13.pth", "plain_protocol4_2.15.pth"} {
		root := read(t, name).Root
		for key, want := range map[any]any{
			"accuracy":  0.75,
			"single":    1.5,
			"step":      int64(-5),
			"best":      true,
			"size":      torch.Tuple{int64(2), int64(3)},
			"set":       &torch.Set{Items: []any{int64(1)}},
			"frozen":    &torch.Set{Items: []any{int64(2)}},
			"bytes":     []byte("\x00\xffz"),
			"bytearray": []byte("ab"),
			"deque":     &torch.List{Items: []any{int64(1), int64(2)}},
			"text":      "Zürich → 東京",
			int64(5):    "five",
		} {
			if got := get(t, root, key); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v is %#v, want %#v", name, key, got, want)
			}
		}
		if got := get(t, root, torch.Tuple{int64(1), "key"}); got != int64(1) {
			t.Errorf("%s: the tuple's item is %v", name, got)
		}
		if got := get(t, root, "default", "a"); !reflect.DeepEqual(got, &torch.List{Items: []any{int64(1)}}) {
			t.Errorf("%s: defaultdict holds %v", name, got)
		}
		if got := get(t, root, "counter", "a"); got != int64(2) {
			t.Errorf("%s: counter holds %v", name, got)
		}
		for key, want := range map[string]string{
			"dtype": "torch.float16", "device": "torch.device", "delta": "datetime.timedelta", "complex": "builtins.complex",
		} {
			got, ok := get(t, root, key).(*torch.Opaque)
			if !ok || strings.Replace(got.Name, "__builtin__", "builtins", 1) != want {
				t.Errorf("%s: %s is %v, want %s", name, key, get(t, root, key), want)
			}
		}
	}
}

// Valid files with something this package does not read say what it is.
func TestNotRead(t *testing.T) {
	var unsupported torch.UnsupportedError
	var format torch.FormatError
	var call *torch.CallError
	tar := func(name string, ustar bool) []byte {
		b := make([]byte, 1024)
		copy(b, name)
		if ustar {
			copy(b[257:], "ustar\x0000")
		}
		sum := 8 * int(' ')
		for _, c := range b {
			sum += int(c)
		}
		copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
		return b
	}
	for _, c := range []struct {
		name string
		b    []byte
		as   any
		say  string
	}{
		{"whole model 1.13", fixture(t, "model_1.13.pth"), &call, "calls torch.nn.modules.container.Sequential; only tensors and plain containers are read, nothing was executed; it holds a whole model object"},
		{"whole model 2.15", fixture(t, "model_2.15.pth"), &call, "calls torch.nn.modules.container.Sequential"},
		{"sparse 1.13", fixture(t, "sparse_1.13.pth"), &unsupported, "sparse tensor"},
		{"sparse 2.15", fixture(t, "sparse_2.15.pth"), &unsupported, "sparse tensor"},
		{"complex 1.13", fixture(t, "complex_1.13.pth"), &unsupported, "ComplexFloatStorage"},
		{"complex 2.15", fixture(t, "complex_2.15.pth"), &unsupported, "ComplexFloatStorage"},
		{"torchscript", fixture(t, "torchscript_1.13.pth"), &unsupported, "TorchScript"},
		{"tar", tar("resnet50.pth", true), &unsupported, `a tar archive, its first member "resnet50.pth"`},
		{"PyTorch before 0.1.10 (CVE-2025-32434)", tar("storages", true), &unsupported, "the tar format that PyTorch wrote before 0.1.10"},
		{"the same in the oldest tar format", tar("sys_info", false), &unsupported, "the tar format that PyTorch wrote before 0.1.10"},
		{"gzip", []byte("\x1f\x8b\x08"), &unsupported, "compressed"},
		{"pickled tensors", []byte("\x80\x02" + global("torch.storage", "_load_from_bytes") + tuple(str("x")) + "R."), &unsupported, "tensors were pickled by themselves"},
		{"HDF5", []byte("\x89HDF\r\n\x1a\n"), &unsupported, "HDF5"},
		{"LFS pointer", []byte("version https://git-lfs.github.com/spec/v1\n"), &format, "git lfs pull"},
		{"web page", []byte("\n<!DOCTYPE html><html>"), &format, "web page"},
		{"text", []byte("hello"), &format, `"hello"`},
		{"empty", nil, &format, "empty"},
	} {
		_, err := torch.Read(c.b)
		if !errors.As(err, c.as) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error %v, want %T with %q", c.name, err, c.as, c.say)
		}
	}
}
