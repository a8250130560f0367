package importer

import (
	"slices"

	"onnxclr/importer/onnx"
)

// LastBlock returns the input of the last residual block that a tensor depends on: where
// the two branches part that the last Add joins; "" if there is none.
func LastBlock(m *onnx.Model, tensor string) string {
	producer := map[string]int{}
	for i, n := range m.Graph.Nodes {
		for _, o := range n.Outputs {
			producer[o] = i
		}
	}
	// ancestors are the nodes that a tensor depends on.
	ancestors := func(tensor string) map[int]bool {
		seen, queue := map[int]bool{}, []string{tensor}
		for ; len(queue) > 0; queue = queue[1:] {
			if i, ok := producer[queue[0]]; ok && !seen[i] {
				seen[i] = true
				queue = append(queue, m.Graph.Nodes[i].Inputs...)
			}
		}
		return seen
	}
	before := ancestors(tensor)
	for at, n := range slices.Backward(m.Graph.Nodes) {
		if !before[at] || !n.Standard() || n.OpType != "Add" {
			continue
		}
		a, b := ancestors(n.Input(0)), ancestors(n.Input(1))
		for i := at; i >= 0; i-- {
			if a[i] && b[i] {
				return m.Graph.Nodes[i].Outputs[0]
			}
		}
	}
	return ""
}
