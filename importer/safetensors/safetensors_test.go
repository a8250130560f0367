package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"onnxclr/importer/safetensors"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
	"onnxclr/internal/golden/bounded"
)

var update = flag.Bool("update", false, "write testdata/checkpoints/safetensors/written.safetensors anew; then run testdata/gen/verify_safetensors.py")

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(golden.Testdata(t, "checkpoints/"+name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A file of the Python package is read with its names, types, shapes and values.
// (importer/torch compares all the others with what torch.save wrote.)
func TestReadPythonsFile(t *testing.T) {
	tensors, metadata, err := safetensors.Read(fixture(t, "torch/dtypes.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(metadata, map[string]string{"case": "dtypes"}) {
		t.Errorf("metadata %v", metadata)
	}
	seen := 0
	for _, tensor := range tensors {
		switch tensor.Name {
		case "special":
			continue
		case "scalar":
			if v, err := tensor.Int64s(); err != nil || len(tensor.Shape) != 0 || v[0] != 1<<40 {
				t.Errorf("scalar: %v of shape %v, error %v", v, tensor.Shape, err)
			}
			continue
		}
		seen++
		if tensor.DType.String() != tensor.Name || !reflect.DeepEqual(tensor.Shape, []int{5, 2}) {
			t.Errorf("%s: %v of shape %v", tensor.Name, tensor.DType, tensor.Shape)
		}
		for i := range 10 {
			want := float64(i)*0.75 - 3.25
			switch {
			case tensor.DType == weights.Bool:
				want = 1
			case tensor.DType == weights.Uint8:
				want = float64(int(max(want, 0)))
			case !tensor.DType.IsFloat():
				want = float64(int(want))
			}
			if got := at(t, tensor, i); got != want {
				t.Errorf("%s[%d] is %v, want %v", tensor.Name, i, got, want)
			}
		}
	}
	if seen != 10 {
		t.Errorf("%d types seen, want 10", seen)
	}
}

func at(t *testing.T, tensor *weights.Tensor, i int) float64 {
	t.Helper()
	if tensor.DType.IsFloat() {
		v, err := tensor.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		return float64(v[i])
	}
	v, err := tensor.Int64s()
	if err != nil {
		t.Fatal(err)
	}
	return float64(v[i])
}

func example() ([]*weights.Tensor, map[string]string) {
	return []*weights.Tensor{
		weights.FromFloat32("fc.weight", []int{2, 3}, []float32{0, 0.5, 1, 1.5, 2, 2.5}),
		{Name: "mask", DType: weights.Bool, Shape: []int{3}, Data: []byte{1, 0, 1}},
		{Name: "half", DType: weights.BFloat16, Shape: []int{1}, Data: []byte{0xc0, 0xbf}},
		weights.FromInt64("bn1.num_batches_tracked", nil, []int64{40}),
		weights.FromFloat32("empty", []int{0, 3}, nil),
		weights.FromFloat32(`quoted "é" <b>`, []int{1}, []float32{7}),
	}, map[string]string{"tool": "onnxclr", "a": "line\n\u2028", "format": "pt"}
}

// Equal arguments give the bytes that the Python package was seen to read, which come
// back in order of alignment.
func TestWrite(t *testing.T) {
	var b bytes.Buffer
	tensors, metadata := example()
	if err := safetensors.Write(&b, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	path := golden.Testdata(t, "checkpoints/safetensors/written.safetensors")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(b.Bytes(), fixture(t, "safetensors/written.safetensors")) {
		t.Error("written bytes differ from written.safetensors, which the Python package reads: see testdata/gen/verify_safetensors.py")
	}
	got, gotMetadata, err := safetensors.Read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(gotMetadata, metadata) {
		t.Errorf("metadata %q, want %q", gotMetadata, metadata)
	}
	for i, from := range []int{3, 0, 4, 5, 2, 1} {
		want := tensors[from]
		if g := got[i]; g.Name != want.Name || g.DType != want.DType || fmt.Sprint(g.Shape) != fmt.Sprint(want.Shape) || !bytes.Equal(g.Data, want.Data) {
			t.Errorf("tensor %d is %v, want %v", i, g, want)
		}
		if start := bytes.Index(b.Bytes(), want.Data); len(want.Data) > 3 && start%want.DType.Size() != 0 {
			t.Errorf("tensor %s begins at byte %d", want.Name, start)
		}
	}
	if &got[0].Data[0] != &b.Bytes()[b.Len()-len("\x00")*(8+24+4+2+3)] {
		t.Error("tensors do not alias the file")
	}
}

func TestWriteFails(t *testing.T) {
	ok := weights.FromFloat32("a", []int{1}, []float32{1})
	for _, c := range []struct {
		tensors  []*weights.Tensor
		metadata map[string]string
		say      string
	}{
		{[]*weights.Tensor{ok, ok}, nil, `"a" is reserved, there twice`},
		{[]*weights.Tensor{{Name: "__metadata__", DType: weights.Bool, Shape: []int{0}}}, nil, "reserved"},
		{[]*weights.Tensor{{Name: "\xff", DType: weights.Bool, Shape: []int{0}}}, nil, "not UTF-8"},
		{[]*weights.Tensor{{Name: "a", DType: weights.Float32, Shape: []int{2}, Data: make([]byte, 4)}}, nil, "4 bytes, want 8"},
		{[]*weights.Tensor{{Name: "a", Shape: []int{2}}}, nil, "unknown element type"},
		{[]*weights.Tensor{{Name: "a", DType: weights.Float32, Shape: []int{-2}}}, nil, "negative dimension"},
		{nil, map[string]string{"a": "\xff"}, `"a" is not UTF-8`},
	} {
		err := safetensors.Write(io.Discard, c.tensors, c.metadata)
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("error %v, want one with %q", err, c.say)
		}
	}
}

// file is a header and data.
func file(header, data string) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func TestMalformed(t *testing.T) {
	const sound = `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`
	if _, _, err := safetensors.Read(file(sound+"   ", "abcdefgh")); err != nil {
		t.Fatal(err)
	}
	one := func(dtype, shape, offsets string) []byte {
		return file(fmt.Sprintf(`{"a":{"dtype":%s,"shape":%s,"data_offsets":%s}}`, dtype, shape, offsets), "abcdefgh")
	}
	two := func(first, second string) []byte {
		return file(fmt.Sprintf(`{"a":{"dtype":"U8","shape":[4],"data_offsets":%s},"b":{"dtype":"U8","shape":[4],"data_offsets":%s}}`, first, second), "abcdefgh")
	}
	if _, _, err := safetensors.Read(two("[4,8]", "[0,4]")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		b    []byte
		say  string
	}{
		{"empty", nil, "0 bytes are too few"},
		{"no header", []byte("abcdefg"), "7 bytes are too few"},
		{"enormous header", append(bytes.Repeat([]byte{0xff}, 8), sound...), "at most 100000000"},
		{"header of 100 MB", []byte("\x00\xe1\xf5\x05\x00\x00\x00\x00{}"), "truncated"},
		{"header of more than 100 MB", []byte("\x01\xe1\xf5\x05\x00\x00\x00\x00{}"), "at most 100000000"},
		{"header of nothing", file("", ""), "begin with {"},
		{"space first", file(" {}", ""), "begin with {"},
		{"list", file("[]", ""), "begin with {"},
		{"not JSON", file(`{"a"`, ""), "not JSON"},
		{"trailing comma", file(`{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},}`, "a"), "not JSON"},
		{"two values", file(`{}{}`, ""), "behind its closing brace"},
		{"not UTF-8", file("{\"\xff\":{}}", ""), "not UTF-8"},
		{"name twice", file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, ""), `"a" is in the header twice`},
		{"attribute twice", file(`{"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}`, ""), `"dtype" is in "a" twice`},
		{"metadata twice", file(`{"__metadata__":{"x":"1","x":"2"}}`, ""), `"x" is in the metadata twice`},
		{"metadata that is a number", file(`{"__metadata__":{"x":1}}`, ""), "no string"},
		{"metadata that is a list", file(`{"__metadata__":[]}`, ""), "no JSON object"},
		{"unknown attribute", file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"strides":[1]}}`, ""), `unknown attribute "strides"`},
		{"missing attribute", file(`{"a":{"dtype":"U8","shape":[0]}}`, ""), "lacks one of"},
		{"tensor that is null", file(`{"a":null}`, ""), "no JSON object"},
		{"deep nesting", file(`{"a":{"shape":`+strings.Repeat("[", 20000), ""), "not a non-negative integer"},

		{"unknown type", one(`"F8_E4M3"`, "[8]", "[0,8]"), `element type "F8_E4M3"`},
		{"lower case", one(`"f32"`, "[2]", "[0,8]"), `element type "f32"`},
		{"type that is a number", one(`5`, "[2]", "[0,8]"), "no string"},
		{"negative size", one(`"F32"`, "[-2]", "[0,8]"), "-2 is not a non-negative integer"},
		{"fraction", one(`"F32"`, "[2.0]", "[0,8]"), "2.0 is not"},
		{"exponent", one(`"F32"`, "[2e0]", "[0,8]"), "2e0 is not"},
		{"size of 2^63", one(`"F32"`, "[9223372036854775808]", "[0,8]"), "impossible shape"},
		{"size of 2^70", one(`"F32"`, "[1180591620717411303424]", "[0,8]"), "not a non-negative integer"},
		{"overflow to 8", one(`"F32"`, "[2305843009213693954,2,2]", "[0,8]"), "overflows"},
		{"many dimensions", one(`"F32"`, "[1"+strings.Repeat(",1", 300)+"]", "[0,8]"), "impossible shape"},
		{"shape that is a number", one(`"F32"`, "2", "[0,8]"), "array of integers"},
		{"one offset", one(`"F32"`, "[2]", "[0]"), "not two numbers"},
		{"three offsets", one(`"F32"`, "[2]", "[0,8,8]"), "not two numbers"},
		{"negative offset", one(`"F32"`, "[2]", "[-8,0]"), "-8 is not"},
		{"backwards", one(`"F32"`, "[2]", "[8,0]"), "at bytes 8 to 0"},
		{"beyond the end", one(`"F32"`, "[2]", "[4,12]"), "at bytes 4 to 12 of 8"},
		{"far beyond", one(`"F32"`, "[2]", "[18446744073709551608,18446744073709551615]"), "of 8"},
		{"too few bytes", one(`"F32"`, "[2]", "[0,4]"), "has 4 bytes, want 8"},
		{"too many bytes", one(`"F32"`, "[1]", "[0,8]"), "has 8 bytes, want 4"},

		{"overlap", two("[0,4]", "[2,6]"), "inside another"},
		{"same bytes", two("[0,4]", "[0,4]"), "inside another"},
		{"hole in front", file(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}`, "abcdefgh"), "4 bytes before"},
		{"hole between", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, "abc"), "1 bytes before"},
		{"hole at the end", file(sound, "abcdefghi"), "1 bytes at the end"},
		{"no tensors but data", file("{}", "abc"), "3 bytes at the end"},
	} {
		_, _, err := safetensors.Read(c.b)
		var format safetensors.FormatError
		var unsupported safetensors.UnsupportedError
		if !errors.As(err, &format) && !errors.As(err, &unsupported) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error %v, want one with %q", c.what, err, c.say)
		}
	}
	for n := range len(sound) + 16 {
		if _, _, err := safetensors.Read(file(sound, "abcdefgh")[:n]); err == nil {
			t.Errorf("read when cut to %d bytes", n)
		}
	}
}

// What is read is well-formed and survives being written.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(golden.Testdata(f, "checkpoints"), "*", "*.safetensors"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(file(`{"__metadata__":{"a":"\u00e9"},"x":{"dtype":"F16","shape":[0,5],"data_offsets":[0,0]}} `, ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		checkFuzzed(t, b)
	})
}

// FuzzHeader feeds headers, whose length is always right, before n zeros.
func FuzzHeader(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"__metadata__":{}}`, `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`,
		`{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2,2],"data_offsets":[4,8]}}`,
		`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`,
		`{"a":{"dtype":"F64","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,8]}}`,
		`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[4,0]}}`, `{"a":{"dtype":"F8_E4M3","shape":[1e3],"data_offsets":[0,1000]}}`,
		`{"a":{},"a":{}}`, `{"a":[[[[[[[[`, `{"\ud800":1}`,
	} {
		f.Add(text, 8)
	}
	f.Fuzz(func(t *testing.T, text string, n int) {
		if n >= 0 && n < 1<<16 {
			checkFuzzed(t, file(text, string(make([]byte, n))))
		}
	})
}

func checkFuzzed(t *testing.T, b []byte) {
	var tensors []*weights.Tensor
	var metadata map[string]string
	var err error
	bounded.Allocation(t, len(b), func() { tensors, metadata, err = safetensors.Read(b) })
	if err != nil {
		return
	}
	var out bytes.Buffer
	if err := safetensors.Write(&out, tensors, metadata); err != nil {
		t.Fatalf("what was read is not written: %v", err)
	}
	again, _, err := safetensors.Read(out.Bytes())
	if err != nil || len(again) != len(tensors) {
		t.Fatalf("what was written is not read: %d tensors of %d, error %v", len(again), len(tensors), err)
	}
}

func BenchmarkRead100MB(b *testing.B) {
	var tensors []*weights.Tensor
	for i := range 320 {
		tensors = append(tensors, weights.FromFloat32(fmt.Sprint("layer", i), []int{80_000}, make([]float32, 80_000)))
	}
	var file bytes.Buffer
	if err := safetensors.Write(&file, tensors, nil); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := safetensors.Read(file.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}

func Example() {
	var file bytes.Buffer
	fc := weights.FromFloat32("fc.weight", []int{1, 2}, []float32{0.5, -1})
	if err := safetensors.Write(&file, []*weights.Tensor{fc}, map[string]string{"format": "pt"}); err != nil {
		fmt.Println(err)
		return
	}
	tensors, metadata, err := safetensors.Read(file.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tensors[0].Name, tensors[0].DType, tensors[0].Shape, metadata["format"])
	// Output:
	// fc.weight float32 [1 2] pt
}
