package torch_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
	"onnxclr/internal/golden/bounded"
)

// FuzzRead feeds whole files. What is read must be well-formed and survive being
// written.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(golden.Testdata(f, "checkpoints/torch"), "*.pth"))
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
	f.Add([]byte("\x80\x04}" + str("a") + ndarray(ints(2, 3), dtype("f4", ">"), "\x88", raw(six)) + "s."))
	f.Fuzz(func(t *testing.T, b []byte) { checkFuzzed(t, b) })
}

// FuzzPickle feeds pickles in a sound archive, whose checksums would stop most changes
// of whole files.
func FuzzPickle(f *testing.F) {
	f.Add([]byte(vectorPickle))
	f.Add([]byte("\x80\x02}(" + str("a") + vector + str("b") + "](K\x01M\x00\x01G\x40\x10\x00\x00\x00\x00\x00\x00eu."))
	f.Add([]byte("\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94\x8f\x94(K\x01\x90\x8c\x01b(K\x02\x91u."))
	f.Add([]byte(global("collections", "OrderedDict") + ")Rq\x00}" + str("_metadata") + "}sb0h\x00."))
	f.Add([]byte(global("argparse", "Namespace") + ")\x81}" + str("lr") + "G?\xb9\x99\x99\x99\x99\x99\x9asb."))
	f.Add([]byte(global("numpy.core.multiarray", "scalar") + tuple(global("numpy", "dtype")+tuple(str("f8"), "\x89", "\x88")+"R", "C\x08\x00\x00\x00\x00\x00\x00\xf8\x3f") + "R."))
	f.Add([]byte("(lp0\nI1\naL2L\naF2.5\naS'x'\naVy\na(dp1\ng0\na."))
	f.Add([]byte(global("os", "system") + tuple(str("id")) + "R."))
	f.Add([]byte("(" + str("id") + "ios\nsystem\n."))
	f.Add([]byte("]q\x00h\x00a."))
	f.Add([]byte(tensor(four, 0, ints(1<<30), ints(0)) + "."))
	f.Add([]byte(tensor(four, 1, ints(2, 2), ints(1, 1)) + "."))
	f.Fuzz(func(t *testing.T, pickle []byte) { checkFuzzed(t, checkpoint(string(pickle), floats)) })
}

// FuzzContainer feeds zip archives that are sound but for the fields given, which
// the checksums and offsets of whole files would hide from most changes.
func FuzzContainer(f *testing.F) {
	f.Add("archive/data.pkl", "archive/data.pkl", "archive/data/0", []byte(vectorPickle), floats, uint16(0), uint16(0), uint16(0), uint32(0), 0, 0, 0)
	f.Add("archive/DATA.PKL", "archive/data.pkl", "archive/data/0", []byte(vectorPickle), floats, uint16(0), uint16(0), uint16(0), uint32(0), 0, 0, 0)
	f.Add("a/data.pkl", "a/data.pkl", "a/../data/0", []byte("N."), floats, uint16(0), uint16(1), uint16(1), uint32(0), 0, 0, 0)
	f.Add("archive/data.pkl", "archive/data.txt", "archive/data/0", []byte(vectorPickle), floats, uint16(8), uint16(0), uint16(8), uint32(1), 4, 12, -30)
	f.Add("data.pkl", "data.pkl", "data/0", []byte(vectorPickle), floats, uint16(0), uint16(0), uint16(0), uint32(0), 1<<31-1, 1<<31-1, 1<<30)
	f.Fuzz(func(t *testing.T, pickle, local, storage string, program, data []byte, method, flags, localFlags uint16, crc uint32, size, packed, offset int) {
		if len(pickle)+len(local)+len(storage) > 3<<14 {
			return // the test's own archive writer has 16 bits for a name
		}
		b, _ := zipArchive(
			zipEntry{name: pickle, local: local, data: program, flags: flags, localFlags: localFlags},
			zipEntry{name: storage, data: data, method: method, crcError: crc, size: size, packed: packed, offset: offset},
			zipEntry{name: "archive/version", data: []byte("3\n")})
		checkFuzzed(t, b)
	})
}

// FuzzLegacy feeds the parts of a file of the format before PyTorch 1.6: the version,
// the facts about the machine, the object, the keys of its storages, and the storages.
func FuzzLegacy(f *testing.F) {
	const v1001 = "M\xe9\x03"
	little, big := "}"+str("little_endian")+"\x88s", "}"+str("little_endian")+"\x89s"
	one := tensor(legacyStorageID("a", 4), 0, ints(4), ints(1))
	part := tensor(partID(tuple(str("b"), num(1), num(3))), 1, ints(2), ints(1))
	key := "]" + str("a") + "a"
	f.Add(v1001, little, one, key, []byte(counted(4, string(floats))))
	f.Add(v1001, big, one, key, []byte(bigCounted(4, string(floats))))
	f.Add(v1001, little, part, key, []byte(counted(4, string(floats))))
	f.Add("K\x01", "N", one, "](", []byte(counted(-1, "")))
	f.Add(v1001, little, global("os", "system")+tuple(str("id"))+"R", "]", []byte{})
	f.Add(v1001, little, tensor(legacyStorageID("a", 1<<42), 0, ints(1<<42), ints(1)), key, []byte(counted(1<<42, "abcd")))
	f.Fuzz(func(t *testing.T, version, info, pickle, keys string, storages []byte) {
		checkFuzzed(t, legacy(version, info, pickle, keys, string(storages)))
	})
}

func checkFuzzed(t *testing.T, b []byte) {
	kept := bytes.Clone(b)
	var f *torch.File
	var err error
	bounded.Allocation(t, len(b), func() { f, err = torch.Read(b) })
	if !bytes.Equal(b, kept) {
		t.Fatal("the file's bytes were changed")
	}
	if err != nil {
		return
	}
	for path, tensor := range flatten("", f.Root, map[string]*weights.Tensor{}) {
		size, err := weights.ByteSize(tensor.Shape, tensor.DType)
		if err != nil || size != len(tensor.Data) {
			t.Fatalf("tensor %s: %d bytes for %v of %v, error %v", path, len(tensor.Data), tensor.Shape, tensor.DType, err)
		}
	}
	var out bytes.Buffer
	if torch.Write(&out, f.Root) != nil {
		return // something opaque
	}
	again, err := torch.Read(out.Bytes())
	if err != nil {
		t.Fatalf("what was written is not read: %v", err)
	}
	var twice bytes.Buffer
	if err := torch.Write(&twice, again.Root); err != nil || !bytes.Equal(out.Bytes(), twice.Bytes()) {
		t.Fatalf("a second round trip differs (%v)", err)
	}
}
