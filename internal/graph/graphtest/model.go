// Package graphtest helps to test what runs graphs: it builds small ONNX models in
// Go, node by node, and runs any graph on Gorgonia's own tape machine, the referee of
// internal/vm. Only tests may import it.
package graphtest

import (
	"fmt"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
)

// Model is an ONNX model under construction. Its input is "input", [N,C,H,W].
type Model struct {
	*onnx.Model
	fill func(name string, shape []int) []float32
}

// NewModel starts a model of an opset whose parameters get their values from fill.
func NewModel(opset int64, fill func(name string, shape []int) []float32) *Model {
	any4 := []onnx.Dim{{Value: -1, Param: "batch"}, {Value: -1, Param: "channels"}, {Value: -1, Param: "height"}, {Value: -1, Param: "width"}}
	return &Model{
		Model: &onnx.Model{
			IRVersion: 8,
			Opsets:    []onnx.Opset{{Version: opset}},
			Graph:     &onnx.Graph{Name: "test", Inputs: []*onnx.ValueInfo{onnx.FloatValue("input", any4...)}},
		},
		fill: fill,
	}
}

// Param adds a float initializer and returns its name.
func (m *Model) Param(name string, shape ...int) string {
	m.Graph.SetInitializer(weights.FromFloat32(name, shape, m.fill(name, shape)))
	return name
}

// Ints adds an int64 vector as an initializer and returns its name.
func (m *Model) Ints(name string, v ...int64) string {
	m.Graph.SetInitializer(weights.FromInt64(name, []int{len(v)}, v))
	return name
}

// Scalar adds an int64 scalar as an initializer and returns its name.
func (m *Model) Scalar(name string, v int64) string {
	m.Graph.SetInitializer(weights.FromInt64(name, []int{}, []int64{v}))
	return name
}

// Node adds a node and returns the name of its output.
func (m *Model) Node(op string, inputs []string, attrs ...*onnx.Attribute) string {
	out := fmt.Sprintf("%s_%d", op, len(m.Graph.Nodes))
	m.Graph.Nodes = append(m.Graph.Nodes, &onnx.Node{Name: "/" + out, OpType: op, Inputs: inputs, Outputs: []string{out}, Attributes: attrs})
	return out
}

// Output makes a tensor an output of the graph under another name.
func (m *Model) Output(tensor, name string) {
	for _, n := range m.Graph.Nodes {
		for i, out := range n.Outputs {
			if out == tensor {
				n.Outputs[i] = name
			}
		}
		for i, in := range n.Inputs {
			if in == tensor {
				n.Inputs[i] = name
			}
		}
	}
	m.Graph.Outputs = append(m.Graph.Outputs, onnx.FloatValue(name))
}

// Conv adds a convolution without bias, k filters of size×size over c channels.
func (m *Model) Conv(x, name string, c, k, size, stride int) string {
	pad := int64(size / 2)
	return m.Node("Conv", []string{x, m.Param(name+".weight", k, c, size, size)},
		onnx.IntsAttr("kernel_shape", int64(size), int64(size)), onnx.IntsAttr("strides", int64(stride), int64(stride)),
		onnx.IntsAttr("pads", pad, pad, pad, pad))
}

// BatchNorm adds a batch normalisation of c channels with ONNX's momentum of 0.9, in
// the inference form.
func (m *Model) BatchNorm(x, name string, c int) string {
	return m.Node("BatchNormalization", []string{x, m.Param(name+".weight", c), m.Param(name+".bias", c),
		m.Param(name+".running_mean", c), m.Param(name+".running_var", c)}, onnx.FloatAttr("epsilon", 1e-5), onnx.FloatAttr("momentum", 0.9))
}

// Linear adds a linear layer, with bias if asked.
func (m *Model) Linear(x, name string, in, out int, bias bool) string {
	inputs := []string{x, m.Param(name+".weight", out, in)}
	if bias {
		inputs = append(inputs, m.Param(name+".bias", out))
	}
	return m.Node("Gemm", inputs, onnx.IntAttr("transB", 1))
}

// Relu adds a ReLU.
func (m *Model) Relu(x string) string { return m.Node("Relu", []string{x}) }

// Residual is the network of testdata/gen/tiny.py: a stem with max pooling and two
// residual blocks (the second with stride and a downsampling branch) of 4 and 6
// channels. Outputs: "representation" [N,6]; "logits" [N,3]; "embedding" [N,5], after
// a two-layer projector; "direct" [N,4], the leading columns of the representation.
func Residual(fill func(name string, shape []int) []float32) *onnx.Model {
	m := NewModel(17, fill)
	x := m.Relu(m.BatchNorm(m.Conv("input", "conv1", 3, 4, 3, 1), "bn1", 4))
	x = m.Node("MaxPool", []string{x}, onnx.IntsAttr("kernel_shape", 3, 3), onnx.IntsAttr("strides", 2, 2), onnx.IntsAttr("pads", 1, 1, 1, 1))
	x = m.block(x, "layer1.0", 4, 4, 1)
	x = m.block(x, "layer2.0", 4, 6, 2)
	r := m.Node("Flatten", []string{m.Node("GlobalAveragePool", []string{x})}, onnx.IntAttr("axis", 1))
	logits := m.Linear(r, "fc", 6, 3, true)
	z := m.Relu(m.BatchNorm(m.Linear(r, "projector.0", 6, 8, false), "projector.1", 8))
	z = m.BatchNorm(m.Linear(z, "projector.3", 8, 5, false), "projector.4", 5)
	direct := m.Node("Slice", []string{r, m.Ints("starts", 0), m.Ints("ends", 4), m.Ints("axes", 1)})
	m.Output(r, "representation")
	m.Output(logits, "logits")
	m.Output(z, "embedding")
	m.Output(direct, "direct")
	return m.Model
}

func (m *Model) block(x, name string, in, out, stride int) string {
	y := m.Relu(m.BatchNorm(m.Conv(x, name+".conv1", in, out, 3, stride), name+".bn1", out))
	y = m.BatchNorm(m.Conv(y, name+".conv2", out, out, 3, 1), name+".bn2", out)
	if stride > 1 {
		x = m.BatchNorm(m.Conv(x, name+".downsample.0", in, out, 1, stride), name+".downsample.1", out)
	}
	return m.Relu(m.Node("Add", []string{y, x}))
}
