package npy

import (
	"fmt"
	"slices"

	"onnxclr/importer/weights"
)

// Tensor returns the array as a tensor of the name: over the file's own bytes where
// they are little-endian and row-major, else over a copy.
func (a *Array) Tensor(name string) *weights.Tensor {
	t := &weights.Tensor{Name: name, DType: a.DType, Shape: slices.Clone(a.Shape), Data: a.data}
	size := a.DType.Size()
	swap := a.BigEndian && size > 1
	if !swap && (!a.Fortran || len(a.Shape) < 2) {
		return t
	}
	t.Data = make([]byte, 0, len(a.data))
	a.each(func(_, n, off, stride int) {
		for ; n > 0; n-- {
			t.Data = append(t.Data, a.data[off:off+size]...)
			if swap {
				slices.Reverse(t.Data[len(t.Data)-size:])
			}
			off += stride
		}
	})
	return t
}

// OfTensor returns the tensor as an array, over its own bytes.
func OfTensor(t *weights.Tensor) (*Array, error) {
	size, err := weights.ByteSize(t.Shape, t.DType)
	switch {
	case err != nil:
		return nil, err
	case size != len(t.Data):
		return nil, FormatError(fmt.Sprintf("shape %v of %v needs %d bytes, %d are there", t.Shape, t.DType, size, len(t.Data)))
	}
	return &Array{Header: Header{DType: t.DType, Shape: slices.Clone(t.Shape)}, data: t.Data}, nil
}
