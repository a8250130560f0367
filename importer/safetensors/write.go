package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"

	"onnxclr/importer/weights"
)

// Write writes tensors and metadata (which may be nil). Larger element types come
// first, so that every tensor is aligned to its elements, and otherwise the order is
// kept; metadata keys are sorted. Equal arguments give equal bytes, and the tensors'
// bytes go to w without being copied.
func Write(w io.Writer, tensors []*weights.Tensor, metadata map[string]string) error {
	sorted := slices.Clone(tensors)
	slices.SortStableFunc(sorted, func(a, b *weights.Tensor) int {
		return cmp.Compare(b.DType.Size(), a.DType.Size())
	})
	text, err := encodeHeader(sorted, metadata)
	if err != nil {
		return err
	}
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	if len(text) > maxHeader {
		return UnsupportedError(fmt.Sprintf("a header of %d bytes, at most %d are allowed", len(text), maxHeader))
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text)))); err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	for _, t := range sorted {
		if _, err := w.Write(t.Data); err != nil {
			return err
		}
	}
	return nil
}

func encodeHeader(tensors []*weights.Tensor, metadata map[string]string) ([]byte, error) {
	var h headerText
	h.WriteByte('{')
	if len(metadata) > 0 {
		h.string(metadataKey)
		h.WriteString(":{")
		for i, key := range slices.Sorted(maps.Keys(metadata)) {
			if !utf8.ValidString(key) || !utf8.ValidString(metadata[key]) {
				return nil, fmt.Errorf("metadata %q is not UTF-8", key)
			}
			if i > 0 {
				h.WriteByte(',')
			}
			h.string(key)
			h.WriteByte(':')
			h.string(metadata[key])
		}
		h.WriteByte('}')
	}
	seen := make(map[string]bool, len(tensors))
	at := 0
	for _, t := range tensors {
		if t.Name == metadataKey || seen[t.Name] || !utf8.ValidString(t.Name) {
			return nil, fmt.Errorf("tensor name %q is reserved, there twice or not UTF-8", t.Name)
		}
		seen[t.Name] = true
		size, err := weights.ByteSize(t.Shape, t.DType)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if len(t.Data) != size {
			return nil, fmt.Errorf("tensor %q has %d bytes, want %d for shape %v of %v", t.Name, len(t.Data), size, t.Shape, t.DType)
		}
		if h.Len() > 1 {
			h.WriteByte(',')
		}
		h.string(t.Name)
		fmt.Fprintf(&h, `:{"dtype":%q,"shape":[`, nameOf(t.DType))
		for i, n := range t.Shape {
			if i > 0 {
				h.WriteByte(',')
			}
			fmt.Fprint(&h, n)
		}
		fmt.Fprintf(&h, `],"data_offsets":[%d,%d]}`, at, at+size)
		at += size
	}
	h.WriteByte('}')
	return h.Bytes(), nil
}

// headerText is the JSON being written.
type headerText struct{ bytes.Buffer }

func (h *headerText) string(s string) {
	enc := json.NewEncoder(h)
	enc.SetEscapeHTML(false)
	enc.Encode(s)           // a string and a buffer never fail
	h.Truncate(h.Len() - 1) // the newline
}
