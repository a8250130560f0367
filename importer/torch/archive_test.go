package torch_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
)

var vectorPickle = "\x80\x02" + vector + "."

// sound is an archive that is read, for the cases to spoil.
func sound() []zipEntry { return entries(vectorPickle, floats) }

// Where two readers of zip files could see different things, and where a file is
// damaged, it is refused with what is wrong.
func TestMalformedArchives(t *testing.T) {
	with := func(change func(e []zipEntry) []zipEntry) []byte {
		b, _ := zipArchive(change(sound())...)
		return b
	}
	also := func(e zipEntry) []byte {
		return with(func(list []zipEntry) []zipEntry { return append(list, e) })
	}
	good, directory := zipArchive(sound()...)
	patch := func(at int, v ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], v)
		return b
	}
	le := binary.LittleEndian
	end := len(good) - 22
	for _, c := range []struct {
		what string
		b    []byte
		say  string
	}{
		// names
		{"mangled case", with(func(e []zipEntry) []zipEntry { e[0].name = "archive/DATA.PKL"; return e }), "not spelled data.pkl"},
		{"pickle that is a folder", with(func(e []zipEntry) []zipEntry { e[0].name = "archive/data.pkl/"; return e }), "is a folder, want the pickle"},
		{"mangled case beside", also(zipEntry{name: "archive/Data.pkl"}), "the same name"},
		{"mangled case in another folder", also(zipEntry{name: "x/Data.pkl"}), "not spelled data.pkl"},
		{"storage mangled", with(func(e []zipEntry) []zipEntry { e[1].name = "archive/Data/0"; return e }), "is missing"},
		{"duplicate", also(zipEntry{name: "archive/data.pkl", data: []byte("N.")}), "the same name"},
		{"duplicate storage", also(zipEntry{name: "archive/data/0", data: floats}), "the same name"},
		{"two pickles", also(zipEntry{name: "other/data.pkl", data: []byte("N.")}), "two pickles"},
		{"no pickle", with(func(e []zipEntry) []zipEntry { return e[1:] }), "no data.pkl"},
		{"parent folder", also(zipEntry{name: "../x"}), "stay in its folder"},
		{"parent folder within", also(zipEntry{name: "archive/../../x"}), "stay in its folder"},
		{"absolute", also(zipEntry{name: "/etc/x"}), "stay in its folder"},
		{"backslash", also(zipEntry{name: `archive\data\0`}), "stay in its folder"},
		{"drive", also(zipEntry{name: "C:x"}), "stay in its folder"},
		{"double slash", also(zipEntry{name: "archive//data.pkl"}), "stay in its folder"},
		{"zero byte", also(zipEntry{name: "archive/data.pkl\x00.txt"}), "stay in its folder"},
		{"no name", also(zipEntry{name: ""}), "stay in its folder"},

		// headers
		{"encrypted", with(func(e []zipEntry) []zipEntry { e[0].flags = 1; return e }), "encrypted"},
		{"encrypted in the directory only", with(func(e []zipEntry) []zipEntry { e[0].flags = 1; e[0].localFlags = 1; return e }), "encrypted"},
		{"encrypted in the local header only", with(func(e []zipEntry) []zipEntry { e[0].localFlags = 1; return e }), "flags 0x1"},
		{"masked headers", with(func(e []zipEntry) []zipEntry { e[0].flags = 1 << 13; return e }), "encrypted"},
		{"another local name", with(func(e []zipEntry) []zipEntry { e[0].local = "archive/data.txt"; return e }), `called "archive/data.txt"`},
		{"another local size", with(func(e []zipEntry) []zipEntry { e[0].localSize = 1; return e }), "differs in size"},
		{"damaged pickle", with(func(e []zipEntry) []zipEntry { e[0].crcError = 1; return e }), "damaged"},
		{"damaged storage", with(func(e []zipEntry) []zipEntry { e[1].crcError = 1 << 31; return e }), `"archive/data/0" is damaged`},
		{"compressed pickle", with(func(e []zipEntry) []zipEntry { e[0].method = 8; return e }), "compressed"},
		{"bomb", with(func(e []zipEntry) []zipEntry { e[1].method = 8; e[1].packed = 16; e[1].size = 1<<31 - 1; return e }), "compressed"},
		{"stored with two sizes", with(func(e []zipEntry) []zipEntry { e[1].packed = 12; return e }), "stored in 12 bytes, want its size 16"},
		{"too long", with(func(e []zipEntry) []zipEntry { e[2].size = 1 << 20; return e }), "beyond the archive"},
		{"over the next", with(func(e []zipEntry) []zipEntry { e[1].size = 20; return e }), "overlap"},
		{"same bytes twice", with(func(e []zipEntry) []zipEntry {
			e[2] = zipEntry{name: e[1].name + "0", local: e[1].name, omit: true, data: floats, offset: -(30 + len(e[1].name) + len(floats))}
			return e
		}), "called"},
		{"no local header", with(func(e []zipEntry) []zipEntry { e[1].offset = 1; return e }), "no local header"},
		{"local header beyond the end", with(func(e []zipEntry) []zipEntry { e[1].offset = 1 << 30; return e }), "no local header"},

		// the end
		{"prefix", append([]byte("PKPK"), good...), "does not end where"},
		{"suffix", append(bytes.Clone(good), "x"...), "no end"},
		{"only an end", endRecord(0, 0, 0), "empty"},
		{"count too small", patch(end+8, 2, 0, 2, 0), "follow the last of 2"},
		{"count too large", patch(end+8, 4, 0, 4, 0), "4 entries in a directory"},
		{"count enormous", patch(end+8, 0xfe, 0xff, 0xfe, 0xff), "65534 entries"},
		{"directory elsewhere", patch(end+16, 0, 0, 0, 0), "does not end where"},
		{"directory too long", patch(end+12, 0xff, 0xff, 0xff, 0xff), "does not end where"},
		{"directory damaged", patch(directory, 'Q'), "damaged"},
		{"name too long", patch(directory+28, 0xff, 0xff), "cut short"},
		{"first entry gone", good[30+len("archive/data.pkl")+len(vectorPickle):], "does not end where"},
		{"in parts", patch(end+4, 1, 0), "several parts"},

		// the small entries
		{"newer format", with(func(e []zipEntry) []zipEntry { e[2].data = []byte("11\n"); return e }), "format version 11"},
		{"no format", with(func(e []zipEntry) []zipEntry { e[2].data = []byte("x"); return e }), `holds "x"`},
		{"no byte order", also(zipEntry{name: "archive/byteorder", data: []byte("middle")}), "want little or big"},

		// other zip files
		{"zipped checkpoint", func() []byte { b, _ := zipArchive(zipEntry{name: "resnet.pth", method: 8}); return b }(), "unpack it first"},
		{"npz", func() []byte { b, _ := zipArchive(zipEntry{name: "view1.npy"}); return b }(), "NumPy archive"},
		{"any", func() []byte { b, _ := zipArchive(zipEntry{name: "a.txt"}); return b }(), `no data.pkl but "a.txt"`},
	} {
		_, err := torch.Read(c.b)
		var format torch.FormatError
		var unsupported torch.UnsupportedError
		if !errors.As(err, &format) && !errors.As(err, &unsupported) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error %v, want one with %q", c.what, err, c.say)
		}
	}

	// An end record of 64 bits must agree with that of 32.
	for _, c := range []struct {
		what          string
		count, offset uint64
		length        uint64
		say           string
	}{
		{"agreeing", 3, uint64(directory), 44, ""},
		{"another count", 2, uint64(directory), 44, "disagree"},
		{"another directory", 3, 0, 44, "disagree"},
		{"another length", 3, uint64(directory), 45, "wrong length"},
	} {
		b := bytes.Clone(good[:end])
		b = append(b, "PK\x06\x06"...)
		b = le.AppendUint64(b, c.length)
		b = append(b, 30, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		b = le.AppendUint64(b, c.count)
		b = le.AppendUint64(b, c.count)
		b = le.AppendUint64(b, uint64(end-directory))
		b = le.AppendUint64(b, c.offset)
		b = append(b, "PK\x06\x07\x00\x00\x00\x00"...)
		b = le.AppendUint64(b, uint64(end))
		b = append(b, 1, 0, 0, 0)
		b = append(b, good[end:]...)
		if _, err := torch.Read(b); c.say == "" && err != nil || c.say != "" && (err == nil || !strings.Contains(err.Error(), c.say)) {
			t.Errorf("64-bit end, %s: error %v, want one with %q", c.what, err, c.say)
		}
	}
}

// The folder's name, a comment, entries of no interest and their compression change
// nothing.
func TestArchiveVariations(t *testing.T) {
	rename := func(folder string) []byte {
		e := sound()
		for i := range e {
			e[i].name = folder + strings.TrimPrefix(e[i].name, "archive/")
		}
		b, _ := zipArchive(e...)
		return b
	}
	comment, _ := zipArchive(sound()...)
	comment[len(comment)-2] = 5
	comment = append(comment, "hello"...)
	extra, _ := zipArchive(append(sound(), zipEntry{name: "archive/"}, zipEntry{name: "archive/.data/x", data: []byte("x"), method: 8})...)
	unchecked, _ := zipArchive(sound()...)
	for what, b := range map[string][]byte{
		"any folder": rename("my model v2/"), "nested folder": rename("a/b/"), "no folder": rename(""),
		"comment": comment, "more entries": extra, "plain": unchecked,
	} {
		f, err := torch.Read(b)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if got := f.Root.(*weights.Tensor); !bytes.Equal(got.Data, floats) {
			t.Errorf("%s: % x", what, got.Data)
		}
	}
}

// Tensors lie in the file's own bytes unless they are not contiguous.
func TestTensorsAliasTheFile(t *testing.T) {
	row := tensor(four, 2, ints(1, 2), ints(7, 1)) // a stride over one element is free
	column := tensor(four, 1, ints(2, 1), ints(2, 1))
	b := checkpoint(tuple(row, column)+".", floats)
	f, err := torch.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, floats)
	b[at+8] = 0x55 // the third element
	pair := f.Root.(torch.Tuple)
	if got := pair[0].(*weights.Tensor).Data[0]; got != 0x55 {
		t.Errorf("a contiguous tensor is a copy: % x", got)
	}
	if got := pair[1].(*weights.Tensor).Data; !bytes.Equal(got, append(bytes.Clone(floats[4:8]), floats[12:]...)) {
		t.Errorf("a column is % x", got)
	}
}

// Storages of a big-endian machine are turned around, by the size of their elements.
func TestBigEndian(t *testing.T) {
	storages := [][]byte{
		{0x3f, 0x80, 0, 0, 0x40, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 5}, {0x3c, 0, 0xc0, 0}, {1, 2},
	}
	pickle := tuple(
		tensor(storageID("FloatStorage", "0", 2), 0, ints(2), ints(1)),
		tensor(storageID("LongStorage", "1", 1), 0, ")", ")"),
		tensor(storageID("HalfStorage", "2", 2), 0, ints(2), ints(1)),
		tensor(storageID("ByteStorage", "3", 2), 0, ints(2), ints(1)),
	) + "."
	b, _ := zipArchive(append(entries(pickle, storages...), zipEntry{name: "archive/byteorder", data: []byte("big")})...)
	f, err := torch.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	var got []float64
	for _, v := range f.Root.(torch.Tuple) {
		tensor := v.(*weights.Tensor)
		if tensor.DType.IsFloat() {
			v, _ := tensor.Float32s()
			for _, x := range v {
				got = append(got, float64(x))
			}
			continue
		}
		v, _ := tensor.Int64s()
		for _, x := range v {
			got = append(got, float64(x))
		}
	}
	want := []float64{1, 2, 5, 1, -2, 1, 2}
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}
