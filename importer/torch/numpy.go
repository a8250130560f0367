package torch

import (
	"encoding/binary"
	"math"
	"strings"

	"onnxclr/importer/weights"
)

// numpyScalar understands numpy's scalar(dtype, bytes), which is how metrics such as
// a best accuracy get into checkpoints: numbers and booleans become plain values,
// anything else stays opaque.
func numpyScalar(m *machine, name string, args Tuple) any {
	if len(args) == 2 {
		dtype, ok := args[0].(*Opaque)
		var raw []byte
		switch b := args[1].(type) {
		case []byte:
			raw = b
		case string: // Python 2
			raw = []byte(b)
		}
		if ok && dtype.Name == "numpy.dtype" && len(dtype.Args) > 0 && len(raw) <= 8 {
			if code, ok := dtype.Args[0].(string); ok {
				if v := scalar(code, dtype.State, raw); v != nil {
					return v
				}
			}
		}
	}
	return m.opaque(name, args)
}

// scalar decodes one element of the numpy type code, such as "f8"; nil if that is
// none of the known ones. The byte order is in the state, ">" for big-endian.
func scalar(code string, state any, raw []byte) any {
	var swapped [8]byte
	n := copy(swapped[:], raw)
	if t, ok := state.(Tuple); ok && len(t) > 1 && t[1] == ">" {
		reverse(swapped[:n], max(n, 1))
	}
	d, ok := numpyTypes[strings.TrimLeft(code, "<>|=")]
	if !ok || d.Size() != n {
		return nil
	}
	bits := binary.LittleEndian.Uint64(swapped[:])
	switch d {
	case weights.Float64:
		return math.Float64frombits(bits)
	case weights.Float32:
		return float64(math.Float32frombits(uint32(bits)))
	case weights.Float16:
		return float64(weights.HalfToFloat32(uint16(bits)))
	case weights.Int64:
		return int64(bits)
	case weights.Int32:
		return int64(int32(bits))
	case weights.Int16:
		return int64(int16(bits))
	case weights.Int8:
		return int64(int8(bits))
	case weights.Uint8, weights.Uint16, weights.Uint32:
		return int64(bits)
	case weights.Bool:
		return bits != 0
	}
	return nil
}

var numpyTypes = map[string]weights.DType{
	"f8": weights.Float64, "f4": weights.Float32, "f2": weights.Float16,
	"i8": weights.Int64, "i4": weights.Int32, "i2": weights.Int16, "i1": weights.Int8,
	"u4": weights.Uint32, "u2": weights.Uint16, "u1": weights.Uint8, "b1": weights.Bool,
}
