package importer

import (
	"fmt"
	"path/filepath"
	"strings"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/version"
)

// ConvertOptions choose what Convert makes of a checkpoint. The zero value is the
// usual choice.
type ConvertOptions struct {
	// Key narrows the choice of the encoder to those under a key: a dictionary such as
	// "teacher" or a part of a prefix such as "encoder_k"; "" or "auto" looks at all.
	Key string
	// Prefix names the encoder by where it is in the file, such as
	// "module.encoder_k" or "student.module.backbone"; "" or "auto" takes the one
	// that the code base's own loaders take.
	Prefix string
	// Arch is the network that must be found, by its name in Report.Architecture;
	// "" or "auto" accepts any.
	Arch string
	// AllowMissing accepts a checkpoint that lacks tensors of the network, and gives
	// them the values with which PyTorch would begin training.
	AllowMissing bool
	// DropClassifier leaves fc out: no output "logits".
	DropClassifier bool
	// Opset is the operator set to write, MinOpset to MaxOpset; 0 is DefaultOpset.
	Opset int
	// Stem overrides what the weights of a 3×3 first convolution do not show.
	Stem StemKind
}

// StemKind is how the images enter the first stage.
type StemKind string

// The stems that a 3×3 first convolution can belong to.
const (
	StemAuto    StemKind = ""        // by the layout: StemPad2 for solo-learn, else StemCIFAR
	StemCIFAR   StemKind = "cifar"   // stride 1, no pooling
	StemPad2    StemKind = "pad2"    // the same with padding 2, as in solo-learn
	StemMaxPool StemKind = "maxpool" // stride 1, then a 3×3 max pooling of stride 2
	StemNoPool  StemKind = "no-pool" // any kernel, without max pooling
)

// Convert finds the encoder in a checkpoint, reads its architecture off the shapes
// and writes it as an ONNX model of IR version 8 (at the default opset):
//
//	input          [batch,C,height,width], symbolic but for C
//	representation [batch,D], the average-pooled last stage
//	logits         [batch,classes], if there is an fc and it is not dropped
//
// Nodes are named after PyTorch's modules, initializers after torchvision's keys,
// and BatchNormalization is kept as it is. Weights of other types become float32.
// The tensors alias the checkpoint, which must stay open as long as the model is
// used. The error names every tensor that is missing, misshaped or foreign
// (MismatchError), or says what the file holds if it is no such network
// (UnsupportedError).
func Convert(c *Checkpoint, o ConvertOptions) (*onnx.Model, *Report, error) {
	m, r, err := convert(c, o)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.Path, err)
	}
	return m, r, nil
}

func convert(c *Checkpoint, o ConvertOptions) (*onnx.Model, *Report, error) {
	if o.Opset == 0 {
		o.Opset = DefaultOpset
	}
	if err := checkOpset(o.Opset); err != nil {
		return nil, nil, err
	}
	e, all, err := c.choose(o.Key, o.Prefix)
	if err != nil {
		return nil, nil, err
	}
	if e.layout.Refuse != "" {
		return nil, nil, unsupportedf("this is a %s checkpoint: %s", e.layout.Name, e.layout.Refuse)
	}
	set := tensorSet{}
	for _, t := range e.tensors() {
		if set[t.Name] != nil {
			return nil, nil, fmt.Errorf("two tensors are %s once the prefix %q is off", t.Name, e.prefix)
		}
		set[t.Name] = t
	}
	net, err := inferResNet(set, !o.DropClassifier && !e.layout.Projector)
	if err != nil {
		return nil, nil, err
	}
	report := &Report{Format: c.Format, Layout: e.layout.Name, Dict: e.dict.Path, Prefix: e.prefix, Naming: e.naming.String()}
	if err := settleStem(net, e, o.Stem, report); err != nil {
		return nil, nil, err
	}
	used, missing, err := net.match(set, o.AllowMissing)
	if err != nil {
		return nil, nil, err
	}
	if err := checkDetectron(e, used); err != nil {
		return nil, nil, err
	}
	if o.Arch != "" && o.Arch != "auto" && o.Arch != net.Name() {
		return nil, nil, fmt.Errorf("the shapes say %s, not %s", net.Name(), o.Arch)
	}

	tensors, counts, err := toFloat32(used, report)
	if err != nil {
		return nil, nil, err
	}
	tensors = net.fill(tensors, missing)
	m := net.build(tensors, o.Opset)
	m.ProducerName, m.ProducerVersion = producer, version.Version
	m.SetMeta(MetaArchitecture, net.Name())
	m.SetMeta(MetaSourceFile, filepath.Base(c.Path))
	m.SetMeta(MetaSourceSHA256, c.SHA256())
	m.SetMeta(MetaLayout, e.layout.Name)
	m.SetMeta(MetaPrefix, e.path())
	if e.dict.Path != "" {
		m.SetMeta(MetaDict, e.dict.Path)
	}
	if n := e.naming.String(); n != "" {
		m.SetMeta(MetaNaming, n)
	}
	if err := recordDTypes(m, used); err != nil {
		return nil, nil, err
	}
	m.SetMeta(MetaVersion, version.Version)
	SetBatchesTracked(m, counts)

	report.Architecture, report.Dim, report.Classes = net.Name(), net.Dim(), net.Classes
	report.Used = len(used)
	report.Why = e.why(len(used))
	for _, p := range missing {
		report.Missing = append(report.Missing, p.name)
	}
	c.explain(report, e, all, net, used, o.DropClassifier)
	return m, report, nil
}

// path is the encoder's place as the Prefix option takes it; "" for the whole file.
func (e *encoder) path() string { return strings.TrimSuffix(join(e.dict.Path, e.prefix), ".") }

// toFloat32 splits the tensors into float32 weights and counters, and fills in what
// the report says of them.
func toFloat32(used []*weights.Tensor, report *Report) ([]*weights.Tensor, map[string]int64, error) {
	var floats []*weights.Tensor
	counts := map[string]int64{}
	for _, t := range used {
		if name, ok := strings.CutSuffix(t.Name, counterName); ok {
			n, err := counter(t)
			if err != nil {
				return nil, nil, err
			}
			counts[name] = n
			continue
		}
		switch d := t.DType.String(); report.DType {
		case "", d:
			report.DType = d
		default:
			report.DType = "mixed"
		}
		if !strings.Contains(t.Name, ".running_") {
			report.Parameters += t.Len()
		}
		converted, err := t.AsFloat32()
		if err != nil {
			return nil, nil, err
		}
		floats = append(floats, converted)
	}
	return floats, counts, nil
}

// counter reads a num_batches_tracked, which some conversions have made a float.
func counter(t *weights.Tensor) (int64, error) {
	if t.Len() != 1 {
		return 0, fmt.Errorf("%s has shape %v, want a single number", t.Name, t.Shape)
	}
	if t.DType.IsFloat() {
		v, err := t.Float32s()
		if err != nil {
			return 0, err
		}
		if v[0] < 0 || v[0] > 1<<62 || float32(int64(v[0])) != v[0] {
			return 0, fmt.Errorf("%s is %v, want a whole number", t.Name, v[0])
		}
		return int64(v[0]), nil
	}
	v, err := t.Int64s()
	if err != nil {
		return 0, err
	}
	return v[0], nil
}

// settleStem decides about the stem what the weights do not show.
func settleStem(r *ResNet, e *encoder, kind StemKind, report *Report) error {
	switch f := e.naming.first; f {
	case 0, 4:
	case 3:
		r.Stem.MaxPool = false
	case 2: // as of a ResNet that calls F.relu, whose children are conv1, bn1, layer1 …
		r.Stem.MaxPool, r.Stem.Linear = false, true
		report.Notes = append(report.Notes, "the blocks start at index 2 of an nn.Sequential, behind conv1 and bn1: the network was trained, and is written, without a ReLU there")
	default:
		return unsupportedf("the blocks start at index %d of an nn.Sequential, want 4 (conv1, bn1, relu, maxpool before), 3 (no maxpool) or 2 (no ReLU either)", f)
	}
	if kind == StemNoPool {
		r.Stem.MaxPool = false
		return nil
	}
	if r.Stem.Kernel != 3 {
		if kind != StemAuto {
			return fmt.Errorf("stem %q is for a 3×3 first convolution; this one is %d×%d", kind, r.Stem.Kernel, r.Stem.Kernel)
		}
		return nil
	}
	assumed := kind == StemAuto
	if assumed {
		kind = StemCIFAR
		if e.layout.Pad2 {
			kind = StemPad2
		}
	}
	switch kind {
	case StemCIFAR:
	case StemPad2:
		r.Stem.Pad = 2
	case StemMaxPool:
		r.Stem.MaxPool = true
	default:
		return fmt.Errorf("unknown stem %q; want %s, %s, %s or %s", kind, StemCIFAR, StemPad2, StemMaxPool, StemNoPool)
	}
	if assumed {
		pad := ""
		if r.Stem.Pad == 2 {
			pad = ", padding 2 as in solo-learn"
		}
		report.Notes = append(report.Notes, "the first convolution is 3×3: taken as the CIFAR form, stride 1"+pad+" and no max pooling, which the weights do not show")
	}
	return nil
}

// explain adds to the report what was left out and why.
func (c *Checkpoint) explain(report *Report, e *encoder, all []*encoder, net *ResNet, used []*weights.Tensor, dropped bool) {
	names := map[string]bool{}
	for _, t := range used {
		names[t.Name] = true
	}
	keys := map[string]bool{}
	counters := false
	for _, t := range e.dict.Tensors {
		if key, ok := strings.CutPrefix(t.Name, e.prefix); ok {
			name := e.naming.torchvision(key)
			keys[t.Name] = names[name]
			counters = counters || names[name] && strings.HasSuffix(name, counterName)
		}
	}
	report.Ignored = c.ignored(e, all, net, keys, dropped)
	if len(all) > 1 {
		var others []string
		for _, o := range all {
			if o != e {
				others = append(others, o.String())
			}
		}
		why := ""
		if e.layout.Why != "" {
			why = " (" + e.layout.Why + ")"
		}
		report.Notes = append(report.Notes, fmt.Sprintf("several encoders: took %s%s, left %s; a prefix chooses another", e, why, strings.Join(others, ", ")))
	}
	if !counters {
		report.Notes = append(report.Notes, "no num_batches_tracked (a checkpoint from before PyTorch 0.4.1, or stripped): they count from 0")
	}
	if n := len(report.Missing); n > 0 {
		report.Notes = append(report.Notes, fmt.Sprintf("%s missing and begin as PyTorch would train them from: %s", are(n, "tensor"), strings.Join(report.Missing, ", ")))
	}
	if e.naming.detectron {
		report.Notes = append(report.Notes, "detectron2 does not say where the stride is: taken to be in the 3×3 convolutions (STRIDE_IN_1X1 False), as in networks that come from PyTorch; its images are BGR unless configured otherwise")
	}
}
