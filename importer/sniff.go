package importer

import (
	"bytes"
	"encoding/binary"
)

// kind is what a file is by its first bytes, in words fit for a message.
type kind string

const (
	kindZip         kind = "a zip archive"
	kindPickle      kind = "a pickle"
	kindSafetensors kind = "a safetensors file"
	kindNPZ         kind = "a NumPy archive"
	kindJSON        kind = "JSON text"
	kindONNX        kind = "an ONNX model"
	kindUnknown     kind = "its first bytes are of no known format"
)

const kindZipPrefix = "PK\x03\x04"

// signatures are looked through in order.
var signatures = []struct {
	prefix string
	kind   kind
}{
	{kindZipPrefix, kindZip},
	{"\x80", kindPickle},
	{"PK\x05\x06", "an empty zip archive"},
	{"\x1f\x8b", "a gzip archive, which must be unpacked first"},
	{"\x89HDF", "an HDF5 file, as Keras writes them"},
	{"\x93NUMPY", "a NumPy array"},
	{"version https://git-lfs", "a Git LFS pointer, not the file it stands for (run git lfs pull)"},
	{"<", "a web page or XML, so a download went wrong"},
	{"{", kindJSON},
}

// sniff tells a file's kind by its first bytes.
func sniff(b []byte) kind {
	if len(b) == 0 {
		return "an empty file"
	}
	// Safetensors begin with the length of a JSON header; its first bytes could be
	// any others, so it goes first.
	if len(b) > 9 && b[8] == '{' && binary.LittleEndian.Uint64(b) <= uint64(len(b)-8) {
		return kindSafetensors
	}
	if isNPZ(b) {
		return kindNPZ
	}
	for _, s := range signatures {
		if bytes.HasPrefix(b, []byte(s.prefix)) {
			return s.kind
		}
	}
	// A ModelProto starts with ir_version, field 1, a small number; the fields that
	// may follow are all short of 32.
	if len(b) > 2 && b[0] == 0x08 && b[1] < 0x40 {
		return kindONNX
	}
	return kindUnknown
}

// isNPZ tells NumPy's zip archives from PyTorch's by their first entry.
func isNPZ(b []byte) bool {
	const header = 30 // bytes of a local header, with the length of the name at 26
	if len(b) < header || !bytes.HasPrefix(b, []byte(kindZipPrefix)) {
		return false
	}
	name := b[header:]
	n := int(binary.LittleEndian.Uint16(b[26:]))
	return n <= len(name) && bytes.HasSuffix(name[:n], []byte(".npy"))
}
