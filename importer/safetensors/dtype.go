package safetensors

import "onnxclr/importer/weights"

// dtypes pairs the format's names with element types.
var dtypes = []struct {
	name string
	d    weights.DType
}{
	{"F32", weights.Float32},
	{"F64", weights.Float64},
	{"F16", weights.Float16},
	{"BF16", weights.BFloat16},
	{"I64", weights.Int64},
	{"I32", weights.Int32},
	{"I16", weights.Int16},
	{"I8", weights.Int8},
	{"U64", weights.Uint64},
	{"U32", weights.Uint32},
	{"U16", weights.Uint16},
	{"U8", weights.Uint8},
	{"BOOL", weights.Bool},
}

func dtypeOf(name string) weights.DType {
	for _, t := range dtypes {
		if t.name == name {
			return t.d
		}
	}
	return weights.Invalid
}

func nameOf(d weights.DType) string {
	for _, t := range dtypes {
		if t.d == d {
			return t.name
		}
	}
	return ""
}
