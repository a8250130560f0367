package onnx

import "math"

// arity is how many inputs and outputs an operator has, over all opsets.
type arity struct{ minIn, maxIn, minOut, maxOut int }

var arities = map[string]arity{
	"Add": {2, 2, 1, 1}, "AveragePool": {1, 1, 1, 1}, "BatchNormalization": {5, 5, 1, 5}, "Cast": {1, 1, 1, 1}, "CastLike": {2, 2, 1, 1},
	"Clip": {1, 3, 1, 1}, "Concat": {1, math.MaxInt, 1, 1}, "Constant": {0, 0, 1, 1}, "ConstantOfShape": {1, 1, 1, 1}, "Conv": {2, 3, 1, 1},
	"Div": {2, 2, 1, 1}, "Dropout": {1, 3, 1, 2}, "Equal": {2, 2, 1, 1}, "Expand": {2, 2, 1, 1}, "Flatten": {1, 1, 1, 1},
	"Gather": {2, 2, 1, 1}, "Gemm": {2, 3, 1, 1}, "GlobalAveragePool": {1, 1, 1, 1}, "GlobalMaxPool": {1, 1, 1, 1}, "Identity": {1, 1, 1, 1},
	"MatMul": {2, 2, 1, 1}, "MaxPool": {1, 1, 1, 2}, "Mul": {2, 2, 1, 1}, "Pow": {2, 2, 1, 1}, "Range": {3, 3, 1, 1}, "ReduceMean": {1, 2, 1, 1},
	"ReduceSum": {1, 2, 1, 1}, "Relu": {1, 1, 1, 1}, "Reshape": {1, 2, 1, 1}, "Shape": {1, 1, 1, 1}, "Sigmoid": {1, 1, 1, 1},
	"Slice": {1, 5, 1, 1}, "Softmax": {1, 1, 1, 1}, "Split": {1, 2, 1, math.MaxInt}, "Squeeze": {1, 2, 1, 1}, "Sub": {2, 2, 1, 1},
	"Tanh": {1, 1, 1, 1}, "Transpose": {1, 1, 1, 1}, "Unsqueeze": {1, 2, 1, 1}, "Where": {3, 3, 1, 1},
}

// attributeTypes are the types of attributes by name: the operators that the
// package knows agree on them, but for Pad's value.
var attributeTypes = map[string]AttributeType{
	"allowzero": AttrInt, "alpha": AttrFloat, "auto_pad": AttrString, "axes": AttrInts, "axis": AttrInt, "beta": AttrFloat, "ceil_mode": AttrInt, "count_include_pad": AttrInt,
	"dilations": AttrInts, "end": AttrInt, "ends": AttrInts, "epsilon": AttrFloat, "group": AttrInt, "keepdims": AttrInt,
	"kernel_shape": AttrInts, "momentum": AttrFloat, "noop_with_empty_axes": AttrInt, "pads": AttrInts, "perm": AttrInts, "ratio": AttrFloat,
	"split": AttrInts, "start": AttrInt, "starts": AttrInts, "storage_order": AttrInt, "strides": AttrInts, "to": AttrInt,
	"training_mode": AttrInt, "transA": AttrInt, "transB": AttrInt, "value": AttrTensor, "value_float": AttrFloat, "value_floats": AttrFloats,
	"value_int": AttrInt, "value_ints": AttrInts,
}
