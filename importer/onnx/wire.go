package onnx

import (
	"math"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// field is one field of a message as it lies on the wire.
type field struct {
	num protowire.Number
	typ protowire.Type
	v   uint64 // of varint and fixed-size fields
	b   []byte // of length-delimited fields, aliasing the file
	raw []byte // tag and value
}

// next takes the first field off b.
func next(b []byte) (f field, rest []byte, err error) {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return f, nil, formatErr("the file is damaged: a broken field tag (%v)", protowire.ParseError(n))
	}
	f.num, f.typ = num, typ
	m := 0
	switch v := b[n:]; typ {
	case protowire.VarintType:
		f.v, m = protowire.ConsumeVarint(v)
	case protowire.Fixed32Type:
		var x uint32
		x, m = protowire.ConsumeFixed32(v)
		f.v = uint64(x)
	case protowire.Fixed64Type:
		f.v, m = protowire.ConsumeFixed64(v)
	case protowire.BytesType:
		f.b, m = protowire.ConsumeBytes(v)
		if m < 0 {
			if size, k := protowire.ConsumeVarint(v); k > 0 && size > uint64(len(v)-k) {
				return f, nil, formatErr("field %d is %d bytes long, but only %d are left: the file is cut off or damaged", num, size, len(v)-k)
			}
		}
	default:
		m = protowire.ConsumeFieldValue(num, typ, v)
	}
	if m < 0 {
		return f, nil, formatErr("the file is damaged: field %d (%v)", num, protowire.ParseError(m))
	}
	f.raw = b[:n+m]
	return f, b[n+m:], nil
}

// fields calls each with the fields of a message, until one is an error.
func fields(b []byte, each func(field) error) error {
	for len(b) > 0 {
		f, rest, err := next(b)
		if err == nil {
			err = each(f)
		}
		if err != nil {
			return err
		}
		b = rest
	}
	return nil
}

var wireNames = map[protowire.Type]string{
	protowire.VarintType: "varint", protowire.Fixed32Type: "fixed32", protowire.Fixed64Type: "fixed64",
	protowire.BytesType: "length-delimited", protowire.StartGroupType: "group", protowire.EndGroupType: "end of group",
}

func (f field) want(t protowire.Type) error {
	if f.typ == t {
		return nil
	}
	return formatErr("field %d is %s, want %s", f.num, wireNames[f.typ], wireNames[t])
}

func (f field) bytes(dst *[]byte) error {
	*dst = f.b
	return f.want(protowire.BytesType)
}

// string copies, so that names outlive the file's mapping.
func (f field) string(dst *string) error {
	*dst = string(f.b)
	return f.want(protowire.BytesType)
}

func (f field) int64(dst *int64) error {
	*dst = int64(f.v)
	return f.want(protowire.VarintType)
}

func (f field) int32(dst *int32) error {
	*dst = int32(f.v)
	return f.want(protowire.VarintType)
}

func (f field) float32(dst *float32) error {
	*dst = math.Float32frombits(uint32(f.v))
	return f.want(protowire.Fixed32Type)
}

// varints appends a repeated varint field in either of its forms.
func (d *decoder) varints(f field, dst *[]int64) error {
	if f.typ == protowire.VarintType {
		return appendTo(d, dst, int64(f.v))
	}
	if err := f.want(protowire.BytesType); err != nil {
		return err
	}
	n := 0 // every varint ends in one byte below 0x80
	for _, c := range f.b {
		if c < 0x80 {
			n++
		}
	}
	if err := d.spend(8 * n); err != nil {
		return err
	}
	out := *dst
	if out == nil {
		out = make([]int64, 0, n)
	}
	for b := f.b; len(b) > 0; {
		v, m := protowire.ConsumeVarint(b)
		if m < 0 {
			return formatErr("the file is damaged: field %d (%v)", f.num, protowire.ParseError(m))
		}
		out = append(out, int64(v))
		b = b[m:]
	}
	*dst = out
	return nil
}

// fixed appends a repeated fixed-size field in either of its forms to dst as
// bytes; the first packed one is aliased.
func (d *decoder) fixed(f field, size int, dst *[]byte) error {
	want := protowire.Fixed32Type
	if size == 8 {
		want = protowire.Fixed64Type
	}
	chunk := f.b
	switch f.typ {
	case want:
		chunk = f.raw[len(f.raw)-size:]
	case protowire.BytesType:
		if len(chunk)%size != 0 {
			return formatErr("field %d holds %d bytes, want a multiple of %d", f.num, len(chunk), size)
		}
	default:
		return f.want(want)
	}
	if *dst == nil {
		*dst = chunk[:len(chunk):len(chunk)]
		return nil
	}
	if grown := len(*dst) + len(chunk); grown > cap(*dst) {
		if err := d.spend(2 * grown); err != nil {
			return err
		}
	}
	*dst = append(*dst, chunk...)
	return nil
}

// decoder bounds what decoding allocates: a few bytes of file can describe an
// object of two hundred, and a file of nothing else would exhaust memory.
type decoder struct {
	budget int
	depth  int // of nested graphs
}

func newDecoder(size int) *decoder { return &decoder{budget: 4*size + 64<<20} }

// maxDepth is how deeply graphs may be nested in attributes of nodes.
const maxDepth = 32

func (d *decoder) spend(n int) error {
	if d.budget -= n; d.budget < 0 {
		return formatErr("the model's structure needs many times the memory of its file; it was not made by an exporter")
	}
	return nil
}

// appendTo is append within the budget.
func appendTo[T any](d *decoder, dst *[]T, v T) error {
	if len(*dst) == cap(*dst) {
		if err := d.spend(int(unsafe.Sizeof(v)) * max(1, 2*len(*dst))); err != nil {
			return err
		}
	}
	*dst = append(*dst, v)
	return nil
}

// create is new within the budget.
func create[T any](d *decoder) (*T, error) {
	var zero T
	if err := d.spend(int(unsafe.Sizeof(zero))); err != nil {
		return nil, err
	}
	return new(T), nil
}

// keep appends a field that this package does not decode. The common case of a
// single run of such fields aliases the file.
func (d *decoder) keep(f field, dst *[]byte) error {
	if *dst == nil {
		*dst = f.raw[:len(f.raw):len(f.raw)]
		return nil
	}
	if grown := len(*dst) + len(f.raw); grown > cap(*dst) {
		if err := d.spend(2 * grown); err != nil {
			return err
		}
	}
	*dst = append(*dst, f.raw...)
	return nil
}
