package onnx

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// msg builds messages for tests of what no encoder would write.
type msg []byte

func (m msg) varint(num protowire.Number, v uint64) msg {
	return protowire.AppendVarint(protowire.AppendTag(m, num, protowire.VarintType), v)
}

func (m msg) bytes(num protowire.Number, b []byte) msg {
	return protowire.AppendBytes(protowire.AppendTag(m, num, protowire.BytesType), b)
}

func (m msg) string(num protowire.Number, s string) msg { return m.bytes(num, []byte(s)) }

func (m msg) fixed32(num protowire.Number, v uint32) msg {
	return protowire.AppendFixed32(protowire.AppendTag(m, num, protowire.Fixed32Type), v)
}

func (m msg) fixed64(num protowire.Number, v uint64) msg {
	return protowire.AppendFixed64(protowire.AppendTag(m, num, protowire.Fixed64Type), v)
}

// packed is a packed repeated varint field.
func (m msg) packed(num protowire.Number, v ...int64) msg {
	var b []byte
	for _, x := range v {
		b = protowire.AppendVarint(b, uint64(x))
	}
	return m.bytes(num, b)
}

// tensorModel is a model whose graph has one initializer.
func tensorModel(tensor msg) []byte { return msg{}.varint(1, 8).bytes(7, msg{}.bytes(5, tensor)) }
