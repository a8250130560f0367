package torch_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
)

func list(items ...any) *torch.List { return &torch.List{Items: items} }

// Containers may be spelled as calls of their types.
func TestConstructors(t *testing.T) {
	call := func(module, name string, args ...string) string {
		return global(module, name) + tuple(args...) + "R"
	}
	ab := "]((" + str("a") + "K\x01t(" + str("b") + "K\x02te" // [("a", 1), ("b", 2)]
	for _, c := range []struct {
		what, pickle string
		want         any
	}{
		{"dict", call("builtins", "dict"), dict("")},
		{"dict of Python 2", call("__builtin__", "dict", ab), dict("", "a", int64(1), "b", int64(2))},
		{"dict of a dict", call("builtins", "dict", "}"+str("a")+"Ns"), dict("", "a", nil)},
		{"OrderedDict of lists, as Python 2 wrote it", call("collections", "OrderedDict", "](]("+str("a")+"K\x01ee"), dict(torch.OrderedDict, "a", int64(1))},
		{"defaultdict", call("collections", "defaultdict", global("builtins", "list")), dict("collections.defaultdict")},
		{"defaultdict of nothing", call("collections", "defaultdict"), dict("collections.defaultdict")},
		{"options with attributes", call("easydict", "EasyDict") + str("lr") + "K\x01s", dict("easydict.EasyDict", "lr", int64(1))},
		{"made by NEWOBJ", global("pytorch_lightning.utilities.parsing", "AttributeDict") + ")\x81" + str("lr") + "K\x01s", dict("pytorch_lightning.utilities.parsing.AttributeDict", "lr", int64(1))},
		{"list", call("builtins", "list", ints(1, 2)), list(int64(1), int64(2))},
		{"empty list", call("builtins", "list"), list()},
		{"deque", call("collections", "deque", "](K\x01K\x02e", num(5)), list(int64(1), int64(2))},
		{"tuple", call("builtins", "tuple", "](K\x01e"), torch.Tuple{int64(1)}},
		{"set", call("__builtin__", "set", "](K\x01e"), &torch.Set{Items: []any{int64(1)}}},
		{"frozenset of a set", call("builtins", "frozenset", "\x8f(K\x01\x90"), &torch.Set{Items: []any{int64(1)}}},
		{"no bytes", call("builtins", "bytearray"), []byte{}},
		{"bytearray", call("builtins", "bytearray", "C\x02ab"), []byte("ab")},
		{"bytearray of protocol 2", call("builtins", "bytearray", str("a\u00ff"), str("latin-1")), []byte("a\xff")},
		{"bytes of protocol 2", call("_codecs", "encode", str("a\u00ff"), str("latin1")), []byte("a\xff")},
		{"object of protocol 0", call("copy_reg", "_reconstructor", global("argparse", "Namespace"), global("__builtin__", "object"), "N") + "}" + str("a") + "Nsb",
			&torch.Opaque{Name: "argparse.Namespace", Args: []any{}, State: dict("", "a", nil)}},
		{"dict in the right class", call("copyreg", "_reconstructor", global("collections", "OrderedDict"), global("builtins", "dict"), "}"+str("a")+"K\x01s"), dict(torch.OrderedDict, "a", int64(1))},
	} {
		f, err := torch.Read(checkpoint(c.pickle + "."))
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if o, ok := c.want.(*torch.Opaque); ok {
			got, ok := f.Root.(*torch.Opaque)
			if !ok || got.Name != o.Name || len(got.Args) != 0 {
				t.Errorf("%s: %v", c.what, f.Root)
				continue
			}
			compare(t, c.what, got.State, o.State)
			continue
		}
		compare(t, c.what, f.Root, c.want)
	}
	for _, c := range []struct{ what, pickle, say string }{
		{"dict of numbers", call("builtins", "dict", "](K\x01e"), "something else than pairs"},
		{"dict of a string", call("builtins", "dict", str("ab")), "from a str"},
		{"dict of two", call("builtins", "dict", "}", "}"), "2 arguments"},
		{"list of a number", call("builtins", "list", num(1)), "from an int"},
		{"bytearray of a number", call("builtins", "bytearray", num(1<<40)), "from an int"},
		{"another codec", call("_codecs", "encode", str("a"), str("utf-16")), "only understood for latin-1"},
		{"beyond latin-1", call("_codecs", "encode", str("a\u0100"), str("latin1")), "not latin-1"},
	} {
		if _, err := torch.Read(checkpoint(c.pickle + ".")); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error %v, want one with %q", c.what, err, c.say)
		}
	}
}

// NumPy's scalars become numbers by their type and byte order; others stay opaque.
func TestNumpyScalars(t *testing.T) {
	for _, c := range []struct {
		code, order, raw string
		want             any
	}{
		{"f8", "<", "\x00\x00\x00\x00\x00\x00\xf8\x3f", 1.5},
		{"f8", ">", "\x3f\xf8\x00\x00\x00\x00\x00\x00", 1.5},
		{"f4", "<", "\x00\x00\xc0\x3f", 1.5}, {"f2", "<", "\x00\x3e", 1.5}, {"<f2", "<", "\x00\x3e", 1.5},
		{"i8", "<", "\xfe\xff\xff\xff\xff\xff\xff\xff", int64(-2)}, {"i4", ">", "\xff\xff\xff\xfe", int64(-2)},
		{"i2", "<", "\xfe\xff", int64(-2)}, {"i1", "|", "\xfe", int64(-2)},
		{"u4", "<", "\xfe\xff\xff\xff", int64(1<<32 - 2)}, {"u2", "<", "\xfe\xff", int64(65534)}, {"u1", "|", "\xfe", int64(254)},
		{"b1", "|", "\x01", true}, {"b1", "|", "\x00", false},
		{"f8", "<", "\x00\x00", nil}, {"c16", "<", "\x00\x00", nil}, {"U1", "<", "a\x00\x00\x00", nil}, {"f8", "<", "", nil},
	} {
		for _, module := range []string{"numpy.core.multiarray", "numpy._core.multiarray"} {
			dtype := global("numpy", "dtype") + tuple(str(c.code), "\x89", "\x88") + "R" + tuple(num(3), str(c.order), "NNN") + "b"
			raw := "C" + string(rune(len(c.raw))) + c.raw
			f, err := torch.Read(checkpoint(global(module, "scalar") + tuple(dtype, raw) + "R."))
			if err != nil {
				t.Errorf("%s %s: %v", c.order, c.code, err)
				continue
			}
			if o, ok := f.Root.(*torch.Opaque); c.want == nil && (!ok || o.Name != module+".scalar") || c.want != nil && f.Root != c.want {
				t.Errorf("%s %s: %v, want %v", c.order, c.code, f.Root, c.want)
			}
		}
	}
}

// An entry that gives its sizes in 64 bits is the same entry.
func TestZip64Sizes(t *testing.T) {
	good, directory := zipArchive(sound()...)
	record := directory + 46 + len("archive/data.pkl") // of the first storage
	le := binary.LittleEndian
	widen := func(sizes ...uint64) []byte {
		extra := []byte{1, 0, byte(8 * len(sizes)), 0}
		for _, s := range sizes {
			extra = le.AppendUint64(extra, s)
		}
		b := bytes.Clone(good)
		copy(b[record+20:], "\xff\xff\xff\xff\xff\xff\xff\xff")
		le.PutUint16(b[record+30:], uint16(len(extra)))
		at := record + 46 + len("archive/data/0")
		b = append(b[:at:at], append(extra, b[at:]...)...)
		le.PutUint32(b[len(b)-10:], le.Uint32(b[len(b)-10:])+uint32(len(extra)))
		return b
	}
	f, err := torch.Read(widen(16, 16))
	if err != nil || !bytes.Equal(f.Root.(*weights.Tensor).Data, floats) {
		t.Errorf("%v, error %v", f, err)
	}
	for say, b := range map[string][]byte{
		"cut short":          widen(16),
		"beyond the archive": widen(1<<40, 1<<40),
		"stored in 12 bytes": widen(16, 12),
	} {
		if _, err := torch.Read(b); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("error %v, want one with %q", err, say)
		}
	}
}

// A state_dict of more tensors than fit the short memo opcodes keeps them all.
func TestManyTensors(t *testing.T) {
	var want []*weights.Tensor
	for i := range 700 {
		want = append(want, weights.FromFloat32(fmt.Sprintf("layer%d.weight", i), []int{1, 1, 1, 1, 2}, []float32{float32(i), -1}))
	}
	want = append(want, want[0])
	root := torch.Tuple{torch.StateDict(want, nil), want[650]}
	f, err := torch.Read(encode(t, root))
	if err != nil {
		t.Fatal(err)
	}
	pair := f.Root.(torch.Tuple)
	got := pair[0].(*torch.Dict).Tensors()
	if len(got) != 700 {
		t.Fatalf("%d tensors, want 700", len(got))
	}
	for i, g := range got {
		if w := want[i]; g.Name != w.Name || !reflect.DeepEqual(g.Shape, w.Shape) || !bytes.Equal(g.Data, w.Data) {
			t.Errorf("tensor %d is %v, want %v", i, g, w)
		}
	}
	if d, _ := pair[0].(*torch.Dict).Get("layer650.weight"); d != pair[1] {
		t.Error("a tensor that hangs at two places comes back as two")
	}
}
