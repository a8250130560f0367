package onnx

// rules is the one list of operators whose output shapes are inferred.
var rules map[string]rule

func init() {
	rules = map[string]rule{
		"AveragePool":        {1, inferPool},
		"MaxPool":            {1, inferPool},
		"LpPool":             {1, inferPool},
		"GlobalAveragePool":  {1, inferGlobalPool},
		"GlobalLpPool":       {1, inferGlobalPool},
		"GlobalMaxPool":      {1, inferGlobalPool},
		"Conv":               {2, inferConv},
		"BatchNormalization": {1, inferBatchNormalization},
		"LayerNormalization": {1, inferLayerNormalization},
		"Gemm":               {2, inferGemm},
		"MatMul":             {2, inferMatMul},

		"Concat":    {all, inferConcat},
		"Expand":    {1, inferExpand},
		"Flatten":   {1, inferFlatten},
		"Gather":    {2, inferGather},
		"Pad":       {1, inferPad},
		"Reshape":   {1, inferReshape},
		"Slice":     {1, inferSlice},
		"Split":     {1, inferSplit},
		"Squeeze":   {1, inferSqueeze},
		"Tile":      {1, inferTile},
		"Transpose": {1, inferTranspose},
		"Unsqueeze": {1, inferUnsqueeze},

		"Constant":        {0, inferConstant},
		"ConstantOfShape": {0, inferConstantOfShape},
		"Range":           {0, inferRange},
		"Shape":           {1, inferShape},
		"Size":            {1, inferSize},
	}
	for _, op := range []string{"Abs", "Acos", "Asin", "Atan", "Cast", "CastLike", "Ceil", "Celu", "Clip", "Cos", "CumSum", "Elu", "Erf", "Exp",
		"Floor", "Gelu", "HardSigmoid", "HardSwish", "Hardmax", "Identity", "InstanceNormalization", "IsInf", "IsNaN",
		"LeakyRelu", "Log", "LogSoftmax", "LRN", "Mish", "Neg", "Not", "PRelu", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign",
		"Sin", "Softmax", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu"} {
		rules[op] = rule{1, inferSame}
	}
	rules["Dropout"] = rule{1, inferSameTwice}
	for _, op := range []string{"Add", "And", "BitShift", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean",
		"Min", "Mod", "Mul", "Or", "Pow", "Sub", "Sum", "Where", "Xor"} {
		rules[op] = rule{all, inferBroadcast}
	}
	for _, op := range []string{"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
		"ReduceProd", "ReduceSum", "ReduceSumSquare"} {
		rules[op] = rule{1, inferReduce}
	}
	for _, op := range []string{"ArgMax", "ArgMin"} {
		rules[op] = rule{1, inferArg}
	}
}
