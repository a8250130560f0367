package npy

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"sync"

	"onnxclr/importer/weights"
	"onnxclr/internal/file"
)

// Array is one array; its elements stay in the file's bytes until asked for.
type Array struct {
	Header
	data    []byte // exactly the elements
	mapping *file.Mapping
}

// Open maps the .npy file at path. The array is valid until Close.
func Open(path string) (*Array, error) {
	m, err := file.Map(path)
	if err != nil {
		return nil, err
	}
	a, err := Decode(m.Bytes)
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	a.mapping = m
	return a, nil
}

// Decode reads a .npy file held in b, which the array keeps and b's owner must
// not change. It fails with FormatError when b is not such a file, is shorter
// than its shape says or has bytes left over, and with UnsupportedError for
// pickled, structured or non-numeric elements.
func Decode(b []byte) (*Array, error) {
	h, off, err := parseHeader(b)
	if err != nil {
		return nil, err
	}
	size, err := weights.ByteSize(h.Shape, h.DType)
	if err != nil {
		return nil, FormatError(err.Error())
	}
	switch have := len(b) - off; {
	case have < size:
		return nil, FormatError(fmt.Sprintf("truncated: shape %v of %v needs %d bytes, %d are there", h.Shape, h.DType, size, have))
	case have > size:
		return nil, FormatError(fmt.Sprintf("%d bytes follow the array of shape %v; several arrays in one file belong in a .npz", have-size, h.Shape))
	}
	return &Array{Header: h, data: b[off:]}, nil
}

// Close releases the mapped file. It may be called on any array, more than once.
func (a *Array) Close() error {
	if a.mapping == nil {
		return nil
	}
	m := a.mapping
	a.mapping, a.data, a.Shape = nil, nil, []int{0}
	return m.Close()
}

// Forget tells the system that n rows of a 2-D array, from row first on, will not be
// read again soon: a file larger than memory can be read from end to end.
func (a *Array) Forget(first, n int) {
	if a.mapping == nil || a.Fortran || len(a.Shape) != 2 || first < 0 || n < 0 || first > a.Shape[0]-n {
		return
	}
	row := a.Shape[1] * a.DType.Size()
	a.mapping.Forget(a.data[first*row : (first+n)*row])
}

// Len returns the number of elements.
func (a *Array) Len() int { return len(a.data) / a.DType.Size() }

// Float32s returns the elements in row-major order, whatever the file's order and
// type; what float32 cannot hold exactly is rounded to nearest.
func (a *Array) Float32s() ([]float32, error) {
	out := make([]float32, a.Len())
	return out, a.ReadFloat32s(out)
}

// ReadFloat32s is Float32s into dst, which has to have as many elements.
func (a *Array) ReadFloat32s(dst []float32) error {
	if len(dst) != a.Len() {
		return fmt.Errorf("room for %d elements, the array has %d", len(dst), a.Len())
	}
	a.each(func(k, n, off, stride int) { decode(dst[k:k+n], a, off, stride) })
	return nil
}

// Uint8s returns the elements of an array of bytes in row-major order where they are:
// they are valid until the array is closed and must not be changed. It fails on other
// types and on Fortran order.
func (a *Array) Uint8s() ([]uint8, error) {
	if a.DType != weights.Uint8 || a.Fortran {
		return nil, fmt.Errorf("array is %v, Fortran order %v, want uint8 in C order", a.DType, a.Fortran)
	}
	return a.data[:a.Len()], nil
}

// Float64s returns the elements in row-major order. Only 64-bit integers beyond
// 2^53 are rounded.
func (a *Array) Float64s() ([]float64, error) {
	out := make([]float64, a.Len())
	a.each(func(k, n, off, stride int) { decode(out[k:k+n], a, off, stride) })
	return out, nil
}

// Int64s returns the elements in row-major order. It fails on floating-point
// elements and on unsigned values above 2^63-1.
func (a *Array) Int64s() ([]int64, error) {
	if a.DType.IsFloat() {
		return nil, fmt.Errorf("array is %v, want integers", a.DType)
	}
	out := make([]int64, a.Len())
	a.each(func(k, n, off, stride int) { decode(out[k:k+n], a, off, stride) })
	if a.DType == weights.Uint64 {
		for i, v := range out {
			if v < 0 {
				return nil, fmt.Errorf("element %d is %d, above the largest int64", i, uint64(v))
			}
		}
	}
	return out, nil
}

// Row reads row i of a 2-D array into dst, whose length must be the number of
// columns.
func (a *Array) Row(i int, dst []float64) error {
	if len(a.Shape) == 2 && len(dst) != a.Shape[1] {
		return fmt.Errorf("row of %d columns asked of an array of shape %v", len(dst), a.Shape)
	}
	return a.Rows(i, 1, dst)
}

// Rows reads n rows of a 2-D array [N,D], from row first on, into dst[:n*D],
// row-major. Reading several at once spares a Fortran-ordered file most of its
// cache misses. It fails when the array is not 2-D or the rows are not there.
func (a *Array) Rows(first, n int, dst []float64) error {
	if len(a.Shape) != 2 {
		return fmt.Errorf("array has shape %v, want two dimensions: samples × features", a.Shape)
	}
	rows, cols, size := a.Shape[0], a.Shape[1], a.DType.Size()
	if first < 0 || n < 0 || first > rows-n {
		return fmt.Errorf("rows %d to %d asked of an array of shape %v", first, first+n-1, a.Shape)
	}
	if len(dst) < n*cols {
		return fmt.Errorf("room for %d values, %d rows of %d columns need %d", len(dst), n, cols, n*cols)
	}
	if !a.Fortran {
		decodeAll(dst[:n*cols], a, first*cols*size, size)
		return nil
	}
	column := make([]float64, n)
	for j := range cols {
		decode(column, a, (j*rows+first)*size, size)
		for i, v := range column {
			dst[i*cols+j] = v
		}
	}
	return nil
}

// each calls f for runs of elements in row-major order: elements k to k+n-1 lie at
// byte offset off, stride bytes apart.
func (a *Array) each(f func(k, n, off, stride int)) {
	total, size, rank := a.Len(), a.DType.Size(), len(a.Shape)
	if !a.Fortran || rank < 2 {
		f(0, total, 0, size)
		return
	}
	strides := make([]int, rank) // in bytes
	s := size
	for d, n := range a.Shape {
		strides[d] = s
		s *= n
	}
	last := a.Shape[rank-1]
	index := make([]int, rank-1)
	off := 0
	for k := 0; k < total; k += last {
		f(k, last, off, strides[rank-1])
		for d := rank - 2; d >= 0; d-- {
			index[d]++
			off += strides[d]
			if index[d] < a.Shape[d] {
				break
			}
			off -= strides[d] * a.Shape[d]
			index[d] = 0
		}
	}
}

// decodeAll is decode on all cores, where there are many elements.
func decodeAll(dst []float64, a *Array, off, stride int) {
	const part = 1 << 16
	var wait sync.WaitGroup
	for ; len(dst) > part && runtime.GOMAXPROCS(0) > 1; off, dst = off+part*stride, dst[part:] {
		some, from := dst[:part], off
		wait.Go(func() { decode(some, a, from, stride) })
	}
	decode(dst, a, off, stride)
	wait.Wait()
}

// decode converts len(dst) elements that start at byte off, stride bytes apart.
func decode[T float32 | float64 | int64](dst []T, a *Array, off, stride int) {
	b, big, le := a.data, a.BigEndian, binary.LittleEndian
	u16 := func(at int) uint16 {
		if v := le.Uint16(b[at:]); !big {
			return v
		} else {
			return bits.ReverseBytes16(v)
		}
	}
	u32 := func(at int) uint32 {
		if v := le.Uint32(b[at:]); !big {
			return v
		} else {
			return bits.ReverseBytes32(v)
		}
	}
	u64 := func(at int) uint64 {
		if v := le.Uint64(b[at:]); !big {
			return v
		} else {
			return bits.ReverseBytes64(v)
		}
	}
	switch a.DType {
	case weights.Float32:
		for i := range dst {
			dst[i] = T(math.Float32frombits(u32(off + i*stride)))
		}
	case weights.Float64:
		for i := range dst {
			dst[i] = T(math.Float64frombits(u64(off + i*stride)))
		}
	case weights.BFloat16:
		for i := range dst {
			dst[i] = T(math.Float32frombits(uint32(u16(off+i*stride)) << 16))
		}
	case weights.Float16:
		for i := range dst {
			dst[i] = T(weights.HalfToFloat32(u16(off + i*stride)))
		}
	case weights.Int64:
		for i := range dst {
			dst[i] = T(int64(u64(off + i*stride)))
		}
	case weights.Uint64:
		for i := range dst {
			dst[i] = T(u64(off + i*stride))
		}
	case weights.Int32:
		for i := range dst {
			dst[i] = T(int32(u32(off + i*stride)))
		}
	case weights.Uint32:
		for i := range dst {
			dst[i] = T(u32(off + i*stride))
		}
	case weights.Int16:
		for i := range dst {
			dst[i] = T(int16(u16(off + i*stride)))
		}
	case weights.Uint16:
		for i := range dst {
			dst[i] = T(u16(off + i*stride))
		}
	case weights.Int8:
		for i := range dst {
			dst[i] = T(int8(b[off+i*stride]))
		}
	case weights.Uint8:
		for i := range dst {
			dst[i] = T(b[off+i*stride])
		}
	case weights.Bool:
		for i := range dst {
			if dst[i] = 0; b[off+i*stride] != 0 {
				dst[i] = 1
			}
		}
	}
}
