package importer

import (
	"encoding/binary"
	"math"

	"onnxclr/importer/weights"
)

// convertTo returns float32 tensor t in another floating-point type, rounded to
// nearest even, and whether every element is the same number in it.
func convertTo(t *weights.Tensor, to weights.DType) (*weights.Tensor, bool) {
	if to == t.DType || t.DType != weights.Float32 {
		return t, true
	}
	le := binary.LittleEndian
	out := make([]byte, 0, len(t.Data)/4*to.Size())
	exact := true
	for i := 0; i+4 <= len(t.Data); i += 4 {
		bits := le.Uint32(t.Data[i:])
		switch to {
		case weights.Float64:
			out = le.AppendUint64(out, math.Float64bits(float64(math.Float32frombits(bits))))
		case weights.BFloat16:
			out = le.AppendUint16(out, roundBFloat16(bits))
			exact = exact && bits&0xffff == 0
		case weights.Float16:
			h, ok := exactHalf(bits)
			if !ok {
				h, exact = roundHalf(bits), false
			}
			out = le.AppendUint16(out, h)
		}
	}
	return &weights.Tensor{Name: t.Name, DType: to, Shape: t.Shape, Data: out}, exact
}

// narrow is convertTo for when nothing may be lost.
func narrow(t *weights.Tensor, to weights.DType) (*weights.Tensor, bool) {
	out, exact := convertTo(t, to)
	if !exact {
		return nil, false
	}
	return out, true
}

// roundBFloat16 returns the nearest bfloat16 number, the even one of two.
func roundBFloat16(bits uint32) uint16 {
	if bits&0x7fffffff > 0x7f800000 {
		return uint16(bits>>16) | 0x40 // a NaN stays one
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// roundHalf returns the nearest binary16 number, the even one of two; infinity from
// 65520 on.
func roundHalf(bits uint32) uint16 {
	sign := uint16(bits >> 16 & 0x8000)
	x := math.Abs(float64(math.Float32frombits(bits)))
	switch {
	case x != x:
		return sign | 0x7e00
	case x >= 65520:
		return sign | 0x7c00
	case x < 0x1p-14: // multiples of 2^-24; the largest rounds up to the first normal number
		return sign | uint16(math.RoundToEven(x*0x1p24))
	}
	exp := math.Ilogb(x)
	frac := math.RoundToEven(math.Ldexp(x, 10-exp)) // 1024 to 2048
	return sign | uint16(int(exp+14)<<10+int(frac))
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
