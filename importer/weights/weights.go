// Package weights holds named tensors as bytes: what every file format of the
// importer exchanges. It owns the dtype table and the conversions to and from
// float32; it knows no file format.
package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// DType is the element type of a tensor.
type DType uint8

// The element types that checkpoints and ONNX files carry.
const (
	Invalid DType = iota
	Float32
	Float64
	Float16
	BFloat16
	Int64
	Int32
	Int16
	Int8
	Uint8
	Uint16
	Uint32
	Uint64
	Bool
)

var dtypes = [...]struct {
	name string
	size int
}{
	Invalid:  {"invalid", 0},
	Float32:  {"float32", 4},
	Float64:  {"float64", 8},
	Float16:  {"float16", 2},
	BFloat16: {"bfloat16", 2},
	Int64:    {"int64", 8},
	Int32:    {"int32", 4},
	Int16:    {"int16", 2},
	Int8:     {"int8", 1},
	Uint8:    {"uint8", 1},
	Uint16:   {"uint16", 2},
	Uint32:   {"uint32", 4},
	Uint64:   {"uint64", 8},
	Bool:     {"bool", 1},
}

// Size returns the bytes of one element; 0 for Invalid.
func (d DType) Size() int {
	if int(d) >= len(dtypes) {
		return 0
	}
	return dtypes[d].size
}

// String returns the NumPy name of the type, such as "float32".
func (d DType) String() string {
	if int(d) >= len(dtypes) {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return dtypes[d].name
}

// IsFloat reports whether d is one of the four floating-point types.
func (d DType) IsFloat() bool {
	return d == Float32 || d == Float64 || d == Float16 || d == BFloat16
}

// Tensor is a named array. Data is little-endian, row-major and contiguous; it
// may alias a mapped file and must not be written to.
type Tensor struct {
	Name  string
	DType DType
	Shape []int // empty for a scalar
	Data  []byte
}

// Len returns the number of elements.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// ByteSize returns the bytes an array of this shape and type needs. It fails on
// an unknown type, a negative dimension, or a product that overflows.
func ByteSize(shape []int, d DType) (int, error) {
	size := d.Size()
	if size == 0 {
		return 0, fmt.Errorf("unknown element type %v", d)
	}
	n := size
	zero := false
	for _, dim := range shape {
		if dim < 0 {
			return 0, fmt.Errorf("negative dimension in shape %v", shape)
		}
		if dim == 0 {
			zero = true
			continue
		}
		if n > math.MaxInt/dim {
			return 0, fmt.Errorf("shape %v of %v overflows", shape, d)
		}
		n *= dim
	}
	if zero {
		return 0, nil
	}
	return n, nil
}

// FromFloat32 returns a float32 tensor that holds a copy of v.
func FromFloat32(name string, shape []int, v []float32) *Tensor {
	data := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(x))
	}
	return &Tensor{Name: name, DType: Float32, Shape: shape, Data: data}
}

// View is FromFloat32 without the copy where the machine's numbers are little-endian: then
// Data is v's own memory.
func View(name string, shape []int, v []float32) *Tensor {
	if len(v) == 0 || binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return FromFloat32(name, shape, v)
	}
	return &Tensor{Name: name, DType: Float32, Shape: shape, Data: unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 4*len(v))}
}

// FromInt64 returns an int64 tensor that holds a copy of v.
func FromInt64(name string, shape []int, v []int64) *Tensor {
	data := make([]byte, 8*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint64(data[8*i:], uint64(x))
	}
	return &Tensor{Name: name, DType: Int64, Shape: shape, Data: data}
}
