package onnx

import (
	"fmt"
	"io"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"onnxclr/importer/weights"
)

// MaxFile is the largest message that protocol buffers allow, and so the largest file
// that Encode writes.
const MaxFile = math.MaxInt32

// Encode writes the model as a ModelProto. Fields are written in the order of their
// numbers, so equal models give equal bytes; tensor data are written from where
// they lie. A model above 2 GiB is an *UnsupportedError, and nothing is written.
func (m *Model) Encode(w io.Writer) error {
	p, err := m.encode()
	if err != nil {
		return err
	}
	if p.size > MaxFile {
		return &UnsupportedError{Reason: fmt.Sprintf("the model needs %d bytes; an ONNX file without external data holds at most %d", p.size, MaxFile)}
	}
	for _, part := range p.parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	_, err = w.Write(p.tail)
	return err
}

// message is a message being written: the parts, then the tail. Large byte fields
// are parts of their own and never copied; everything else is gathered in the tail.
type message struct {
	parts [][]byte
	tail  []byte
	size  int
}

func (p *message) flat() []byte { return slices.Concat(append(p.parts, p.tail)...) }

// partSize is the least size at which bytes are worth a part of their own.
const partSize = 4096

func (p *message) add(b []byte) {
	p.size += len(b)
	if len(b) < partSize {
		p.tail = append(p.tail, b...)
		return
	}
	if len(p.tail) > 0 {
		p.parts = append(p.parts, p.tail)
		p.tail = nil
	}
	p.parts = append(p.parts, b)
}

func (p *message) tag(num protowire.Number, t protowire.Type) {
	n := len(p.tail)
	p.tail = protowire.AppendTag(p.tail, num, t)
	p.size += len(p.tail) - n
}

func (p *message) uint(v uint64) {
	n := len(p.tail)
	p.tail = protowire.AppendVarint(p.tail, v)
	p.size += len(p.tail) - n
}

func (p *message) varint(num protowire.Number, v int64) {
	p.tag(num, protowire.VarintType)
	p.uint(uint64(v))
}

// optional writes v unless it is 0.
func (p *message) optional(num protowire.Number, v int64) {
	if v != 0 {
		p.varint(num, v)
	}
}

func (p *message) float(num protowire.Number, v float32) {
	p.tag(num, protowire.Fixed32Type)
	p.tail = protowire.AppendFixed32(p.tail, math.Float32bits(v))
	p.size += 4
}

func (p *message) bytes(num protowire.Number, b []byte) {
	p.tag(num, protowire.BytesType)
	p.uint(uint64(len(b)))
	p.add(b)
}

// string writes s unless it is empty.
func (p *message) string(num protowire.Number, s string) {
	if s != "" {
		p.bytes(num, []byte(s))
	}
}

func (p *message) message(num protowire.Number, q *message) {
	p.tag(num, protowire.BytesType)
	p.uint(uint64(q.size))
	for _, part := range q.parts {
		p.add(part)
	}
	p.add(q.tail)
}

func (m *Model) encode() (*message, error) {
	p := &message{}
	p.optional(1, m.IRVersion)
	p.string(2, m.ProducerName)
	p.string(3, m.ProducerVersion)
	p.string(4, m.Domain)
	p.optional(5, m.ModelVersion)
	p.string(6, m.DocString)
	opsets := m.Opsets
	if m.Graph != nil {
		nodes, domains := m.Graph.outlined()
		g, err := m.Graph.encode(nodes)
		if err != nil {
			return nil, err
		}
		p.message(7, g)
		for _, d := range domains { // of functions that only other functions have called
			if version(opsets, d.Domain) == 0 {
				opsets = append(slices.Clip(opsets), d)
			}
		}
	}
	for _, o := range opsets {
		q := &message{}
		if o.Domain != "" || o.spelled {
			q.bytes(1, []byte(o.Domain))
		}
		q.varint(2, o.Version)
		q.add([]byte(o.unknown))
		p.message(8, q)
	}
	for _, v := range m.Metadata {
		p.message(14, v.encode())
	}
	p.add(m.unknown)
	for _, f := range m.Functions {
		p.bytes(25, f.raw)
	}
	return p, nil
}

func (v Property) encode() *message {
	q := &message{}
	q.bytes(1, []byte(v.Key))
	q.bytes(2, []byte(v.Value))
	q.add([]byte(v.unknown))
	return q
}

// encode writes the graph with these nodes for its own.
func (g *Graph) encode(nodes []*Node) (*message, error) {
	p := &message{}
	for _, n := range nodes {
		q, err := n.encode()
		if err != nil {
			return nil, err
		}
		p.message(1, q)
	}
	p.string(2, g.Name)
	for _, t := range g.Initializers {
		q, err := t.encode()
		if err != nil {
			return nil, err
		}
		p.message(5, q)
	}
	p.string(10, g.DocString)
	for num, values := range [][]*ValueInfo{g.Inputs, g.Outputs, g.ValueInfo} {
		for _, v := range values {
			p.message(protowire.Number(11+num), v.encode())
		}
	}
	p.add(g.unknown)
	return p, nil
}

func (n *Node) encode() (*message, error) {
	p := &message{}
	for _, s := range n.Inputs {
		p.bytes(1, []byte(s))
	}
	for _, s := range n.Outputs {
		p.bytes(2, []byte(s))
	}
	p.string(3, n.Name)
	p.string(4, n.OpType)
	for _, a := range n.Attributes {
		q, err := a.encode()
		if err != nil {
			return nil, fmt.Errorf("node %q: attribute %q: %w", n.Name, a.Name, err)
		}
		p.message(5, q)
	}
	p.string(6, n.DocString)
	p.string(7, n.Domain)
	p.string(8, n.Overload)
	p.add(n.unknown)
	return p, nil
}

// encode writes the value that Type names even when it is zero: readers of proto2
// files ask whether it is there.
func (a *Attribute) encode() (*message, error) {
	p := &message{}
	p.string(1, a.Name)
	want := a.Type
	if a.RefName != "" {
		want = AttrUndefined // the value is that of the function's attribute
	}
	if want == AttrFloat || math.Float32bits(a.F) != 0 {
		p.float(2, a.F)
	}
	if want == AttrInt || a.I != 0 {
		p.varint(3, a.I)
	}
	if want == AttrString || a.S != nil {
		p.bytes(4, a.S)
	}
	if a.T != nil {
		q, err := a.T.encode()
		if err != nil {
			return nil, err
		}
		p.message(5, q)
	}
	if a.G != nil {
		q, err := a.G.encode(a.G.Nodes)
		if err != nil {
			return nil, err
		}
		p.message(6, q)
	}
	for _, v := range a.Floats {
		p.float(7, v)
	}
	for _, v := range a.Ints {
		p.varint(8, v)
	}
	for _, s := range a.Strings {
		p.bytes(9, s)
	}
	for _, t := range a.Tensors {
		q, err := t.encode()
		if err != nil {
			return nil, err
		}
		p.message(10, q)
	}
	for _, g := range a.Graphs {
		q, err := g.encode(g.Nodes)
		if err != nil {
			return nil, err
		}
		p.message(11, q)
	}
	p.string(13, a.DocString)
	p.optional(20, int64(a.Type))
	p.string(21, a.RefName)
	p.add(a.unknown)
	return p, nil
}

func (t *Tensor) encode() (*message, error) {
	elem := t.ElemType
	if t.DType != weights.Invalid {
		elem = ElemType(t.DType)
		size, err := weights.ByteSize(t.Shape, t.DType)
		if err != nil {
			return nil, fmt.Errorf("onnx: tensor %q: %w", t.Name, err)
		}
		if len(t.External) == 0 && len(t.Data) != size {
			return nil, fmt.Errorf("onnx: tensor %q has %d bytes of data, want %d for shape %v of %v", t.Name, len(t.Data), size, t.Shape, t.DType)
		}
	}
	p := &message{}
	for _, d := range t.Shape {
		p.varint(1, int64(d))
	}
	p.optional(2, int64(elem))
	p.string(8, t.Name)
	switch {
	case t.DType == weights.Invalid:
		p.add(t.carried)
	case len(t.External) == 0:
		p.bytes(9, t.Data)
	}
	p.string(12, t.DocString)
	if len(t.External) > 0 {
		p.add(externalData(t.External))
		p.varint(14, external)
	}
	p.add(t.unknown)
	return p, nil
}

// externalData is the field external_data as bytes.
func externalData(props []Property) []byte {
	p := &message{}
	for _, v := range props {
		p.message(13, v.encode())
	}
	return p.flat()
}

func (v *ValueInfo) encode() *message {
	p := &message{}
	p.string(1, v.Name)
	tensor := &message{}
	tensor.optional(1, int64(v.ElemType))
	if v.HasShape {
		shape := &message{}
		for _, d := range v.Shape {
			shape.message(1, d.encode())
		}
		shape.add(v.ofShape)
		tensor.message(2, shape)
	}
	tensor.add(v.ofTensor)
	typ := &message{}
	if tensor.size > 0 {
		typ.message(1, tensor)
	}
	typ.add(v.ofType)
	if typ.size > 0 {
		p.message(2, typ)
	}
	p.string(3, v.DocString)
	p.add(v.unknown)
	return p
}

func (d Dim) encode() *message {
	p := &message{}
	switch {
	case d.Param != "":
		p.string(2, d.Param)
	case d.Value >= 0:
		p.varint(1, d.Value)
	}
	p.add([]byte(d.unknown))
	return p
}
