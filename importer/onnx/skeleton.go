package onnx

import (
	"fmt"

	"onnxclr/importer/weights"
)

// Skeleton returns the model's topology as a ModelProto that any ONNX reader, and
// onnx-go in particular, can take: operators, edges, names and plain attributes,
// without a single weight. Against what a reader of 2019 trips over:
//
//   - initializers have their shapes and no data;
//   - inputs and outputs have static shapes, 1 where the model leaves one open,
//     as onnx-go drops symbolic dimensions;
//   - value_info is left out: onnx-go allocates a tensor for each;
//   - absent optional inputs and outputs are dropped at the end of a list and get
//     a name of their own inside it: onnx-go would make one tensor "" of them all;
//   - attributes that hold tensors, graphs or types are left out.
//
// Nodes keep their number and order.
func Skeleton(m *Model) []byte {
	s := &Model{IRVersion: m.IRVersion, ProducerName: m.ProducerName, Opsets: m.Opsets, Graph: &Graph{Name: m.Graph.Name}}
	taken := m.Graph.Names()
	for i, n := range m.Graph.Nodes {
		s.Graph.Nodes = append(s.Graph.Nodes, &Node{
			Name: n.Name, OpType: n.OpType, Domain: n.Domain,
			Inputs:     present(n.Inputs, taken, fmt.Sprintf("absent.%d.in", i)),
			Outputs:    present(n.Outputs, taken, fmt.Sprintf("absent.%d.out", i)),
			Attributes: plain(n.Attributes),
		})
	}
	for _, t := range m.Graph.Initializers {
		// An undecoded tensor is written without data.
		elem := t.ElemType
		if t.DType != weights.Invalid {
			elem = ElemType(t.DType)
		}
		s.Graph.Initializers = append(s.Graph.Initializers, &Tensor{Tensor: weights.Tensor{Name: t.Name, Shape: t.Shape}, ElemType: elem})
	}
	s.Graph.Inputs, s.Graph.Outputs = static(m.Graph.Inputs), static(m.Graph.Outputs)
	p, err := s.encode()
	if err != nil {
		panic(err) // only a tensor's data can be wrong, and there are none
	}
	return p.flat()
}

// present returns list without the absent entries at its end; those inside get a
// name made from prefix that is not taken.
func present(list []string, taken map[string]bool, prefix string) []string {
	for len(list) > 0 && list[len(list)-1] == "" {
		list = list[:len(list)-1]
	}
	out := append([]string(nil), list...)
	for i, name := range out {
		if name != "" {
			continue
		}
		name = fmt.Sprintf("%s.%d", prefix, i)
		for taken[name] {
			name += "_"
		}
		taken[name], out[i] = true, name
	}
	return out
}

func plain(attributes []*Attribute) []*Attribute {
	var out []*Attribute
	for _, a := range attributes {
		if a.RefName != "" {
			continue
		}
		switch a.Type {
		case AttrFloat, AttrInt, AttrString, AttrFloats, AttrInts, AttrStrings:
			out = append(out, &Attribute{Name: a.Name, Type: a.Type, F: a.F, I: a.I, S: a.S, Floats: a.Floats, Ints: a.Ints, Strings: a.Strings})
		}
	}
	return out
}

func static(values []*ValueInfo) []*ValueInfo {
	var out []*ValueInfo
	for _, v := range values {
		s := &ValueInfo{Name: v.Name, ElemType: v.ElemType, HasShape: v.HasShape}
		for _, d := range v.Shape {
			s.Shape = append(s.Shape, Dim{Value: max(1, d.Value)})
		}
		out = append(out, s)
	}
	return out
}
