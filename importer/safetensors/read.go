package safetensors

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"

	"onnxclr/importer/weights"
)

// maxHeader is the limit that the format's reference implementation sets.
const maxHeader = 100_000_000

// metadataKey is the one name in the header that is no tensor.
const metadataKey = "__metadata__"

// Read decodes a file held in b, which the tensors alias and b's owner must neither
// change nor unmap while they are in use. The tensors come in the order of the
// header, with its metadata beside them (nil if there is none).
//
// It fails with FormatError unless the header is well-formed, every name is there
// once, and the tensors cover the rest of the file exactly, without overlaps or
// holes; and with UnsupportedError on element types that package weights lacks.
func Read(b []byte) ([]*weights.Tensor, map[string]string, error) {
	if len(b) < 8 {
		return nil, nil, formatf("%d bytes are too few for a header", len(b))
	}
	n := binary.LittleEndian.Uint64(b)
	switch {
	case n > maxHeader:
		return nil, nil, formatf("the header would be %d bytes, at most %d are allowed", n, maxHeader)
	case n > uint64(len(b)-8):
		return nil, nil, formatf("truncated: a header of %d bytes, %d are there", n, len(b)-8)
	}
	text, data := b[8:8+n], b[8+n:]
	if len(text) == 0 || text[0] != '{' {
		return nil, nil, FormatError("the header does not begin with {")
	}
	if !utf8.Valid(text) {
		return nil, nil, FormatError("the header is not UTF-8")
	}
	h, err := parseHeader(text)
	if err != nil {
		return nil, nil, err
	}
	tensors := make([]*weights.Tensor, len(h.tensors))
	for i := range h.tensors {
		if tensors[i], err = h.tensors[i].view(data); err != nil {
			return nil, nil, err
		}
	}
	if err := checkCover(h.tensors, len(data)); err != nil {
		return nil, nil, err
	}
	return tensors, h.metadata, nil
}

// view checks one tensor by itself and returns it over its part of data.
func (t *entry) view(data []byte) (*weights.Tensor, error) {
	d := dtypeOf(t.dtype)
	if d == weights.Invalid {
		return nil, UnsupportedError(fmt.Sprintf("tensor %q has element type %q", t.name, t.dtype))
	}
	size, err := weights.ByteSize(t.shape, d)
	if err != nil {
		return nil, formatf("tensor %q: %v", t.name, err)
	}
	if t.end < t.begin || t.end > uint64(len(data)) {
		return nil, formatf("tensor %q is at bytes %d to %d of %d", t.name, t.begin, t.end, len(data))
	}
	if have := t.end - t.begin; have != uint64(size) {
		return nil, formatf("tensor %q has %d bytes, want %d for shape %v of %v", t.name, have, size, t.shape, d)
	}
	return &weights.Tensor{Name: t.name, DType: d, Shape: t.shape, Data: data[t.begin:t.end:t.end]}, nil
}

// checkCover refuses overlaps and holes.
func checkCover(entries []entry, size int) error {
	sorted := slices.Clone(entries)
	slices.SortFunc(sorted, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	var at uint64
	for _, t := range sorted {
		switch {
		case t.begin < at:
			return formatf("tensor %q begins at byte %d, inside another one", t.name, t.begin)
		case t.begin > at:
			return formatf("%d bytes before tensor %q belong to no tensor", t.begin-at, t.name)
		}
		at = t.end
	}
	if at != uint64(size) {
		return formatf("%d bytes at the end belong to no tensor", uint64(size)-at)
	}
	return nil
}
