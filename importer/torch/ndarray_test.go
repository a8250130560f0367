package torch_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden/bounded"
)

// dtype, ndarray and buffer are what numpy pickles.
func dtype(code, order string) string {
	return global("numpy", "dtype") + tuple(str(code), "\x89", "\x88") + "R" + tuple(num(3), str(order), "NNN", num(-1), num(-1), num(0)) + "b"
}

func raw(s string) string { return "C" + string([]byte{byte(len(s))}) + s }

var emptyArray = global("numpy.core.multiarray", "_reconstruct") + tuple(global("numpy", "ndarray"), ints(0), raw("b")) + "R"

func ndarray(shape, dtype, fortran, contents string) string {
	return emptyArray + tuple(num(1), shape, dtype, fortran, contents) + "b"
}

const six = "\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40\x00\x00\x80\x40\x00\x00\xa0\x40\x00\x00\xc0\x40" // 1 to 6

// A pickle that is the whole file gives the numpy arrays in it; in files of torch.save
// they stay opaque.
func TestPickledArrays(t *testing.T) {
	const proto = "\x80\x04"
	for what, c := range map[string]struct {
		pickle string
		want   []float32
	}{
		"row-major":     {ndarray(ints(2, 3), dtype("f4", "<"), "\x89", raw(six)), []float32{1, 2, 3, 4, 5, 6}},
		"Fortran order": {ndarray(ints(2, 3), dtype("f4", "<"), "\x88", raw(six)), []float32{1, 3, 5, 2, 4, 6}},
		"order as ints": {ndarray(ints(2, 3), dtype("f4", "<"), num(1), raw(six)), []float32{1, 3, 5, 2, 4, 6}},
		"big-endian":    {ndarray(ints(2), dtype("f4", ">"), "\x89", raw("\x3f\x80\x00\x00\x40\x00\x00\x00")), []float32{1, 2}},
		"float16":       {ndarray(ints(2), dtype("f2", "<"), "\x89", raw("\x00\x3c\x00\xc0")), []float32{1, -2}},
		"scalar":        {ndarray(")", dtype("f4", "<"), "\x89", raw("\x00\x00\x80\x3f")), []float32{1}},
		"empty":         {ndarray(ints(0, 3), dtype("f4", "<"), "\x89", raw("")), nil},
		"a buffer":      {global("numpy._core.numeric", "_frombuffer") + tuple(raw(six), dtype("f4", "<"), ints(2, 3), str("F")) + "R", []float32{1, 3, 5, 2, 4, 6}},
		"Python 2":      {ndarray(ints(1), dtype("f4", "<"), "\x89", "U\x04\x00\x00\x80\x3f"), []float32{1}},
		"of numpy 2":    {strings.ReplaceAll(ndarray(ints(1), dtype("f4", "<"), "\x89", raw("\x00\x00\x80\x3f")), "numpy.core", "numpy._core"), []float32{1}},
	} {
		f, err := torch.Read([]byte(proto + c.pickle + "."))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		x, ok := f.Root.(*weights.Tensor)
		if !ok || f.Container != "pickle" {
			t.Errorf("%s: %T in %q", what, f.Root, f.Container)
			continue
		}
		got, err := x.Float32s()
		if err != nil || len(got) != len(c.want) {
			t.Errorf("%s: %v, %v", what, got, err)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", what, got, c.want)
				break
			}
		}
		f, err = torch.Read(checkpoint(proto + c.pickle + "."))
		if err != nil {
			t.Errorf("%s, in a file of torch.save: %v", what, err)
		} else if _, ok := f.Root.(*torch.Opaque); !ok {
			t.Errorf("%s, in a file of torch.save: %T, want it opaque", what, f.Root)
		}
	}
	file := []byte(proto + ndarray(ints(2, 3), dtype("f4", "<"), "\x89", raw(six)) + ".")
	f, err := torch.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(file, []byte(six))
	file[at] = 0x55
	if f.Root.(*weights.Tensor).Data[0] != 0x55 {
		t.Error("the array is a copy of the file's bytes")
	}
}

// A pickle of arrays calls no more than one of torch.save, and what does not fit
// together is refused.
func TestMalformedPickledArrays(t *testing.T) {
	f4 := dtype("f4", "<")
	for _, c := range []struct{ what, pickle, say string }{
		{"a call", global("os", "system") + tuple(str("id")) + "R.", "calls os.system"},
		{"a class that is no array", global("numpy.core.multiarray", "_reconstruct") + tuple(global("os", "environ"), ints(0), raw("b")) + "R.", "something else than a numpy.ndarray"},
		{"a loader", global("numpy", "load") + tuple(str("x.npy")) + "R.", "calls numpy.load"},
		{"no contents", emptyArray + ".", "no contents"},
		{"contents twice", ndarray(ints(1), f4, "\x89", raw("abcd")) + tuple(num(1), ints(1), f4, "\x89", raw("abcd")) + "b.", "sets the state of a tensor"},
		{"state of a dict", emptyArray + "}b.", "want a tuple of five"},
		{"too few bytes", ndarray(ints(3), f4, "\x89", raw("abcd")) + ".", "has 4 bytes, want 12"},
		{"too many bytes", ndarray(ints(1), f4, "\x89", raw(six)) + ".", "has 24 bytes, want 4"},
		{"negative shape", ndarray(ints(-1), f4, "\x89", raw("abcd")) + ".", "shape holds -1"},
		{"overflowing shape", ndarray(ints(1<<32, 1<<32), f4, "\x89", raw("")) + ".", "overflows"},
		{"2^42 elements", ndarray(ints(1<<42), f4, "\x89", raw("abcd")) + ".", "want 17592186044416"},
		{"65 dimensions", ndarray(ints(make([]int64, 65)...), f4, "\x89", raw("")) + ".", "at most 64"},
		{"objects", ndarray(ints(1), dtype("O8", "|"), "\x89", "]") + ".", `numpy's type "O8"`},
		{"strings", ndarray(ints(1), dtype("U1", "<"), "\x89", raw("abcd")) + ".", `numpy's type "U1"`},
		{"a type that is none", ndarray(ints(1), "N", "\x89", raw("abcd")) + ".", `numpy's type ""`},
		{"a type that is a name", ndarray(ints(1), global("numpy", "float32"), "\x89", raw("abcd")) + ".", `numpy's type ""`},
		{"contents that are a list", ndarray(ints(1), f4, "\x89", "]") + ".", "a list, want bytes"},
		{"order that is none", ndarray(ints(1), f4, "N", raw("abcd")) + ".", "the order of an array is None"},
		{"buffer without order", global("numpy.core.numeric", "_frombuffer") + tuple(raw("abcd"), f4, ints(1)) + "R.", "wants bytes, a type, a shape and an order"},
		{"storages", storageID("FloatStorage", "0", 4) + ".", "names storages"},
		{"a second pickle", "N.\x80\x04N.", "4 bytes follow"},
		{"nothing", "", "truncated"},
		{"array in itself", "]q\x00h\x00a.", "contains itself"},
	} {
		_, err := torch.Read([]byte("\x80\x04" + c.pickle))
		var format torch.FormatError
		var unsupported torch.UnsupportedError
		var call *torch.CallError
		if !errors.As(err, &format) && !errors.As(err, &unsupported) && !errors.As(err, &call) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error %v, want one with %q", c.what, err, c.say)
		}
	}
	whole := "\x80\x04}" + str("a") + ndarray(ints(2, 3), f4, "\x88", raw(six)) + "s."
	for n := 1; n < len(whole); n++ {
		if _, err := torch.Read([]byte(whole[:n])); err == nil {
			t.Errorf("read when cut to %d bytes", n)
		}
	}
	// One text of Python 2 as the elements of many arrays is copied for each.
	text := "T\x00\x00\x10\x00" + strings.Repeat("k", 1<<20) + "q\x000"
	flood := "\x80\x04" + text + strings.Repeat(ndarray(ints(1<<20), dtype("u1", "|"), "\x89", "h\x00")+"0", 1000) + "N."
	bounded.Allocation(t, len(flood), func() {
		if _, err := torch.Read([]byte(flood)); err == nil {
			t.Error("a thousand copies of a megabyte are read")
		}
	})
}
