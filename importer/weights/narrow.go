package weights

import (
	"encoding/binary"
	"math"
)

// As returns the tensor in another floating-point type, rounded to nearest even by way
// of float32, and whether every element is the same number in it. What is there in that
// type already is returned as it is. Values beyond the type's range become infinite. It
// fails on other types than the four, and when Data does not fit the shape.
func (t *Tensor) As(to DType) (*Tensor, bool, error) {
	if to == t.DType {
		return t, true, t.check()
	}
	from, err := t.AsFloat32()
	if err != nil {
		return nil, false, err
	}
	out, exact := narrow(from, to)
	if exact && t.DType == Float64 { // the first step may have rounded
		for i := 0; i < len(t.Data) && exact; i += 8 {
			v := math.Float64frombits(binary.LittleEndian.Uint64(t.Data[i:]))
			exact = float64(float32(v)) == v || v != v
		}
	}
	return out, exact, nil
}

// narrow is As for float32.
func narrow(t *Tensor, to DType) (*Tensor, bool) {
	if to == Float32 {
		return t, true
	}
	le := binary.LittleEndian
	out := make([]byte, 0, len(t.Data)/4*to.Size())
	exact := true
	for i := 0; i+4 <= len(t.Data); i += 4 {
		bits := le.Uint32(t.Data[i:])
		switch to {
		case Float64:
			out = le.AppendUint64(out, math.Float64bits(float64(math.Float32frombits(bits))))
		case BFloat16:
			out = le.AppendUint16(out, BrainFloat(bits))
			exact = exact && bits&0xffff == 0
		case Float16:
			h, ok := exactHalf(bits)
			if !ok {
				h, exact = Half(bits), false
			}
			out = le.AppendUint16(out, h)
		}
	}
	return &Tensor{Name: t.Name, DType: to, Shape: t.Shape, Data: out}, exact
}

// Fits reports whether all finite values stay finite when they are rounded to a type;
// otherwise it returns one that does not.
func Fits(values []float32, to DType) (float32, bool) {
	limit := float32(math.Inf(1))
	switch to {
	case Float16:
		limit = 65520
	case BFloat16:
		limit = math.Float32frombits(0x7f7f8000)
	}
	for _, v := range values {
		if (v >= limit || v <= -limit) && !math.IsInf(float64(v), 0) {
			return v, false
		}
	}
	return 0, true
}

// BrainFloat returns the bfloat16 number nearest to the binary32 one with these bits, the
// even one of two.
func BrainFloat(bits uint32) uint16 {
	if bits&0x7fffffff > 0x7f800000 {
		return uint16(bits>>16) | 0x40 // a NaN stays one
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// Half returns the binary16 number nearest to the binary32 one with these bits, the even
// one of two; infinity from 65520 on.
func Half(bits uint32) uint16 {
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
	return h, math.Float32bits(HalfToFloat32(h)) == bits
}
