package weights

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Float32s returns the elements as float32 in fresh memory. It accepts the four
// floating-point types; float64 is rounded to nearest. It fails on any other
// type and when Data is shorter than the shape says.
func (t *Tensor) Float32s() ([]float32, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	n := t.Len()
	out := make([]float32, n)
	switch t.DType {
	case Float32:
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
		}
	case Float64:
		for i := range out {
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(t.Data[8*i:])))
		}
	case Float16:
		for i := range out {
			out[i] = HalfToFloat32(binary.LittleEndian.Uint16(t.Data[2*i:]))
		}
	case BFloat16:
		for i := range out {
			out[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(t.Data[2*i:])) << 16)
		}
	default:
		return nil, fmt.Errorf("tensor %q is %v, want a floating-point type", t.Name, t.DType)
	}
	return out, nil
}

// AsFloat32 returns the tensor itself if it is float32, else a copy in that type as
// Float32s converts it, made in one piece of memory.
func (t *Tensor) AsFloat32() (*Tensor, error) {
	if t.DType == Float32 {
		return t, t.check()
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	if !t.DType.IsFloat() {
		return nil, fmt.Errorf("tensor %q is %v, want a floating-point type", t.Name, t.DType)
	}
	le := binary.LittleEndian
	out := make([]byte, 4*t.Len())
	for i := 0; i < len(out); i += 4 {
		var v float32
		switch t.DType {
		case Float64:
			v = float32(math.Float64frombits(le.Uint64(t.Data[2*i:])))
		case Float16:
			v = HalfToFloat32(le.Uint16(t.Data[i/2:]))
		case BFloat16:
			v = math.Float32frombits(uint32(le.Uint16(t.Data[i/2:])) << 16)
		}
		le.PutUint32(out[i:], math.Float32bits(v))
	}
	return &Tensor{Name: t.Name, DType: Float32, Shape: t.Shape, Data: out}, nil
}

// Int64s returns the elements of an integer or boolean tensor as int64 in fresh
// memory. It fails on a floating-point type and when Data is too short.
func (t *Tensor) Int64s() ([]int64, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	out := make([]int64, t.Len())
	le := binary.LittleEndian
	for i := range out {
		switch t.DType {
		case Int64, Uint64:
			out[i] = int64(le.Uint64(t.Data[8*i:]))
		case Int32:
			out[i] = int64(int32(le.Uint32(t.Data[4*i:])))
		case Uint32:
			out[i] = int64(le.Uint32(t.Data[4*i:]))
		case Int16:
			out[i] = int64(int16(le.Uint16(t.Data[2*i:])))
		case Uint16:
			out[i] = int64(le.Uint16(t.Data[2*i:]))
		case Int8:
			out[i] = int64(int8(t.Data[i]))
		case Uint8, Bool:
			out[i] = int64(t.Data[i])
		default:
			return nil, fmt.Errorf("tensor %q is %v, want an integer type", t.Name, t.DType)
		}
	}
	return out, nil
}

func (t *Tensor) check() error {
	size, err := ByteSize(t.Shape, t.DType)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	if len(t.Data) != size {
		return fmt.Errorf("tensor %q: %d bytes of data, want %d for shape %v of %v", t.Name, len(t.Data), size, t.Shape, t.DType)
	}
	return nil
}

// HalfToFloat32 converts IEEE 754 binary16, subnormals and infinities included.
func HalfToFloat32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h) & 0x3ff
	switch exp {
	case 0:
		if frac == 0 {
			return math.Float32frombits(sign)
		}
		v := float32(frac) * (1.0 / (1 << 24))
		if sign != 0 {
			v = -v
		}
		return v
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}
