package torch

import (
	"bytes"
	"strings"
)

// headroom is what the contents of a small file may allocate beyond four times its
// size; what is left of 64 MiB is for reading it.
const headroom = 60 << 20

// Read decodes a checkpoint, of the zip format or the one before PyTorch 1.6, or a
// pickle of numpy arrays, held in b, which the tensors alias and b's owner must neither change nor unmap while they
// are in use. Only tensors that are not contiguous are copied.
//
// It fails with FormatError on a damaged or misleading file, with UnsupportedError
// on a format, tensor or storage this package does not read, and with CallError on a
// pickle that calls anything but the rebuilding of tensors and plain containers.
// Nothing in the file is ever executed, and memory is bounded by four times its size
// and 64 MiB.
func Read(b []byte) (*File, error) {
	switch {
	case len(b) == 0:
		return nil, FormatError("the file is empty")
	case bytes.HasPrefix(b, []byte("PK")):
		return readZip(b)
	case isLegacy(b):
		return readLegacy(b)
	case len(b) > 1 && b[0] == opProto && b[1] <= 5:
		return readPickle(b)
	}
	return nil, recognise(b)
}

// readZip reads the format of PyTorch 1.6 and later.
func readZip(b []byte) (*File, error) {
	a, err := openArchive(b)
	if err != nil {
		return nil, err
	}
	pickle, err := a.pickle()
	if err != nil {
		return nil, err
	}
	bigEndian, err := a.bigEndian()
	if err != nil {
		return nil, err
	}
	m := newMachine(pickle, "data.pkl", len(b))
	root := m.run()
	if m.err == nil && m.pos < len(m.b) {
		m.op = m.pos
		m.failf("%d bytes follow the end of the pickle", len(m.b)-m.pos)
	}
	if m.err != nil {
		return nil, m.err
	}
	if err := checkTree(root, m.file); err != nil {
		return nil, err
	}
	if err := a.attach(m.storages); err != nil {
		return nil, err
	}
	m.attach(bigEndian)
	if m.err != nil {
		return nil, m.err
	}
	return &File{Root: root, Container: "zip"}, nil
}

// recognise says what a file is that is not read, as far as its first bytes tell.
func recognise(b []byte) error {
	head := b[:min(len(b), 512)]
	has := func(prefix string) bool { return bytes.HasPrefix(head, []byte(prefix)) }
	switch {
	case IsTar(b):
		return tarError(b)
	case has("\x1f\x8b"), has("BZh"), has("\xfd7zXZ"), has("\x28\xb5\x2f\xfd"), has("7z\xbc\xaf"):
		return UnsupportedError("it is compressed: unpack it first")
	case has("\x89HDF"):
		return UnsupportedError("it is an HDF5 file, as Keras writes")
	case has("version https://git-lfs"):
		return FormatError("it is a pointer of Git LFS: fetch the file itself with git lfs pull")
	case isHTML(head):
		return FormatError("it is a web page: the download did not give the file")
	}
	return formatf("it begins with %q, neither a zip archive nor a pickle", head[:min(len(head), 8)])
}

func isHTML(head []byte) bool {
	s := strings.ToLower(strings.TrimSpace(string(head)))
	return strings.HasPrefix(s, "<!doctype html") || strings.HasPrefix(s, "<html")
}
