package importer

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/stream"
)

// The kinds of Head.
const (
	HeadNone   = "none"   // z = r
	HeadLinear = "linear" // z = W·r
	HeadMLP    = "mlp"    // z = BN(W₂·relu(BN(W₁·r)))
	HeadSlice  = "slice"  // z = r[:d₀]
)

// Head is what stands between the representation r, [N,D], and the loss: SimCLR's
// projectors and DirectCLR's sub-vector (arXiv:2110.09348, section 6 and its
// published code). It becomes a part of the model, from "representation" to the
// output "embedding", [N,Width].
type Head struct {
	Kind   string `json:"kind"`
	Dim    int    `json:"dim,omitempty"`    // width of z after a projector
	Hidden int    `json:"hidden,omitempty"` // of mlp; 0 is D
	D0     int    `json:"d0,omitempty"`     // of slice: leading channels of r
	Seed   uint64 `json:"seed"`             // of the initial weights
}

// String describes the head on a representation, such as "mlp 2048-2048-128".
func (h Head) String() string {
	switch h.Kind {
	case HeadLinear:
		return fmt.Sprintf("linear to %d", h.Dim)
	case HeadMLP:
		return fmt.Sprintf("mlp to %d by way of %d", h.Dim, h.Hidden)
	case HeadSlice:
		return fmt.Sprintf("slice of %d", h.D0)
	}
	return h.Kind
}

// trainable reports whether the head has weights.
func (h Head) trainable() bool { return h.Kind == HeadLinear || h.Kind == HeadMLP }

// settle fills in defaults for a representation of width d and checks the sizes.
func (h Head) settle(d int) (Head, error) {
	switch h.Kind {
	case HeadNone:
		return Head{Kind: HeadNone}, nil
	case HeadSlice:
		if h.D0 < 1 || h.D0 > d {
			return h, fmt.Errorf("d0 is %d, want 1 to %d, the width of the representation", h.D0, d)
		}
		return Head{Kind: HeadSlice, D0: h.D0}, nil
	case HeadLinear, HeadMLP:
		if h.Dim < 1 {
			return h, fmt.Errorf("the projector's width is %d, want at least 1", h.Dim)
		}
		if h.Kind == HeadLinear {
			return Head{Kind: h.Kind, Dim: h.Dim, Seed: h.Seed}, nil
		}
		if h.Hidden == 0 {
			if h.Hidden = d; d > maxDefaultHidden {
				return h, fmt.Errorf("the representation is %d wide: say how wide the projector's hidden layer is to be", d)
			}
		}
		if h.Hidden < 1 {
			return h, fmt.Errorf("the projector's hidden width is %d, want at least 1", h.Hidden)
		}
		return Head{Kind: h.Kind, Dim: h.Dim, Hidden: h.Hidden, Seed: h.Seed}, nil
	}
	return h, fmt.Errorf("unknown head %q; want %s, %s, %s or %s", h.Kind, HeadNone, HeadLinear, HeadMLP, HeadSlice)
}

// AttachHead adds the head to the model. New weights are PyTorch's default, uniform
// in ±1/√fan_in, from the head's seed; parameters are named as those of an
// nn.Sequential called projector.
//
// A model that has the same head already keeps it, with its weights. A head without
// weights is replaced; one with weights that differs is an error, as is a width out
// of range.
func AttachHead(m *onnx.Model, h Head) error {
	r, d, err := representation(m)
	if err != nil {
		return err
	}
	if h, err = h.settle(d); err != nil {
		return err
	}
	if m.Graph.Output(EmbeddingName) != nil {
		keep, err := reconcile(m, h)
		if keep || err != nil {
			return err
		}
		DetachHead(m)
	} else if m.Graph.Producer(EmbeddingName) != nil {
		return fmt.Errorf("the model computes a tensor %q that is not an output; rename it", EmbeddingName)
	}
	if opset := m.Opset(""); h.Kind != HeadNone && opset < oldestOpset {
		return unsupportedf("a head needs opset %d, the model has %d; convert it with onnx.version_converter", oldestOpset, opset)
	}
	for _, t := range m.Graph.Initializers {
		if strings.HasPrefix(t.Name, projectorPrefix) || strings.HasPrefix(t.Name, slicePrefix) {
			return fmt.Errorf("the model already has a tensor %q, which a head would use; rename it", t.Name)
		}
	}
	b := headBuilder{graphBuilder: graphBuilder{m.Graph}, seed: h.Seed, opset: m.Opset(""), training: DetectBatchNorm(m).Training > 0}
	width := d
	switch h.Kind {
	case HeadNone:
		b.node("Identity", "embedding", EmbeddingName, []string{r})
	case HeadSlice:
		width = h.D0
		b.slice(r, h.D0)
	case HeadLinear:
		width = h.Dim
		b.linear("projector.0", r, EmbeddingName, d, h.Dim)
	case HeadMLP:
		width = h.Dim
		x := b.linear("projector.0", r, "", d, h.Hidden)
		x = b.relu("projector.2", b.norm1d("projector.1", x, "", h.Hidden))
		x = b.linear("projector.3", x, "", h.Hidden, h.Dim)
		b.norm1d("projector.4", x, EmbeddingName, h.Dim)
	}
	batch := onnx.Dim{Param: "batch"}
	if in := m.Graph.Inputs; len(in) > 0 && len(in[0].Shape) > 0 {
		batch = in[0].Shape[0]
	}
	m.Graph.Outputs = append(m.Graph.Outputs, onnx.FloatValue(EmbeddingName, batch, onnx.Dim{Value: int64(width)}))
	if err := matchHead(m, r); err != nil {
		return err
	}
	declare(m)
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	m.SetMeta(MetaHead, string(text))
	if h.Kind == HeadMLP {
		// The counters of the head start at 0, whatever those of the encoder are.
		counts, err := BatchesTracked(m)
		if err != nil {
			return err
		}
		counts["projector.1"], counts["projector.4"] = 0, 0
		SetBatchesTracked(m, counts)
	}
	return nil
}

// AttachedHead returns the head of a model, and whether it has one that AttachHead
// added.
func AttachedHead(m *onnx.Model) (Head, bool, error) {
	text := m.Meta(MetaHead)
	if text == "" || m.Graph.Output(EmbeddingName) == nil {
		return Head{}, false, nil
	}
	var h Head
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return Head{}, false, fmt.Errorf("metadata %s: %w", MetaHead, err)
	}
	return h, true, nil
}

// reconcile decides about a model that has an output "embedding": keep it, replace
// it, or fail.
func reconcile(m *onnx.Model, want Head) (keep bool, err error) {
	have, ours, err := AttachedHead(m)
	switch {
	case err != nil:
		return false, err
	case !ours && want.Kind == HeadNone:
		return true, nil
	case !ours:
		return false, fmt.Errorf("the model has an output %q that is not a head of onnxclr; rename it to attach a head (%s)", EmbeddingName, want)
	}
	same := want
	same.Seed = have.Seed
	if have == same {
		return true, nil
	}
	if have.trainable() {
		return false, fmt.Errorf("the model already has a trained head (%s), not the one asked for (%s); ask for the same head, or start from a model without one", have, want)
	}
	return false, nil
}

// oldestOpset is the first whose Gemm, BatchNormalization and arithmetic broadcast
// and compute as they do today.
const oldestOpset = 7

// headBuilder adds nodes with fresh weights.
type headBuilder struct {
	graphBuilder
	seed     uint64
	drawn    uint64 // weight tensors so far
	opset    int64
	training bool // batch normalisation in training form
}

// linear is nn.Linear without bias: y = x·Wᵀ, W [out,in]. output may be "".
func (b *headBuilder) linear(name, x, output string, in, out int) string {
	values := make([]float32, in*out)
	rng := stream.New(b.seed, "projector", b.drawn)
	b.drawn++
	bound := 1 / math.Sqrt(float64(in))
	for i := range values {
		values[i] = float32((2*rng.Float64() - 1) * bound)
	}
	b.graph.SetInitializer(weights.FromFloat32(name+".weight", []int{out, in}, values))
	if output == "" {
		output = outputOf(name)
	}
	inputs, attributes := []string{x, name + ".weight"}, []*onnx.Attribute{onnx.IntAttr("transB", 1)}
	if b.opset < 11 { // Gemm must have a third operand; it counts 0 times
		b.graph.SetInitializer(weights.FromFloat32(noBias, []int{1}, []float32{0}))
		inputs, attributes = append(inputs, noBias), append(attributes, onnx.FloatAttr("beta", 0))
	}
	return b.node("Gemm", name, output, inputs, attributes...)
}

// norm1d is nn.BatchNorm1d(c), in training form where the encoder's are: one in
// inference form beside them would mean that it is frozen. output may be "".
func (b *headBuilder) norm1d(name, x, output string, c int) string {
	for _, suffix := range normSuffixes {
		values := make([]float32, c)
		if suffix == "weight" || suffix == "running_var" {
			for i := range values {
				values[i] = 1
			}
		}
		b.graph.SetInitializer(weights.FromFloat32(name+"."+suffix, []int{c}, values))
	}
	y := b.norm(name, x)
	n := b.graph.Nodes[len(b.graph.Nodes)-1]
	if output != "" {
		n.Outputs[0], y = output, output
	}
	if b.training {
		trainingForm(n, b.opset)
	}
	return y
}

// trainingForm turns a BatchNormalization in inference form into one in training form.
func trainingForm(n *onnx.Node, opset int64) {
	extra := []string{"_running_mean", "_running_var"}
	if opset < 14 {
		extra = append(extra, "_saved_mean", "_saved_var")
	} else {
		n.SetAttribute(onnx.IntAttr("training_mode", 1))
	}
	for _, suffix := range extra {
		n.Outputs = append(n.Outputs, outputOf(n.Name)+suffix)
	}
}

// ofHead reports whether AttachHead made the node.
func ofHead(n *onnx.Node) bool {
	return strings.HasPrefix(n.Name, projectorPrefix) || strings.HasPrefix(n.Name, slicePrefix)
}

// Tensors of heads begin with these.
const (
	projectorPrefix = "projector."
	slicePrefix     = "directclr."
	noBias          = "projector.::no_bias" // no key of a state_dict, see isKey
)

// slice takes the first d0 columns of x.
func (b *headBuilder) slice(x string, d0 int) {
	if b.opset < 10 {
		b.node("Slice", "directclr", EmbeddingName, []string{x}, onnx.IntsAttr("starts", 0), onnx.IntsAttr("ends", int64(d0)), onnx.IntsAttr("axes", 1))
		return
	}
	inputs := []string{x}
	for _, arg := range []struct {
		name  string
		value int64
	}{{"starts", 0}, {"ends", int64(d0)}, {"axes", 1}} {
		name := slicePrefix + arg.name
		b.graph.SetInitializer(weights.FromInt64(name, []int{1}, []int64{arg.value}))
		inputs = append(inputs, name)
	}
	b.node("Slice", "directclr", EmbeddingName, inputs)
}

// DetachHead removes the output "embedding" with everything that only it needed,
// and reports whether there was one.
func DetachHead(m *onnx.Model) bool {
	if !dropOutput(m, EmbeddingName) {
		return false
	}
	dropMeta(m, MetaHead)
	return true
}

// dropOutput removes a graph output, and the nodes and initializers that nothing
// needs any more. What nothing needed before stays.
func dropOutput(m *onnx.Model, name string) bool {
	g := m.Graph
	if g.Output(name) == nil {
		return false
	}
	before := needed(g)
	var outputs []*onnx.ValueInfo
	for _, o := range g.Outputs {
		if o.Name != name {
			outputs = append(outputs, o)
		}
	}
	g.Outputs = outputs
	after := needed(g)
	dead := func(name string) bool { return before[name] && !after[name] }

	var nodes []*onnx.Node
	for _, n := range g.Nodes {
		alive := len(n.Outputs) == 0
		for _, o := range n.Outputs {
			alive = alive || o != "" && !dead(o)
		}
		if alive {
			nodes = append(nodes, n)
		}
	}
	var initializers []*onnx.Tensor
	counts, err := BatchesTracked(m)
	for _, t := range g.Initializers {
		if !dead(t.Name) {
			initializers = append(initializers, t)
		} else if norm, ok := strings.CutSuffix(t.Name, runningVar); ok {
			delete(counts, norm)
		}
	}
	g.Nodes, g.Initializers = nodes, initializers
	if m.Meta(MetaBatches) != "" && err == nil {
		SetBatchesTracked(m, counts)
	}
	return true
}

// needed returns the names of all tensors that the graph's outputs depend on.
func needed(g *onnx.Graph) map[string]bool {
	producer := map[string]*onnx.Node{}
	for _, n := range g.Nodes {
		for _, o := range n.Outputs {
			producer[o] = n
		}
	}
	need := map[string]bool{}
	var stack []string
	for _, o := range g.Outputs {
		stack = append(stack, o.Name)
	}
	for len(stack) > 0 {
		name := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if name == "" || need[name] {
			continue
		}
		need[name] = true
		if n := producer[name]; n != nil {
			stack = append(stack, n.Inputs...)
			stack = append(stack, n.Outputs...)
		}
	}
	return need
}

// representation returns the name and width D of the tensor that heads stand on.
func representation(m *onnx.Model) (string, int, error) {
	name, err := Representation(m)
	if err != nil {
		return "", 0, err
	}
	if v := m.Graph.Output(name); v != nil && len(v.Shape) == 2 && v.Shape[1].Value > 0 {
		return boundedWidth(name, v.Shape[1].Value)
	}
	inputs := map[string][]int{}
	for _, in := range m.Graph.Inputs {
		if m.Graph.Initializer(in.Name) != nil || len(in.Shape) != 4 {
			continue
		}
		// Any size will do: the representation does not depend on it.
		shape := []int{1, 3, 224, 224}
		for i, d := range in.Shape {
			if d.Value > 0 {
				shape[i] = int(d.Value)
			}
		}
		inputs[in.Name] = shape
	}
	shapes, err := onnx.InferShapes(m, inputs)
	if err != nil {
		return "", 0, err
	}
	shape := shapes.Shape[name]
	if len(shape) != 2 || shape[1] < 1 {
		return "", 0, fmt.Errorf("tensor %q has shape %v, want [N,D] for a head", name, shape)
	}
	return boundedWidth(name, int64(shape[1]))
}

// Widths of a representation beyond which a file is not believed: a head's weights are
// as many as its width says, whether anything in the file is that large or not.
const (
	maxWidth         = 1 << 16
	maxDefaultHidden = 1 << 13
)

func boundedWidth(name string, width int64) (string, int, error) {
	if width > maxWidth {
		return "", 0, fmt.Errorf("tensor %q is %d wide, a head stands on at most %d", name, width, maxWidth)
	}
	return name, int(width), nil
}
