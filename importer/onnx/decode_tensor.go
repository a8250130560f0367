package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"onnxclr/importer/weights"
)

// payload is where a TensorProto can hold its values: raw_data, or one of the
// typed fields.
type payload struct {
	raw      []byte
	hasRaw   bool
	floats   []byte  // float_data, as bytes
	doubles  []byte  // double_data, as bytes
	int32s   []int64 // int32_data: all types of at most 32 bits
	int64s   []int64 // int64_data
	uint64s  []int64 // uint64_data: uint64 and uint32
	fields   []byte  // all of the above as found, for types that stay undecoded
	location int32   // data_location: 1 external
}

func (d *decoder) tensor(b []byte, t *Tensor) error {
	var dims []int64
	var p payload
	if err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			err = d.varints(f, &dims)
		case 2:
			err = f.int32(&t.ElemType)
		case 4:
			err = d.fixed(f, 4, &p.floats)
		case 5:
			err = d.varints(f, &p.int32s)
		case 7:
			err = d.varints(f, &p.int64s)
		case 8:
			err = f.string(&t.Name)
		case 9:
			p.hasRaw, err = true, f.bytes(&p.raw)
		case 10:
			err = d.fixed(f, 8, &p.doubles)
		case 11:
			err = d.varints(f, &p.uint64s)
		case 12:
			err = f.string(&t.DocString)
		case 13:
			err = within(d.property(f, &t.External), "external_data[%d]", len(t.External))
		case 14:
			err = f.int32(&p.location)
		case 6: // string_data
		default:
			err = d.keep(f, &t.unknown)
		}
		if err == nil && (f.num >= 4 && f.num <= 7 || f.num >= 9 && f.num <= 11) {
			err = d.keepPayload(f, &p)
		}
		return err
	}); err != nil {
		return err
	}
	return d.finish(t, dims, &p)
}

// keepPayload remembers a data field verbatim. The fields of one tensor lie behind
// one another in the file, so that in practice nothing is copied.
func (d *decoder) keepPayload(f field, p *payload) error {
	if n := len(p.fields); n > 0 && cap(p.fields)-n >= len(f.raw) && &p.fields[:n+1][n] == &f.raw[0] {
		p.fields = p.fields[:n+len(f.raw)]
		return nil
	}
	if p.fields == nil {
		p.fields = f.raw
		return nil
	}
	joined := append(p.fields[:len(p.fields):len(p.fields)], f.raw...)
	p.fields = joined
	return d.spend(cap(joined))
}

// bad is a FormatError about t.
func (t *Tensor) bad(format string, args ...any) error {
	name := "the tensor"
	if t.Name != "" {
		name = fmt.Sprintf("tensor %q", t.Name)
	}
	return formatErr(name+" "+format, args...)
}

// finish turns the dims and the payload into Shape and Data.
func (d *decoder) finish(t *Tensor, dims []int64, p *payload) error {
	shape := make([]int, len(dims))
	for i, v := range dims {
		if v < 0 || v > math.MaxInt {
			return t.bad("has dimension %d in its shape %v", v, dims)
		}
		shape[i] = int(v)
	}
	t.Shape, t.DType = shape, DType(t.ElemType)
	switch {
	case p.location != internal && p.location != external:
		return t.bad("has data_location %d, want 0 or 1", p.location)
	case p.location == internal && len(t.External) > 0:
		// Without effect, but not ours to throw away.
		t.unknown = append(t.unknown[:len(t.unknown):len(t.unknown)], externalData(t.External)...)
		t.External = nil
	case p.location == external && len(t.External) == 0:
		return t.bad("is said to have its data in another file, but external_data names none")
	case p.location == external && p.fields != nil:
		return t.bad("has data in this file and in another one")
	}
	if t.DType == weights.Invalid {
		t.carried = p.fields
		return nil
	}
	size, err := weights.ByteSize(shape, t.DType)
	if err != nil {
		return t.bad("is impossible: %v", err)
	}
	if p.location == external {
		return nil
	}
	return d.data(t, p, size)
}

// TensorProto.DataLocation.
const (
	internal = 0
	external = 1
)

// data normalises the payload of t to little-endian bytes.
func (d *decoder) data(t *Tensor, p *payload, size int) error {
	typed, name, values := []int64(nil), "", 0
	for _, c := range []struct {
		name  string
		count int
		ints  []int64
	}{
		{"raw_data", len(p.raw), nil}, {"float_data", len(p.floats) / 4, nil}, {"double_data", len(p.doubles) / 8, nil},
		{"int32_data", len(p.int32s), p.int32s}, {"int64_data", len(p.int64s), p.int64s}, {"uint64_data", len(p.uint64s), p.uint64s},
	} {
		if c.count == 0 {
			continue
		}
		if name != "" {
			return t.bad("has values in %s and in %s", name, c.name)
		}
		name, values, typed = c.name, c.count, c.ints
	}
	if name == "" {
		if size != 0 {
			return t.bad("has no data, want %d bytes for shape %v of %v", size, t.Shape, t.DType)
		}
		return nil
	}
	if name == "raw_data" {
		if len(p.raw) != size {
			return t.bad("has %d bytes of raw_data, want %d for shape %v of %v", len(p.raw), size, t.Shape, t.DType)
		}
		t.Data = p.raw
		return nil
	}
	if want := typedField(t.DType); name != want {
		return t.bad("has its values in %s, want %s for %v", name, want, t.DType)
	}
	if values != size/t.DType.Size() {
		return t.bad("has %d values in %s, want %d for shape %v of %v", values, name, size/t.DType.Size(), t.Shape, t.DType)
	}
	switch t.DType {
	case weights.Float32:
		t.Data = p.floats
		return nil
	case weights.Float64:
		t.Data = p.doubles
		return nil
	}
	if err := d.spend(size); err != nil {
		return err
	}
	data, err := narrow(typed, t.DType)
	if err != nil {
		return t.bad("has in %s %v", name, err)
	}
	t.Data = data
	return nil
}

// typedField is the field of a TensorProto that holds values of type d.
func typedField(d weights.DType) string {
	switch d {
	case weights.Float32:
		return "float_data"
	case weights.Float64:
		return "double_data"
	case weights.Int64:
		return "int64_data"
	case weights.Uint64, weights.Uint32:
		return "uint64_data"
	}
	return "int32_data"
}

// narrow writes values as little-endian elements of type d. Half-precision numbers
// come as their bits.
func narrow(values []int64, d weights.DType) ([]byte, error) {
	size := d.Size()
	out := make([]byte, 0, len(values)*size)
	lo, hi := -int64(1)<<(8*size-1), int64(1)<<(8*size-1) // bounds of the signed and …
	switch d {
	case weights.Int64, weights.Uint64:
		lo, hi = math.MinInt64, math.MaxInt64
	case weights.Uint8, weights.Uint16, weights.Uint32, weights.Bool:
		lo, hi = 0, 2*hi // … the unsigned types
	case weights.Float16, weights.BFloat16:
		hi *= 2 // as either
	}
	for i, v := range values {
		if v < lo || v >= hi && size < 8 {
			return nil, fmt.Errorf("the value %d at index %d, which is no %v", v, i, d)
		}
		switch size {
		case 1:
			out = append(out, byte(v))
		case 2:
			out = binary.LittleEndian.AppendUint16(out, uint16(v))
		case 4:
			out = binary.LittleEndian.AppendUint32(out, uint32(v))
		case 8:
			out = binary.LittleEndian.AppendUint64(out, uint64(v))
		}
	}
	return out, nil
}

// floats appends a FLOATS attribute in either of its forms.
func (d *decoder) floats(f field, dst *[]float32) error {
	var b []byte
	if err := d.fixed(f, 4, &b); err != nil {
		return err
	}
	for ; len(b) > 0; b = b[4:] {
		if err := appendTo(d, dst, math.Float32frombits(binary.LittleEndian.Uint32(b))); err != nil {
			return err
		}
	}
	return nil
}

// String describes a tensor in messages, as in "weight" float32 [64 3 7 7].
func (t *Tensor) String() string {
	typ := t.DType.String()
	if t.DType == weights.Invalid {
		typ = ElemTypeName(t.ElemType)
	}
	return fmt.Sprintf("%q %s %v", t.Name, typ, t.Shape)
}
