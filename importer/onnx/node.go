package onnx

import "onnxclr/importer/weights"

// Input returns the name of the i-th input; "" when it is absent.
func (n *Node) Input(i int) string {
	if i >= len(n.Inputs) {
		return ""
	}
	return n.Inputs[i]
}

// Output returns the name of the i-th output; "" when it is absent.
func (n *Node) Output(i int) string {
	if i >= len(n.Outputs) {
		return ""
	}
	return n.Outputs[i]
}

// Attribute returns the attribute of that name; nil when there is none.
func (n *Node) Attribute(name string) *Attribute {
	for _, a := range n.Attributes {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// typed returns the attribute when it has that type. An attribute of another type
// is what Check reports; here it counts as absent.
func (n *Node) typed(name string, t AttributeType) *Attribute {
	if a := n.Attribute(name); a != nil && a.Type == t {
		return a
	}
	return nil
}

// Int returns an INT attribute; def when the node has none of that name and type.
func (n *Node) Int(name string, def int64) int64 {
	if a := n.typed(name, AttrInt); a != nil {
		return a.I
	}
	return def
}

// Float returns a FLOAT attribute; def when the node has none of that name and type.
func (n *Node) Float(name string, def float32) float32 {
	if a := n.typed(name, AttrFloat); a != nil {
		return a.F
	}
	return def
}

// String returns a STRING attribute; def when the node has none of that name and type.
func (n *Node) String(name, def string) string {
	if a := n.typed(name, AttrString); a != nil {
		return string(a.S)
	}
	return def
}

// Ints returns an INTS attribute, not nil when it is present but empty; nil when
// the node has none of that name and type.
func (n *Node) Ints(name string) []int64 {
	a := n.typed(name, AttrInts)
	switch {
	case a == nil:
		return nil
	case a.Ints == nil:
		return []int64{}
	}
	return a.Ints
}

// Floats is Ints for a FLOATS attribute.
func (n *Node) Floats(name string) []float32 {
	a := n.typed(name, AttrFloats)
	switch {
	case a == nil:
		return nil
	case a.Floats == nil:
		return []float32{}
	}
	return a.Floats
}

// Tensor returns a TENSOR attribute; nil when the node has none of that name and type.
func (n *Node) Tensor(name string) *Tensor {
	if a := n.typed(name, AttrTensor); a != nil {
		return a.T
	}
	return nil
}

// SetAttribute adds a, or puts it in the place of the attribute of the same name.
func (n *Node) SetAttribute(a *Attribute) {
	for i, old := range n.Attributes {
		if old.Name == a.Name {
			n.Attributes[i] = a
			return
		}
	}
	n.Attributes = append(n.Attributes, a)
}

// Standard reports whether the operator belongs to the standard operator set.
func (n *Node) Standard() bool { return n.Domain == "" || n.Domain == "ai.onnx" }

// IntAttr returns an attribute of type INT.
func IntAttr(name string, v int64) *Attribute { return &Attribute{Name: name, Type: AttrInt, I: v} }

// IntsAttr returns an attribute of type INTS.
func IntsAttr(name string, v ...int64) *Attribute {
	return &Attribute{Name: name, Type: AttrInts, Ints: v}
}

// FloatAttr returns an attribute of type FLOAT.
func FloatAttr(name string, v float32) *Attribute {
	return &Attribute{Name: name, Type: AttrFloat, F: v}
}

// StringAttr returns an attribute of type STRING.
func StringAttr(name, v string) *Attribute {
	return &Attribute{Name: name, Type: AttrString, S: []byte(v)}
}

// TensorAttr returns an attribute of type TENSOR.
func TensorAttr(name string, v *Tensor) *Attribute {
	return &Attribute{Name: name, Type: AttrTensor, T: v}
}

// NewTensor wraps t, whose DType must be a known one, without copying its data.
func NewTensor(t *weights.Tensor) *Tensor {
	return &Tensor{Tensor: *t, ElemType: ElemType(t.DType)}
}
