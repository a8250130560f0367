package graph

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"onnxclr/internal/golden"
	"onnxclr/internal/graph/graphtest"
)

func TestDecodeKeepsTheOrderOfTheFile(t *testing.T) {
	m := graphtest.Residual(golden.Weights)
	nodes, err := decode(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes) != len(m.Graph.Nodes) || nodes[0].OpType != "Conv" {
		t.Errorf("%d nodes, the first %s", len(nodes), nodes[0].OpType)
	}
}

func TestDecodeOptionalOperands(t *testing.T) {
	m := graphtest.NewModel(17, golden.Weights)
	m.Node("Constant", nil)
	m.Node("Dropout", []string{"input", "", ""})
	m.Node("Clip", []string{"input", "", m.Param("max")})
	m.Output(m.Node("Add", []string{"input", "input"}), "y")
	if _, err := decode(m.Model); err != nil {
		t.Error(err)
	}
}

// TestUnmarshalFencesPanics: onnx-go dereferences the tensor of a tensor attribute
// that has none.
func TestUnmarshalFencesPanics(t *testing.T) {
	field := func(number protowire.Number, value []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
	}
	attribute := append(field(1, []byte("value")), protowire.AppendVarint(protowire.AppendTag(nil, 20, protowire.VarintType), 4)...)
	node := append(append(field(2, []byte("y")), field(4, []byte("Constant"))...), field(5, attribute)...)
	graph := append(field(1, node), field(12, field(1, []byte("y")))...)
	err := unmarshal(&backend{}, field(7, graph))
	if err == nil || !strings.Contains(err.Error(), "panic") {
		t.Errorf("got %v, want the panic as an error", err)
	}
}

func TestFence(t *testing.T) {
	if err := fence("gorgonia", func() error { panic("unhandled") }); err == nil || err.Error() != "gorgonia: unhandled" {
		t.Errorf("got %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a runtime error, a bug of ours, was hidden")
		}
	}()
	_ = fence("gorgonia", func() error {
		var none []int
		return []error{nil}[len(none)-1]
	})
}
