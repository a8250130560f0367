package npy

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"onnxclr/importer/weights"
	"onnxclr/internal/golden/bounded"
)

const golden = "../../testdata/golden/npy/"

// ramp is what testdata/gen/npy.py stores: -3, -2.5, -2, ... in steps of step.
func ramp(n int, step float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = float64(i)*step - 3
	}
	return out
}

func TestReadsWhatNumPyWrites(t *testing.T) {
	for _, tc := range []struct {
		file  string
		shape []int
		want  []float64
	}{
		{"f4.npy", []int{2, 3}, ramp(6, .5)},
		{"f8.npy", []int{2, 3}, ramp(6, .5)},
		{"f2.npy", []int{2, 3}, ramp(6, .5)},
		{"f4_big.npy", []int{2, 3}, ramp(6, .5)},
		{"f8_big.npy", []int{2, 3}, ramp(6, .5)},
		{"f2_big.npy", []int{2, 3}, ramp(6, .5)},
		{"f4_fortran.npy", []int{2, 3}, ramp(6, .5)},
		{"f8_fortran3_big.npy", []int{2, 3, 4}, ramp(24, .5)},
		{"version2.npy", []int{2, 3}, ramp(6, .5)},
		{"i8.npy", []int{2, 3}, ramp(6, 1)},
		{"i4_big.npy", []int{2, 3}, ramp(6, 1)},
		{"i2.npy", []int{2, 3}, ramp(6, 1)},
		{"i1.npy", []int{2, 3}, ramp(6, 1)},
		{"vector.npy", []int{6}, ramp(6, .5)},
		{"scalar.npy", []int{}, ramp(1, 1)},
		{"empty.npy", []int{0, 3}, []float64{}},
		{"bool.npy", []int{3}, []float64{1, 0, 1}},
	} {
		t.Run(tc.file, func(t *testing.T) {
			a, err := Open(golden + tc.file)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			if !slices.Equal(a.Shape, tc.shape) {
				t.Errorf("shape %v, want %v", a.Shape, tc.shape)
			}
			f64, err := a.Float64s()
			if err != nil || !slices.Equal(f64, tc.want) {
				t.Errorf("Float64s: %v %v, want %v", f64, err, tc.want)
			}
			f32, err := a.Float32s()
			if err != nil || len(f32) != len(tc.want) {
				t.Fatalf("Float32s: %v %v", f32, err)
			}
			for i, v := range f32 {
				if float64(v) != tc.want[i] {
					t.Errorf("Float32s[%d] = %v, want %v", i, v, tc.want[i])
				}
			}
			i64, err := a.Int64s()
			if a.DType.IsFloat() != (err != nil) {
				t.Fatalf("Int64s of %v: error %v", a.DType, err)
			}
			for i, v := range i64 {
				if float64(v) != tc.want[i] {
					t.Errorf("Int64s[%d] = %v, want %v", i, v, tc.want[i])
				}
			}
			tensor := a.Tensor("x")
			again, err := tensor.Float32s()
			if !tensor.DType.IsFloat() {
				again = nil
				var whole []int64
				whole, err = tensor.Int64s()
				for _, v := range whole {
					again = append(again, float32(v))
				}
			}
			if err != nil || !slices.Equal(again, f32) || !slices.Equal(tensor.Shape, tc.shape) {
				t.Errorf("Tensor: %v %v of shape %v, want %v", again, err, tensor.Shape, f32)
			}
			if len(a.Shape) == 2 && a.Shape[0] > 0 {
				row := make([]float64, 3)
				if err := a.Row(1, row); err != nil || !slices.Equal(row, tc.want[3:]) {
					t.Errorf("Row(1) = %v %v, want %v", row, err, tc.want[3:])
				}
			}
		})
	}
}

func TestRowErrors(t *testing.T) {
	a, err := Open(golden + "f4.npy")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for name, err := range map[string]error{
		"negative row":       a.Row(-1, make([]float64, 3)),
		"row beyond":         a.Row(2, make([]float64, 3)),
		"narrow":             a.Row(0, make([]float64, 2)),
		"block beyond":       a.Rows(1, 2, make([]float64, 6)),
		"block without room": a.Rows(0, 2, make([]float64, 5)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	v, err := Open(golden + "vector.npy")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if err := v.Row(0, make([]float64, 6)); err == nil || !strings.Contains(err.Error(), "two dimensions") {
		t.Errorf("row of a vector: %v", err)
	}
}

func TestUnsignedBeyondInt64(t *testing.T) {
	a, err := Open(golden + "u8.npy")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if f, _ := a.Float64s(); f[2] != 1<<63 {
		t.Errorf("Float64s()[2] = %v, want 2^63", f[2])
	}
	if _, err := a.Int64s(); err == nil || !strings.Contains(err.Error(), "9223372036854775808") {
		t.Errorf("Int64s: %v, want an error naming the value", err)
	}
}

func TestRefusesByKind(t *testing.T) {
	for file, want := range map[string]string{
		"object.npy":     "never executed",
		"structured.npy": "structured",
		"complex.npy":    "c8",
	} {
		_, err := Open(golden + file)
		var u UnsupportedError
		if !errors.As(err, &u) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: got %v, want an UnsupportedError with the file and %q", file, err, want)
		}
	}
}

// npyFile builds a version 1 file around a header that may be nonsense.
func npyFile(dict string, data int) []byte {
	b := append([]byte(magic+"\x01\x00"), byte(len(dict)), byte(len(dict)>>8))
	return append(append(b, dict...), make([]byte, data)...)
}

func TestMalformed(t *testing.T) {
	valid, err := os.ReadFile(golden + "f4.npy")
	if err != nil {
		t.Fatal(err)
	}
	dict := func(shape string) string {
		return "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }\n"
	}
	for _, tc := range []struct {
		name string
		in   []byte
		want string
	}{
		{"empty", nil, "too few"},
		{"not npy", []byte("PK\x03\x04 something else"), "starts with"},
		{"magic only", valid[:8], "too few"},
		{"header cut", valid[:40], "truncated"},
		{"data cut", valid[:len(valid)-1], "truncated"},
		{"trailing byte", append(slices.Clone(valid), 0), "follow"},
		{"version 9", []byte(magic + "\x09\x00\x10\x00          "), "version"},
		{"4 GB header", []byte(magic + "\x02\x00\xff\xff\xff\xff{}"), "at most"},
		{"overflow", npyFile(dict("(4294967296, 4294967296, 4)"), 4), "overflow"},
		{"huge", npyFile(dict("(1099511627776,)"), 4), "truncated"},
		{"negative", npyFile(dict("(-1, 2)"), 8), "dimension"},
		{"dimension beyond int", npyFile(dict("(99999999999999999999,)"), 8), "dimension"},
		{"65 dimensions", npyFile(dict("("+strings.Repeat("1, ", 65)+")"), 4), "64 dimensions"},
		{"no shape", npyFile("{'descr': '<f4', 'fortran_order': False}", 4), "needs the keys"},
		{"repeated key", npyFile("{'shape': (1,), 'shape': (1,), 'descr': '<f4', 'fortran_order': False}", 4), "repeated"},
		{"open brace", npyFile("{'descr': '<f4', ", 4), "header"},
		{"open quote", npyFile("{'descr: <f4, ", 4), "quoted"},
		{"call", npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': exit()}", 4), "want ("},
		{"text after", npyFile(dict("(1,)")+"boo", 4), "after"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Decode(tc.in)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestWriteMatchesNumPy(t *testing.T) {
	for file, write := range map[string]func(*bytes.Buffer) error{
		"f4.npy":     func(b *bytes.Buffer) error { return Write(b, []int{2, 3}, []float32{-3, -2.5, -2, -1.5, -1, -.5}) },
		"f8.npy":     func(b *bytes.Buffer) error { return Write(b, []int{2, 3}, []float64{-3, -2.5, -2, -1.5, -1, -.5}) },
		"i8.npy":     func(b *bytes.Buffer) error { return Write(b, []int{2, 3}, []int64{-3, -2, -1, 0, 1, 2}) },
		"vector.npy": func(b *bytes.Buffer) error { return Write(b, []int{6}, []float32{-3, -2.5, -2, -1.5, -1, -.5}) },
		"scalar.npy": func(b *bytes.Buffer) error { return Write(b, nil, []float64{-3}) },
		"empty.npy":  func(b *bytes.Buffer) error { return Write(b, []int{0, 3}, []float32{}) },
	} {
		want, err := os.ReadFile(golden + file)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := write(&got); err != nil {
			t.Errorf("%s: %v", file, err)
		} else if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: wrote\n%q\nNumPy writes\n%q", file, got.Bytes(), want)
		}
	}
}

func TestWriteErrors(t *testing.T) {
	var b bytes.Buffer
	for name, err := range map[string]error{
		"too few":  Write(&b, []int{2, 3}, make([]float32, 5)),
		"too many": Write(&b, []int{2, 3}, make([]float32, 7)),
		"negative": Write(&b, []int{-1}, []float32{}),
		"type":     Write(&b, []int{1}, []int32{1}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	w, err := NewWriter(&b, weights.Float32, []int{2, 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append([]float64{1}); err == nil {
		t.Error("float64 appended to float32")
	}
	if err := w.Append([]float32{1, 2, 3}); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "1 elements") {
		t.Errorf("incomplete array: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob(golden + "*.npy")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var a *Array
		var err error
		bounded.Allocation(t, len(b), func() { a, err = Decode(b) })
		if err != nil {
			return
		}
		v, err := a.Float64s()
		if err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		if err := Write(&again, a.Shape, v); err != nil {
			t.Fatal(err)
		}
		a2, err := Decode(again.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		v2, _ := a2.Float64s()
		for i := range v {
			if v[i] != v2[i] && v[i] == v[i] {
				t.Fatalf("element %d: %v became %v", i, v[i], v2[i])
			}
		}
		if len(a.Shape) == 2 && a.Shape[0] > 0 {
			if err := a.Row(a.Shape[0]-1, make([]float64, a.Shape[1])); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func BenchmarkRows(b *testing.B) {
	var buf bytes.Buffer
	if err := Write(&buf, []int{64, 2048}, make([]float32, 64*2048)); err != nil {
		b.Fatal(err)
	}
	a, err := Decode(buf.Bytes())
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]float64, 64*2048)
	b.SetBytes(int64(len(a.data)))
	for b.Loop() {
		if err := a.Rows(0, 64, dst); err != nil {
			b.Fatal(err)
		}
	}
}

// What was forgotten is read again from the file.
func TestForget(t *testing.T) {
	const rows, cols = 3000, 7
	want := make([]float64, rows*cols)
	for i := range want {
		want[i] = float64(i)
	}
	path := filepath.Join(t.TempDir(), "a.npy")
	var b bytes.Buffer
	if err := Write(&b, []int{rows, cols}, want); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	got := make([]float64, rows*cols)
	for _, part := range [][2]int{{0, rows}, {17, 2500}, {0, 0}, {rows, 0}, {-1, 5}, {10, rows}} {
		a.Forget(part[0], part[1])
		if err := a.Rows(0, rows, got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("after forgetting %v the rows differ", part)
		}
	}
}
