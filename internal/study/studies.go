package study

import (
	"fmt"
	"slices"
	"strings"

	"onnxclr/internal/nearest"
)

// Study is one experiment: variants that are trained alike but for what is compared.
type Study struct {
	Name     string
	Title    string
	Question string // what is compared, a sentence
	Paper    string // what the paper found, a sentence or two
	Variants []Variant
	Sweep    bool // of d0: accuracy is drawn against it
	// Small is what the study is trained on at the scale "cifar10".
	Small string // architecture
}

// Variant is one row of a study. What is the same run in several studies has the same
// settings, in the same order: such cells can be taken from one another (Reuse).
type Variant struct {
	Name  string // of its folder
	Label string
	// Settings are flags of train beside the scale's, as key=value.
	Settings []string
	// On is what is probed: "" is the representation r.
	On string
	// SameAs names the variant whose run is probed, of which this one has none.
	SameAs string
	// Gradient: the gradient of the loss is looked at too, at r and before the last block.
	Gradient bool
	// Paper is the linear probe's top-1 on ImageNet that the paper gives, in %; 0 for none.
	Paper float64
}

// Scale is a size at which studies run.
type Scale struct {
	Name string
	// Recipe is the shipped recipe that every variant starts from.
	Recipe string
	// Arch is the network; "" is the study's own.
	Arch string
	// ProbeRate is the learning rate schedule of the linear probe.
	ProbeRate string
	Note      string // what it takes, a sentence
}

// Scales are the paper's own and one for two cores.
var Scales = []Scale{
	{Name: "imagenet", Recipe: "simclr-none-imagenet", Arch: "resnet50", ProbeRate: "constant", Note: "The published settings: batches of 4096 images of 224×224, 100 epochs of ImageNet, and the constant learning rate of the published linear probe."},
	{Name: "cifar10", Recipe: "simclr-none-cifar10-32", ProbeRate: "cosine", Note: "Made for two cores: 32×32 images and batches of 256 unless set otherwise; the linear probe's learning rate decays along a cosine, as a constant one leaves the last epoch of so few images to chance."},
}

// FindScale returns the scale of that name.
func FindScale(name string) (Scale, error) {
	var names []string
	for _, s := range Scales {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scale{}, fmt.Errorf("unknown scale %q, want %s%s", name, strings.Join(names, " or "), nearest.Hint(name, names))
}

// The variants that several studies have.
var (
	simclrMLP    = Variant{Name: "simclr-mlp", Label: "SimCLR, 2-layer projector", Settings: []string{"method=simclr", "projector=mlp"}, Paper: 66.5}
	simclrLinear = Variant{Name: "simclr-linear", Label: "SimCLR, linear projector", Settings: []string{"method=simclr", "projector=linear"}, Paper: 61.1}
	simclrNone   = Variant{Name: "simclr-none", Label: "SimCLR, no projector", Settings: []string{"method=simclr", "projector=none"}, Paper: 51.5}
	directCLR    = Variant{Name: "directclr", Label: "DirectCLR", Settings: []string{"method=directclr", "d0={d0}"}, Paper: 62.7}
)

// Studies are the paper's, in its order, then ours.
var Studies = []Study{
	{
		Name: "table1", Title: "Table 1: projectors and DirectCLR", Small: "resnet50",
		Question: "SimCLR with a two-layer, a linear and no projector, and DirectCLR, by a linear probe of the representation.",
		Paper:    "A projector is worth up to 15 points; DirectCLR, which has none, is ahead of a linear one.",
		Variants: []Variant{simclrMLP, simclrLinear, simclrNone, directCLR},
	},
	{
		Name: "table2", Title: "Table 2: what a linear projector needs", Small: "resnet50",
		Question: "Linear projectors that are orthogonal, trainable, diagonal, fixed of low rank, or fixed diagonal of low rank.",
		Paper:    "It suffices that the projector is diagonal and of low rank; an orthogonal one is as good as none.",
		Variants: []Variant{
			simclrNone,
			{Name: "orthogonal", Label: "orthogonal", Settings: []string{"method=simclr", "projector=orthogonal"}, Paper: 52.2},
			simclrLinear.as("linear", "trainable"),
			{Name: "diagonal", Label: "trainable diagonal", Settings: []string{"method=simclr", "projector=diagonal"}, Paper: 60.2},
			{Name: "lowrank", Label: "fixed low-rank", Settings: []string{"method=simclr", "projector=lowrank", "d0={d0}"}, Paper: 62.3},
			directCLR.as("lowrank-diagonal", "fixed low-rank diagonal (DirectCLR)"),
		},
	},
	{
		Name: "appendix-f", Title: "Appendix F: the sub-vector", Small: "resnet18",
		Question: "DirectCLR probed on all of r and on the sub-vector that its loss sees, and random features in each step instead of fixed ones.",
		Paper:    "Much of what the probe uses lies outside of the sub-vector; random features are far worse.",
		Variants: []Variant{
			directCLR,
			{Name: "directclr-subvector", Label: "DirectCLR, probe on r[:d0]", SameAs: "directclr", On: "r[:{d0}]", Paper: 47.9},
			{Name: "random-dropout", Label: "random features", Settings: []string{"method=simclr", "projector=random-dropout", "d0={d0}"}, Paper: 43.0},
		},
	},
	{
		Name: "d0-sweep", Title: "Figure 12: the size of the sub-vector", Small: "resnet18", Sweep: true,
		Question: "DirectCLR with sub-vectors of several sizes; all of r is SimCLR without a projector.",
		Paper:    "Accuracy falls towards d0 = 0 and towards that of no projector at d0 = dim(r); the numbers are in the figure only, the best is near 360 of 2048.",
		Variants: []Variant{
			sweep(16), sweep(8), directCLR.as("d0-published", "d0 = {d0}, the published share"), sweep(3), sweep(1.5),
			simclrNone.as("d0-all", "d0 = dim(r)"),
		},
	},
	{
		Name: "spectra", Title: "Figures 2, 7 and 9: spectra", Small: "resnet18",
		Question: "Singular values of the embedding z and of the representation r, with and without a projector.",
		Paper:    "The embedding collapses with a projector, the representation without one; DirectCLR's representation does not.",
		Variants: []Variant{simclrMLP, simclrLinear, simclrNone, directCLR},
	},
	{
		Name: "residual", Title: "Figure 10: information beyond the sub-vector", Small: "resnet18",
		Question: "DirectCLR probed on r, on the sub-vector r[:d0] that the loss sees and on the rest r[d0:], which no gradient reaches but through the last block; and the spectra of the loss's gradient at r and before that block.",
		Paper:    "The rest is useful: the residual connection copies the hidden layer, whose gradient has full rank.",
		Variants: []Variant{
			directCLR.withGradient(),
			{Name: "directclr-subvector", Label: "DirectCLR, probe on r[:d0]", SameAs: "directclr", On: "r[:{d0}]"},
			{Name: "directclr-rest", Label: "DirectCLR, probe on r[d0:]", SameAs: "directclr", On: "r[{d0}:]"},
		},
	},
	{
		Name: "augmentation-strength", Title: "Strength of augmentation, with and without a projector", Small: "resnet18",
		Question: "Crops and colours varied weakly, as published and strongly, with a two-layer and without a projector.",
		Paper:    "Not in the paper: its theory says that stronger augmentation collapses more of the layer next to the loss.",
		Variants: []Variant{
			strength(simclrNone, "weak", "crop_scale_min=0.5", "jitter=0.1,0.1,0.05,0.025"), strength(simclrNone, "published"), strength(simclrNone, "strong", "crop_scale_min=0.03", "jitter=0.8,0.8,0.8,0.2"),
			strength(simclrMLP, "weak", "crop_scale_min=0.5", "jitter=0.1,0.1,0.05,0.025"), strength(simclrMLP, "published"), strength(simclrMLP, "strong", "crop_scale_min=0.03", "jitter=0.8,0.8,0.8,0.2"),
		},
	},
	{
		Name: "precision", Title: "float32 and bfloat16", Small: "resnet18",
		Question: "The same runs with the operands of convolutions in float32 and rounded to bfloat16.",
		Paper:    "Not in the paper, whose runs use float16 automatically.",
		Variants: []Variant{
			with(simclrNone, "fp32"), with(simclrNone, "bf16", "precision=bf16"),
			with(directCLR, "fp32"), with(directCLR, "bf16", "precision=bf16"),
		},
	},
}

// Compares reports whether the variants differ in a setting: another one for all of them
// would leave nothing to compare. Of d0 only those differ that take it.
func (s Study) Compares(key string) bool {
	values := map[string]bool{}
	for _, v := range s.Variants {
		value := ""
		for _, setting := range v.Settings {
			if k, text, _ := strings.Cut(setting, "="); k == key {
				value = text
			}
		}
		if v.SameAs == "" && (value != "" || key != "d0") {
			values[value] = true
		}
	}
	return len(values) > 1
}

// sweep is DirectCLR with d0 = dim(r)/parts.
func sweep(parts float64) Variant {
	return Variant{Name: fmt.Sprintf("d0-dim-over-%g", parts), Label: fmt.Sprintf("d0 = {dim/%g}", parts), Settings: []string{"method=directclr", fmt.Sprintf("d0={dim/%g}", parts)}}
}

// as is the same run under the name that it has in another study.
func (v Variant) as(name, label string) Variant {
	v.Name, v.Label = name, label
	return v
}

// withGradient is the same run, of which the gradient is looked at too.
func (v Variant) withGradient() Variant {
	v.Gradient = true
	return v
}

// strength is SimCLR with views varied otherwise; without settings as the recipe does.
func strength(v Variant, name string, settings ...string) Variant {
	_, projector, _ := strings.Cut(v.Settings[1], "=")
	v.Name, v.Label, v.Paper = name+"-"+projector, fmt.Sprintf("%s, projector %s", name, projector), 0
	v.Settings = slices.Concat(v.Settings, settings)
	return v
}

// with is a variant with more settings; without, the recipe has what the name says.
func with(v Variant, name string, settings ...string) Variant {
	v.Name, v.Label, v.Paper = v.Name+"-"+name, v.Label+", "+name, 0
	v.Settings = slices.Concat(v.Settings, settings)
	return v
}

// Names lists the studies.
func Names() []string {
	names := make([]string, len(Studies))
	for i, s := range Studies {
		names[i] = s.Name
	}
	return names
}
