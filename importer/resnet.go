package importer

import (
	"fmt"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
)

// Names of the tensors that every model written here has. Letters: N images, C, H
// and W their channels, height and width, D the width of the representation.
const (
	InputName          = "input"          // [N,C,H,W]
	RepresentationName = "representation" // [N,D]
	LogitsName         = "logits"         // [N,classes]
	EmbeddingName      = "embedding"      // [N,width of the head]
)

// Constants of torchvision's BatchNorm2d. ONNX's momentum is the weight of the
// old value, PyTorch's that of the new one (0.1).
const (
	normEpsilon  = 1e-5
	normMomentum = 0.9
)

// graphBuilder writes nodes one after another; every method returns the name of
// its output.
type graphBuilder struct{ graph *onnx.Graph }

func (b *graphBuilder) node(op, name, output string, inputs []string, attrs ...*onnx.Attribute) string {
	b.graph.Nodes = append(b.graph.Nodes, &onnx.Node{
		Name: name, OpType: op, Inputs: inputs, Outputs: []string{output}, Attributes: attrs,
	})
	return output
}

// outputOf names the result of a node.
func outputOf(node string) string { return node + "_output" }

// conv is a square convolution without bias; weight is name.weight.
func (b *graphBuilder) conv(name, x string, kernel, stride, pad, groups int) string {
	k, s, p := int64(kernel), int64(stride), int64(pad)
	return b.node("Conv", name, outputOf(name), []string{x, name + ".weight"},
		onnx.IntsAttr("dilations", 1, 1), onnx.IntAttr("group", int64(groups)),
		onnx.IntsAttr("kernel_shape", k, k), onnx.IntsAttr("pads", p, p, p, p), onnx.IntsAttr("strides", s, s))
}

func (b *graphBuilder) norm(name, x string) string {
	inputs := []string{x}
	for _, suffix := range normSuffixes {
		inputs = append(inputs, name+"."+suffix)
	}
	return b.node("BatchNormalization", name, outputOf(name), inputs,
		onnx.FloatAttr("epsilon", normEpsilon), onnx.FloatAttr("momentum", normMomentum))
}

func (b *graphBuilder) relu(name, x string) string {
	return b.node("Relu", name, outputOf(name), []string{x})
}

// build writes the network in its evaluation form, BatchNormalization kept as it
// is, with the given tensors as initializers.
func (r *ResNet) build(tensors []*weights.Tensor, opset int) *onnx.Model {
	g := &onnx.Graph{Name: r.Name()}
	b := &graphBuilder{graph: g}
	x := b.conv("conv1", InputName, r.Stem.Kernel, r.Stem.Stride, r.Stem.Pad, 1)
	x = b.norm("bn1", x)
	if !r.Stem.Linear {
		x = b.relu("relu", x)
	}
	if r.Stem.MaxPool {
		x = b.node("MaxPool", "maxpool", outputOf("maxpool"), []string{x},
			onnx.IntsAttr("kernel_shape", 3, 3), onnx.IntsAttr("pads", 1, 1, 1, 1), onnx.IntsAttr("strides", 2, 2))
	}
	for i, stage := range r.Stages {
		for k := range stage.Blocks {
			stride := 1
			if i > 0 && k == 0 {
				stride = 2
			}
			x = r.block(b, blockName(i, k), x, stride, k == 0 && stage.Downsample)
		}
	}
	x = b.node("GlobalAveragePool", "avgpool", outputOf("avgpool"), []string{x})
	x = b.node("Flatten", "flatten", RepresentationName, []string{x}, onnx.IntAttr("axis", 1))

	batch := onnx.Dim{Param: "batch"}
	g.Inputs = []*onnx.ValueInfo{onnx.FloatValue(InputName,
		batch, onnx.Dim{Value: int64(r.Channels)}, onnx.Dim{Param: "height"}, onnx.Dim{Param: "width"})}
	g.Outputs = []*onnx.ValueInfo{onnx.FloatValue(RepresentationName, batch, onnx.Dim{Value: int64(r.Dim())})}
	if r.Classes > 0 {
		b.node("Gemm", "fc", LogitsName, []string{x, "fc.weight", "fc.bias"}, onnx.IntAttr("transB", 1))
		g.Outputs = append(g.Outputs, onnx.FloatValue(LogitsName, batch, onnx.Dim{Value: int64(r.Classes)}))
	}
	for _, t := range tensors {
		g.Initializers = append(g.Initializers, onnx.NewTensor(t))
	}
	return &onnx.Model{
		IRVersion: irVersion(opset),
		Opsets:    []onnx.Opset{{Version: int64(opset)}},
		Graph:     g,
	}
}

// block writes a residual block. torchvision applies one ReLU module several times;
// here each use is a node, numbered as PyTorch's exporter numbers them.
func (r *ResNet) block(b *graphBuilder, at, x string, stride int, downsample bool) string {
	shortcut := x
	var y string
	if r.Bottleneck {
		y = b.conv(at+".conv1", x, 1, 1, 0, 1)
		y = b.relu(at+".relu", b.norm(at+".bn1", y))
		y = b.conv(at+".conv2", y, 3, stride, 1, r.Groups)
		y = b.relu(at+".relu_1", b.norm(at+".bn2", y))
		y = b.conv(at+".conv3", y, 1, 1, 0, 1)
		y = b.norm(at+".bn3", y)
	} else {
		y = b.conv(at+".conv1", x, 3, stride, 1, 1)
		y = b.relu(at+".relu", b.norm(at+".bn1", y))
		y = b.conv(at+".conv2", y, 3, 1, 1, 1)
		y = b.norm(at+".bn2", y)
	}
	if downsample {
		shortcut = b.conv(at+".downsample.0", x, 1, stride, 0, 1)
		shortcut = b.norm(at+".downsample.1", shortcut)
	}
	y = b.node("Add", at+".add", outputOf(at+".add"), []string{y, shortcut})
	last := at + ".relu_1"
	if r.Bottleneck {
		last = at + ".relu_2"
	}
	return b.relu(last, y)
}

// The opsets that convert writes: the operators used here, Gemm without bias in
// heads included, are the same in all of them.
const (
	MinOpset     = 11
	MaxOpset     = 21
	DefaultOpset = 17
)

// irVersion returns the IR version of the ONNX release that brought the opset.
func irVersion(opset int) int64 {
	switch {
	case opset >= 21:
		return 10
	case opset >= 19:
		return 9
	case opset >= 15:
		return 8
	case opset >= 12:
		return 7
	}
	return 6
}

func checkOpset(opset int) error {
	if opset < MinOpset || opset > MaxOpset {
		return fmt.Errorf("opset %d is not written; choose %d to %d", opset, MinOpset, MaxOpset)
	}
	return nil
}
