package importer

import (
	"fmt"

	"onnxclr/importer/onnx"
)

// resnetModules names the layers of a torchvision ResNet by the way they are
// connected: a stem of one convolution, residual blocks one behind another, of
// which those that change the shape have a convolution in the shortcut and, but for
// the first, begin a new stage; then a pooled linear layer. nil unless every
// convolution of the graph has a place in that pattern.
func resnetModules(g *onnx.Graph) map[*onnx.Node]string {
	w := &resnetWalk{users: map[string][]*onnx.Node{}, names: map[*onnx.Node]string{}}
	convolutions := 0
	for _, n := range g.Nodes {
		if n.OpType == "Conv" {
			convolutions++
		}
		for _, name := range n.Inputs {
			if name != "" {
				w.users[name] = append(w.users[name], n)
			}
		}
	}
	inputs := g.DataInputs()
	if len(inputs) != 1 {
		return nil
	}
	x, ok := w.stem(inputs[0].Name)
	for stage, block := 1, 0; ok; block++ {
		next, downsampled, isBlock := w.block(x)
		if !isBlock {
			break
		}
		if downsampled && (stage > 1 || block > 0) {
			stage, block = stage+1, 0
		}
		w.claimBlock(stage, block)
		x = next
	}
	if !ok || w.convolutions != convolutions || w.blocks == 0 {
		return nil
	}
	w.classifier(x)
	return w.names
}

type resnetWalk struct {
	users        map[string][]*onnx.Node
	names        map[*onnx.Node]string
	convolutions int
	blocks       int

	main, shortcut []layer // of the block just found
}

// layer is a convolution and the normalisation behind it, if there is one.
type layer struct{ conv, norm *onnx.Node }

// only returns the one node that reads x as its first input, if it is of that type.
func (w *resnetWalk) only(x, op string) *onnx.Node {
	if u := w.users[x]; len(u) == 1 && u[0].OpType == op && u[0].Input(0) == x {
		return u[0]
	}
	return nil
}

// layerAt follows a convolution.
func (w *resnetWalk) layerAt(conv *onnx.Node) (layer, string) {
	l, x := layer{conv: conv}, conv.Output(0)
	if n := w.only(x, "BatchNormalization"); n != nil {
		l.norm, x = n, n.Output(0)
	}
	return l, x
}

func (w *resnetWalk) claim(l layer, conv, norm string) {
	w.names[l.conv] = conv
	if l.norm != nil {
		w.names[l.norm] = norm
	}
	w.convolutions++
}

func (w *resnetWalk) stem(x string) (string, bool) {
	conv := w.only(x, "Conv")
	if conv == nil {
		return "", false
	}
	l, x := w.layerAt(conv)
	relu := w.only(x, "Relu")
	if relu == nil {
		return "", false
	}
	x = relu.Output(0)
	if pool := w.only(x, "MaxPool"); pool != nil {
		x = pool.Output(0)
	}
	w.claim(l, "conv1", "bn1")
	return x, true
}

// block recognises the residual block that begins at x and returns its output, and
// whether the shortcut has a convolution.
func (w *resnetWalk) block(x string) (next string, downsampled, ok bool) {
	w.main, w.shortcut = nil, nil
	var add *onnx.Node
	direct := false
	for _, n := range w.users[x] {
		if n.OpType == "Add" {
			direct = true
			continue
		}
		path, end := w.path(n)
		if path == nil || add != nil && end != add {
			return "", false, false
		}
		add = end
		switch {
		case len(path) == 1 && w.shortcut == nil:
			w.shortcut = path
		case len(path) >= 2 && w.main == nil:
			w.main = path
		default:
			return "", false, false
		}
	}
	if w.main == nil || add == nil || direct == (w.shortcut != nil) || len(w.users[x]) != 2 {
		return "", false, false
	}
	relu := w.only(add.Output(0), "Relu")
	if relu == nil {
		return "", false, false
	}
	return relu.Output(0), w.shortcut != nil, true
}

// path follows convolutions with Relus between them up to an Add.
func (w *resnetWalk) path(n *onnx.Node) ([]layer, *onnx.Node) {
	var layers []layer
	for n.OpType == "Conv" && len(layers) < 3 {
		l, x := w.layerAt(n)
		layers = append(layers, l)
		users := w.users[x]
		if len(users) != 1 {
			return nil, nil
		}
		n = users[0]
		if n.OpType == "Add" {
			return layers, n
		}
		if n.OpType != "Relu" || len(w.users[n.Output(0)]) != 1 {
			return nil, nil
		}
		n = w.users[n.Output(0)][0]
	}
	return nil, nil
}

// claimBlock names the layers of the block just found.
func (w *resnetWalk) claimBlock(stage, block int) {
	w.blocks++
	prefix := fmt.Sprintf("layer%d.%d.", stage, block)
	for i, l := range w.main {
		w.claim(l, fmt.Sprintf("%sconv%d", prefix, i+1), fmt.Sprintf("%sbn%d", prefix, i+1))
	}
	for _, l := range w.shortcut {
		w.claim(l, prefix+"downsample.0", prefix+"downsample.1")
	}
}

// classifier names the linear layer behind the pooling.
func (w *resnetWalk) classifier(x string) {
	for range 6 { // pooling, reshaping, dropout
		users := w.users[x]
		var next *onnx.Node
		for _, n := range users {
			if n.OpType == "Gemm" {
				w.names[n] = "fc"
				return
			}
			if n.Input(0) == x && n.OpType != "Shape" {
				next = n
			}
		}
		if next == nil {
			return
		}
		x = next.Output(0)
	}
}
