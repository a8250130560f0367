package importer

import (
	"encoding/binary"
	"math"

	"onnxclr/importer/weights"
)

// narrow returns float32 tensor t as float16 or bfloat16 if every element is such a
// number exactly, and whether it is.
func narrow(t *weights.Tensor, to weights.DType) (*weights.Tensor, bool) {
	out := make([]byte, 0, len(t.Data)/2)
	for i := 0; i+4 <= len(t.Data); i += 4 {
		bits := binary.LittleEndian.Uint32(t.Data[i:])
		h, ok := uint16(bits>>16), bits&0xffff == 0
		if to == weights.Float16 {
			h, ok = exactHalf(bits)
		}
		if !ok {
			return nil, false
		}
		out = binary.LittleEndian.AppendUint16(out, h)
	}
	return &weights.Tensor{Name: t.Name, DType: to, Shape: t.Shape, Data: out}, true
}

// exactHalf returns the binary16 number of the same value as the binary32 one with
// these bits, and whether there is one. Its candidates are checked by converting
// back, which is exact.
func exactHalf(bits uint32) (uint16, bool) {
	sign := uint16(bits >> 16 & 0x8000)
	exp := int(bits>>23&0xff) - 127
	frac := bits & 0x7fffff
	var h uint16
	switch {
	case exp == 128: // infinities and NaNs
		h = 0x7c00 | uint16(frac>>13)
	case exp >= -14: // normal, or too large
		h = uint16(exp+15)<<10 | uint16(frac>>13)
	case exp >= -24: // subnormal
		h = uint16((frac | 1<<23) >> (-exp - 1))
	}
	h |= sign
	return h, math.Float32bits(weights.HalfToFloat32(h)) == bits
}
