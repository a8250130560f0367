package importer

import (
	"fmt"

	"onnxclr/importer/onnx"
)

// Representation returns the name of the tensor [N,D] that an encoder's training and
// analysis look at: the output "representation" if there is one; otherwise, seen
// from the first output back through linear layers, biases, activations, casts and
// dropout, what the global average pooling and its Flatten produce; in a network
// without such a pooling, the input of the last linear layer.
func Representation(m *onnx.Model) (string, error) {
	g := m.Graph
	if g.Output(RepresentationName) != nil {
		return RepresentationName, nil
	}
	producer := map[string]*onnx.Node{}
	for _, n := range g.Nodes {
		for _, o := range n.Outputs {
			producer[o] = n
		}
	}
	var why string
	for _, out := range g.Outputs {
		name, met := behindHead(g, producer, out.Name)
		if name != "" {
			return name, nil
		}
		if why == "" {
			why = fmt.Sprintf("behind output %q is %s", out.Name, met)
		}
	}
	return "", unsupportedf("the model has no output %q, and no pooled vector or linear layer that could be it: %s", RepresentationName, why)
}

// behindHead walks from an output towards the images until the pooling. Without one
// it returns the input of the last linear layer, or else what stopped it.
func behindHead(g *onnx.Graph, producer map[string]*onnx.Node, name string) (found, met string) {
	linear, vector := "", ""
	for {
		n := producer[name]
		switch {
		case n == nil:
			return linear, fmt.Sprintf("%q, which no node computes", name)
		case !n.Standard():
			return linear, fmt.Sprintf("node %q (%s.%s)", n.Name, n.Domain, n.OpType)
		}
		next := n.Input(0)
		switch n.OpType {
		case "Gemm", "MatMul":
			if linear == "" {
				linear = n.Input(0)
			}
			vector = ""
		case "Add", "Mul", "Sub", "Div":
			// A bias or a scale; where two computed tensors meet, the head has ended.
			switch {
			case producer[n.Input(1)] == nil:
			case producer[n.Input(0)] == nil:
				next = n.Input(1)
			default:
				return linear, fmt.Sprintf("node %q (%s)", n.Name, n.OpType)
			}
		case "Relu", "LeakyRelu", "Elu", "Gelu", "Tanh", "Sigmoid", "Softmax", "LogSoftmax", "BatchNormalization", "LayerNormalization", "Dropout", "Identity", "Cast", "CastLike":
		case "Flatten", "Reshape", "Squeeze":
			if vector == "" {
				vector = name
			}
		case "GlobalAveragePool", "GlobalMaxPool", "AveragePool", "ReduceMean":
			if vector == "" {
				vector = name
			}
			return vector, ""
		default:
			return linear, fmt.Sprintf("node %q (%s)", n.Name, n.OpType)
		}
		name = next
	}
}
