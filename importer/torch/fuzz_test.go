package torch_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
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

func checkFuzzed(t *testing.T, b []byte) {
	kept := bytes.Clone(b)
	f, err := torch.Read(b)
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
