package importer

import (
	"fmt"
	"slices"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
)

// Normalization says what Normalize did to a model.
type Normalization struct {
	BatchNorm BatchNormState
	Untied    []string          // parameters that were shared and are tensors of their own now
	Constants []string          // parameters that were the output of a Constant node
	Biases    int               // biases of convolutions that were a computed zero, dropped
	Unbatched int               // nodes that fixed the batch size and take any now
	Renamed   map[string]string // new name → name in the file, also kept in the metadata

	folded map[string]bool // outputs of the convolutions that BatchNorm counts as folded
}

// Normalize undoes what exporters do to a network's parameters, so that each is an
// initializer of its own with the name that it has in PyTorch:
//
//   - calls of the model's own functions are replaced by what they stand for;
//   - equal parameters that share one initializer, through Identity nodes or
//     directly, are separated; only weights that several layers other than
//     BatchNormalization use directly stay tied, as they are in the network;
//   - parameters that are constants computed in the graph become initializers, and a
//     convolution's bias that is a computed zero is dropped;
//   - a batch size that the export wrote into the graph is taken out again;
//   - names an exporter made up ("onnx::Conv_193", "conv1.weight_bias") are
//     replaced by the path of the module, read from the layer's other parameters,
//     from the node's name, or, in a ResNet, from the topology.
//
// The outputs' values do not change. A model that is not valid is refused with
// everything that is wrong with it.
func Normalize(m *onnx.Model) (*Normalization, error) {
	if err := inline(m); err != nil {
		return nil, err
	}
	n := &normalizer{model: m, g: m.Graph, copies: map[string]int{}}
	before := dataSize(m.Graph)
	if err := n.constants(); err != nil {
		return nil, err
	}
	n.freeBatch()
	n.identities()
	n.BatchNorm, n.folded = findFolded(m) // while the exporter's names are there
	n.modules = moduleNames(m)
	n.norms()
	// Untied tensors share their bytes until they are bound; a few thousand that each
	// are the whole file would exhaust memory then.
	if after := dataSize(m.Graph); after/4 > before+1<<24 {
		return nil, fmt.Errorf("%d parameters share initializers of %d bytes and would take %d of their own; this was not made by an exporter", len(n.Untied), before, after)
	}
	declare(m)
	if err := n.rename(); err != nil {
		return nil, err
	}
	return &n.Normalization, nil
}

// dataSize is the bytes of all initializers.
func dataSize(g *onnx.Graph) int {
	size := 0
	for _, t := range g.Initializers {
		size += len(t.Data)
	}
	return size
}

// inline puts the nodes in order, checks a model and dissolves the functions it calls.
func inline(m *onnx.Model) error {
	if m.Graph != nil {
		m.Graph.Sort()
	}
	if err := onnx.Check(m); err != nil || len(m.Functions) == 0 {
		return err
	}
	return m.Inline()
}

type normalizer struct {
	Normalization
	model   *onnx.Model
	g       *onnx.Graph
	modules map[*onnx.Node]string
	taken   map[string]bool // names of tensors, once free has been asked
	copies  map[string]int  // numbers that free has tried, by name
}

// parameterRoles are, by operator and input, what PyTorch calls a parameter.
var parameterRoles = map[string][]string{
	"Conv":                  {1: "weight", 2: "bias"},
	"ConvTranspose":         {1: "weight", 2: "bias"},
	"Gemm":                  {1: "weight", 2: "bias"},
	"MatMul":                {1: "weight"},
	"BatchNormalization":    {1: "weight", 2: "bias", 3: "running_mean", 4: "running_var"},
	"InstanceNormalization": {1: "weight", 2: "bias"},
	"LayerNormalization":    {1: "weight", 2: "bias"},
	"PRelu":                 {1: "weight"},
}

// role is the name of the node's i-th input as a parameter; "" when it is none.
func role(n *onnx.Node, i int) string {
	if roles := parameterRoles[n.OpType]; n.Standard() && i < len(roles) {
		return roles[i]
	}
	return ""
}

// constants makes initializers of the parameters that nodes compute from nothing.
func (n *normalizer) constants() error {
	shapes, err := onnx.InferShapes(n.model, nil)
	if err != nil {
		return err
	}
	outputs := map[string]bool{}
	for _, v := range n.g.Outputs {
		outputs[v.Name] = true
	}
	found := map[string]*weights.Tensor{}
	for _, node := range n.g.Nodes {
		for i, name := range node.Inputs {
			t := shapes.Const[name]
			if t == nil || !t.DType.IsFloat() || outputs[name] || role(node, i) == "" {
				continue
			}
			if node.OpType == "Conv" && i == 2 && isZero(t) {
				node.Inputs = node.Inputs[:2]
				n.Biases++
				break
			}
			found[name] = t
		}
	}
	if len(found) == 0 && n.Biases == 0 {
		return nil
	}
	n.removeNodes(func(node *onnx.Node) bool {
		t := found[node.Output(0)]
		if t == nil {
			return false
		}
		own := *t
		own.Name = node.Outputs[0]
		n.g.AddInitializer(onnx.NewTensor(&own))
		n.Constants = append(n.Constants, own.Name)
		return true
	})
	n.prune(shapes)
	return nil
}

func isZero(t *weights.Tensor) bool {
	for _, b := range t.Data {
		if b != 0 {
			return false
		}
	}
	return true
}

// prune removes nodes that compute constants nobody reads any more: from the last to
// the first, as each lets go of those before it.
func (n *normalizer) prune(shapes *onnx.Shapes) {
	uses := n.g.Uses()
	dead := map[*onnx.Node]bool{}
	for _, node := range slices.Backward(n.g.Nodes) {
		if len(node.Outputs) != 1 || shapes.Const[node.Outputs[0]] == nil || uses[node.Outputs[0]] > 0 {
			continue
		}
		dead[node] = true
		for _, in := range node.Inputs {
			uses[in]--
		}
	}
	n.removeNodes(func(node *onnx.Node) bool { return dead[node] })
}

func (n *normalizer) removeNodes(dead func(*onnx.Node) bool) {
	n.g.Nodes = slices.DeleteFunc(n.g.Nodes, dead)
}

// declare makes inputs of the initializers, which they must be before IR version 4.
func declare(m *onnx.Model) {
	if m.IRVersion >= 4 {
		return
	}
	declared := map[string]bool{}
	for _, v := range m.Graph.Inputs {
		declared[v.Name] = true
	}
	for _, t := range m.Graph.Initializers {
		if declared[t.Name] {
			continue
		}
		v := onnx.FloatValue(t.Name)
		v.ElemType = t.ElemType
		for _, d := range t.Shape {
			v.Shape = append(v.Shape, onnx.Dim{Value: int64(d)})
		}
		m.Graph.Inputs = append(m.Graph.Inputs, v)
	}
}

// copyOf adds a copy of an initializer under a new name. The bytes are shared:
// nothing writes to them.
func (n *normalizer) copyOf(t *onnx.Tensor, name string) {
	own := *t
	own.Name = name
	n.g.AddInitializer(&own)
	n.Untied = append(n.Untied, name)
}

// identities replaces Identity(initializer) by an initializer of its own. That is
// how exporters share parameters whose values happen to be equal.
func (n *normalizer) identities() {
	outputs := map[string]bool{}
	for _, v := range n.g.Outputs {
		outputs[v.Name] = true
	}
	sources := map[string]bool{}
	n.removeNodes(func(node *onnx.Node) bool {
		if node.OpType != "Identity" || !node.Standard() || outputs[node.Output(0)] {
			return false
		}
		t := n.g.Initializer(node.Input(0))
		if t == nil {
			return false
		}
		sources[t.Name] = true
		n.copyOf(t, node.Outputs[0])
		return true
	})
	if len(sources) == 0 {
		return
	}
	uses := n.g.Uses()
	n.g.Initializers = slices.DeleteFunc(n.g.Initializers, func(t *onnx.Tensor) bool { return sources[t.Name] && uses[t.Name] == 0 })
	n.g.Inputs = slices.DeleteFunc(n.g.Inputs, func(v *onnx.ValueInfo) bool { return sources[v.Name] && uses[v.Name] == 0 })
	n.Untied = slices.DeleteFunc(n.Untied, func(name string) bool { return n.g.Initializer(name) == nil })
}

// norms gives every input of every BatchNormalization an initializer that nothing
// else reads. Two such layers never share a parameter in a ResNet, but exporters
// merge equal ones: of a fresh network, all of equal width.
func (n *normalizer) norms() {
	uses := n.g.Uses()
	type slot struct {
		node *onnx.Node
		i    int
	}
	slots := map[string][]slot{}
	var order []string
	for _, node := range n.g.Nodes {
		if node.OpType != "BatchNormalization" || !node.Standard() {
			continue
		}
		for i := 1; i < len(node.Inputs); i++ {
			name := node.Inputs[i]
			if n.g.Initializer(name) == nil || uses[name] < 2 {
				continue
			}
			if slots[name] == nil {
				order = append(order, name)
			}
			slots[name] = append(slots[name], slot{node, i})
		}
	}
	for _, name := range order {
		// The layer whose name it has keeps the tensor; else the first.
		shared := slots[name]
		keeper := 0
		for k, s := range shared {
			if n.keyOf(s.node, s.i) == name {
				keeper = k
			}
		}
		if uses[name] > len(shared) {
			keeper = -1 // a layer of another kind keeps it
		}
		t := n.g.Initializer(name)
		for k, s := range shared {
			if k == keeper {
				continue
			}
			key := n.keyOf(s.node, s.i)
			if key == "" || key == name {
				key = fmt.Sprintf("%s.%s", name, role(s.node, s.i))
			}
			own := n.free(key)
			n.copyOf(t, own)
			s.node.Inputs[s.i] = own
		}
	}
}

// keyOf is PyTorch's key of the node's i-th input, as far as it is known.
func (n *normalizer) keyOf(node *onnx.Node, i int) string {
	module, r := n.modules[node], role(node, i)
	if module == "" || r == "" {
		return ""
	}
	return module + "." + r
}

// free returns name, or name with a number, that no tensor has.
func (n *normalizer) free(name string) string {
	if n.taken == nil {
		n.taken = n.g.Names()
	}
	out := name
	for n.taken[out] {
		n.copies[name]++
		out = fmt.Sprintf("%s_%d", name, n.copies[name]+1)
	}
	n.taken[out] = true
	return out
}
