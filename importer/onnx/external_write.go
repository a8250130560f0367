package onnx

import (
	"fmt"
	"io"
	"strconv"

	"onnxclr/importer/weights"
)

// minExternal is the least size at which a tensor is worth a place in an external
// file, onnx.save's default.
const minExternal = 1024

// pageSize is what the offsets of external data should be multiples of, so that
// other programs can map tensors on their own.
const pageSize = 4096

// Size returns the bytes that Encode writes.
func (m *Model) Size() (int, error) {
	p, err := m.encode()
	if err != nil {
		return 0, err
	}
	return p.size, nil
}

// TooLarge reports whether the model needs external data: an ONNX file holds at most
// 2 GiB.
func (m *Model) TooLarge() bool {
	size, err := m.Size()
	return err == nil && size > MaxFile
}

// EncodeExternal is Encode with the data of the initializers of at least 1 KiB in a
// file of their own, of which location is the name beside the model's: they are
// written to data, in order, from where they lie. m itself is not changed.
func (m *Model) EncodeExternal(model, data io.Writer, location string) error {
	out, g := *m, *m.Graph
	out.Graph = &g
	g.Initializers = append([]*Tensor(nil), g.Initializers...)
	offset := 0
	for i, t := range g.Initializers {
		if t.DType == weights.Invalid || len(t.External) > 0 || len(t.Data) < minExternal {
			continue
		}
		if gap := -offset & (pageSize - 1); gap > 0 {
			if _, err := data.Write(make([]byte, gap)); err != nil {
				return err
			}
			offset += gap
		}
		if size, err := weights.ByteSize(t.Shape, t.DType); err != nil || size != len(t.Data) {
			return fmt.Errorf("onnx: tensor %q has %d bytes of data for shape %v of %v", t.Name, len(t.Data), t.Shape, t.DType)
		}
		if _, err := data.Write(t.Data); err != nil {
			return err
		}
		moved := *t
		moved.Data = nil
		moved.External = []Property{{Key: "location", Value: location}, {Key: "offset", Value: strconv.Itoa(offset)}, {Key: "length", Value: strconv.Itoa(len(t.Data))}}
		offset += len(t.Data)
		g.Initializers[i] = &moved
	}
	return out.Encode(model)
}
