package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/internal/nearest"
)

// findTensor fails, naming what is near, unless the graph computes a tensor of that
// name.
func findTensor(m *onnx.Model, name string) error {
	names := []string{importer.RepresentationName} // whatever the model calls it
	for _, n := range m.Graph.Nodes {
		if slices.Contains(n.Outputs, name) && name != "" {
			return nil
		}
		if len(n.Outputs) > 0 { // more are statistics
			names = append(names, n.Outputs[0])
			if n.Name != "" && n.Name != n.Outputs[0] {
				names = append(names, n.Name)
			}
		}
	}
	var outputs []string
	for _, o := range m.Graph.Outputs {
		outputs = append(outputs, o.Name)
	}
	return fmt.Errorf("the model computes no tensor %q%s The outputs are %s; inspect lists all tensors",
		name, sentence(nearTensors(name, names)), strings.Join(outputs, ", "))
}

// nearTensors names what somebody who writes the name of a tensor or a module may have
// meant: the nearest name, or the first that the name is a part of.
func nearTensors(name string, names []string) string {
	if hint := nearest.Hint(name, names); hint != "" {
		return hint
	}
	var plain []string
	for _, n := range names {
		plain = append(plain, modulePath(n))
	}
	want := modulePath(name)
	if near := nearest.To(want, plain, 1+len(want)/4); near != "" {
		return fmt.Sprintf("; did you mean %s?", names[slices.Index(plain, near)])
	}
	var inside []string // layer1 of layer1.0.relu
	for i, p := range plain {
		if want != "" && strings.Contains(p, want) && len(inside) < 5 && !slices.Contains(plain[:i], p) {
			inside = append(inside, names[i])
		}
	}
	if len(inside) == 0 {
		return ""
	}
	return "; there are " + strings.Join(inside, ", ") + "."
}

var outputSuffix = regexp.MustCompile(`_output(_\d+)?$`)

// modulePath writes the name of a tensor as PyTorch names modules, in small letters:
// /layer1/layer1.0/relu/Relu_output_0, as exporters have it, is layer1.0.relu.
func modulePath(name string) string {
	path := ""
	for _, part := range strings.Split(strings.Trim(outputSuffix.ReplaceAllString(strings.ToLower(name), ""), "/"), "/") {
		switch {
		case path == "" || strings.HasPrefix(part, path+"."):
			path = part
		case !strings.HasSuffix(path, part):
			path += "." + part
		}
	}
	return path
}

// sentence ends a clause that may be missing.
func sentence(s string) string {
	if s == "" {
		return "."
	}
	return s
}
