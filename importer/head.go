package importer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"onnxclr/importer/onnx"
)

// The kinds of Head, for a representation r of width D. W of orthogonal and lowrank has
// orthonormal rows, or columns if it has more rows than D, in a random direction.
const (
	HeadNone       = "none"           // z = r
	HeadLinear     = "linear"         // z = W·r
	HeadMLP        = "mlp"            // z = BN(W₂·relu(BN(W₁·r))), with more layers, or with biases for some BN
	HeadSlice      = "slice"          // z = r[:d₀]
	HeadOrthogonal = "orthogonal"     // z = W·r, W kept orthogonal by whoever trains it
	HeadDiagonal   = "diagonal"       // z = w⊙r
	HeadLowRank    = "lowrank"        // z = W·r, d₀ rows, not trained
	HeadGroup      = "group"          // z = r; training compares groups of its features
	HeadDropout    = "random-dropout" // z = r; training compares d₀ random features
)

// Which layers of an mlp have something.
const (
	LayersAll    = "all"
	LayersHidden = "hidden" // all but the last
	LayersNone   = "none"
)

// ProjectorWeight is the name of the weight of the heads that have a single one.
const ProjectorWeight = projectorPrefix + "0.weight"

// Head is what stands between the representation r, [N,D], and the loss: SimCLR's
// projectors, DirectCLR's sub-vector and those of the ablations (arXiv:2110.09348,
// section 6, appendix F and its published code). It becomes a part of the model, from
// "representation" to the output "embedding", [N,Width].
type Head struct {
	Kind   string `json:"kind"`
	Dim    int    `json:"dim,omitempty"`    // width of z after a projector; of orthogonal, 0 is D
	Hidden int    `json:"hidden,omitempty"` // of mlp; 0 is D
	Layers int    `json:"layers,omitempty"` // of mlp, at least 2; 0 is 2
	Norm   string `json:"norm,omitempty"`   // which layers of mlp BatchNorm1d follows; "" is LayersAll
	Bias   string `json:"bias,omitempty"`   // which of them add a vector: β of the BatchNorm1d or, without, the layer's bias; "" is LayersAll
	D0     int    `json:"d0,omitempty"`     // leading or random channels of r, or rank
	Groups int    `json:"groups,omitempty"` // of group: equal parts of D
	Seed   uint64 `json:"seed"`             // of the initial weights
}

// String describes the head, such as "mlp to 128 by way of 2048".
func (h Head) String() string {
	switch h.Kind {
	case HeadLinear:
		return fmt.Sprintf("linear to %d", h.Dim)
	case HeadOrthogonal:
		return fmt.Sprintf("orthogonal to %d", h.Dim)
	case HeadMLP:
		way := fmt.Sprint(h.Hidden)
		if h.Layers > 2 {
			way = fmt.Sprintf("%d layers of %d", h.Layers-1, h.Hidden)
		}
		if h.Norm != LayersAll {
			way += ", batchnorm " + h.Norm
		}
		if h.Bias != LayersAll {
			way += ", bias " + h.Bias
		}
		return fmt.Sprintf("mlp to %d by way of %s", h.Dim, way)
	case HeadSlice:
		return fmt.Sprintf("slice of %d", h.D0)
	case HeadLowRank:
		return fmt.Sprintf("rank %d", h.D0)
	case HeadGroup:
		return fmt.Sprintf("%d groups", h.Groups)
	case HeadDropout:
		return fmt.Sprintf("%d random features", h.D0)
	}
	return h.Kind
}

// trainable reports whether the head has weights that training moves.
func (h Head) trainable() bool {
	switch h.Kind {
	case HeadLinear, HeadMLP, HeadOrthogonal, HeadDiagonal:
		return true
	}
	return false
}

// Fixed lists the parameters of the head that training leaves as they are: the weight
// of lowrank, and of an mlp the β of normalised layers without a bias, which stay 0.
func (h Head) Fixed() []string {
	var names []string
	switch h.Kind {
	case HeadLowRank:
		names = append(names, ProjectorWeight)
	case HeadMLP:
		for _, l := range h.layers() {
			if l.norm != "" && !l.bias {
				names = append(names, l.norm+".bias")
			}
		}
	}
	return names
}

// mlpLayer is one layer of an mlp; names are "" where it has no such part.
type mlpLayer struct {
	linear, norm, relu string
	bias               bool // of norm or, without, of linear
}

// layers names the parts of an mlp as an nn.Sequential called projector does.
func (h Head) layers() []mlpLayer {
	at := 0
	next := func(is bool) string {
		if !is {
			return ""
		}
		at++
		return fmt.Sprintf("%s%d", projectorPrefix, at-1)
	}
	h.Layers, h.Norm, h.Bias = cmp.Or(h.Layers, 2), cmp.Or(h.Norm, LayersAll), cmp.Or(h.Bias, LayersAll)
	layers := make([]mlpLayer, h.Layers)
	for i := range layers {
		hidden := i < h.Layers-1
		has := func(which string) bool { return which == LayersAll || which == LayersHidden && hidden }
		layers[i] = mlpLayer{next(true), next(has(h.Norm)), next(hidden), has(h.Bias)}
	}
	return layers
}

// settle fills in defaults for a representation of width d, drops what the kind does
// not have, and checks the sizes.
func (h Head) settle(d int) (Head, error) {
	out := Head{Kind: h.Kind, Seed: h.Seed}
	within := func(name string, v int) error {
		if v < 1 || v > d {
			return &WidthError{name, v, d}
		}
		return nil
	}
	switch h.Kind {
	case HeadNone:
		out.Seed = 0
	case HeadSlice:
		out.Seed, out.D0 = 0, h.D0
		return out, within("d0", h.D0)
	case HeadLowRank, HeadDropout:
		out.D0 = h.D0
		return out, within("d0", h.D0)
	case HeadDiagonal:
	case HeadGroup:
		out.Groups = h.Groups
		if err := within("projector_groups", h.Groups); err != nil {
			return out, err
		}
		if d%h.Groups != 0 {
			return out, &WidthError{"projector_groups", h.Groups, d}
		}
	case HeadOrthogonal, HeadLinear, HeadMLP:
		out.Dim = h.Dim
		if h.Kind == HeadOrthogonal && h.Dim == 0 {
			out.Dim = d
		}
		if h.Kind == HeadOrthogonal && max(d, out.Dim) > maxOrthogonal {
			return h, fmt.Errorf("an orthogonal projector of a representation of width %d to %d: want at most %d", d, out.Dim, maxOrthogonal)
		}
		if out.Dim < 1 {
			return h, fmt.Errorf("the projector's width is %d, want at least 1", h.Dim)
		}
		if h.Kind != HeadMLP {
			break
		}
		out.Hidden, out.Layers, out.Norm, out.Bias = h.Hidden, h.Layers, cmp.Or(h.Norm, LayersAll), cmp.Or(h.Bias, LayersAll)
		if out.Hidden == 0 {
			if out.Hidden = d; d > maxDefaultHidden {
				return h, fmt.Errorf("the representation is %d wide: say how wide the projector's hidden layer is to be", d)
			}
		}
		if out.Layers == 0 {
			out.Layers = 2
		}
		if out.Hidden < 1 {
			return h, fmt.Errorf("the projector's hidden width is %d, want at least 1", h.Hidden)
		}
		if out.Layers < 2 || out.Layers > maxLayers {
			return h, fmt.Errorf("the projector has %d layers, want 2 to %d", h.Layers, maxLayers)
		}
		for _, which := range []string{out.Norm, out.Bias} {
			if which != LayersAll && which != LayersHidden && which != LayersNone {
				return h, fmt.Errorf("the projector has BatchNorm in %q layers and a bias in %q, want %s, %s or %s", out.Norm, out.Bias, LayersAll, LayersHidden, LayersNone)
			}
		}
	default:
		return h, fmt.Errorf("unknown head %q; want one of %s", h.Kind, strings.Join(heads, ", "))
	}
	return out, nil
}

// maxOrthogonal bounds a matrix whose making takes the third power of its width.
const maxOrthogonal = 1 << 13

// maxLayers bounds a projector; published ones have up to 4.
const maxLayers = 64

var heads = []string{HeadNone, HeadLinear, HeadMLP, HeadSlice, HeadOrthogonal, HeadDiagonal, HeadLowRank, HeadGroup, HeadDropout}

// AttachHead adds the head to the model. New weights come from the head's seed: of
// linear and mlp they are PyTorch's default, uniform in ±1/√fan_in, as are biases, those of diagonal
// are 1, those of orthogonal and lowrank uniform among the matrices with orthonormal
// rows. Parameters are named as those of an nn.Sequential called projector.
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
	width := b.head(h, r, d)
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
	if len(b.norms) > 0 {
		// The counters of the head start at 0, whatever those of the encoder are.
		counts, err := BatchesTracked(m)
		if err != nil {
			return err
		}
		for _, name := range b.norms {
			counts[name] = 0
		}
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
	var former struct{ Plain bool } // z is not normalised
	if err := errors.Join(json.Unmarshal([]byte(text), &h), json.Unmarshal([]byte(text), &former)); err != nil {
		return Head{}, false, fmt.Errorf("metadata %s: %w", MetaHead, err)
	}
	if h.Kind == HeadMLP { // perhaps written before there were others
		h.Layers = cmp.Or(h.Layers, 2)
		usual := LayersAll
		if former.Plain {
			usual = LayersHidden
		}
		h.Norm, h.Bias = cmp.Or(h.Norm, usual), cmp.Or(h.Bias, usual)
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
		return false, fmt.Errorf("the model already has a trained head (%s), not the one asked for (%s); ask for the same head, or start from the encoder alone: onnxclr export to .pth leaves the head out, and onnxclr convert makes a model of that", have, want)
	}
	return false, nil
}

// oldestOpset is the first whose Gemm, BatchNormalization and arithmetic broadcast
// and compute as they do today.
const oldestOpset = 7

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
