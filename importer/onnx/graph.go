package onnx

import "onnxclr/importer/weights"

// Opset returns the version of the operator set of a domain ("" and "ai.onnx" are
// the same one); 0 when the model does not import it.
func (m *Model) Opset(domain string) int64 { return version(m.Opsets, domain) }

func version(opsets []Opset, domain string) int64 {
	if domain == "ai.onnx" {
		domain = ""
	}
	for _, o := range opsets {
		if o.Domain == domain || domain == "" && o.Domain == "ai.onnx" {
			return o.Version
		}
	}
	return 0
}

// Meta returns the value of a metadata property; "" when there is none.
func (m *Model) Meta(key string) string {
	for _, p := range m.Metadata {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

// SetMeta adds a metadata property or replaces its value.
func (m *Model) SetMeta(key, value string) {
	for i := range m.Metadata {
		if m.Metadata[i].Key == key {
			m.Metadata[i].Value = value
			return
		}
	}
	m.Metadata = append(m.Metadata, Property{Key: key, Value: value})
}

// Initializer returns the initializer of that name; nil when there is none, which takes
// no longer to say. It is right after any edit of Initializers but one: rename a tensor
// of the graph by Rename.
func (g *Graph) Initializer(name string) *Tensor {
	i, known := g.index[name]
	if !known && g.current() {
		return nil
	}
	if !known || i >= len(g.Initializers) || g.Initializers[i].Name != name {
		g.reindex()
		if i, known = g.index[name]; !known {
			return nil
		}
	}
	return g.Initializers[i]
}

// current reports whether the index is of the present Initializers.
func (g *Graph) current() bool {
	return g.index != nil && g.indexLen == len(g.Initializers) && (g.indexLen == 0 || g.indexOf == &g.Initializers[0])
}

// SetInitializer puts t in the place of the initializer of the same name, or adds
// it. Data is not copied. The doc string and other fields of a replaced
// initializer are kept.
func (g *Graph) SetInitializer(t *weights.Tensor) {
	if old := g.Initializer(t.Name); old != nil {
		old.Tensor, old.ElemType, old.External = *t, ElemType(t.DType), nil
		return
	}
	g.AddInitializer(NewTensor(t))
}

func (g *Graph) reindex() {
	g.index = make(map[string]int, len(g.Initializers))
	for i := len(g.Initializers) - 1; i >= 0; i-- {
		g.index[g.Initializers[i].Name] = i
	}
	g.settle()
}

// settle declares the index current.
func (g *Graph) settle() {
	g.indexLen, g.indexOf = len(g.Initializers), nil
	if g.indexLen > 0 {
		g.indexOf = &g.Initializers[0]
	}
}

// Input returns the graph input of that name; nil when there is none.
func (g *Graph) Input(name string) *ValueInfo { return find(g.Inputs, name) }

// Output returns the graph output of that name; nil when there is none.
func (g *Graph) Output(name string) *ValueInfo { return find(g.Outputs, name) }

func find(values []*ValueInfo, name string) *ValueInfo {
	for _, v := range values {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// Producer returns the node that computes the tensor of that name; nil when it is
// an input, an initializer or unknown.
func (g *Graph) Producer(name string) *Node {
	if name == "" {
		return nil
	}
	for _, n := range g.Nodes {
		for _, o := range n.Outputs {
			if o == name {
				return n
			}
		}
	}
	return nil
}

// FloatValue describes a float32 tensor for a graph's inputs and outputs. A
// negative dimension is unknown; use Dim.Param for symbolic ones.
func FloatValue(name string, shape ...Dim) *ValueInfo {
	return &ValueInfo{Name: name, ElemType: elemFloat, HasShape: true, Shape: shape}
}

// Names returns every tensor name that g itself mentions, inner graphs aside.
func (g *Graph) Names() map[string]bool {
	names := map[string]bool{}
	for _, n := range g.Nodes {
		for _, list := range [][]string{n.Inputs, n.Outputs} {
			for _, name := range list {
				names[name] = true
			}
		}
	}
	for _, list := range [][]*ValueInfo{g.Inputs, g.Outputs} {
		for _, v := range list {
			names[v.Name] = true
		}
	}
	for _, t := range g.Initializers {
		names[t.Name] = true
	}
	return names
}
