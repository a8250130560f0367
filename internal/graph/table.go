package graph

import (
	"sort"

	"onnxclr/importer/onnx"
)

// operators is the one list of ONNX operators that lower to the graph. Operators
// whose result is known at import (Constant, Shape, …) are folded before.
var operators = map[string]func(*builder, *onnx.Node) error{
	"Add":                lowerAdd,
	"AveragePool":        lowerAveragePool,
	"BatchNormalization": lowerBatchNormalization,
	"Cast":               lowerCast,
	"CastLike":           lowerCast,
	"Clip":               lowerClip,
	"Concat":             lowerConcat,
	"Conv":               lowerConv,
	"Div":                lowerPairwise,
	"Dropout":            lowerDropout,
	"Expand":             lowerExpand,
	"Flatten":            lowerReshape,
	"Gather":             lowerMove(gatherMap),
	"Gemm":               lowerGemm,
	"GlobalAveragePool":  lowerGlobalAveragePool,
	"GlobalMaxPool":      lowerGlobalMaxPool,
	"Identity":           lowerIdentity,
	"LRN":                lowerLRN,
	"LayerNormalization": lowerLayerNormalization,
	"LogSoftmax":         lowerSoftmax,
	"MatMul":             lowerMatMul,
	"Max":                lowerPairwise,
	"MaxPool":            lowerMaxPool,
	"Mean":               lowerPairwise,
	"Min":                lowerPairwise,
	"Mul":                lowerPairwise,
	"Pad":                lowerMove(padMap),
	"Pow":                lowerPairwise,
	"ReduceMean":         lowerReduce,
	"ReduceSum":          lowerReduce,
	"Relu":               lowerRelu,
	"Reshape":            lowerReshape,
	"Slice":              lowerSlice,
	"Softmax":            lowerSoftmax,
	"Split":              lowerSplit,
	"Squeeze":            lowerReshape,
	"Sub":                lowerPairwise,
	"Sum":                lowerPairwise,
	"Transpose":          lowerTranspose,
	"Unsqueeze":          lowerReshape,
}

func init() {
	for name := range pointwises {
		operators[name] = lowerPointwise
	}
}

// Supported lists the operators of the table in alphabetical order.
func Supported() []string {
	var names []string
	for name := range operators {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
