package importer

import (
	"fmt"
	"slices"
	"strings"

	"onnxclr/importer/onnx"
)

// WeightedLayer is a convolution or linear layer: the weights [Out,In,Taps] that stand
// between its input and its output.
type WeightedLayer struct {
	Name   string // of the parameter, without ".weight"
	Input  string // tensor
	Out    int
	In     int // of one group
	Taps   int // of a filter; 1 for linear layers
	Groups int
	// Values are row-major [Out,In,Taps].
	Values []float64
	// FedByPrior: the input comes from the layer before in the list, with nothing but
	// what acts on single channels (normalisation, activation, pooling) in between.
	FedByPrior bool

	from       *onnx.Tensor
	transposed bool // stored [In,Out]
}

// channelwise are operators that do not mix channels.
var channelwise = []string{"BatchNormalization", "Relu", "LeakyRelu", "Elu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Gelu",
	"Identity", "Dropout", "GlobalAveragePool", "AveragePool", "MaxPool", "GlobalMaxPool", "ReduceMean", "Flatten", "Squeeze"}

// LastLayers returns up to n weighted layers that the tensor depends on, those nearest
// to it in the order of the graph, first to last.
func LastLayers(m *onnx.Model, tensor string, n int) ([]WeightedLayer, error) {
	g := m.Graph
	producer := map[string]*onnx.Node{}
	for _, node := range g.Nodes {
		for _, o := range node.Outputs {
			producer[o] = node
		}
	}
	needed, queue := map[*onnx.Node]bool{}, []string{tensor}
	for len(queue) > 0 {
		node := producer[queue[0]]
		queue = queue[1:]
		if node != nil && !needed[node] {
			needed[node] = true
			queue = append(queue, node.Inputs...)
		}
	}
	var layers []WeightedLayer
	origin := map[string]string{} // the weighted layer whose channels a tensor has
	for _, node := range g.Nodes {
		if !needed[node] || len(node.Outputs) == 0 {
			continue
		}
		l := weightedLayer(g, node)
		switch {
		case l != nil:
			l.FedByPrior = len(layers) > 0 && origin[l.Input] == layers[len(layers)-1].Name
			origin[node.Outputs[0]] = l.Name
			layers = append(layers, *l)
		case slices.Contains(channelwise, node.OpType):
			origin[node.Outputs[0]] = origin[node.Input(0)]
		}
	}
	if len(layers) == 0 {
		return nil, fmt.Errorf("tensor %q depends on no convolution or linear layer", tensor)
	}
	layers = layers[max(0, len(layers)-n):]
	layers[0].FedByPrior = false
	for i := range layers {
		if err := layers[i].read(); err != nil {
			return nil, err
		}
	}
	return layers, nil
}

// weightedLayer describes a node that multiplies by a parameter, nil for others.
func weightedLayer(g *onnx.Graph, n *onnx.Node) *WeightedLayer {
	if !n.Standard() || n.OpType != "Conv" && n.OpType != "Gemm" && n.OpType != "MatMul" {
		return nil
	}
	w := g.Initializer(n.Input(1))
	if w == nil || len(w.Shape) < 2 {
		return nil
	}
	l := &WeightedLayer{Name: strings.TrimSuffix(w.Name, ".weight"), Input: n.Input(0), Out: w.Shape[0], In: w.Shape[1], Taps: 1, Groups: 1, from: w}
	switch {
	case n.OpType == "Conv":
		for _, d := range w.Shape[2:] {
			l.Taps *= d
		}
		l.Groups = int(n.Int("group", 1))
	case len(w.Shape) != 2:
		return nil
	case n.OpType == "MatMul" || n.Int("transB", 0) == 0:
		l.Out, l.In, l.transposed = l.In, l.Out, true
	}
	return l
}

// read fills in the values.
func (l *WeightedLayer) read() error {
	v, err := l.from.Float32s()
	if err != nil {
		return fmt.Errorf("weights of %q: %w", l.Name, err)
	}
	l.Values = make([]float64, len(v))
	for i, x := range v {
		if l.transposed {
			i = i%l.Out*l.In + i/l.Out
		}
		l.Values[i] = float64(x)
	}
	return nil
}
