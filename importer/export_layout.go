package importer

import (
	"fmt"
	"strings"

	"onnxclr/importer/onnx"
	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
)

// LayoutSame asks Export for the layout of the checkpoint that a model came from.
const LayoutSame = "same"

// keyLayout is where a checkpoint to be written has the weights, and under which
// names.
type keyLayout struct {
	name   string // as ExportOptions.Layout takes it
	dict   string // keys of the dictionaries around the weights, joined by dots
	prefix string // before every key
	naming naming
}

// exportLayouts are the layouts that Export writes by name.
var exportLayouts = []keyLayout{
	{name: "torchvision"},
	{name: "timm"},
	{name: "directclr", dict: "model", prefix: "module.backbone."},
	{name: "moco", dict: "state_dict", prefix: "module.encoder_q."},
	{name: "moco-v3", dict: "state_dict", prefix: "module.base_encoder."},
	{name: "swav", prefix: "module."},
	{name: "dino", dict: "teacher", prefix: "backbone."},
	{name: "barlow-twins", dict: "model", prefix: "module.backbone."},
	{name: "vicreg", dict: "model", prefix: "module.backbone."},
	{name: "vissl", dict: "classy_state_dict.base_model.model.trunk", prefix: "_feature_blocks."},
	{name: "lightly", dict: "state_dict", prefix: "backbone."},
	{name: "lightly-sequential", dict: "state_dict", prefix: "backbone.", naming: naming{first: 4}},
	{name: "solo-learn", dict: "state_dict", prefix: "backbone."},
	{name: "simclr-sthalles", dict: "state_dict", prefix: "backbone."},
	{name: "simclr-spijkervet", prefix: "encoder."},
	{name: "mmpretrain", dict: "state_dict", prefix: "backbone."},
	{name: "bolts", dict: "state_dict", prefix: "encoder."},
	{name: "detectron2", dict: "model", naming: naming{detectron: true}},
}

// ExportLayouts lists the names that ExportOptions.Layout takes.
func ExportLayouts() []string {
	names := []string{LayoutSame}
	for _, l := range exportLayouts {
		names = append(names, l.name)
	}
	return names
}

// exportLayout finds the layout asked for.
func exportLayout(m *onnx.Model, name string) (keyLayout, error) {
	if name != "" && name != LayoutSame {
		for _, l := range exportLayouts {
			if l.name == name {
				return l, nil
			}
		}
		return keyLayout{}, fmt.Errorf("unknown layout %q; want one of %s", name, strings.Join(ExportLayouts(), ", "))
	}
	l := keyLayout{name: LayoutSame, dict: m.Meta(MetaDict)}
	path := m.Meta(MetaPrefix)
	if l.dict != "" {
		rest, ok := strings.CutPrefix(path+".", l.dict+".")
		if !ok {
			return l, fmt.Errorf("metadata %s is %q, which is not below %s %q", MetaPrefix, path, MetaDict, l.dict)
		}
		path = strings.TrimSuffix(rest, ".")
	}
	if path != "" {
		l.prefix = path + "."
	}
	var err error
	l.naming, err = parseNaming(m.Meta(MetaNaming))
	return l, err
}

// String describes the layout in a line.
func (l keyLayout) String() string {
	where := l.prefix
	if l.dict != "" {
		where = l.dict + ": " + l.prefix
	}
	if where == "" && l.naming == (naming{}) {
		return "torchvision"
	}
	if n := l.naming.String(); n != "" {
		where += " (" + n + ")"
	}
	if l.name != LayoutSame {
		return strings.TrimSpace(l.name + ", " + strings.TrimSpace(where))
	}
	return strings.TrimSpace(where)
}

// beside is the prefix of what stands next to the encoder: its own without the last
// component, which names the encoder.
func (l keyLayout) beside() string {
	p := strings.TrimSuffix(l.prefix, ".")
	return p[:strings.LastIndexByte(p, '.')+1]
}

// rename returns the tensors under the layout's keys. detectron2's normalisations do
// not count batches.
func (l keyLayout) rename(tensors []*weights.Tensor) []*weights.Tensor {
	var out []*weights.Tensor
	for _, t := range tensors {
		named := *t
		switch {
		case strings.HasPrefix(t.Name, projectorPrefix):
			named.Name = l.beside() + t.Name
		case l.naming.detectron && strings.HasSuffix(t.Name, counterName):
			continue
		default:
			named.Name = l.prefix + l.naming.write(t.Name)
		}
		out = append(out, &named)
	}
	return out
}

// wrap puts the state_dict into the layout's dictionaries.
func (l keyLayout) wrap(state *torch.Dict) *torch.Dict {
	if l.dict == "" {
		return state
	}
	keys := strings.Split(l.dict, ".")
	root := state
	for i := len(keys) - 1; i >= 0; i-- {
		outer := &torch.Dict{}
		outer.Set(keys[i], root)
		root = outer
	}
	if l.naming.detectron {
		// detectron2 matches its own names, with their longer prefixes, by the ends.
		root.Set("matching_heuristics", true)
	}
	return root
}
