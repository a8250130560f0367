package importer

import (
	"fmt"
	"strconv"
	"strings"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/nearest"
	"onnxclr/internal/stream"
	"onnxclr/internal/version"
)

// RandomOptions say how an untrained network begins.
type RandomOptions struct {
	Seed uint64
	// Stem is StemAuto for ImageNet's, 7×7 with stride 2 and a pooling, StemCIFAR, 3×3
	// without either, or StemPad2, the same with padding 2.
	Stem StemKind
	// ZeroResidual begins the last normalisation of every block with weight 0, so that
	// blocks begin as the identity (torchvision's zero_init_residual, which the paper's
	// code sets).
	ZeroResidual bool
	// Classes of a linear layer behind the representation; 0 leaves it out.
	Classes int
	Opset   int // 0 is DefaultOpset
}

// Architectures are the names that RandomResNet knows.
func Architectures() []string {
	names := make([]string, len(published))
	for i, p := range published {
		names[i] = p.name
	}
	return names
}

// RandomResNet returns a network of torchvision's of that name with the weights that
// PyTorch would begin training with: convolutions from a normal distribution of variance
// 2/fan_out, normalisations 1 and 0, linear layers uniform in ±1/√fan_in.
func RandomResNet(arch string, o RandomOptions) (*onnx.Model, error) {
	if o.Opset == 0 {
		o.Opset = DefaultOpset
	}
	if err := checkOpset(o.Opset); err != nil {
		return nil, err
	}
	r, err := publishedResNet(arch)
	if err != nil {
		return nil, err
	}
	switch o.Stem {
	case StemAuto:
	case StemCIFAR:
		r.Stem = Stem{Width: 64, Kernel: 3, Stride: 1, Pad: 1}
	case StemPad2:
		r.Stem = Stem{Width: 64, Kernel: 3, Stride: 1, Pad: 2}
	default:
		return nil, fmt.Errorf("stem %q, want %s, %s or none", o.Stem, StemCIFAR, StemPad2)
	}
	r.Classes = o.Classes
	counts := map[string]int64{}
	var tensors []*weights.Tensor
	for i, p := range r.params() {
		if p.counter {
			counts[strings.TrimSuffix(p.name, counterName)] = 0
			continue
		}
		t := p.initial(stream.New(o.Seed, "initial weights", uint64(i)), r.Dim())
		if o.ZeroResidual && r.endsBlock(p.name) {
			t = weights.FromFloat32(p.name, p.shape, make([]float32, p.shape[0]))
		}
		tensors = append(tensors, t)
	}
	m := r.build(tensors, o.Opset)
	m.ProducerName, m.ProducerVersion = producer, version.Version
	m.SetMeta(MetaArchitecture, r.Name())
	m.SetMeta(MetaVersion, version.Version)
	SetBatchesTracked(m, counts)
	return m, nil
}

// endsBlock reports whether the parameter is the weight of a block's last normalisation.
func (r *ResNet) endsBlock(name string) bool {
	last := ".bn2.weight"
	if r.Bottleneck {
		last = ".bn3.weight"
	}
	return strings.HasSuffix(name, last)
}

// publishedResNet returns the network of a name of torchvision's.
func publishedResNet(arch string) (*ResNet, error) {
	for _, p := range published {
		if p.name != arch {
			continue
		}
		r := &ResNet{Bottleneck: p.bottle, Channels: 3, Groups: p.groups, Stem: Stem{Width: 64, Kernel: 7, Stride: 2, Pad: 3, MaxPool: true}}
		mid, out := p.mid, 64
		if p.bottle {
			out = 256
		}
		for i, n := range strings.Split(p.blocks, "-") {
			blocks, err := strconv.Atoi(n)
			if err != nil {
				return nil, err
			}
			r.Stages = append(r.Stages, Stage{Blocks: blocks, Mid: mid, Out: out, Downsample: i > 0 || p.bottle})
			mid, out = 2*mid, 2*out
		}
		return r, nil
	}
	return nil, fmt.Errorf("unknown architecture %q%s; there are %s", arch, nearest.Hint(arch, Architectures()), strings.Join(Architectures(), ", "))
}
