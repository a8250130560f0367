package importer

import (
	"slices"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
)

// freeBatch lets a model that was exported for one batch size run at any. Such an
// export writes the size into the arguments of Reshape: x.flatten(1) of a batch of 2
// becomes [2, 512], which fails at 16 images, and x.view(x.size(0), -1) becomes
// [2, -1], which does not even fail but takes the 16 rows for 2. Where the first
// dimension of both sides is the batch, 0, "as in the input", says the same.
func (n *normalizer) freeBatch() {
	batch, sizes := staticBatch(n.g)
	if batch == 0 {
		return
	}
	shapes, err := onnx.InferShapes(n.model, sizes)
	if err != nil {
		return // sizes that no image has: nothing is known
	}
	uses := n.g.Uses()
	for _, node := range n.g.Nodes {
		if node.OpType != "Reshape" || !node.Standard() {
			continue
		}
		if x := shapes.Shape[node.Input(0)]; len(x) == 0 || x[0] != batch {
			continue
		}
		to, ok := n.integers(shapes, node.Input(1))
		if !ok || len(to) == 0 || to[0] != int64(batch) {
			continue
		}
		if node.Int("allowzero", 0) != 0 {
			if slices.Contains(to, 0) {
				continue
			}
			node.SetAttribute(onnx.IntAttr("allowzero", 0))
		}
		to[0] = 0
		name := node.Inputs[1]
		if n.g.Initializer(name) != nil && uses[name] == 1 {
			n.g.SetInitializer(weights.FromInt64(name, []int{len(to)}, to))
		} else {
			name = n.free(name + "_any_batch")
			n.g.AddInitializer(onnx.NewTensor(weights.FromInt64(name, []int{len(to)}, to)))
			node.Inputs[1] = name
		}
		n.Unbatched++
	}
	if n.Unbatched > 0 {
		n.prune(shapes)
	}
}

// staticBatch returns the batch size a graph of images was exported for, 0 if it
// takes any, and the sizes of the input with something in place of those left open.
func staticBatch(g *onnx.Graph) (int, map[string][]int) {
	inputs := g.DataInputs()
	if len(inputs) != 1 || len(inputs[0].Shape) != 4 || inputs[0].Shape[0].Param != "" {
		return 0, nil
	}
	shape := make([]int, 4)
	for i, d := range inputs[0].Shape {
		shape[i] = int(d.Value)
		if d.Param != "" || d.Value <= 0 {
			shape[i] = 224
		}
	}
	return int(max(inputs[0].Shape[0].Value, 0)), map[string][]int{inputs[0].Name: shape}
}

// integers is the value of an integer tensor that the graph does not compute from
// its input.
func (n *normalizer) integers(shapes *onnx.Shapes, name string) ([]int64, bool) {
	t := shapes.Const[name]
	if init := n.g.Initializer(name); init != nil {
		t = &init.Tensor
	}
	if t == nil {
		return nil, false
	}
	v, err := t.Int64s()
	return v, err == nil
}
