package onnx

import "onnxclr/importer/weights"

// outputType is the element type of the node's first output; weights.Invalid when
// it is not known.
func (c *call) outputType() weights.DType {
	switch c.n.OpType {
	case "Cast":
		return DType(int32(c.n.Int("to", 0)))
	case "CastLike", "Where":
		return c.Type[c.n.Input(1)]
	case "Shape", "Size", "ArgMax", "ArgMin", "NonZero":
		return weights.Int64
	case "And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual", "Not", "Or", "Xor":
		return weights.Bool
	case "Constant":
		if t := constantOf(c.n); t != nil {
			return t.DType
		}
		return weights.Invalid
	case "ConstantOfShape":
		if t := c.n.Tensor("value"); t != nil {
			return t.DType
		}
		return weights.Float32
	}
	if _, ok := rules[c.n.OpType]; !ok {
		return weights.Invalid
	}
	return c.Type[c.n.Input(0)]
}

// types records the element types of the outputs. All have the type of the first
// but a mask and indices.
func (c *call) types() {
	t := c.outputType()
	for i, name := range c.n.Outputs {
		if i == 1 && c.n.OpType == "Dropout" {
			t = weights.Bool
		}
		if i == 1 && c.n.OpType == "MaxPool" {
			t = weights.Int64
		}
		if name != "" && t != weights.Invalid {
			c.Type[name] = t
		}
	}
}
