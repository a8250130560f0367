package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
)

// refusal is a file that Decode must refuse, and what it has to say.
type refusal struct {
	name string
	file []byte
	want []string
}

// refusals are damaged and hostile files.
func refusals() []refusal {
	node := msg{}.string(1, "x").string(2, "y").string(4, "Relu")
	f32 := func() msg { return msg{}.packed(1, 2, 2).varint(2, 1).string(8, "w") }
	deep := msg{}.string(2, "innermost")
	for range 40 {
		deep = msg{}.bytes(1, msg{}.string(4, "If").bytes(5, msg{}.string(1, "then_branch").bytes(6, deep)))
	}
	return []refusal{
		{"empty", nil, []string{"empty"}},
		{"no graph", msg{}.varint(1, 8), []string{"no graph"}},
		{"not protobuf", []byte("<html>"), []string{"field"}},
		{"a zip file", []byte("PK\x03\x04\x00\x00\x00\x00"), []string{"onnx"}},
		{"cut off in a length", msg{}.varint(1, 8).bytes(7, node)[:6], []string{"only", "cut off"}},
		{"cut off in a varint", []byte{0x08, 0x80, 0x80}, []string{"field 1"}},
		{"group without an end", []byte{0x0b, 0x08, 0x01}, []string{"field 1"}},
		{"end of no group", []byte{0x0c}, []string{"field 1"}},
		{"field number 0", []byte{0x00, 0x01}, []string{"tag"}},
		{"length of 2^63", append([]byte{0x3a}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), []string{"field 7"}},
		{"graph is a number", msg{}.varint(7, 1), []string{"graph", "varint, want length-delimited"}},
		{"version is a string", msg{}.string(1, "8"), []string{"want varint"}},
		{"two graphs", msg{}.bytes(7, nil).bytes(7, nil), []string{"graph", "twice"}},
		{"damage in a node", msg{}.bytes(7, msg{}.bytes(1, node).bytes(1, append(node, 0x0a, 0x7f))), []string{"graph.node[1]", "127 bytes"}},
		{"damage in an attribute", msg{}.bytes(7, msg{}.bytes(1, append(node, msg{}.bytes(5, msg{}.string(1, "a").bytes(5, []byte{0x08}))...))), []string{"graph.node[0].attribute[0].t", "field 1"}},
		{"damage in a type", msg{}.bytes(7, msg{}.bytes(11, msg{}.bytes(2, msg{}.bytes(1, msg{}.bytes(2, msg{}.bytes(1, []byte{0x08})))))), []string{"graph.input[0].type.tensor_type.shape.dim[0]"}},
		{"graphs in graphs", msg{}.bytes(7, deep), []string{"nested more than 32 deep"}},
		{"opset", msg{}.bytes(8, []byte{0x10}), []string{"opset_import[0]"}},
		{"metadata", msg{}.bytes(14, msg{}.varint(1, 3)), []string{"metadata_props[0]"}},

		{"raw data too short", tensorModel(f32().bytes(9, make([]byte, 12))), []string{"graph.initializer[0]", `"w"`, "12 bytes", "want 16", "[2 2]", "float32"}},
		{"raw data too long", tensorModel(f32().bytes(9, make([]byte, 20))), []string{`"w"`, "20 bytes", "want 16"}},
		{"no data", tensorModel(f32()), []string{`"w"`, "no data", "16 bytes"}},
		{"too few floats", tensorModel(f32().bytes(4, make([]byte, 8))), []string{`"w"`, "2 values in float_data, want 4"}},
		{"half a float", tensorModel(f32().bytes(4, make([]byte, 7))), []string{"7 bytes", "multiple of 4"}},
		{"floats and raw data", tensorModel(f32().bytes(4, make([]byte, 16)).bytes(9, make([]byte, 16))), []string{`"w"`, "raw_data and in float_data"}},
		{"floats as integers", tensorModel(f32().packed(7, 1, 2, 3, 4)), []string{`"w"`, "int64_data, want float_data for float32"}},
		{"integer too large", tensorModel(msg{}.packed(1, 1).varint(2, 3).string(8, "i").packed(5, 300)), []string{`"i"`, "value 300", "int8"}},
		{"negative dimension", tensorModel(msg{}.packed(1, 2, -3).varint(2, 1).string(8, "w")), []string{`"w"`, "dimension -3", "[2 -3]"}},
		{"overflowing shape", tensorModel(msg{}.packed(1, 1<<31, 1<<31, 1<<31).varint(2, 1).string(8, "w").bytes(9, make([]byte, 4))), []string{`"w"`, "overflows"}},
		{"huge shape", tensorModel(msg{}.packed(1, 1<<40).varint(2, 1).string(8, "w").bytes(9, make([]byte, 4))), []string{`"w"`, "4 bytes", fmt.Sprint(int64(4) << 40)}},
		{"unknown location", tensorModel(f32().varint(14, 7)), []string{`"w"`, "data_location 7"}},
		{"external without a file", tensorModel(f32().varint(14, 1)), []string{`"w"`, "external_data names none"}},
		{"external and inside", tensorModel(f32().varint(14, 1).bytes(13, msg{}.string(1, "location").string(2, "w.bin")).bytes(9, make([]byte, 16))), []string{`"w"`, "in this file and in another"}},
		{"attribute tensor", msg{}.bytes(7, msg{}.bytes(1, append(node, msg{}.bytes(5, msg{}.string(1, "value").bytes(5, msg{}.packed(1, 3).varint(2, 7).packed(7, 1, 2)))...))), []string{"graph.node[0].attribute[0].t", "the tensor", "2 values in int64_data, want 3"}},
	}
}

// TestDecodeRefuses: each file gives one FormatError that says where and what.
func TestDecodeRefuses(t *testing.T) {
	for _, tt := range refusals() {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Decode(tt.file)
			var f *FormatError
			if !errors.As(err, &f) {
				t.Fatalf("got %v, %v, want a FormatError", m, err)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not contain %q", err, w)
				}
			}
		})
	}
}

// A file cut anywhere is refused, or, where it happens to end between fields, is a
// smaller model: never a panic, never a tensor without its data.
func TestDecodeTruncated(t *testing.T) {
	b, err := os.ReadFile(golden.Testdata(t, "onnx/tiny_op13_training_view.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(b) {
		m, err := Decode(b[:n:n])
		if err == nil && Check(m) == nil {
			t.Errorf("the first %d of %d bytes are a valid model", n, len(b))
		}
	}
}

// Every element type, in raw_data and in its typed field, packed and not, comes out
// as the same bytes.
func TestDecodeTensorFields(t *testing.T) {
	f := math.Float32bits
	for _, tt := range []struct {
		name  string
		elem  uint64
		field func(msg) msg
		raw   string
		dtype weights.DType
	}{
		{"float packed", 1, func(m msg) msg { return m.bytes(4, []byte("\x00\x00\x80\x3f\x00\x00\x00\xc0")) }, "\x00\x00\x80\x3f\x00\x00\x00\xc0", weights.Float32},
		{"float one by one", 1, func(m msg) msg { return m.fixed32(4, f(1)).fixed32(4, f(-2)) }, "\x00\x00\x80\x3f\x00\x00\x00\xc0", weights.Float32},
		{"float in two runs", 1, func(m msg) msg { return m.bytes(4, []byte("\x00\x00\x80\x3f")).fixed32(4, f(-2)) }, "\x00\x00\x80\x3f\x00\x00\x00\xc0", weights.Float32},
		{"double packed", 11, func(m msg) msg {
			return m.bytes(10, []byte("\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\x00"))
		}, "\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\x00", weights.Float64},
		{"double one by one", 11, func(m msg) msg { return m.fixed64(10, math.Float64bits(1)).fixed64(10, 0) }, "\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\x00", weights.Float64},
		{"float16", 10, func(m msg) msg { return m.packed(5, 0x3c00, 0xc000) }, "\x00\x3c\x00\xc0", weights.Float16},
		{"bfloat16", 16, func(m msg) msg { return m.packed(5, 0x3f80, 0xc000) }, "\x80\x3f\x00\xc0", weights.BFloat16},
		{"int64", 7, func(m msg) msg { return m.packed(7, -1, 1<<40) }, "\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x01\x00\x00", weights.Int64},
		{"int64 one by one", 7, func(m msg) msg { return m.varint(7, math.MaxUint64).varint(7, 1<<40) }, "\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x01\x00\x00", weights.Int64},
		{"int32", 6, func(m msg) msg { return m.packed(5, -2, 7) }, "\xfe\xff\xff\xff\x07\x00\x00\x00", weights.Int32},
		{"int16", 5, func(m msg) msg { return m.packed(5, -2, 7) }, "\xfe\xff\x07\x00", weights.Int16},
		{"int8", 3, func(m msg) msg { return m.packed(5, -2, 7) }, "\xfe\x07", weights.Int8},
		{"uint8", 2, func(m msg) msg { return m.packed(5, 254, 7) }, "\xfe\x07", weights.Uint8},
		{"uint16", 4, func(m msg) msg { return m.packed(5, 0xfffe, 7) }, "\xfe\xff\x07\x00", weights.Uint16},
		{"uint32", 12, func(m msg) msg { return m.packed(11, 0xfffffffe, 7) }, "\xfe\xff\xff\xff\x07\x00\x00\x00", weights.Uint32},
		{"uint64", 13, func(m msg) msg { return m.packed(11, -2, 7) }, "\xfe\xff\xff\xff\xff\xff\xff\xff\x07\x00\x00\x00\x00\x00\x00\x00", weights.Uint64},
		{"bool", 9, func(m msg) msg { return m.packed(5, 1, 0) }, "\x01\x00", weights.Bool},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, dims := range []msg{msg{}.packed(1, 2, 1), msg{}.varint(1, 2).varint(1, 1)} {
				for _, file := range [][]byte{
					tensorModel(tt.field(dims.varint(2, tt.elem).string(8, "w"))),
					tensorModel(dims.varint(2, tt.elem).string(8, "w").bytes(9, []byte(tt.raw))),
					tensorModel(append(tt.field(nil), dims.string(8, "w").varint(2, tt.elem)...)), // any order
				} {
					m, err := Decode(file)
					if err != nil {
						t.Fatal(err)
					}
					w := m.Graph.Initializer("w")
					if w.DType != tt.dtype || !reflect.DeepEqual(w.Shape, []int{2, 1}) || string(w.Data) != tt.raw {
						t.Errorf("%v %v %x, want %v [2 1] %x", w.DType, w.Shape, w.Data, tt.dtype, tt.raw)
					}
					again, err := Decode(encode(t, m))
					if err != nil {
						t.Fatal(err)
					}
					if v := again.Graph.Initializer("w"); string(v.Data) != tt.raw || v.DType != tt.dtype {
						t.Errorf("written and read: %v %x", v.DType, v.Data)
					}
				}
			}
		})
	}
}

// Scalars have one element, tensors with a zero dimension none.
func TestDecodeEmptyTensors(t *testing.T) {
	for _, tt := range []struct {
		tensor msg
		bytes  int
	}{
		{msg{}.varint(2, 1).string(8, "w").fixed32(4, 0), 4},
		{msg{}.packed(1, 0).varint(2, 1).string(8, "w"), 0},
		{msg{}.packed(1, 4, 0).varint(2, 1).string(8, "w").bytes(9, nil), 0},
	} {
		m, err := Decode(tensorModel(tt.tensor))
		if err != nil {
			t.Fatal(err)
		}
		if w := m.Graph.Initializer("w"); len(w.Data) != tt.bytes {
			t.Errorf("%v has %d bytes, want %d", w, len(w.Data), tt.bytes)
		}
	}
}

// unknownFields is a model with fields that the package does not know in every
// message, and tensors of types it does not decode.
func unknownFields() []byte {
	odd := func(m msg) msg { return m.string(900, "kept").varint(901, 7).fixed32(902, 9).fixed64(903, 11) }
	strings := odd(msg{}.packed(1, 2)).varint(2, 8).string(8, "strings").string(6, "a").string(6, "b")
	complex := odd(msg{}.packed(1, 1)).varint(2, 14).string(8, "complex").bytes(4, make([]byte, 8))
	int4 := odd(msg{}.packed(1, 3)).varint(2, 22).string(8, "int4").bytes(9, []byte{1, 2})
	external := odd(msg{}.packed(1, 3)).varint(2, 1).string(8, "external").bytes(13, odd(msg{}.string(1, "location").string(2, "w.bin"))).varint(14, 1)
	stray := odd(msg{}.packed(1, 1)).varint(2, 1).string(8, "stray").bytes(9, make([]byte, 4)).bytes(13, msg{}.string(1, "checksum").string(2, "00"))
	dim := odd(msg{}.string(2, "batch")).string(3, "DATA_BATCH")
	typ := odd(msg{}.bytes(1, odd(msg{}.varint(1, 1).bytes(2, odd(msg{}.bytes(1, dim).bytes(1, nil).bytes(1, msg{}.varint(1, 0))))))).string(6, "IMAGE")
	sequence := msg{}.bytes(4, msg{}.bytes(1, typ))
	attribute := odd(msg{}.string(1, "a")).bytes(22, msg{}.packed(3, 4)).varint(20, 11)
	inner := odd(msg{}.string(2, "inner"))
	node := odd(msg{}.string(1, "x").string(1, "").string(2, "y").string(4, "If")).bytes(5, attribute).
		bytes(5, msg{}.string(1, "g").bytes(6, inner).varint(20, 5)).bytes(5, msg{}.string(1, "gs").bytes(11, inner).bytes(11, inner).varint(20, 10)).
		bytes(5, msg{}.string(1, "ts").bytes(10, int4).bytes(10, complex).varint(20, 9))
	graph := odd(msg{}.bytes(1, node)).bytes(5, strings).bytes(5, complex).bytes(5, int4).bytes(5, external).bytes(5, stray).
		bytes(11, odd(msg{}.string(1, "x").bytes(2, typ))).bytes(12, msg{}.string(1, "s").bytes(2, sequence)).bytes(15, msg{}.packed(3, 9))
	return odd(msg{}.varint(1, 8)).bytes(7, graph).bytes(8, odd(msg{}.varint(2, 13))).bytes(14, odd(msg{}.string(1, "k").string(2, "v"))).
		bytes(25, msg{}.string(1, "function")).bytes(20, msg{}.bytes(1, inner))
}

// What the package does not know comes back byte for byte.
func TestUnknownFieldsSurvive(t *testing.T) {
	file := unknownFields()
	m, err := Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	got := encode(t, m)
	again, err := Decode(got)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m, again) {
		t.Error("decoded, encoded and decoded is not what was decoded")
	}
	// Everything is there, if in another order.
	if want, have := sorted(t, file), sorted(t, got); want != have {
		t.Errorf("the fields are\n%s, want\n%s", have, want)
	}
	if s := m.Graph.Initializer("strings"); s.DType != weights.Invalid || s.ElemType != 8 || s.Data != nil {
		t.Errorf("a tensor of strings is %+v", s)
	}
	if e := m.Graph.Initializer("external"); len(e.External) != 1 || e.Data != nil {
		t.Errorf("an external tensor is %+v", e)
	}
	if in := m.Graph.Inputs[0]; in.Shape[0].Param != "batch" || in.Shape[1].Value != -1 || in.Shape[2].Value != 0 {
		t.Errorf("the input's shape is %+v", in.Shape)
	}
}

// sorted spells a message's fields in the order of their bytes, recursively where
// they are messages; packed and unpacked dims are the same.
func sorted(t *testing.T, b []byte) string {
	t.Helper()
	var parts []string
	for len(b) > 0 {
		f, rest, err := next(b)
		if err != nil {
			return fmt.Sprintf("%x", b)
		}
		b = rest
		text := fmt.Sprintf("%d:%d", f.num, f.v)
		if f.b != nil {
			text = fmt.Sprintf("%d:{%s}", f.num, sorted(t, f.b))
			if f.num == 1 && len(f.b) <= 2 && bytes.IndexFunc(f.b, func(r rune) bool { return r >= 0x20 }) < 0 { // packed dims
				text = ""
				for _, v := range f.b {
					parts = append(parts, fmt.Sprintf("1:%d", v))
				}
			}
		}
		if text != "" {
			parts = append(parts, text)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// A file of nothing but tiny objects would need thirty times its size.
func TestDecodeBoundsMemory(t *testing.T) {
	nodes := bytes.Repeat([]byte{0x0a, 0x00}, 4<<20)
	_, err := Decode(msg{}.bytes(7, nodes))
	var f *FormatError
	if !errors.As(err, &f) || !strings.Contains(err.Error(), "memory") {
		t.Errorf("got %v", err)
	}
}
