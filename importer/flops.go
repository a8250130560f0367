package importer

import "onnxclr/importer/onnx"

// FLOPs returns the multiplications, additions, comparisons and function evaluations
// of one forward pass through a node, 0 where its shapes are not known. A
// multiplication with its addition counts two, as everywhere in onnxclr; tools that
// print multiply-adds print half. What only moves elements costs nothing.
func FLOPs(n *onnx.Node, shapes *onnx.Shapes) int64 {
	if !n.Standard() || shapes.Const[n.Output(0)] != nil {
		return 0
	}
	out, known := shapes.Shape[n.Output(0)]
	if !known {
		return 0
	}
	in := shapes.Shape[n.Input(0)]
	elements := product(out)
	switch n.OpType {
	case "Conv":
		return elements * (2*product(tail(shapes.Shape[n.Input(1)], 1)) + given(n, 2))
	case "ConvTranspose":
		return product(in)*2*product(tail(shapes.Shape[n.Input(1)], 1)) + elements*given(n, 2)
	case "Gemm":
		k := last(in)
		if n.Int("transA", 0) != 0 && len(in) == 2 {
			k = int64(in[0])
		}
		return elements * (2*k + given(n, 2))
	case "MatMul":
		return elements * 2 * last(in)
	case "BatchNormalization": // in its evaluation form one scale and one shift
		return 2 * elements
	case "InstanceNormalization", "GroupNormalization", "LayerNormalization":
		return 8 * elements // mean, variance, scale, shift
	case "LRN":
		return elements * (2*n.Int("size", 1) + 3)
	case "MaxPool", "AveragePool":
		window := int64(1)
		for _, k := range n.Ints("kernel_shape") {
			window *= k
		}
		return elements * window
	case "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceProd":
		return product(in)
	case "ReduceL2", "ReduceSumSquare":
		return 2 * product(in)
	case "Softmax", "LogSoftmax": // maximum, difference, exponential, sum, quotient
		return 5 * elements
	case "Gelu":
		return 5 * elements
	case "HardSwish", "Swish", "Mish", "Selu", "Elu", "Celu", "Softplus", "Softsign", "Sigmoid", "HardSigmoid":
		return 3 * elements
	case "Clip":
		return 2 * elements
	case "Sum", "Mean", "Max", "Min":
		return elements * int64(max(len(n.Inputs)-1, 0))
	case "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Exp", "Log", "Abs", "Neg", "Erf", "Tanh", "Relu", "LeakyRelu", "PRelu", "ThresholdedRelu",
		"Reciprocal", "Sin", "Cos", "Floor", "Ceil", "Round", "Sign", "Mod", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Where", "Not", "And", "Or", "Xor":
		return elements
	}
	return 0
}

// given is 1 if the node has the optional input.
func given(n *onnx.Node, i int) int64 {
	if n.Input(i) != "" {
		return 1
	}
	return 0
}

func product(shape []int) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= int64(d)
	}
	return n
}

func tail(shape []int, from int) []int { return shape[min(from, len(shape)):] }

func last(shape []int) int64 {
	if len(shape) == 0 {
		return 1
	}
	return int64(shape[len(shape)-1])
}
