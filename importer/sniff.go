package importer

import (
	"bytes"
	"encoding/binary"
	"unicode"
	"unicode/utf8"

	"onnxclr/internal/file"
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
	kindArray       kind = "a NumPy array"
	kindText        kind = "text"
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
	{"\x93NUMPY", kindArray},
	{"\x89PNG", "a PNG image"},
	{"\xff\xd8\xff", "a JPEG image"},
	{"GIF8", "a GIF image"},
	{"%PDF", "a PDF"},
	{"PAR1", "a Parquet file"},
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

// Looks tells what a file is by its first bytes, such as "a NumPy array" or "text", ""
// where they are of no format known here or the file cannot be read.
func Looks(path string) string {
	m, err := file.Map(path)
	if err != nil {
		return ""
	}
	defer m.Close()
	return string(looks(m.Bytes))
}

// looks is Looks of a file's bytes.
func looks(b []byte) kind {
	k := sniff(b)
	if k != kindUnknown && k != kindONNX { // which begins as other things may
		return k
	}
	head := b[:min(len(b), 512)]
	if bytes.ContainsFunc(bytes.ToValidUTF8(head[:max(len(head)-utf8.UTFMax, 0)], []byte{0}), func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }) {
		return ""
	}
	return kindText
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
