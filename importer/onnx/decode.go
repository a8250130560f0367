package onnx

import "google.golang.org/protobuf/encoding/protowire"

// Decode reads a ModelProto. Nothing large is copied: tensor data, and fields kept
// undecoded, alias b, which must stay unchanged and mapped as long as the model is
// used. A file that is cut off, damaged or not a model gives a *FormatError that
// says where.
func Decode(b []byte) (*Model, error) {
	if len(b) == 0 {
		return nil, formatErr("the file is empty")
	}
	d, m := newDecoder(len(b)), &Model{}
	if err := d.model(b, m); err != nil {
		return nil, err
	}
	if m.Graph == nil {
		return nil, formatErr("there is no graph: this is not an ONNX model")
	}
	return m, nil
}

func (d *decoder) model(b []byte, m *Model) error {
	return fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			err = f.int64(&m.IRVersion)
		case 2:
			err = f.string(&m.ProducerName)
		case 3:
			err = f.string(&m.ProducerVersion)
		case 4:
			err = f.string(&m.Domain)
		case 5:
			err = f.int64(&m.ModelVersion)
		case 6:
			err = f.string(&m.DocString)
		case 7:
			err = within(one(d, f, &m.Graph, d.graph), "graph")
		case 8:
			err = within(d.opset(f, &m.Opsets), "opset_import[%d]", len(m.Opsets))
		case 14:
			err = within(d.property(f, &m.Metadata), "metadata_props[%d]", len(m.Metadata))
		case 25:
			err = many(d, f, &m.Functions, d.function, "functions")
		default:
			err = d.keep(f, &m.unknown)
		}
		return err
	})
}

// one decodes a message that may occur once.
func one[T any](d *decoder, f field, dst **T, decode func([]byte, *T) error) error {
	if *dst != nil {
		return formatErr("occurs twice")
	}
	v, err := decodeMessage(d, f, decode)
	*dst = v
	return err
}

// many decodes one of a repeated message.
func many[T any](d *decoder, f field, dst *[]*T, decode func([]byte, *T) error, name string) error {
	v, err := decodeMessage(d, f, decode)
	if err == nil {
		err = appendTo(d, dst, v)
	}
	if err != nil {
		return within(err, "%s[%d]", name, len(*dst))
	}
	return nil
}

func decodeMessage[T any](d *decoder, f field, decode func([]byte, *T) error) (*T, error) {
	if err := f.want(protowire.BytesType); err != nil {
		return nil, err
	}
	v, err := create[T](d)
	if err != nil {
		return nil, err
	}
	return v, decode(f.b, v)
}

func (d *decoder) graph(b []byte, g *Graph) error {
	if d.depth++; d.depth > maxDepth {
		return formatErr("graphs are nested more than %d deep", maxDepth)
	}
	defer func() { d.depth-- }()
	if err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			err = many(d, f, &g.Nodes, d.node, "node")
		case 2:
			err = f.string(&g.Name)
		case 5:
			err = many(d, f, &g.Initializers, d.tensor, "initializer")
		case 10:
			err = f.string(&g.DocString)
		case 11:
			err = many(d, f, &g.Inputs, d.value, "input")
		case 12:
			err = many(d, f, &g.Outputs, d.value, "output")
		case 13:
			err = many(d, f, &g.ValueInfo, d.value, "value_info")
		default:
			err = d.keep(f, &g.unknown)
		}
		return err
	}); err != nil {
		return err
	}
	if err := d.spend(64 * len(g.Initializers)); err != nil {
		return err
	}
	g.reindex()
	return nil
}

func (d *decoder) node(b []byte, n *Node) error {
	return fields(b, func(f field) (err error) {
		var s string
		switch f.num {
		case 1:
			if err = f.string(&s); err == nil {
				err = appendTo(d, &n.Inputs, s)
			}
		case 2:
			if err = f.string(&s); err == nil {
				err = appendTo(d, &n.Outputs, s)
			}
		case 3:
			err = f.string(&n.Name)
		case 4:
			err = f.string(&n.OpType)
		case 5:
			err = many(d, f, &n.Attributes, d.attribute, "attribute")
		case 6:
			err = f.string(&n.DocString)
		case 7:
			err = f.string(&n.Domain)
		case 8:
			err = f.string(&n.Overload)
		default:
			err = d.keep(f, &n.unknown)
		}
		return err
	})
}

func (d *decoder) attribute(b []byte, a *Attribute) error {
	var seen AttributeType // of the last value, for files that do not give the type
	if err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			err = f.string(&a.Name)
		case 2:
			seen, err = AttrFloat, f.float32(&a.F)
		case 3:
			seen, err = AttrInt, f.int64(&a.I)
		case 4:
			seen = AttrString
			if err = f.bytes(&a.S); err == nil {
				a.S = append([]byte{}, a.S...)
			}
		case 5:
			seen, err = AttrTensor, within(one(d, f, &a.T, d.tensor), "t")
		case 6:
			seen, err = AttrGraph, within(one(d, f, &a.G, d.graph), "g")
		case 7:
			seen, err = AttrFloats, d.floats(f, &a.Floats)
		case 8:
			seen, err = AttrInts, d.varints(f, &a.Ints)
		case 9:
			var s []byte
			seen = AttrStrings
			if err = f.bytes(&s); err == nil {
				err = appendTo(d, &a.Strings, append([]byte{}, s...))
			}
		case 10:
			seen, err = AttrTensors, many(d, f, &a.Tensors, d.tensor, "tensors")
		case 11:
			seen, err = AttrGraphs, many(d, f, &a.Graphs, d.graph, "graphs")
		case 13:
			err = f.string(&a.DocString)
		case 20:
			var t int32
			err = f.int32(&t)
			a.Type = AttributeType(t)
		case 21:
			err = f.string(&a.RefName)
		default:
			err = d.keep(f, &a.unknown)
		}
		return err
	}); err != nil {
		return err
	}
	if a.Type == AttrUndefined {
		a.Type = seen
	}
	return nil
}

func (d *decoder) opset(f field, dst *[]Opset) error {
	var o Opset
	if err := f.want(protowire.BytesType); err != nil {
		return err
	}
	if err := fields(f.b, func(f field) (err error) {
		switch f.num {
		case 1:
			o.spelled, err = true, f.string(&o.Domain)
		case 2:
			err = f.int64(&o.Version)
		default:
			o.unknown += string(f.raw)
		}
		return err
	}); err != nil {
		return err
	}
	return appendTo(d, dst, o)
}

func (d *decoder) property(f field, dst *[]Property) error {
	var p Property
	if err := f.want(protowire.BytesType); err != nil {
		return err
	}
	if err := fields(f.b, func(f field) (err error) {
		switch f.num {
		case 1:
			err = f.string(&p.Key)
		case 2:
			err = f.string(&p.Value)
		default:
			p.unknown += string(f.raw)
		}
		return err
	}); err != nil {
		return err
	}
	return appendTo(d, dst, p)
}
