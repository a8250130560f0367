package onnx

import (
	"fmt"

	"onnxclr/importer/weights"
)

// TensorProto.DataType of the types that weights.DType knows, and of strings.
const (
	elemFloat    = 1
	elemUint8    = 2
	elemInt8     = 3
	elemUint16   = 4
	elemInt16    = 5
	elemInt32    = 6
	elemInt64    = 7
	elemString   = 8
	elemBool     = 9
	elemFloat16  = 10
	elemDouble   = 11
	elemUint32   = 12
	elemUint64   = 13
	elemBFloat16 = 16
)

var dtypeOf = map[int32]weights.DType{
	elemFloat: weights.Float32, elemUint8: weights.Uint8, elemInt8: weights.Int8, elemUint16: weights.Uint16,
	elemInt16: weights.Int16, elemInt32: weights.Int32, elemInt64: weights.Int64, elemBool: weights.Bool,
	elemFloat16: weights.Float16, elemDouble: weights.Float64, elemUint32: weights.Uint32, elemUint64: weights.Uint64,
	elemBFloat16: weights.BFloat16,
}

var elemTypeOf = func() map[weights.DType]int32 {
	m := map[weights.DType]int32{}
	for e, d := range dtypeOf {
		m[d] = e
	}
	return m
}()

// elemNames are the names of TensorProto.DataType, by number.
var elemNames = []string{"undefined", "float", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool",
	"float16", "double", "uint32", "uint64", "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz",
	"float8e5m2", "float8e5m2fnuz", "uint4", "int4", "float4e2m1", "float8e8m0", "uint2", "int2"}

// ElemTypeName returns ONNX's name of a TensorProto.DataType, such as "float16".
func ElemTypeName(elemType int32) string {
	if elemType < 0 || int(elemType) >= len(elemNames) {
		return fmt.Sprintf("type %d", elemType)
	}
	return elemNames[elemType]
}

// ElemType returns the TensorProto.DataType of d; 0 for weights.Invalid.
func ElemType(d weights.DType) int32 { return elemTypeOf[d] }

// DType returns the element type of a TensorProto.DataType; weights.Invalid when
// it is one that weights does not know.
func DType(elemType int32) weights.DType { return dtypeOf[elemType] }
