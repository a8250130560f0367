package importer

import (
	"fmt"
	"strings"

	"onnxclr/importer/weights"
)

// encoder is a set of weights in a checkpoint that has the shape of a ResNet: some
// dictionary, some prefix, and below it blocks of layers.
type encoder struct {
	dict   *Dict
	prefix string // exactly as in the keys, such as "module.encoder_q."
	naming naming
	layout *layout
	rank   int
	beside string // the key or dictionary that told the layout, if it needed one
}

// String is how an encoder is named in messages and by the Prefix option.
func (e *encoder) String() string {
	name := join(e.dict.Path, strings.TrimSuffix(e.prefix, "."))
	if e.prefix == "" {
		name = e.dict.Path
	}
	if name == "" {
		return "(no prefix)"
	}
	return name
}

// inBlock are the first components of keys inside a residual block.
var inBlock = map[string]bool{
	"conv1": true, "conv2": true, "conv3": true, "bn1": true, "bn2": true, "bn3": true, "downsample": true, "shortcut": true,
}

// maxEncoders is far beyond what any training keeps side by side; it bounds the work
// on a file made to waste it.
const maxEncoders = 64

// findEncoders returns every encoder of the checkpoint in the order of the file.
func (c *Checkpoint) findEncoders() ([]*encoder, error) {
	var found []*encoder
	for _, d := range c.Dicts {
		index := map[string]*encoder{}
		for _, t := range d.Tensors {
			prefix, layer, part := splitBlock(t.Name)
			if part == "" {
				continue
			}
			e := index[prefix]
			if e == nil {
				e = &encoder{dict: d, prefix: prefix}
				index[prefix] = e
				found = append(found, e)
			}
			e.naming.see(layer, part)
		}
	}
	if len(found) > maxEncoders {
		return nil, unsupportedf("holds %d encoders, at most %d are looked through", len(found), maxEncoders)
	}
	for _, e := range found {
		e.rank, e.layout, e.beside = rank(e, c.Dicts)
	}
	return found, nil
}

// splitBlock finds the first place in a key that looks like a layer of residual
// blocks, "layer1.0.conv1" or "4.0.conv1", and returns what stands before it, the
// layer ("layer1" or "4") and the part of the block ("conv1"); part is "" when
// there is none.
func splitBlock(key string) (prefix, layer, part string) {
	parts := strings.Split(key, ".")
	start := 0
	for i := 0; i+3 < len(parts); i++ {
		if isLayer(parts[i]) && isNumber(parts[i+1]) && inBlock[parts[i+2]] {
			return key[:start], parts[i], parts[i+2]
		}
		start += len(parts[i]) + 1
	}
	return "", "", ""
}

// isLayer accepts layer1, layer2 …, detectron2's res2, res3 … and the indices that the
// first layers of an nn.Sequential can have.
func isLayer(s string) bool {
	if n, ok := strings.CutPrefix(s, "layer"); ok {
		return isNumber(n) && n != "0"
	}
	if n, ok := strings.CutPrefix(s, "res"); ok {
		s = n
	}
	return isNumber(s) && s != "0" && s != "1"
}

// isNumber accepts decimal numbers of at most four digits, without leading zeros.
func isNumber(s string) bool {
	if s == "" || len(s) > 4 || len(s) > 1 && s[0] == '0' {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// choose picks the encoder to convert: the one the prefix names, or of those that the
// key leaves the one whose layout ranks first.
func (c *Checkpoint) choose(key, prefix string) (*encoder, []*encoder, error) {
	all, err := c.findEncoders()
	if err == nil && len(all) == 0 {
		err = c.noEncoder()
	}
	if err != nil {
		return nil, nil, err
	}
	left := all
	if key != "" && key != "auto" {
		left = keyed(all, key)
		if len(left) == 0 {
			return nil, all, fmt.Errorf("has no ResNet under the key %q; found: %s", key, list(all))
		}
	}
	if prefix != "" && prefix != "auto" {
		e, err := named(left, strings.TrimSuffix(prefix, "."))
		return e, all, err
	}
	best := left[0]
	for _, e := range left[1:] {
		if e.rank < best.rank {
			best = e
		}
	}
	for _, e := range left {
		if e != best && e.rank == best.rank {
			return nil, all, fmt.Errorf("holds several encoders and nothing says which one is meant: %s; choose one by its prefix", list(left))
		}
	}
	return best, all, nil
}

// keyed returns the encoders whose path has the key, whole components of it: a
// dictionary such as "teacher", or part of a prefix such as "encoder_k".
func keyed(all []*encoder, key string) []*encoder {
	var found []*encoder
	for _, e := range all {
		if strings.Contains("."+e.path()+".", "."+strings.Trim(key, ".")+".") {
			found = append(found, e)
		}
	}
	return found
}

// named returns the encoder with this prefix: with its dictionary's path before it
// or, where that is not ambiguous, without.
func named(all []*encoder, prefix string) (*encoder, error) {
	var found []*encoder
	for _, e := range all {
		if e.String() == prefix {
			return e, nil
		}
		if strings.TrimSuffix(e.prefix, ".") == prefix {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("has no ResNet under the prefix %q; found: %s", prefix, list(all))
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("has several encoders under the prefix %q: %s; give one of these", prefix, list(found))
}

func list(all []*encoder) string {
	var names []string
	for _, e := range all {
		names = append(names, e.String())
	}
	return strings.Join(names, ", ")
}

// tensors returns the encoder's tensors under torchvision's names, in the order of
// the file, whatever they are: head and other neighbours below the prefix included.
func (e *encoder) tensors() []*weights.Tensor {
	var out []*weights.Tensor
	for _, t := range e.dict.Tensors {
		if key, ok := strings.CutPrefix(t.Name, e.prefix); ok {
			named := *t
			named.Name = e.naming.torchvision(key)
			out = append(out, &named)
		}
	}
	return out
}

// otherNetworks are keys that tell what a file without a ResNet holds instead.
var otherNetworks = []struct{ key, what string }{
	{"patch_embed.", "a vision transformer"},
	{"conv_proj.", "a vision transformer"},
	{"denseblock1.", "a DenseNet"},
	{"s1.b1.", "a RegNet"},
	{"stages.0.", "a ConvNeXt or another network in stages"},
	{"features.0.0.", "a MobileNet, EfficientNet or ConvNeXt of torchvision"},
	{"features.0.", "a VGG, AlexNet or similar network"},
}

// noEncoder explains why nothing in the checkpoint looks like a ResNet.
func (c *Checkpoint) noEncoder() error {
	if len(c.Dicts) == 0 {
		hint := ""
		if strings.HasPrefix(c.root, "a pickled ") {
			hint = "; it was saved whole, save model.state_dict() instead"
		}
		return fmt.Errorf("holds %s, no dictionary of named tensors%s", c.root, hint)
	}
	for _, o := range otherNetworks {
		for _, d := range c.Dicts {
			for _, t := range d.Tensors {
				if strings.HasPrefix(t.Name, o.key) || strings.Contains(t.Name, "."+o.key) {
					return unsupportedf("%q looks like %s; the ResNet family is what can be converted (layer1.0.conv1.weight …). Export other networks with torch.onnx.export", t.Name, o.what)
				}
			}
		}
	}
	return unsupportedf("no ResNet found: no key has the form [prefix.]layer1.0.conv1.weight; seen: %s", c.describe(4))
}
