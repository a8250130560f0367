package importer

import "strings"

// layout is one way in which code bases write an encoder into a checkpoint.
// `module.` (DataParallel) and `_orig_mod.` (torch.compile) may stand anywhere in
// a prefix and are not part of it here.
type layout struct {
	Name string
	// Dict is the last key of the dictionary that holds the encoder; "" for any.
	Dict string
	// Prefix stands before the encoder's own keys, after any other wrapper.
	Prefix string
	// Beside are key prefixes or dictionaries, one of which must be there too: what
	// tells code bases apart that write the same prefix.
	Beside []string
	// Projector is set where the encoder's fc is not a classifier but the head of
	// the self-supervised loss.
	Projector bool
	// Why says who loads this one, for files that hold several encoders.
	Why string
	// Pad2 is set where a 3×3 first convolution is padded by 2, not 1.
	Pad2 bool
	// detectron is set for the names of detectron2's ResNets.
	detectron bool
	// Refuse says why the weights, though a ResNet's by their names, are not
	// torchvision's network.
	Refuse string
}

// layouts are in order of preference: among several encoders of a file the one
// whose layout stands first is taken, so whatever a method evaluates stands before
// its momentum or student copy. Sources: the loaders of the code bases named.
var layouts = []layout{
	{Name: "torchvision segmentation", Prefix: "backbone.", Beside: []string{"aux_classifier."},
		Refuse: "its layer3 and layer4 are dilated, which the weights do not show"},

	// Two encoders in one file: the one every loader takes, then the other.
	{Name: "MoCo v1/v2", Prefix: "encoder_q.", Projector: true, Why: "MoCo's own evaluation loads the query encoder"},
	{Name: "MoCo v3", Prefix: "base_encoder.", Projector: true, Why: "MoCo v3's own evaluation loads the base encoder"},
	{Name: "DINO", Dict: "teacher", Prefix: "backbone.", Why: "DINO evaluates the teacher"},
	{Name: "DINO", Dict: "teacher", Why: "DINO evaluates the teacher"},
	{Name: "lightly DINO", Prefix: "teacher_backbone.", Why: "DINO evaluates the teacher"},
	{Name: "BYOL", Prefix: "online_encoder.net.", Why: "BYOL evaluates the online encoder"},
	{Name: "BYOL", Prefix: "online_encoder.", Why: "BYOL evaluates the online encoder"},
	{Name: "timm with weight averaging", Dict: "state_dict_ema", Why: "timm loads the averaged weights"},

	// One encoder behind a prefix, with what stands beside it.
	{Name: "VISSL", Dict: "trunk", Prefix: "_feature_blocks."},
	{Name: "VISSL", Prefix: "_feature_blocks."},
	{Name: "DirectCLR", Dict: "model", Prefix: "backbone.", Beside: []string{"online_head."}},
	{Name: "solo-learn", Dict: "state_dict", Prefix: "backbone.", Beside: []string{"momentum_backbone.", "classifier."}, Why: "solo-learn evaluates the online backbone", Pad2: true},
	{Name: "solo-learn (old)", Dict: "state_dict", Prefix: "encoder.", Beside: []string{"momentum_encoder.", "classifier."}, Why: "solo-learn evaluates the online encoder", Pad2: true},
	{Name: "sthalles/SimCLR", Prefix: "backbone.", Beside: []string{"backbone.fc.0."}, Projector: true},
	{Name: "mmselfsup/mmpretrain", Dict: "state_dict", Prefix: "backbone.", Beside: []string{"neck.", "head."}},
	{Name: "lightly", Prefix: "backbone.", Beside: []string{"projection_head.", "prediction_head.", "backbone_momentum."}, Why: "lightly evaluates the online backbone"},
	{Name: "Barlow Twins/VICReg", Dict: "model", Prefix: "backbone.", Beside: []string{"projector."}},
	{Name: "backbone", Prefix: "backbone."},
	{Name: "Lightning Bolts", Dict: "state_dict", Prefix: "encoder.", Beside: []string{"projection."}},
	{Name: "spijkervet/SimCLR", Prefix: "encoder.", Beside: []string{"projector."}},
	{Name: "SupContrast", Dict: "model", Prefix: "encoder.", Beside: []string{"head."}},
	{Name: "encoder", Prefix: "encoder."},

	{Name: "detectron2", detectron: true},

	// No prefix at all.
	{Name: "SwAV/DeepCluster-v2", Beside: []string{"projection_head.", "prototypes."}},
	{Name: "DirectCLR (released)", Dict: "backbone"},
	{Name: "torchvision"},

	// The second encoders of files with two.
	{Name: "MoCo v1/v2, key encoder", Prefix: "encoder_k.", Projector: true},
	{Name: "MoCo v3, momentum encoder", Prefix: "momentum_encoder.", Projector: true},
	{Name: "BYOL, target encoder", Prefix: "target_encoder.net."},
	{Name: "BYOL, target encoder", Prefix: "target_encoder."},
	{Name: "momentum backbone", Prefix: "momentum_backbone."},
	{Name: "momentum backbone", Prefix: "backbone_momentum."},
	{Name: "DINO, student", Prefix: "student_backbone."},
}

// unlisted is the layout of an encoder found behind a prefix that no row has.
var unlisted = layout{Name: "unlisted"}

// second lists the dictionaries that hold a copy of the encoder which is only
// taken when there is no other.
var second = []string{"student", "model_ema"}

// transparent wrappers are dropped from a prefix before it is looked up.
var transparent = []string{"module.", "_orig_mod."}

// bare removes the transparent wrappers, whole path components only, wherever they
// stand in a prefix or key.
func bare(prefix string) string {
	var out strings.Builder
	for prefix != "" {
		part := prefix
		if i := strings.IndexByte(prefix, '.'); i >= 0 {
			part = prefix[:i+1]
		}
		prefix = prefix[len(part):]
		if part != transparent[0] && part != transparent[1] {
			out.WriteString(part)
		}
	}
	return out.String()
}

// rank finds the layout of an encoder: the first row, of those with the longest
// matching prefix, whose dictionary and neighbours fit. The prefix must be equal,
// or follow other wrappers at a dot. The lower the rank, the rather it is taken.
func rank(e *encoder, dicts []*Dict) (at int, l *layout, beside string) {
	best := -1
	for i := range layouts {
		l := &layouts[i]
		if by, ok := l.matches(e, dicts); ok && (best < 0 || len(l.Prefix) > len(layouts[best].Prefix)) {
			best, beside = i, by
		}
	}
	if best < 0 {
		return len(layouts), &unlisted, ""
	}
	at = best
	for _, s := range second {
		if lastKey(e.dict.Path) == s {
			at += len(layouts)
		}
	}
	return at, &layouts[best], beside
}

// matches reports whether an encoder is of this layout, and which key or dictionary
// beside it told so.
func (l *layout) matches(e *encoder, dicts []*Dict) (beside string, ok bool) {
	if l.Dict != "" && lastKey(e.dict.Path) != l.Dict || l.detectron != e.naming.detectron {
		return "", false
	}
	prefix := bare(e.prefix)
	outer, ok := strings.CutSuffix(prefix, l.Prefix)
	if !ok || l.Prefix == "" && prefix != "" && !l.detectron || outer != "" && !strings.HasSuffix(outer, ".") {
		return "", false
	}
	if len(l.Beside) == 0 {
		return "", true
	}
	for _, b := range l.Beside {
		for _, t := range e.dict.Tensors {
			if strings.HasPrefix(bare(t.Name), outer+b) {
				return t.Name, true
			}
		}
		for _, d := range dicts {
			if d.Path == b {
				return d.Path, true
			}
		}
	}
	return "", false
}

func lastKey(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
