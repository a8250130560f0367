package importer

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
)

// FoldedConv is a convolution that an export folded a BatchNormalization into.
type FoldedConv struct {
	Output   string // the tensor that it computes
	Weight   string // its initializer
	Channels int    // of the output
}

// ChannelMoments are the mean and the variance of each channel of a convolution's
// output, over images and pixels.
type ChannelMoments struct{ Mean, Var []float64 }

// Folded returns the convolutions behind which RestoreBatchNorm and
// RestoreBatchNormFrom put the BatchNormalization back, in the graph's order.
func (m *Model) Folded() ([]FoldedConv, error) {
	var out []FoldedConv
	for _, n := range m.ONNX.Graph.Nodes {
		if n.OpType != "Conv" || !n.Standard() || !m.folded[n.Output(0)] {
			continue
		}
		w := m.ONNX.Graph.Initializer(n.Input(1))
		if w == nil || len(w.Shape) < 3 || !w.DType.IsFloat() {
			return nil, fmt.Errorf("convolution %q (weight %q) has no initializer of floating-point numbers as its weight, nothing can be put back behind it", n.Name, n.Input(1))
		}
		out = append(out, FoldedConv{Output: n.Outputs[0], Weight: w.Name, Channels: w.Shape[0]})
	}
	return out, nil
}

// RestoreBatchNorm puts a BatchNormalization behind each folded convolution, whose
// output has the moments given by its name. It takes the convolution's bias over, so
// that what the network computes stays the same in evaluation, and normalises in
// training as the network did before the export:
//
//	running_var = var, running_mean = mean − bias, weight = √(var + ε), bias = mean
//
// The convolution's weight keeps the scale that folding gave each of its channels.
func (m *Model) RestoreBatchNorm(moments map[string]ChannelMoments) error {
	folded, err := m.Folded()
	if err != nil {
		return err
	}
	u := newUnfolder(m)
	for _, f := range folded {
		s := moments[f.Output]
		if len(s.Mean) != f.Channels || len(s.Var) != f.Channels {
			return fmt.Errorf("moments of %q are of %d channels, want %d", f.Output, len(s.Mean), f.Channels)
		}
		n := m.ONNX.Graph.Producer(f.Output)
		bias, err := u.bias(n, f.Channels)
		if err != nil {
			return err
		}
		gamma, beta := make([]float32, f.Channels), make([]float32, f.Channels)
		mean, variance := make([]float32, f.Channels), make([]float32, f.Channels)
		for c := range gamma {
			variance[c] = float32(s.Var[c])
			gamma[c] = float32(math.Sqrt(float64(variance[c]) + normEpsilon))
			mean[c] = float32(s.Mean[c] - bias[c])
			// What evaluation adds, exactly: bias − (its mean, as kept) scaled by 1.
			beta[c] = float32(float64(mean[c]) + bias[c])
		}
		if err := u.insert(n, gamma, beta, mean, variance); err != nil {
			return err
		}
	}
	u.finish()
	return nil
}

// foldTolerance is how far, relative to a layer's weights in L2, a folded layer may
// lie from its checkpoint's: float32 rounding, with room for float16 models and
// checkpoints; more for bfloat16, which has three bits less.
func foldTolerance(d weights.DType) float64 {
	if d == weights.BFloat16 {
		return 1.6e-2
	}
	return 2e-3
}

// RestoreBatchNormFrom undoes the folding with the checkpoint that the model was
// exported from: the layers get its weights and statistics. A layer that is not the
// checkpoint's, folded, is an error.
func (m *Model) RestoreBatchNormFrom(c *Checkpoint) error {
	if err := m.restoreFrom(c); err != nil {
		return fmt.Errorf("%s: %w", c.Path, err)
	}
	return nil
}

func (m *Model) restoreFrom(c *Checkpoint) error {
	folded, err := m.Folded()
	if err != nil {
		return err
	}
	e, _, err := c.choose("", "")
	if err != nil {
		return err
	}
	held := map[string]*weights.Tensor{}
	for _, t := range e.tensors() {
		held[t.Name] = t
	}
	u := newUnfolder(m)
	for _, f := range folded {
		n := m.ONNX.Graph.Producer(f.Output)
		if err := u.restoreFrom(n, f, held); err != nil {
			return fmt.Errorf("layer %q: %w", u.modules[n], err)
		}
	}
	u.finish()
	return nil
}

// unfolder inserts nodes into a graph.
type unfolder struct {
	normalizer
	topology map[*onnx.Node]string
	training bool                      // normalisations that were kept are in training form
	behind   map[*onnx.Node]*onnx.Node // by the convolution
	dropped  map[string]bool           // biases that nothing reads any more, perhaps
}

func newUnfolder(m *Model) *unfolder {
	u := &unfolder{
		normalizer: normalizer{model: m.ONNX, g: m.ONNX.Graph, copies: map[string]int{}},
		topology:   resnetModules(m.ONNX.Graph), behind: map[*onnx.Node]*onnx.Node{}, dropped: map[string]bool{},
	}
	u.modules = moduleNames(m.ONNX)
	u.training = m.BatchNorm.Training > 0
	return u
}

// bias returns the bias of a convolution, zeros where it has none.
func (u *unfolder) bias(n *onnx.Node, channels int) ([]float64, error) {
	bias := make([]float64, channels)
	if n.Input(2) == "" {
		return bias, nil
	}
	t := u.g.Initializer(n.Input(2))
	if t == nil {
		return nil, fmt.Errorf("bias %q of convolution %q is computed in the graph", n.Input(2), n.Name)
	}
	values, err := t.Float32s()
	if err != nil {
		return nil, err
	}
	if len(values) != channels {
		return nil, fmt.Errorf("bias %q has %d values, want %d", t.Name, len(values), channels)
	}
	for i, v := range values {
		bias[i] = float64(v)
	}
	return bias, nil
}

// insert puts the normalisation, of the type of n's weight, behind n and takes n's bias
// away.
func (u *unfolder) insert(n *onnx.Node, gamma, beta, mean, variance []float32) error {
	name := u.normName(n)
	output := n.Outputs[0]
	n.Outputs[0] = u.free(output + "_before_norm")
	norm := &onnx.Node{
		OpType: "BatchNormalization", Name: name, Inputs: []string{n.Outputs[0]}, Outputs: []string{output},
		Attributes: []*onnx.Attribute{onnx.FloatAttr("epsilon", normEpsilon), onnx.FloatAttr("momentum", normMomentum)},
	}
	for i, values := range [][]float32{gamma, beta, mean, variance} {
		key := u.free(name + "." + normSuffixes[i])
		t, _, err := weights.FromFloat32(key, []int{len(values)}, values).As(u.g.Initializer(n.Input(1)).DType)
		if err != nil {
			return err
		}
		u.g.AddInitializer(onnx.NewTensor(t))
		norm.Inputs = append(norm.Inputs, key)
	}
	if u.training {
		trainingForm(norm, u.model.Opset(""))
	}
	if n.Input(2) != "" {
		u.dropped[n.Inputs[2]] = true
		n.Inputs = n.Inputs[:2]
	}
	u.behind[n] = norm
	return nil
}

// normName is the path of the normalisation's module, as PyTorch's ResNets and the
// nn.Sequential of other networks name it: bn1 for conv1, downsample.1 for
// downsample.0, features.1 for features.0; where that is not known or taken,
// the convolution's with "_bn".
func (u *unfolder) normName(n *onnx.Node) string {
	module := u.modules[n]
	if module == "" {
		module = strings.TrimSuffix(n.Input(1), ".weight")
	}
	at := strings.LastIndexByte(module, '.') + 1
	parent, last := module[:at], module[at:]
	name := module + "_bn"
	if i, err := strconv.Atoi(last); err == nil {
		name = parent + strconv.Itoa(i+1)
	} else if number, ok := strings.CutPrefix(last, "conv"); ok {
		name = parent + "bn" + number
	}
	if u.taken == nil {
		u.taken = u.g.Names()
	}
	if u.taken[name+".weight"] {
		return module + "_bn"
	}
	return name
}

// restoreFrom checks that a layer is the checkpoint's, folded, and undoes it.
func (u *unfolder) restoreFrom(n *onnx.Node, f FoldedConv, held map[string]*weights.Tensor) error {
	module := u.topology[n]
	if module == "" {
		module = u.modules[n]
	}
	if module == "" {
		return fmt.Errorf("it is not known which of the checkpoint's convolution %q is", n.Input(1))
	}
	u.modules[n] = module
	norm := u.normName(n)
	keys := []string{module + ".weight"}
	for _, suffix := range normSuffixes {
		keys = append(keys, norm+"."+suffix)
	}
	var values [5][]float32
	for i, key := range keys {
		t := held[key]
		if t == nil {
			return fmt.Errorf("the checkpoint has no %q", key)
		}
		if i > 0 && !slices.Equal(t.Shape, []int{f.Channels}) {
			return fmt.Errorf("%q has shape %v in the checkpoint, want [%d]", key, t.Shape, f.Channels)
		}
		var err error
		if values[i], err = t.Float32s(); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
	}
	own := u.g.Initializer(f.Weight)
	if !slices.Equal(held[keys[0]].Shape, own.Shape) {
		return fmt.Errorf("%q has shape %v in the checkpoint, the model's convolution %v", keys[0], held[keys[0]].Shape, own.Shape)
	}
	if u.g.Uses()[own.Name] > 1 {
		return fmt.Errorf("weight %q is shared by several nodes", own.Name)
	}
	w, gamma, beta, mean, variance := values[0], values[1], values[2], values[3], values[4]
	folded, err := own.Float32s()
	if err != nil {
		return err
	}
	bias, err := u.bias(n, f.Channels)
	if err != nil {
		return err
	}
	var off, norm2, shift, shift2 float64
	per := len(w) / f.Channels
	for c := range gamma {
		s := float64(gamma[c]) / math.Sqrt(float64(variance[c])+normEpsilon)
		for j := c * per; j < (c+1)*per; j++ {
			want := s * float64(w[j])
			off += (want - float64(folded[j])) * (want - float64(folded[j]))
			norm2 += want * want
		}
		want := float64(beta[c]) - s*float64(mean[c])
		shift += (want - bias[c]) * (want - bias[c])
		shift2 += want*want + float64(beta[c])*float64(beta[c])
	}
	// A comparison that NaN fails.
	tolerance := max(foldTolerance(own.DType), foldTolerance(held[keys[0]].DType))
	if !(math.Sqrt(off) <= tolerance*math.Sqrt(norm2)) || !(math.Sqrt(shift) <= tolerance*math.Sqrt(shift2)+1e-6) {
		return fmt.Errorf("the checkpoint's %q with %q, folded, is not the model's convolution (relative difference %.2g, bias %.2g): the model was exported from other weights; use batchnorm calibrate",
			keys[0], norm, math.Sqrt(off/norm2), math.Sqrt(shift/max(shift2, 1e-30)))
	}
	kept, _, err := held[keys[0]].As(own.DType)
	if err != nil {
		return err
	}
	// A copy: the checkpoint is closed before the model is.
	u.g.SetInitializer(&weights.Tensor{Name: own.Name, DType: kept.DType, Shape: own.Shape, Data: slices.Clone(kept.Data)})
	return u.insert(n, gamma, beta, mean, variance)
}

// finish puts the new nodes in their places and drops the biases.
func (u *unfolder) finish() {
	nodes := make([]*onnx.Node, 0, len(u.g.Nodes)+len(u.behind))
	for _, n := range u.g.Nodes {
		nodes = append(nodes, n)
		if norm := u.behind[n]; norm != nil {
			nodes = append(nodes, norm)
		}
	}
	u.g.Nodes = nodes
	declare(u.model)
	uses := u.g.Uses()
	unused := func(name string) bool { return u.dropped[name] && uses[name] == 0 }
	u.g.Initializers = slices.DeleteFunc(u.g.Initializers, func(t *onnx.Tensor) bool { return unused(t.Name) })
	u.g.Inputs = slices.DeleteFunc(u.g.Inputs, func(v *onnx.ValueInfo) bool { return unused(v.Name) })
}
