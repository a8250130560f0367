package graph

import (
	"fmt"
	"sort"
	"strings"

	"onnxclr/importer/onnx"
)

// operators is the one list of ONNX operators that lower to the graph. Operators
// whose result is known at import (Constant, Shape, …) are folded before.
var operators = map[string]func(*builder, *onnx.Node) error{
	"Add":                lowerAdd,
	"AveragePool":        lowerAveragePool,
	"BatchNormalization": lowerBatchNormalization,
	"Cast":               lowerCast,
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

// unsupported names every operator among nodes that the table lacks, with the
// nodes that use it.
func unsupported(nodes []*onnx.Node, opset int64) error {
	users := map[string][]string{}
	var order []string
	for _, n := range nodes {
		if _, ok := operators[n.OpType]; ok && n.Standard() {
			continue
		}
		name := n.OpType
		if !n.Standard() {
			name = n.Domain + "." + n.OpType
		}
		if users[name] == nil {
			order = append(order, name)
		}
		users[name] = append(users[name], fmt.Sprintf("%q", label(n)))
	}
	if order == nil {
		return nil
	}
	var lines []string
	for _, name := range order {
		u := users[name]
		more := ""
		if len(u) > 3 {
			more = fmt.Sprintf(" and %d more", len(u)-3)
			u = u[:3]
		}
		lines = append(lines, fmt.Sprintf("%s in node %s%s", name, strings.Join(u, ", "), more))
	}
	return fmt.Errorf("operators that cannot be lowered (opset %d): %s; supported are %s", opset, strings.Join(lines, "; "), strings.Join(Supported(), ", "))
}
