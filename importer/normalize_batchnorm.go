package importer

import (
	"fmt"
	"slices"
	"strings"

	"onnxclr/importer/onnx"
)

// BatchNormState is what an export left of a network's batch normalisation, that of
// an attached head aside.
type BatchNormState struct {
	Convolutions int // Conv nodes
	Kept         int // BatchNormalization nodes
	Training     int // of which normalise by the batch (5 outputs, or training_mode 1)
	Frozen       int // of which normalise by running statistics, beside others that train
	Folded       int // convolutions that hold a BatchNormalization in weight and bias
	Evidence     string
}

// String says it in one line.
func (s BatchNormState) String() string {
	var parts []string
	nodes := fmt.Sprintf("%d BatchNormalization nodes", s.Kept)
	if s.Kept == 1 {
		nodes = "1 BatchNormalization node"
	}
	switch {
	case s.Kept == 0 && s.Folded == 0:
		return "no BatchNormalization, and no sign that there was any"
	case s.Kept == 0:
	case s.Training == 0:
		parts = append(parts, nodes+", inference form")
	case s.Frozen > 0:
		parts = append(parts, fmt.Sprintf("%s, %d in training form and %d frozen", nodes, s.Training, s.Frozen))
	default:
		parts = append(parts, nodes+", training form")
	}
	if s.Folded > 0 {
		text := fmt.Sprintf("folded into %d of %d convolutions at export", s.Folded, s.Convolutions)
		if s.Kept == 0 {
			text += ": no BatchNormalization left"
		}
		parts = append(parts, text+" ("+s.Evidence+")")
	}
	return strings.Join(parts, "; ")
}

// DetectBatchNorm says what there is of batch normalisation in a model.
func DetectBatchNorm(m *onnx.Model) BatchNormState {
	s, _ := findFolded(m)
	return s
}

// findFolded looks at the graph as it was exported. That a BatchNormalization
// was folded cannot be seen in the numbers: it leaves a convolution with a bias,
// which some networks have anyway. There are two signs, and Evidence says which was
// seen. folded has the outputs of the convolutions concerned.
//
//   - the weight or the bias has a name that exporters give to what they computed
//     themselves, and no BatchNormalization follows;
//   - nothing is normalised, and the network is residual (it adds the outputs of
//     convolutions): such networks are. PyTorch's newer exporter leaves not even
//     biases where those would be 0, as in a network that has not been trained.
func findFolded(m *onnx.Model) (s BatchNormState, folded map[string]bool) {
	g := m.Graph
	convolutions, computed := map[string]bool{}, map[string]bool{}
	normalised := map[string]bool{} // tensors that a BatchNormalization reads
	for _, n := range g.Nodes {
		if !n.Standard() || ofHead(n) {
			continue
		}
		switch n.OpType {
		case "Conv":
			s.Convolutions++
			convolutions[n.Output(0)] = true
		case "BatchNormalization":
			s.Kept++
			normalised[n.Input(0)] = true
			if trains(n, m.Opset("")) {
				s.Training++
			}
		}
	}
	if s.Training > 0 {
		s.Frozen = s.Kept - s.Training
	}
	for _, n := range g.Nodes {
		if n.OpType != "Conv" || !n.Standard() || n.Input(2) == "" || normalised[n.Output(0)] {
			continue
		}
		if onnx.MadeUp(n.Inputs[1]) || onnx.MadeUp(n.Inputs[2]) || fusedBias(n, 2) {
			computed[n.Output(0)] = true
		}
	}
	switch {
	case len(computed) > 0:
		folded = computed
		s.Evidence = "their weights have the names of folded ones"
	case s.Kept == 0 && s.Convolutions > 1 && residual(g) && !normalises(g):
		folded = convolutions
		s.Evidence = "a residual network in which nothing is normalised"
	}
	s.Folded = len(folded)
	return s, folded
}

// trains reports whether a BatchNormalization is in its training form: until opset
// 13 that is the number of outputs, since then an attribute.
func trains(n *onnx.Node, opset int64) bool {
	if opset >= 14 {
		return n.Int("training_mode", 0) != 0
	}
	for i := 1; i < len(n.Outputs); i++ {
		if n.Outputs[i] != "" {
			return true
		}
	}
	return false
}

// residual reports whether some Add joins two computed tensors, one of them the
// output of a convolution.
func residual(g *onnx.Graph) bool {
	producer := map[string]string{}
	for _, n := range g.Nodes {
		for _, o := range n.Outputs {
			producer[o] = n.OpType
		}
	}
	for _, n := range g.Nodes {
		if n.OpType != "Add" {
			continue
		}
		a, b := producer[n.Input(0)], producer[n.Input(1)]
		if a != "" && b != "" && (a == "Conv" || b == "Conv") {
			return true
		}
	}
	return false
}

// normalises reports whether there is a normalisation of another kind than by
// batch, as an operator or written out, which takes a root or a quotient.
func normalises(g *onnx.Graph) bool {
	return slices.ContainsFunc(g.Nodes, func(n *onnx.Node) bool {
		if ofHead(n) {
			return false
		}
		switch n.OpType {
		case "Sqrt", "Reciprocal", "Div", "LRN", "ReduceL2":
			return true
		}
		return strings.HasSuffix(n.OpType, "Normalization")
	})
}
