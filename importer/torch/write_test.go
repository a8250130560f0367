package torch_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"math"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"

	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
)

var update = flag.Bool("update", false, "write testdata/checkpoints/torch/written*.pth anew; then run testdata/gen/verify_pth.py")

// dict builds a dictionary from keys and values, which alternate.
func dict(class string, pairs ...any) *torch.Dict {
	d := &torch.Dict{Class: class}
	for i := 0; i < len(pairs); i += 2 {
		d.Set(pairs[i], pairs[i+1])
	}
	return d
}

// everything is a tree of all that can be written. testdata/gen/verify_pth.py knows
// what PyTorch must find in it.
func everything() *torch.Dict {
	ramp := make([]float32, 24)
	for i := range ramp {
		ramp[i] = float32(i)*0.5 - 3
	}
	conv := weights.FromFloat32("conv1.weight", []int{2, 3, 2, 2}, ramp)
	bias := weights.FromFloat32("fc.bias", []int{3}, ramp[:3])
	tied := *bias
	tied.Name = "tied.bias"
	state := torch.StateDict([]*weights.Tensor{
		conv, weights.FromInt64("bn1.num_batches_tracked", nil, []int64{12345}), bias, &tied,
		weights.FromFloat32("empty", []int{0, 3}, nil),
	}, dict(torch.OrderedDict, "", dict("", "version", int64(1)), "bn1", dict("", "version", int64(2))))

	raw := func(d weights.DType, data string) *weights.Tensor {
		return &weights.Tensor{DType: d, Shape: []int{len(data) / d.Size()}, Data: []byte(data)}
	}
	kinds := dict("",
		"float64", raw(weights.Float64, "\x00\x00\x00\x00\x00\x00\xf8\x3f"),
		"float16", raw(weights.Float16, "\x00\x3c\x00\xc0"), "bfloat16", raw(weights.BFloat16, "\x80\x3f\xc0\xbf"),
		"int32", raw(weights.Int32, "\xff\xff\xff\xff"), "int16", raw(weights.Int16, "\xfe\xff"),
		"int8", raw(weights.Int8, "\xfd"), "uint8", raw(weights.Uint8, "\xfc"), "bool", raw(weights.Bool, "\x00\x01"))

	many := &torch.List{}
	for i := range int64(2500) {
		many.Items = append(many.Items, i)
	}
	shared := &torch.List{Items: []any{"shared"}}
	return dict("", "state_dict", state, "kinds", kinds, "epoch", int64(7), "many", many, "text", "Zürich → 東京",
		"numbers", torch.Tuple{int64(255), int64(256), int64(65536), int64(-1), int64(1 << 40), int64(-1 << 63),
			new(big.Int).Lsh(big.NewInt(1), 70), new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 64)), true, false, nil},
		"pairs", torch.Tuple{torch.Tuple{}, torch.Tuple{int64(1)}, torch.Tuple{int64(1), int64(2)}, torch.Tuple{int64(1), int64(2), int64(3)}},
		int64(5), "five", "shared", shared, "again", shared)
}

func encode(t testing.TB, root any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := torch.Write(&b, root); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What is written is what PyTorch was seen to load, and reads back as it was.
func TestWrite(t *testing.T) {
	b := encode(t, everything())
	checkWritten(t, "written.pth", b)
	checkWritten(t, "written_floats.pth", encode(t, torch.Tuple{0.1, math.Inf(-1), 5e-324}))
	if !bytes.Equal(b, encode(t, everything())) {
		t.Error("equal trees give different bytes")
	}

	f, err := torch.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "", f.Root, everything())
	root := f.Root.(*torch.Dict)
	if get(t, root, "shared") != get(t, root, "again") {
		t.Error("a list that hangs at two places comes back as two")
	}
	if state := get(t, root, "state_dict").(*torch.Dict); &get(t, state, "fc.bias").(*weights.Tensor).Data[0] != &get(t, state, "tied.bias").(*weights.Tensor).Data[0] {
		t.Error("tied tensors do not share their storage")
	}
	if again := encode(t, root); !bytes.Equal(again, b) {
		t.Error("what was read is written differently")
	}
}

// checkWritten holds bytes against a file that PyTorch was seen to load.
func checkWritten(t *testing.T, name string, b []byte) {
	t.Helper()
	path := golden.Testdata(t, "checkpoints/torch/"+name)
	if *update {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, want) {
		t.Errorf("written bytes differ from %s, which torch.load takes: see testdata/gen/verify_pth.py", name)
	}
}

// compare holds two trees against each other, with tensors by their bytes.
func compare(t *testing.T, path string, got, want any) {
	t.Helper()
	switch w := want.(type) {
	case *torch.Dict:
		g, ok := got.(*torch.Dict)
		if !ok || g.Class != w.Class || g.Len() != w.Len() || (g.Attrs == nil) != (w.Attrs == nil) {
			t.Errorf("%s: got %v, want %v", path, got, want)
			return
		}
		for i := range w.Len() {
			gk, gv := g.At(i)
			wk, wv := w.At(i)
			compare(t, path+"/key", gk, wk)
			compare(t, path+"/"+reflect.ValueOf(wk).String(), gv, wv)
		}
		if w.Attrs != nil {
			compare(t, path+"/attrs", g.Attrs, w.Attrs)
		}
	case *torch.List:
		g, ok := got.(*torch.List)
		if !ok {
			t.Errorf("%s: got %v, want a list", path, got)
			return
		}
		compare(t, path, torch.Tuple(g.Items), torch.Tuple(w.Items))
	case torch.Tuple:
		g, ok := got.(torch.Tuple)
		if !ok || len(g) != len(w) {
			t.Errorf("%s: got %v, want %v", path, got, want)
			return
		}
		for i := range w {
			compare(t, path+"/item", g[i], w[i])
		}
	case *weights.Tensor:
		g, ok := got.(*weights.Tensor)
		if !ok || g.DType != w.DType || !equalShape(g.Shape, w.Shape) || !bytes.Equal(g.Data, w.Data) {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	default:
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, want %#v", path, got, want)
		}
	}
}

// Checkpoints of torch.save survive a round trip.
func TestWriteWhatWasRead(t *testing.T) {
	for _, name := range []string{"state_dict_1.13.pth", "state_dict_2.15.pth", "dtypes_2.15.pth", "views_1.13.pth", "legacy_views_2.15.pth"} {
		first := read(t, name)
		second, err := torch.Read(encode(t, first.Root))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		compare(t, name, second.Root, first.Root)
	}
}

// Storages begin at multiples of 64 bytes, as in files of torch.save, so that a mapped
// file needs no copy.
func TestWriteAligns(t *testing.T) {
	b := encode(t, everything())
	storages := 0
	for at := 0; ; {
		n := bytes.Index(b[at:], []byte("PK\x03\x04"))
		if n < 0 {
			break
		}
		at += n
		name := int(binary.LittleEndian.Uint16(b[at+26:]))
		start := at + 30 + name + int(binary.LittleEndian.Uint16(b[at+28:]))
		if strings.HasPrefix(string(b[at+30:at+30+name]), "archive/data/") {
			storages++
			if start%64 != 0 {
				t.Errorf("%s begins at %d", b[at+30:at+30+name], start)
			}
		}
		at = start
	}
	if storages != 12 {
		t.Errorf("%d storages, want 12", storages)
	}
}

// What cannot be written is an error, and so is a writer that fails.
func TestWriteFails(t *testing.T) {
	cyclic := &torch.List{}
	cyclic.Items = []any{torch.Tuple{cyclic}}
	deep := any(int64(0))
	for range 500 {
		deep = torch.Tuple{deep}
	}
	attrs := &torch.Dict{Attrs: dict("", "a", nil)}
	for _, c := range []struct {
		root any
		say  string
	}{
		{&torch.Opaque{Name: "argparse.Namespace", Args: []any{}}, "argparse.Namespace"},
		{[]byte("x"), "bytes"},
		{&torch.Set{}, "a set"},
		{dict("collections.Counter"), "collections.Counter"},
		{attrs, "attributes"},
		{cyclic, "contains itself"},
		{deep, "nest more than"},
		{&weights.Tensor{Name: "w", DType: weights.Float32, Shape: []int{2}, Data: make([]byte, 4)}, `"w" has 4 bytes, want 8`},
		{&weights.Tensor{Name: "w", Shape: []int{2}, Data: make([]byte, 4)}, "unknown element type"},
		{&weights.Tensor{Name: "w", DType: weights.Uint32, Shape: []int{1}, Data: make([]byte, 4)}, "uint32"},
		{new(big.Int).Lsh(big.NewInt(1), 3000), "an integer of"},
		{struct{}{}, "struct {}"},
	} {
		err := torch.Write(io.Discard, c.root)
		var unsupported torch.UnsupportedError
		if !errors.As(err, &unsupported) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%v: error %v, want one with %q", c.root, err, c.say)
		}
	}
	full := errors.New("disk full")
	whole := len(encode(t, everything()))
	for n := 0; n < whole; n += 97 {
		if err := torch.Write(&limited{n, full}, everything()); !errors.Is(err, full) {
			t.Errorf("a disk full after %d of %d bytes: error %v", n, whole, err)
		}
	}
}

// limited fails after n bytes.
type limited struct {
	n   int
	err error
}

func (l *limited) Write(b []byte) (int, error) {
	if l.n -= len(b); l.n < 0 {
		return 0, l.err
	}
	return len(b), nil
}
