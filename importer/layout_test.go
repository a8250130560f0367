package importer

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"onnxclr/importer/onnx"
	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
	"onnxclr/internal/file"
	"onnxclr/internal/nearest"
)

// written is an encoder in a checkpoint: the dictionary it is in, the prefix of its
// keys, how they are named, and whether fc is among them.
type written struct {
	dict, prefix string
	style        style
	fc           bool
}

// layoutTests are checkpoints as code bases write them. The first encoder is the one
// to be taken.
var layoutTests = []struct {
	name     string
	encoders []written
	extra    []string // other tensors, "dictionary:key"
	key      string   // one of the exact keys that the code base writes
	layout   string
	ignored  []string // groups, with the number of tensors
	notes    int      // beside the encoder's choice among several
	classes  int
	pad      int64 // of the first convolution, if it is 3×3
}{
	{name: "torchvision", encoders: []written{{"", "", asIs, true}},
		key: "layer1.0.conv1.weight", layout: "torchvision", classes: 3},
	{name: "torchvision without fc", encoders: []written{{"", "", asIs, false}},
		key: "bn1.running_var", layout: "torchvision"},
	{name: "DataParallel", encoders: []written{{"state_dict", "module.", asIs, true}},
		key: "module.layer1.0.conv1.weight", layout: "torchvision", classes: 3},
	{name: "torch.compile of DDP", encoders: []written{{"model_state_dict", "_orig_mod.module.", asIs, true}},
		key: "_orig_mod.module.layer1.0.conv1.weight", layout: "torchvision", classes: 3},
	{name: "DDP of torch.compile", encoders: []written{{"net", "module._orig_mod.", asIs, true}},
		key: "module._orig_mod.layer1.0.conv1.weight", layout: "torchvision", classes: 3},
	{name: "timm with averaged weights", encoders: []written{{"state_dict_ema", "", asIs, true}, {"state_dict", "", asIs, true}},
		key: "fc.weight", layout: "timm with weight averaging", classes: 3, ignored: []string{"state_dict. 38"}},
	{name: "DirectCLR", encoders: []written{{"model", "module.backbone.", asIs, false}},
		extra: []string{"model:module.online_head.weight", "model:module.online_head.bias", "model:module.projector.0.weight"},
		key:   "module.backbone.layer1.0.conv1.weight", layout: "DirectCLR", ignored: []string{"module.online_head. 2", "module.projector. 1"}},
	{name: "DirectCLR, released file", encoders: []written{{"backbone", "", asIs, false}},
		extra: []string{"head:weight", "head:bias"},
		key:   "layer1.0.conv1.weight", layout: "DirectCLR (released)", ignored: []string{"head. 2"}},
	{name: "MoCo v2", encoders: []written{{"state_dict", "module.encoder_q.", asIs, false}, {"state_dict", "module.encoder_k.", asIs, false}},
		extra: []string{"state_dict:module.encoder_q.fc.0.weight", "state_dict:module.encoder_q.fc.0.bias", "state_dict:module.queue", "state_dict:module.queue_ptr"},
		key:   "module.encoder_q.layer1.0.conv1.weight", layout: "MoCo v1/v2",
		ignored: []string{"module.encoder_q.fc. 2", "module.queue 1", "module.queue_ptr 1", "state_dict.module.encoder_k. 36"}},
	{name: "MoCo v1", encoders: []written{{"state_dict", "module.encoder_q.", asIs, true}},
		key: "module.encoder_q.fc.weight", layout: "MoCo v1/v2", ignored: []string{"module.encoder_q.fc. 2"}},
	{name: "MoCo v2 saved again without module", encoders: []written{{"", "encoder_q.", asIs, false}},
		key: "encoder_q.layer1.0.conv1.weight", layout: "MoCo v1/v2"},
	{name: "MoCo v3", encoders: []written{{"state_dict", "module.base_encoder.", asIs, false}, {"state_dict", "module.momentum_encoder.", asIs, false}},
		extra: []string{"state_dict:module.base_encoder.fc.0.weight", "state_dict:module.predictor.0.weight"},
		key:   "module.base_encoder.layer1.0.conv1.weight", layout: "MoCo v3",
		ignored: []string{"module.base_encoder.fc. 1", "module.predictor. 1", "state_dict.module.momentum_encoder. 36"}},
	{name: "SwAV", encoders: []written{{"", "module.", asIs, false}},
		extra: []string{":module.projection_head.0.weight", ":module.prototypes.weight"},
		key:   "module.layer1.0.conv1.weight", layout: "SwAV/DeepCluster-v2", ignored: []string{"module.projection_head. 1", "module.prototypes. 1"}},
	{name: "DINO", encoders: []written{{"teacher", "backbone.", asIs, false}, {"student", "module.backbone.", asIs, false}},
		extra: []string{"teacher:head.mlp.0.weight", "student:module.head.mlp.0.weight"},
		key:   "backbone.layer1.0.conv1.weight", layout: "DINO",
		ignored: []string{"head. 1", "student. 1", "student.module.backbone. 36"}},
	{name: "DINO, backbone file", encoders: []written{{"", "", asIs, false}},
		key: "layer1.0.conv1.weight", layout: "torchvision"},
	{name: "Barlow Twins", encoders: []written{{"model", "module.backbone.", asIs, false}},
		extra: []string{"model:module.projector.0.weight", "model:module.bn.running_mean"},
		key:   "module.backbone.layer1.0.conv1.weight", layout: "Barlow Twins/VICReg", ignored: []string{"module.bn. 1", "module.projector. 1"}},
	{name: "VISSL", encoders: []written{{"classy_state_dict.base_model.model.trunk", "_feature_blocks.", asIs, false}},
		extra: []string{"classy_state_dict.base_model.model.heads:0.clf.0.weight"},
		key:   "_feature_blocks.layer1.0.conv1.weight", layout: "VISSL", ignored: []string{"classy_state_dict. 1"}},
	{name: "VISSL, converted", encoders: []written{{"model_state_dict", "_feature_blocks.", asIs, false}},
		key: "_feature_blocks.layer1.0.conv1.weight", layout: "VISSL"},
	{name: "lightly, benchmarks", encoders: []written{{"state_dict", "backbone.", asIs, false}, {"state_dict", "backbone_momentum.", asIs, false}},
		extra: []string{"state_dict:projection_head.layers.0.weight"},
		key:   "backbone.layer1.0.conv1.weight", layout: "lightly", ignored: []string{"projection_head. 1", "state_dict.backbone_momentum. 36"}},
	{name: "lightly, tutorials", encoders: []written{{"state_dict", "backbone.", sequential(4), false}},
		extra: []string{"state_dict:projection_head.layers.0.weight"},
		key:   "backbone.4.0.conv1.weight", layout: "lightly", ignored: []string{"projection_head. 1"}},
	{name: "nn.Sequential of the children", encoders: []written{{"", "", sequential(4), false}},
		key: "5.0.downsample.1.running_var", layout: "torchvision"},
	{name: "lightly's ResNetGenerator", encoders: []written{{"state_dict", "backbone.", kuangliu, true}},
		extra: []string{"state_dict:projection_head.layers.0.weight"},
		key:   "backbone.layer2.0.shortcut.0.weight", layout: "lightly", ignored: []string{"projection_head. 1"}, notes: 1, classes: 3, pad: 1},
	{name: "lightly's ResNetGenerator, as its tutorials cut it", encoders: []written{{"state_dict", "backbone.", func(key string) string { return kuangliu(sequential(2)(key)) }, false}},
		extra: []string{"state_dict:projection_head.layers.0.weight"},
		key:   "backbone.3.0.shortcut.0.weight", layout: "lightly", ignored: []string{"projection_head. 1"}, notes: 2, pad: 1},
	{name: "sthalles, a fork that keeps fc", encoders: []written{{"state_dict", "backbone.", asIs, true}},
		key: "backbone.fc.weight", layout: "backbone", classes: 3},
	{name: "VICReg", encoders: []written{{"model", "module.backbone.", asIs, false}},
		extra: []string{"model:module.projector.0.weight", "model:module.projector.1.running_mean", "optimizer.state.0:momentum_buffer"},
		key:   "module.backbone.bn1.running_mean", layout: "Barlow Twins/VICReg", ignored: []string{"module.projector. 2", "optimizer. 1"}},
	{name: "DeepCluster-v2", encoders: []written{{"", "module.", asIs, false}},
		extra: []string{":module.projection_head.0.weight", ":module.prototypes.prototypes0.weight"},
		key:   "module.bn1.weight", layout: "SwAV/DeepCluster-v2", ignored: []string{"module.projection_head. 1", "module.prototypes. 1"}},
	{name: "timm", encoders: []written{{"", "", asIs, true}},
		key: "layer2.0.downsample.0.weight", layout: "torchvision", classes: 3},
	{name: "detectron2, converted by MoCo", encoders: []written{{"model", "", toDetectron, false}},
		key: "stem.conv1.norm.running_var", layout: "detectron2", notes: 1},
	{name: "detectron2, trained", encoders: []written{{"model", "backbone.bottom_up.", toDetectron, false}},
		extra: []string{"model:backbone.fpn_lateral2.weight"},
		key:   "backbone.bottom_up.res3.0.shortcut.norm.bias", layout: "detectron2", notes: 1, ignored: []string{"backbone.fpn_lateral2. 1"}},
	{name: "lightly, DINO", encoders: []written{{"state_dict", "teacher_backbone.", sequential(4), false}, {"state_dict", "student_backbone.", sequential(4), false}},
		key: "teacher_backbone.4.0.conv1.weight", layout: "lightly DINO", ignored: []string{"state_dict.student_backbone. 36"}},
	{name: "SupContrast", encoders: []written{{"model", "encoder.module.", kuangliu, false}},
		extra: []string{"model:head.0.weight", "optimizer.state.0:momentum_buffer"},
		key:   "encoder.module.layer2.0.shortcut.0.weight", layout: "SupContrast", ignored: []string{"head. 1", "optimizer. 1"}, notes: 1, pad: 1},
	{name: "solo-learn", encoders: []written{{"state_dict", "backbone.", asIs, false}, {"state_dict", "momentum_backbone.", asIs, false}},
		extra: []string{"state_dict:projector.0.weight", "state_dict:classifier.weight"},
		key:   "backbone.layer1.0.conv1.weight", layout: "solo-learn", notes: 1, pad: 2,
		ignored: []string{"classifier. 1", "projector. 1", "state_dict.momentum_backbone. 36"}},
	{name: "solo-learn, old files", encoders: []written{{"state_dict", "encoder.", asIs, false}},
		extra: []string{"state_dict:projector.0.weight", "state_dict:classifier.weight"},
		key:   "encoder.layer1.0.conv1.weight", layout: "solo-learn (old)", ignored: []string{"classifier. 1", "projector. 1"}},
	{name: "sthalles", encoders: []written{{"state_dict", "backbone.", asIs, false}},
		extra: []string{"state_dict:backbone.fc.0.weight", "state_dict:backbone.fc.0.bias", "state_dict:backbone.fc.2.weight", "state_dict:backbone.fc.2.bias"},
		key:   "backbone.layer1.0.conv1.weight", layout: "sthalles/SimCLR", ignored: []string{"backbone.fc. 4"}},
	{name: "spijkervet", encoders: []written{{"", "encoder.", asIs, false}},
		extra: []string{":projector.0.weight", ":projector.2.weight"},
		key:   "encoder.layer1.0.conv1.weight", layout: "spijkervet/SimCLR", ignored: []string{"projector. 2"}},
	{name: "mmselfsup", encoders: []written{{"state_dict", "backbone.", asIs, false}},
		extra: []string{"state_dict:neck.fc0.weight", "state_dict:head.fc.weight"},
		key:   "backbone.layer1.0.conv1.weight", layout: "mmselfsup/mmpretrain", ignored: []string{"head. 1", "neck. 1"}},
	{name: "Lightning Bolts", encoders: []written{{"state_dict", "encoder.", asIs, false}},
		extra: []string{"state_dict:projection.model.0.weight"},
		key:   "encoder.layer1.0.conv1.weight", layout: "Lightning Bolts", ignored: []string{"projection. 1"}},
	{name: "google SimCLR, converted", encoders: []written{{"state_dict", "", asIs, true}},
		key: "layer1.0.conv1.weight", layout: "torchvision", classes: 3},
	{name: "BYOL", encoders: []written{{"", "online_encoder.net.", asIs, false}, {"", "target_encoder.net.", asIs, false}},
		extra: []string{":online_encoder.projector.0.weight"},
		key:   "online_encoder.net.layer1.0.conv1.weight", layout: "BYOL", ignored: []string{"online_encoder.projector. 1", "target_encoder.net. 36"}},
	{name: "a wrapper that nobody listed", encoders: []written{{"ckpt", "model.feature_extractor.", asIs, false}},
		key: "model.feature_extractor.layer1.0.conv1.weight", layout: "unlisted"},
	{name: "a listed wrapper inside another", encoders: []written{{"state_dict", "model.module.encoder_q.", asIs, false}, {"state_dict", "model.module.encoder_k.", asIs, false}},
		key: "model.module.encoder_q.bn1.weight", layout: "MoCo v1/v2", ignored: []string{"state_dict.model.module.encoder_k. 36"}},
}

func TestLayouts(t *testing.T) {
	seen := map[string]bool{}
	for _, test := range layoutTests {
		seen[test.layout] = true
		t.Run(test.name, func(t *testing.T) {
			net := tiny()
			if test.pad > 0 {
				net.Stem.Kernel = 3
			}
			root := &torch.Dict{}
			root.Set("epoch", int64(3))
			var tensors [][]*weights.Tensor
			for i, w := range test.encoders {
				tensors = append(tensors, net.random(uint64(i)))
				putEncoder(root, w.dict, w.prefix, w.style, tensors[i], w.fc)
			}
			for _, e := range test.extra {
				dict, key, _ := strings.Cut(e, ":")
				put(root, dict, weights.FromFloat32(key, []int{2}, []float32{1, 2}))
			}
			c := checkpoint(t, root)
			if !holds(c, test.encoders[0].dict, test.key) {
				t.Fatalf("the fixture has no key %q", test.key)
			}
			m, r := mustConvert(t, c, ConvertOptions{})
			if r.Layout != test.layout || r.Dict != test.encoders[0].dict || r.Prefix != test.encoders[0].prefix {
				t.Errorf("layout %q in %q under %q, want %q in %q under %q", r.Layout, r.Dict, r.Prefix,
					test.layout, test.encoders[0].dict, test.encoders[0].prefix)
			}
			if r.Classes != test.classes {
				t.Errorf("%d classes, want %d", r.Classes, test.classes)
			}
			var ignored []string
			for _, g := range r.Ignored {
				ignored = append(ignored, fmt.Sprint(g.Keys, " ", g.Tensors))
			}
			if !reflect.DeepEqual(ignored, test.ignored) {
				t.Errorf("ignored %q, want %q", ignored, test.ignored)
			}
			notes := test.notes
			if len(test.encoders) > 1 {
				notes++
			}
			if len(r.Notes) != notes {
				t.Errorf("notes %q, want %d", r.Notes, notes)
			}
			if pads := m.Graph.Producer("conv1_output").Ints("pads"); test.pad > 0 && pads[0] != test.pad {
				t.Errorf("the first convolution is padded by %d, want %d", pads[0], test.pad)
			}
			checkWeights(t, r, m.Graph.Initializer("layer2.0.downsample.1.running_mean").Data, tensors[0], "layer2.0.downsample.1.running_mean")
			checkWeights(t, r, m.Graph.Initializer("conv1.weight").Data, tensors[0], "conv1.weight")
			checkComesBack(t, c, m, r, test.encoders[0])
		})
	}
	for _, l := range layouts {
		only := strings.Contains(l.Name, ",") || l.Name == "momentum backbone" // second encoders, see TestPrefix
		if !seen[l.Name] && l.Refuse == "" && !only && l.Name != "encoder" {
			t.Errorf("no test has the layout %q", l.Name)
		}
	}
}

// checkComesBack exports a converted encoder in its checkpoint's own layout: the same
// dictionary, the same keys in the network's order, the same bits.
func checkComesBack(t *testing.T, c *Checkpoint, m *onnx.Model, r *Report, w written) {
	t.Helper()
	back, _ := exported(t, m, ".pth", ExportOptions{})
	if len(back.Dicts) != 1 || back.Dicts[0].Path != w.dict {
		t.Fatalf("comes back in %s, want the dictionary %q", back.describe(2), w.dict)
	}
	source := map[string]*weights.Tensor{}
	for _, d := range c.Dicts {
		for _, x := range d.Tensors {
			if d.Path == w.dict {
				source[x.Name] = x
			}
		}
	}
	var want []*weights.Tensor
	for _, p := range tiny().params() {
		x := source[w.prefix+w.style(p.name)]
		counts := !strings.HasSuffix(p.name, counterName) || r.Layout != "detectron2"
		if x != nil && counts && (r.Classes > 0 || !strings.HasPrefix(p.name, "fc.")) {
			want = append(want, x)
		}
	}
	sameTensors(t, back.Dicts[0].Tensors, want)
	if len(want) < 26 {
		t.Errorf("only %d tensors were compared", len(want))
	}
}

// TestExportLayouts: what is written under a layout's name has its keys, and is
// recognised.
func TestExportLayouts(t *testing.T) {
	keys := map[string]string{
		"same":               ": layer2.0.downsample.0.weight",
		"torchvision":        ": layer2.0.downsample.0.weight",
		"timm":               ": layer2.0.downsample.0.weight",
		"directclr":          "model: module.backbone.layer2.0.downsample.0.weight",
		"moco":               "state_dict: module.encoder_q.layer2.0.downsample.0.weight",
		"moco-v3":            "state_dict: module.base_encoder.layer2.0.downsample.0.weight",
		"swav":               ": module.layer2.0.downsample.0.weight",
		"dino":               "teacher: backbone.layer2.0.downsample.0.weight",
		"barlow-twins":       "model: module.backbone.layer2.0.downsample.0.weight",
		"vicreg":             "model: module.backbone.layer2.0.downsample.0.weight",
		"vissl":              "classy_state_dict.base_model.model.trunk: _feature_blocks.layer2.0.downsample.0.weight",
		"lightly":            "state_dict: backbone.layer2.0.downsample.0.weight",
		"lightly-sequential": "state_dict: backbone.5.0.downsample.0.weight",
		"solo-learn":         "state_dict: backbone.layer2.0.downsample.0.weight",
		"simclr-sthalles":    "state_dict: backbone.layer2.0.downsample.0.weight",
		"simclr-spijkervet":  ": encoder.layer2.0.downsample.0.weight",
		"mmpretrain":         "state_dict: backbone.layer2.0.downsample.0.weight",
		"bolts":              "state_dict: encoder.layer2.0.downsample.0.weight",
		"detectron2":         "model: res3.0.shortcut.weight",
	}
	m := tinyModel(t)
	if err := AttachHead(m, Head{Kind: HeadMLP, Dim: 2}); err != nil {
		t.Fatal(err)
	}
	for _, name := range ExportLayouts() {
		dict, key, _ := strings.Cut(keys[name], ": ")
		c, _ := exported(t, m, ".pth", ExportOptions{Layout: name, Projector: true})
		if !holds(c, dict, key) {
			t.Errorf("%s: no key %q in %q but %s", name, key, dict, c.describe(3))
			continue
		}
		again, r := mustConvert(t, c, ConvertOptions{})
		if got, want := again.Graph.Initializer("layer2.0.downsample.0.weight"), m.Graph.Initializer("layer2.0.downsample.0.weight"); !bytes.Equal(got.Data, want.Data) {
			t.Errorf("%s: the weights differ (%s)", name, r)
		}
		if projector := strings.TrimSuffix(strings.TrimSuffix(key, "layer2.0.downsample.0.weight"), "."); strings.HasPrefix(projector, "module.") && !holds(c, dict, "module.projector.0.weight") {
			t.Errorf("%s: no module.projector.0.weight beside the encoder", name)
		}
	}
	_, err := Export(m, t.TempDir()+"/x.pth", ExportOptions{Layout: "keras"})
	wantError(t, err, `unknown layout "keras"; want one of same, torchvision`)
}

func checkWeights(t *testing.T, r *Report, got []byte, tensors []*weights.Tensor, name string) {
	t.Helper()
	for _, x := range tensors {
		if x.Name == name && !bytes.Equal(got, x.Data) {
			t.Errorf("%s is not that of the first encoder (report: %v)", name, r)
		}
	}
}

func holds(c *Checkpoint, dict, key string) bool {
	for _, d := range c.Dicts {
		for _, x := range d.Tensors {
			if d.Path == dict && x.Name == key {
				return true
			}
		}
	}
	return false
}

// TestPrefix chooses an encoder by hand.
func TestPrefix(t *testing.T) {
	root := &torch.Dict{}
	for i, w := range []written{
		{"state_dict", "module.encoder_q.", asIs, true}, {"state_dict", "module.encoder_k.", asIs, true},
		{"old", "module.encoder_k.", asIs, true}, {"student", "", asIs, true},
	} {
		putEncoder(root, w.dict, w.prefix, w.style, tiny().random(uint64(i)), w.fc)
	}
	c := checkpoint(t, root)
	for prefix, want := range map[string]string{
		"":                             "100",
		"auto":                         "100",
		"module.encoder_q.":            "100",
		"state_dict.module.encoder_k":  "101",
		"old.module.encoder_k.":        "102",
		"student":                      "103",
		"state_dict.module.encoder_q.": "100",
	} {
		m, _ := mustConvert(t, c, ConvertOptions{Prefix: prefix})
		if got := m.Meta(MetaBatches); got != want {
			t.Errorf("prefix %q took the encoder that counts %s batches, want %s", prefix, got, want)
		}
		if prefix == "student" && m.Graph.Output(LogitsName) == nil {
			t.Error("the classifier of the student is missing")
		}
	}
	for key, want := range map[string]string{"encoder_k": "several encoders and nothing says", "state_dict": "100", "old": "102", "student": "103", "old.module": "102", "encoder": "no ResNet under the key"} {
		m, _, err := Convert(c, ConvertOptions{Key: key})
		if err != nil {
			wantError(t, err, want)
		} else if got := m.Meta(MetaBatches); got != want {
			t.Errorf("key %q took the encoder that counts %s batches, want %s", key, got, want)
		}
	}
	if m, _ := mustConvert(t, c, ConvertOptions{Key: "state_dict", Prefix: "module.encoder_k"}); m.Meta(MetaBatches) != "101" {
		t.Errorf("key and prefix took the encoder that counts %s batches, want 101", m.Meta(MetaBatches))
	}
	for prefix, want := range map[string]string{
		"module.encoder_k": "several encoders under the prefix",
		"encoder_q":        `no ResNet under the prefix "encoder_q"; found: state_dict.module.encoder_q, `,
		"module.encoder":   "no ResNet under the prefix",
	} {
		_, _, err := Convert(c, ConvertOptions{Prefix: prefix})
		wantError(t, err, want)
	}
}

func TestAmbiguousEncoders(t *testing.T) {
	root := &torch.Dict{}
	putEncoder(root, "", "left.", asIs, tiny().random(1), false)
	putEncoder(root, "", "right.", asIs, tiny().random(2), false)
	_, _, err := Convert(checkpoint(t, root), ConvertOptions{})
	wantError(t, err, "several encoders and nothing says which one is meant: left, right")
}

func TestSequentialWithTooMuchBefore(t *testing.T) {
	root := &torch.Dict{}
	putEncoder(root, "state_dict", "backbone.", sequential(5), tiny().random(1), false)
	_, _, err := Convert(checkpoint(t, root), ConvertOptions{})
	wantError(t, err, "start at index 5 of an nn.Sequential")
}

func TestSegmentationIsRefused(t *testing.T) {
	root := &torch.Dict{}
	putEncoder(root, "", "backbone.", asIs, tiny().random(1), false)
	put(root, "", weights.FromFloat32("aux_classifier.0.weight", []int{1}, []float32{1}))
	_, _, err := Convert(checkpoint(t, root), ConvertOptions{})
	wantError(t, err, "dilated")
}

// TestBareIsExact: the wrappers are removed as whole components and nothing else is,
// where stripping characters or substrings would eat into names.
func TestBareIsExact(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"module.":                 "",
		"module.module.backbone.": "backbone.",
		"backbone._orig_mod.":     "backbone.",
		"my_module.":              "my_module.",
		"module.encoder_q.":       "encoder_q.",
		"modules.":                "modules.",
		"bn1.module":              "bn1.module",
	} {
		if got := bare(in); got != want {
			t.Errorf("bare(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSplitBlock(t *testing.T) {
	for key, want := range map[string][3]string{
		"layer1.0.conv1.weight":                   {"", "layer1", "conv1"},
		"module.layer12.34.downsample.1.bias":     {"module.", "layer12", "downsample"},
		"0.4.0.conv1.weight":                      {"0.", "4", "conv1"},
		"backbone.2.layer1.0.conv1.weight":        {"backbone.2.", "layer1", "conv1"},
		"layer1.0.se.fc.weight":                   {},
		"layer1.conv1.weight":                     {},
		"layer0.0.conv1.weight":                   {},
		"layer01.0.conv1.weight":                  {},
		"layer99999.0.conv1.weight":               {},
		"projector.0.weight":                      {},
		"layer1.0.conv1":                          {},
		"1.0.conv1.weight":                        {},
		"superlayer1.0.conv1.weight":              {},
		"encoder.layer.0.conv1.weight":            {},
		"a.layer1.x.layer2.1.shortcut.0.weight":   {"a.layer1.x.", "layer2", "shortcut"},
		"layer1.0.0.layer1.0.conv1.weight":        {"layer1.0.0.", "layer1", "conv1"},
		"layer1.00.conv1.weight":                  {},
		"layer1.0.conv1.weight.layer1.0.bn1.bias": {"", "layer1", "conv1"},
	} {
		prefix, layer, part := splitBlock(key)
		if got := [3]string{prefix, layer, part}; got != want {
			t.Errorf("splitBlock(%q) = %q, want %q", key, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	candidates := []string{"layer1.0.bn1.running_var", "layer1.0.conv_1.weight", "fc.weight"}
	for name, want := range map[string]string{
		"layer1.0.bn1.running_vars": "layer1.0.bn1.running_var",
		"layer1.0.conv1.weight":     "layer1.0.conv_1.weight",
		"fc.weight":                 "fc.weight",
		"queue":                     "",
		"":                          "",
	} {
		if got := nearest.To(name, candidates, len(name)/4+1); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

// FuzzConvert holds a tiny network's keys and shapes, written as lines, with the
// fuzzer's changes: no panic, and either an error or a model that passes the checker.
func FuzzConvert(f *testing.F) {
	lines := func(prefix string, s style) string {
		var text strings.Builder
		for _, p := range tiny().params() {
			fmt.Fprintln(&text, prefix+s(p.name), strings.Trim(fmt.Sprint(p.shape), "[]"))
		}
		return text.String()
	}
	f.Add(lines("", asIs))
	f.Add(lines("module.encoder_q.", asIs) + lines("module.encoder_k.", asIs))
	f.Add(lines("backbone.", sequential(4)))
	f.Add(lines("encoder.", kuangliu))
	f.Add("layer1.0.conv1.weight 1 1 1 1\nlayer9999.9999.conv3.weight 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		d := &Dict{}
		for _, line := range strings.Split(text, "\n") {
			name, rest, _ := strings.Cut(line, " ")
			x := &weights.Tensor{Name: name, DType: weights.Float32}
			for _, dim := range strings.Fields(rest) {
				n, err := strconv.Atoi(dim)
				if err != nil {
					return
				}
				x.Shape = append(x.Shape, n)
			}
			if strings.HasSuffix(name, counterName) {
				x.DType = weights.Int64
			}
			size, err := weights.ByteSize(x.Shape, x.DType)
			if err != nil || size > 1<<20 || name == "" {
				return
			}
			x.Data = make([]byte, size)
			d.Tensors = append(d.Tensors, x)
		}
		if len(d.Tensors) == 0 {
			return
		}
		c := &Checkpoint{Path: "fuzz", Dicts: []*Dict{d}, mappings: []*file.Mapping{{}}}
		m, r, err := Convert(c, ConvertOptions{})
		if err != nil {
			return
		}
		_ = r.String()
		if err := onnx.Check(m); err != nil {
			t.Errorf("converted to a model that the checker refuses: %v", err)
		}
	})
}
