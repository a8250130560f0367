package torch_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
)

const magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."

// legacy is a file of the format before PyTorch 1.6.
func legacy(version, info, pickle, keys string, storages ...string) []byte {
	return []byte(magic + "\x80\x02" + version + ".\x80\x02" + info + ".\x80\x02" + pickle + ".\x80\x02" + keys + "." + strings.Join(storages, ""))
}

// counted is a storage behind its number of elements.
func counted(n int64, data string) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(n))) + data
}

// legacyStorageID has a sixth field, a view of another storage.
func legacyStorageID(key string, count int64) string {
	return tuple(str("storage"), global("torch", "FloatStorage"), str(key), str("cpu"), num(count), "N") + "Q"
}

// bigCounted is counted on a big-endian machine with a PyTorch up to 1.1.
func bigCounted(n int64, data string) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(n))) + data
}

// partID is a storage that is a part of storage a, as before PyTorch 0.4.
func partID(part string) string {
	return tuple(str("storage"), global("torch", "FloatStorage"), str("a"), str("cpu"), num(4), part) + "Q"
}

// The elements are little-endian on any machine, the counts before them were not
// always; and a storage may be a part of another one.
func TestLegacyVariations(t *testing.T) {
	const v1001 = "M\xe9\x03"
	little, big := "}"+str("little_endian")+"\x88s", "}"+str("little_endian")+"\x89s"
	key := "]" + str("a") + "a"
	whole := tensor(legacyStorageID("a", 4), 0, ints(4), ints(1))
	part := tensor(partID(tuple(str("b"), num(1), num(3))), 1, ints(2), ints(1))
	for _, c := range []struct {
		what string
		b    []byte
		want []float32
	}{
		{"little-endian", legacy(v1001, little, whole, key, counted(4, string(floats))), []float32{1, 2, 3, 4}},
		{"big-endian, PyTorch 1.2 to 1.5", legacy(v1001, big, whole, key, counted(4, string(floats))), []float32{1, 2, 3, 4}},
		{"big-endian, PyTorch up to 1.1", legacy(v1001, big, whole, key, bigCounted(4, string(floats))), []float32{1, 2, 3, 4}},
		{"no word of the byte order", legacy(v1001, "}", whole, key, counted(4, string(floats))), []float32{1, 2, 3, 4}},
		{"part of a storage", legacy(v1001, little, part, key, counted(4, string(floats))), []float32{3, 4}},
	} {
		f, err := torch.Read(c.b)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		got, err := f.Root.(*weights.Tensor).Float32s()
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v (%v), want %v", c.what, got, err, c.want)
		}
	}
}

func TestMalformedLegacyFiles(t *testing.T) {
	const v1001 = "M\xe9\x03"
	info := "}" + str("little_endian") + "\x88s"
	one := tensor(legacyStorageID("a", 4), 0, ints(4), ints(1))
	two := tuple(one, tensor(legacyStorageID("b", 1), 0, ")", ")"))
	key := "]" + str("a") + "a"
	keys := "](" + str("a") + str("b") + "e"
	four := counted(4, string(floats))
	if _, err := torch.Read(legacy(v1001, info, one, key, four)); err != nil {
		t.Fatal(err)
	}
	if _, err := torch.Read(legacy(v1001, info, two, keys, four, counted(1, "abcd"))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		b    []byte
		say  string
	}{
		{"call", legacy(v1001, info, global("os", "system")+tuple(str("id"))+"R", "]"), "calls os.system"},
		{"call in the facts", legacy(v1001, global("os", "system")+tuple(str("id"))+"R", "N", "]"), "calls os.system"},
		{"call in the keys", legacy(v1001, info, "N", global("os", "system")+tuple(str("id"))+"R"), "calls os.system"},
		{"call instead of the version", legacy(global("os", "system")+tuple(str("id"))+"R", info, "N", "]"), "calls os.system"},
		{"another version", legacy("K\x01", info, one, key, four), "version 1 "},
		{"big-endian count of a little-endian file", legacy(v1001, info, one, key, bigCounted(4, string(floats))), "288230376151711744 elements"},
		{"facts that are a list", legacy(v1001, "]", one, key, four), "no dictionary"},
		{"keys that are a string", legacy(v1001, info, one, str("a"), four), "no list"},
		{"keys that declare a storage", legacy(v1001, info, one, key[:len(key)-1]+legacyStorageID("b", 1)+"0a", four), "no list"},
		{"unknown key", legacy(v1001, info, one, keys, four, counted(1, "abcd")), `"b", which no tensor uses`},
		{"integer key", legacy(v1001, info, one, "]K\x05a", four), "5, which no tensor uses"},
		{"missing key", legacy(v1001, info, two, key, four), `"b" is missing`},
		{"key twice", legacy(v1001, info, one, "]("+str("a")+str("a")+"e", four, four), `"a" twice`},
		{"fewer elements", legacy(v1001, info, one, key, counted(3, string(floats))), "3 elements, the pickle declares 4"},
		{"more elements", legacy(v1001, info, one, key, counted(5, string(floats)+"abcd")), "5 elements"},
		{"negative count", legacy(v1001, info, one, key, counted(-4, string(floats))), "elements, the pickle declares 4"},
		{"cut short", legacy(v1001, info, one, key, counted(4, string(floats[:15]))), "truncated"},
		{"no count", legacy(v1001, info, one, key, "abc"), "truncated before"},
		{"more bytes", legacy(v1001, info, one, key, four, "x"), "1 bytes follow"},
		{"2^42 elements", legacy(v1001, info, tensor(legacyStorageID("a", 1<<42), 0, ints(1<<42), ints(1)), key, counted(1<<42, "abcd")), "truncated"},
		{"part beyond its storage", legacy(v1001, info, partID(tuple(str("b"), num(2), num(3))), key, four), `"b" is elements 2 to 5 of storage "a", which has 4`},
		{"part at a negative offset", legacy(v1001, info, partID(tuple(str("b"), num(-1), num(3))), key, four), "elements -1 to 2"},
		{"part that overflows", legacy(v1001, info, partID(tuple(str("b"), num(1), num(1<<62))), key, four), "which has 4"},
		{"part of two fields", legacy(v1001, info, partID(tuple(str("b"), num(1))), key, four), "want a tuple of three"},
		{"part of wrong types", legacy(v1001, info, partID(tuple(str("b"), "N", num(1))), key, four), "wrong types"},
		{"tensor beyond its part", legacy(v1001, info, tensor(partID(tuple(str("b"), num(1), num(2))), 0, ints(3), ints(1)), key, four), "beyond its storage of 2"},
		{"second pickle inside", legacy(v1001, info, "N\x80\x02", key, four), "second pickle"},
	} {
		_, err := torch.Read(c.b)
		var format torch.FormatError
		var unsupported torch.UnsupportedError
		var call *torch.CallError
		if !errors.As(err, &format) && !errors.As(err, &unsupported) && !errors.As(err, &call) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error %v, want one with %q", c.what, err, c.say)
		}
	}
}
