package importer

import (
	"encoding/json"
	"strings"
	"sync"
	"unicode/utf8"

	"onnxclr/importer/onnx"
)

// MetaNames holds, as a JSON object, the names that parameters had in the file of
// an exporter, by the names that Normalize gave them.
const MetaNames = "original_names"

// rename gives parameters whose names an exporter made up PyTorch's.
func (n *normalizer) rename() error {
	taken := n.g.Names()
	names := map[string]string{}
	for _, node := range n.g.Nodes {
		for i, old := range node.Inputs {
			key := n.keyOf(node, i)
			if key == "" || key == old || taken[key] || names[old] != "" || n.g.Initializer(old) == nil {
				continue
			}
			if !onnx.MadeUp(old) && !fusedBias(node, i) {
				continue
			}
			if node.OpType == "MatMul" || node.OpType == "Gemm" && i == 1 && node.Int("transB", 0) == 0 {
				continue // transposed: not what PyTorch keeps under that key
			}
			names[old], taken[key] = key, true
		}
	}
	if len(names) == 0 {
		return nil
	}
	if err := n.g.Rename(names); err != nil {
		return err
	}
	n.Renamed = map[string]string{}
	for old, key := range names {
		n.Renamed[key] = old
	}
	text, err := json.Marshal(n.Renamed) // sorted
	if err != nil {
		return err
	}
	n.model.SetMeta(MetaNames, string(text))
	return nil
}

// fusedBias reports whether input i is the bias that PyTorch's newer exporter adds
// when it folds a BatchNormalization: "conv1.weight_bias" beside "conv1.weight".
func fusedBias(n *onnx.Node, i int) bool {
	return i == 2 && n.Input(1) != "" && n.Input(2) == n.Input(1)+"_bias"
}

// moduleNames finds the path of the PyTorch module behind each node with
// parameters: from the name of one of its parameters, from the node's own name, or
// from the place it has in a ResNet.
func moduleNames(m *onnx.Model) map[*onnx.Node]string {
	uses := m.Graph.Uses()
	names := map[*onnx.Node]string{}
	claimed := map[string]bool{}
	claim := func(n *onnx.Node, module string) {
		if module != "" && names[n] == "" && !claimed[module] {
			names[n], claimed[module] = module, true
		}
	}
	topology := sync.OnceValue(func() map[*onnx.Node]string { return resnetModules(m.Graph) })
	for _, source := range []func(*onnx.Node) string{
		func(n *onnx.Node) string { return moduleOfParameters(n, uses) },
		moduleOfName,
		func(n *onnx.Node) string { return topology()[n] },
	} {
		for _, n := range m.Graph.Nodes {
			if n.Standard() && parameterRoles[n.OpType] != nil && names[n] == "" {
				claim(n, source(n))
			}
		}
	}
	return names
}

// moduleOfParameters: a layer of which some parameter is called "layer1.0.bn1.bias",
// at the place of a bias, is layer1.0.bn1. The weight counts first. What several
// layers read says nothing: it bears the name of one of them.
func moduleOfParameters(n *onnx.Node, uses map[string]int) string {
	for i := range n.Inputs {
		r := role(n, i)
		if r == "" || onnx.MadeUp(n.Inputs[i]) || uses[n.Inputs[i]] > 1 {
			continue
		}
		if module, ok := strings.CutSuffix(n.Inputs[i], "."+r); ok && module != "" {
			return module
		}
	}
	return ""
}

// moduleOfName reads node names such as "/layer1/layer1.0/conv1/Conv". A segment is
// a child's name, or the parent's with an index, in which case it replaces the
// parent's.
func moduleOfName(n *onnx.Node) string {
	path, ok := strings.CutPrefix(n.Name, "/")
	if !ok || !utf8.ValidString(path) { // a tensor's name must be, a node's need not
		return ""
	}
	segments := strings.Split(path, "/")
	last := segments[len(segments)-1]
	if last != n.OpType && !strings.HasPrefix(last, n.OpType+"_") {
		return ""
	}
	var module []string
	for _, s := range segments[:len(segments)-1] {
		if s == "" {
			return ""
		}
		if k := len(module); k > 0 && strings.HasPrefix(s, module[k-1]+".") {
			module[k-1] = s
			continue
		}
		module = append(module, s)
	}
	return strings.Join(module, ".")
}
