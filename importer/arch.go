package importer

import (
	"fmt"
	"strings"
)

// ResNet is a network of torchvision's family (ResNet v1.5, ResNeXt, Wide ResNet
// and everything between: any depth, width, group count), as its weights show it.
// Letters: M channels inside a block, D width of the representation.
type ResNet struct {
	Bottleneck bool // three convolutions a block, 1×1, 3×3, 1×1; otherwise two of 3×3
	Channels   int  // of the images
	Stem       Stem
	Stages     []Stage
	Groups     int // of the 3×3 convolutions
	Classes    int // outputs of fc; 0 without
}

// Stem is what stands before the first stage.
type Stem struct {
	Width       int // channels out of the first convolution
	Kernel      int // its height and width
	Stride, Pad int
	Linear      bool // no ReLU behind the first normalisation
	MaxPool     bool // 3×3, stride 2
}

// Stage is a row of blocks of the same width. The first block of every stage but
// the first halves the height and width, in its 3×3 convolution (its first one in
// basic blocks).
type Stage struct {
	Blocks     int
	Mid, Out   int  // channels inside and after a block
	Downsample bool // whether the first block's shortcut is a convolution
}

// Dim is the width D of the representation.
func (r *ResNet) Dim() int { return r.Stages[len(r.Stages)-1].Out }

// published are the networks that torchvision has names for. Wide ResNets and
// ResNeXts of other widths go by their description.
var published = []struct {
	name   string
	bottle bool
	blocks string
	groups int
	mid    int // of the first stage
}{
	{"resnet18", false, "2-2-2-2", 1, 64},
	{"resnet34", false, "3-4-6-3", 1, 64},
	{"resnet50", true, "3-4-6-3", 1, 64},
	{"resnet101", true, "3-4-23-3", 1, 64},
	{"resnet152", true, "3-8-36-3", 1, 64},
	{"wide_resnet50_2", true, "3-4-6-3", 1, 128},
	{"wide_resnet101_2", true, "3-4-23-3", 1, 128},
	{"resnext50_32x4d", true, "3-4-6-3", 32, 128},
	{"resnext101_32x8d", true, "3-4-23-3", 32, 256},
	{"resnext101_64x4d", true, "3-4-23-3", 64, 256},
}

// Name returns torchvision's name of the network, such as "resnet50", or a
// description such as "resnet-bottleneck-3-4-6-3 width 128 groups 1", where width
// is M of the first stage. A stem other than the 7×7 one is named too.
func (r *ResNet) Name() string {
	name := r.publishedName()
	if name == "" {
		block := "basic"
		if r.Bottleneck {
			block = "bottleneck"
		}
		name = fmt.Sprintf("resnet-%s-%s width %d groups %d", block, r.blocks(), r.Stages[0].Mid, r.Groups)
	}
	if r.Stem.Kernel != 7 {
		name += fmt.Sprintf(" stem %dx%d", r.Stem.Kernel, r.Stem.Kernel)
	}
	return name
}

func (r *ResNet) publishedName() string {
	for _, p := range published {
		if p.bottle == r.Bottleneck && p.groups == r.Groups && p.blocks == r.blocks() && r.standardWidths(p.mid) {
			return p.name
		}
	}
	return ""
}

func (r *ResNet) blocks() string {
	var counts []string
	for _, s := range r.Stages {
		counts = append(counts, fmt.Sprint(s.Blocks))
	}
	return strings.Join(counts, "-")
}

// standardWidths reports whether the widths double from stage to stage, starting
// from mid inside the blocks and 64 (256 after bottlenecks) outside.
func (r *ResNet) standardWidths(mid int) bool {
	out := 64
	if r.Bottleneck {
		out = 256
	}
	if r.Stem.Width != 64 || r.Channels != 3 {
		return false
	}
	for _, s := range r.Stages {
		if s.Mid != mid || s.Out != out {
			return false
		}
		mid, out = 2*mid, 2*out
	}
	return true
}

// param is a tensor that the network has.
type param struct {
	name    string
	shape   []int
	counter bool // num_batches_tracked
}

// params lists the network's tensors in PyTorch's order. Counters are not in
// checkpoints from before PyTorch 0.4.1.
func (r *ResNet) params() []param {
	var ps []param
	add := func(name string, shape ...int) { ps = append(ps, param{name: name, shape: shape}) }
	norm := func(name string, c int) {
		for _, suffix := range normSuffixes {
			add(name+"."+suffix, c)
		}
		ps = append(ps, param{name: name + "." + counterSuffix, counter: true})
	}
	add("conv1.weight", r.Stem.Width, r.Channels, r.Stem.Kernel, r.Stem.Kernel)
	norm("bn1", r.Stem.Width)
	in := r.Stem.Width
	for i, s := range r.Stages {
		for b := range s.Blocks {
			at := blockName(i, b)
			if r.Bottleneck {
				add(at+".conv1.weight", s.Mid, in, 1, 1)
				norm(at+".bn1", s.Mid)
				add(at+".conv2.weight", s.Mid, s.Mid/r.Groups, 3, 3)
				norm(at+".bn2", s.Mid)
				add(at+".conv3.weight", s.Out, s.Mid, 1, 1)
				norm(at+".bn3", s.Out)
			} else {
				add(at+".conv1.weight", s.Mid, in, 3, 3)
				norm(at+".bn1", s.Mid)
				add(at+".conv2.weight", s.Out, s.Mid, 3, 3)
				norm(at+".bn2", s.Out)
			}
			if b == 0 && s.Downsample {
				add(at+".downsample.0.weight", s.Out, in, 1, 1)
				norm(at+".downsample.1", s.Out)
			}
			in = s.Out
		}
	}
	if r.Classes > 0 {
		add("fc.weight", r.Classes, in)
		add("fc.bias", r.Classes)
	}
	return ps
}

// normSuffixes are the tensors of a batch normalisation in the order of PyTorch
// and of BatchNormalization's inputs; counterSuffix is the one that ONNX lacks.
var normSuffixes = []string{"weight", "bias", "running_mean", "running_var"}

const counterSuffix = "num_batches_tracked"

// blockName returns torchvision's name of a block; both counts are from 0.
func blockName(stage, block int) string { return fmt.Sprintf("layer%d.%d", stage+1, block) }
