package importer

import (
	"strings"

	"onnxclr/importer/onnx"
)

// DetachHead removes the output "embedding" with everything that only it needed,
// and reports whether there was one.
func DetachHead(m *onnx.Model) bool {
	if !dropOutput(m, EmbeddingName) {
		return false
	}
	dropMeta(m, MetaHead)
	return true
}

// dropOutput removes a graph output, and the nodes and initializers that nothing
// needs any more. What nothing needed before stays.
func dropOutput(m *onnx.Model, name string) bool {
	g := m.Graph
	if g.Output(name) == nil {
		return false
	}
	before := needed(g)
	var outputs []*onnx.ValueInfo
	for _, o := range g.Outputs {
		if o.Name != name {
			outputs = append(outputs, o)
		}
	}
	g.Outputs = outputs
	after := needed(g)
	dead := func(name string) bool { return before[name] && !after[name] }

	var nodes []*onnx.Node
	for _, n := range g.Nodes {
		alive := len(n.Outputs) == 0
		for _, o := range n.Outputs {
			alive = alive || o != "" && !dead(o)
		}
		if alive {
			nodes = append(nodes, n)
		}
	}
	var initializers []*onnx.Tensor
	counts, err := BatchesTracked(m)
	for _, t := range g.Initializers {
		if !dead(t.Name) {
			initializers = append(initializers, t)
		} else if norm, ok := strings.CutSuffix(t.Name, runningVar); ok {
			delete(counts, norm)
		}
	}
	g.Nodes, g.Initializers = nodes, initializers
	if m.Meta(MetaBatches) != "" && err == nil {
		SetBatchesTracked(m, counts)
	}
	return true
}

// needed returns the names of all tensors that the graph's outputs depend on.
func needed(g *onnx.Graph) map[string]bool {
	producer := map[string]*onnx.Node{}
	for _, n := range g.Nodes {
		for _, o := range n.Outputs {
			producer[o] = n
		}
	}
	need := map[string]bool{}
	var stack []string
	for _, o := range g.Outputs {
		stack = append(stack, o.Name)
	}
	for len(stack) > 0 {
		name := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if name == "" || need[name] {
			continue
		}
		need[name] = true
		if n := producer[name]; n != nil {
			stack = append(stack, n.Inputs...)
			stack = append(stack, n.Outputs...)
		}
	}
	return need
}
