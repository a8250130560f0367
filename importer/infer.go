package importer

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"onnxclr/importer/weights"
	"onnxclr/internal/nearest"
)

// tensorSet is an encoder's tensors by torchvision's names.
type tensorSet map[string]*weights.Tensor

// dim returns axis i of the tensor's shape, and whether there is such a tensor of
// that rank with a positive size there.
func (s tensorSet) dim(name string, rank, i int) (int, bool) {
	t := s[name]
	if t == nil || len(t.Shape) != rank || t.Shape[i] <= 0 {
		return 0, false
	}
	return t.Shape[i], true
}

// votes collects what several tensors say about one size, so that a single wrong
// tensor is found out by the others.
type votes map[int]int

func (v votes) add(n int, ok bool) {
	if ok {
		v[n]++
	}
}

// norm adds what the vectors of a batch normalisation say.
func (v votes) norm(s tensorSet, name string) {
	for _, suffix := range normSuffixes {
		v.add(s.dim(name+"."+suffix, 1, 0))
	}
}

// winner is the size most tensors speak for, the smaller one at a tie; 0 for none.
func (v votes) winner() int {
	best := 0
	for n, count := range v {
		if c := v[best]; count > c || count == c && n < best {
			best = n
		}
	}
	return best
}

// inferResNet reads the architecture off the shapes. It needs only one witness of
// each size, so that what is missing or wrong can be named afterwards, all of it.
func inferResNet(s tensorSet, withClassifier bool) (*ResNet, error) {
	blocks, bottleneck, err := countBlocks(s)
	if err != nil {
		return nil, err
	}
	r := &ResNet{Bottleneck: bottleneck, Groups: 1, Stages: make([]Stage, len(blocks))}
	var problems []string
	for i := range blocks {
		mid, out := votes{}, votes{}
		for b := range blocks[i] {
			inferBlock(s, blockName(i, b), bottleneck, mid, out)
		}
		r.Stages[i] = Stage{Blocks: blocks[i], Mid: mid.winner(), Out: out.winner()}
		if r.Stages[i].Mid == 0 || r.Stages[i].Out == 0 {
			problems = append(problems, fmt.Sprintf("layer%d: no tensor is left to tell its width", i+1))
		}
	}
	if err := inferStem(s, r); err != nil {
		problems = append(problems, err.Error())
	}
	if problems != nil {
		return nil, &MismatchError{Network: "a ResNet", Problems: problems}
	}
	if bottleneck {
		r.Groups = inferGroups(s, r)
	}
	in := r.Stem.Width
	for i := range r.Stages {
		// torchvision has a convolution in the shortcut wherever the shape changes;
		// some checkpoints have one where it does not.
		r.Stages[i].Downsample = i > 0 || in != r.Stages[i].Out || hasPrefix(s, blockName(i, 0)+".downsample.")
		in = r.Stages[i].Out
	}
	if withClassifier {
		classes := votes{}
		classes.add(s.dim("fc.weight", 2, 0))
		classes.add(s.dim("fc.bias", 1, 0))
		r.Classes = classes.winner()
	}
	return r, nil
}

// inferBlock adds what the tensors of a block say about its widths.
func inferBlock(s tensorSet, at string, bottleneck bool, mid, out votes) {
	mid.add(s.dim(at+".conv1.weight", 4, 0))
	mid.norm(s, at+".bn1")
	if bottleneck {
		mid.add(s.dim(at+".conv2.weight", 4, 0))
		mid.norm(s, at+".bn2")
		mid.add(s.dim(at+".conv3.weight", 4, 1))
		out.add(s.dim(at+".conv3.weight", 4, 0))
		out.norm(s, at+".bn3")
	} else {
		mid.add(s.dim(at+".conv2.weight", 4, 1))
		out.add(s.dim(at+".conv2.weight", 4, 0))
		out.norm(s, at+".bn2")
	}
	out.add(s.dim(at+".downsample.0.weight", 4, 0))
	out.norm(s, at+".downsample.1")
}

func inferStem(s tensorSet, r *ResNet) error {
	width := votes{}
	width.add(s.dim("conv1.weight", 4, 0))
	width.norm(s, "bn1")
	width.add(s.dim("layer1.0.conv1.weight", 4, 1))
	r.Stem = Stem{Width: width.winner(), Kernel: 7, Stride: 2, Pad: 3, MaxPool: true}
	r.Channels = 3
	if n, ok := s.dim("conv1.weight", 4, 1); ok {
		r.Channels = n
	}
	switch k, ok := s.dim("conv1.weight", 4, 2); {
	case hasPrefix(s, "conv1.0."):
		return fmt.Errorf("conv1.0.weight: a stem of several convolutions (timm's \"d\" variants, ResNet-C/D), want one of 7×7 or 3×3")
	case r.Stem.Width == 0:
		return fmt.Errorf("conv1.weight: the first convolution and bn1 are missing")
	case ok && k == 3:
		r.Stem.Kernel, r.Stem.Stride, r.Stem.Pad, r.Stem.MaxPool = 3, 1, 1, false
	case ok && k != 7:
		return fmt.Errorf("conv1.weight: shape %v, a first convolution of %d×%d; want 7×7 (stride 2) or 3×3 (stride 1)", s["conv1.weight"].Shape, k, k)
	}
	return nil
}

// inferGroups finds the group count of the 3×3 convolutions from their inner width.
func inferGroups(s tensorSet, r *ResNet) int {
	groups := votes{}
	for i, stage := range r.Stages {
		for b := range stage.Blocks {
			n, ok := s.dim(blockName(i, b)+".conv2.weight", 4, 1)
			if ok && stage.Mid%n == 0 {
				groups.add(stage.Mid/n, true)
			}
		}
	}
	return max(groups.winner(), 1)
}

// countBlocks returns the number of blocks of each stage, counting up to the
// highest index, and whether they are bottlenecks.
func countBlocks(s tensorSet) (blocks []int, bottleneck bool, err error) {
	count := map[int]int{}
	for name := range s {
		prefix, layer, part := splitBlock(name)
		n, named := strings.CutPrefix(layer, "layer")
		if prefix != "" || !named {
			continue
		}
		stage, _ := strconv.Atoi(n)
		block, _ := strconv.Atoi(strings.Split(name, ".")[1])
		count[stage] = max(count[stage], block+1)
		bottleneck = bottleneck || part == "conv3"
		if len(blocks) < stage {
			blocks = append(blocks, make([]int, stage-len(blocks))...)
		}
	}
	total := 0
	for stage := 1; stage <= len(blocks); stage++ {
		if blocks[stage-1] = count[stage]; blocks[stage-1] == 0 {
			return nil, false, &MismatchError{Network: "a ResNet", Problems: []string{
				fmt.Sprintf("layer%d: not one tensor of it is there, though layer%d is", stage, len(blocks))}}
		}
		total += blocks[stage-1]
	}
	// A layer index or block number far beyond the tensors at hand is a damaged
	// key, not a deep network.
	if total > len(s) {
		return nil, false, unsupportedf("the keys speak of %d residual blocks, but there are only %d tensors", total, len(s))
	}
	return blocks, bottleneck, nil
}

func hasPrefix(s tensorSet, prefix string) bool {
	for name := range s {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// inNetwork reports whether a name that the network does not have must nonetheless
// be part of what was trained, so that leaving it out would change the output:
// anything inside a layer, and convolutions and normalisations of the stem.
func inNetwork(name string) bool {
	first, _, _ := strings.Cut(name, ".")
	for _, p := range []string{"layer", "conv", "bn", "attnpool", "stem"} {
		if n, ok := strings.CutPrefix(first, p); ok && (n == "" || isNumber(n)) {
			return true
		}
	}
	return false
}

// maxSuggestions bounds the search for misspelt keys, which compares all with all.
const maxSuggestions = 50

// match pairs the network's parameters with the tensors. It returns the ones used,
// in the network's order, and every mismatch at once; what is merely missing is
// returned instead if that is allowed.
func (r *ResNet) match(s tensorSet, allowMissing bool) (used []*weights.Tensor, missing []param, err error) {
	var problems []string
	expected := map[string]bool{}
	for _, p := range r.params() {
		expected[p.name] = true
		t := s[p.name]
		switch {
		case t == nil && p.counter:
		case t == nil:
			missing = append(missing, p)
		case p.counter:
			used = append(used, t)
		case !equalShape(t.Shape, p.shape):
			problems = append(problems, fmt.Sprintf("%s: has shape %v, want %v", p.name, t.Shape, p.shape))
		case !t.DType.IsFloat():
			problems = append(problems, fmt.Sprintf("%s: is %v, want a floating-point type", p.name, t.DType))
		default:
			used = append(used, t)
		}
	}
	var extra []string
	for name := range s {
		if !expected[name] && inNetwork(name) {
			extra = append(extra, name)
		}
	}
	sort.Strings(extra)
	if !allowMissing {
		for i, p := range missing {
			problem := fmt.Sprintf("%s: missing, want shape %v", p.name, p.shape)
			if i < maxSuggestions {
				if near := nearest.To(p.name, extra[:min(len(extra), 20*maxSuggestions)], len(p.name)/4+1); near != "" {
					problem += fmt.Sprintf(" (there is %s)", near)
				}
			}
			problems = append(problems, problem)
		}
	}
	names := r.names()
	for i, name := range extra {
		problem := fmt.Sprintf("%s: shape %v, no part of this network", name, s[name].Shape)
		if i < maxSuggestions {
			if near := nearest.To(name, names, len(name)/4+1); near != "" {
				problem += fmt.Sprintf(" (nearest is %s)", near)
			}
		}
		problems = append(problems, problem)
	}
	if problems != nil {
		return nil, nil, &MismatchError{Network: r.Name(), Problems: problems, Missing: len(missing) > 0 && !allowMissing}
	}
	return used, missing, nil
}

// names lists the keys of the network's tensors.
func (r *ResNet) names() []string {
	var names []string
	for _, p := range r.params() {
		names = append(names, p.name)
	}
	return names
}

func equalShape(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
