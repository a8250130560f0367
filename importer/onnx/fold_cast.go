package onnx

import (
	"math"
	"slices"

	"onnxclr/importer/weights"
)

// foldCast: Cast and CastLike among integers, booleans and floating-point numbers.
// Integers wrap around as in C; floating-point numbers are cut off.
func foldCast(c *call, in []*value, shape []int) (*value, error) {
	to, from := c.outputType(), in[0].dtype
	if to == from {
		return &value{shape, to, in[0].v}, nil
	}
	if from == weights.Invalid || to == weights.Invalid {
		return nil, nil
	}
	out := &value{shape, to, slices.Clone(in[0].v)}
	for i, x := range out.v {
		switch {
		case to.IsFloat():
			out.v[i] = bitsOf(numberOf(x, from), to)
		case from.IsFloat() && to == weights.Bool:
			out.v[i] = truth(numberOf(x, from) != 0)
		case from.IsFloat():
			f := math.Trunc(numberOf(x, from))
			if !(math.Abs(f) < 1<<63) {
				return nil, nil // undefined in ONNX
			}
			out.v[i] = int64(f)
		case to == weights.Bool:
			out.v[i] = truth(x != 0)
		}
	}
	return wrap(out), nil
}

func numberOf(bits int64, d weights.DType) float64 {
	switch d {
	case weights.Float32:
		return float64(math.Float32frombits(uint32(bits)))
	case weights.Float64:
		return math.Float64frombits(uint64(bits))
	case weights.Float16:
		return float64(weights.HalfToFloat32(uint16(bits)))
	case weights.BFloat16:
		return float64(math.Float32frombits(uint32(bits) << 16))
	case weights.Uint64:
		return float64(uint64(bits))
	}
	return float64(bits)
}

func bitsOf(f float64, d weights.DType) int64 {
	bits := math.Float32bits(float32(f))
	switch d {
	case weights.Float32:
		return int64(bits)
	case weights.Float16:
		return int64(weights.Half(bits))
	case weights.BFloat16:
		return int64(weights.BrainFloat(bits))
	}
	return int64(math.Float64bits(f))
}

// wrap brings results back into their type's range, as C's arithmetic does.
func wrap(v *value) *value {
	bits := 8 * v.dtype.Size()
	if bits == 64 {
		return v
	}
	signed := v.dtype == weights.Int8 || v.dtype == weights.Int16 || v.dtype == weights.Int32
	for i, x := range v.v {
		if signed {
			v.v[i] = x << (64 - bits) >> (64 - bits)
		} else {
			v.v[i] = x & (1<<bits - 1)
		}
	}
	return v
}
