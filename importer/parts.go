package importer

import (
	"strings"

	"onnxclr/importer/onnx"
)

// Part is a part of a network that its parameters' names set apart, such as layer2, and
// the tensor it ends in.
type Part struct{ Name, Output string }

// Parts returns the parts of the network in the order of the graph: by the first part of
// its parameters' names, or the first two where the first is common to nearly all (as in
// features.3). What has no parameters belongs to what came before; none ends in a
// Transpose, behind which channels need not come first.
func Parts(m *onnx.Model) []Part {
	for depth := 1; ; depth++ {
		parts := partsAt(m, depth)
		if len(parts) > 3 || depth == 3 {
			return parts
		}
	}
}

func partsAt(m *onnx.Model, depth int) (parts []Part) {
	at := map[string]int{}
	current := ""
	for _, n := range m.Graph.Nodes {
		if len(n.Outputs) == 0 || n.OpType == "Constant" {
			continue
		}
		own := false
		for _, in := range n.Inputs {
			if name := module(m, in); name != "" {
				current, own = name, true
				break
			}
		}
		if !own && n.Outputs[0] == EmbeddingName { // a head without parameters
			current = EmbeddingName
		}
		if current == "" || n.OpType == "Transpose" {
			continue
		}
		path := strings.Split(current, ".")
		name := strings.Join(path[:min(depth, len(path))], ".")
		i, ok := at[name]
		if !ok {
			i = len(parts)
			at[name] = i
			parts = append(parts, Part{Name: name})
		}
		parts[i].Output = n.Outputs[0]
	}
	return parts
}

// module is the module whose parameter an input is, "" where it is none.
func module(m *onnx.Model, input string) string {
	if input == "" || m.Graph.Initializer(input) == nil {
		return ""
	}
	i := strings.LastIndexByte(input, '.')
	if i <= 0 || strings.Contains(input, "::") {
		return ""
	}
	return input[:i]
}
