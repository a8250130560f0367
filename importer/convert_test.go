package importer

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"onnxclr/importer/onnx"
	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
	"onnxclr/testdata/checkpoints"
)

// TestConvertEqualsPyTorch holds every kind of block and stem against PyTorch's own
// outputs, through the wrappers of real files.
func TestConvertEqualsPyTorch(t *testing.T) {
	for _, test := range []struct {
		name, arch string
		convs      int
		classifier bool
	}{
		{"basic", "resnet-basic-2-1-1-1 width 4 groups 1", 14, true},
		{"bottleneck", "resnet-bottleneck-1-2-1-1 width 4 groups 1", 20, true},
		{"grouped", "resnet-bottleneck-1-1-2-1 width 4 groups 2", 20, true},
		{"wide", "resnet-bottleneck-1-1-1-1 width 4 groups 1", 17, true},
		{"cifar", "resnet-basic-1-1-1-1 width 4 groups 1 stem 3x3", 12, true},
		{"half", "resnet-basic-1-1-1-1 width 4 groups 1", 12, true},
		{"moco", "resnet-basic-1-1-1-1 width 2 groups 1", 12, false},
		{"lightly", "resnet-bottleneck-1-1-1-1 width 4 groups 1", 17, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, r := mustConvert(t, goldenCheckpoint(t, test.name), ConvertOptions{})
			if r.Architecture != test.arch || m.Meta(MetaArchitecture) != test.arch {
				t.Errorf("architecture %q, in the metadata %q, want %q", r.Architecture, m.Meta(MetaArchitecture), test.arch)
			}
			ops := map[string]int{}
			for _, n := range m.Graph.Nodes {
				ops[n.OpType]++
			}
			if ops["Conv"] != test.convs || ops["BatchNormalization"] != test.convs {
				t.Errorf("%d Conv and %d BatchNormalization, want %d of each", ops["Conv"], ops["BatchNormalization"], test.convs)
			}
			want := golden.Load(t, "importer/"+test.name+".npz")
			x := want["x"]
			got := evaluate(t, m, array{x.Shape, x.F32})
			golden.Check(t, "representation", golden.Model, got[RepresentationName].v, want["representation"].F32)
			if test.classifier {
				golden.Check(t, "logits", golden.Model, got[LogitsName].v, want["logits"].F32)
			} else if m.Graph.Output(LogitsName) != nil {
				t.Error("a projection head became a classifier")
			}
		})
	}
}

// TestConvertWritesTheContract pins down names, versions and metadata that users and
// other packages rely on.
func TestConvertWritesTheContract(t *testing.T) {
	tensors := tiny().random(1)
	c := plain(t, tensors)
	m, r := mustConvert(t, c, ConvertOptions{})
	if m.IRVersion != 8 || m.Opset("") != 17 || m.ProducerName != "onnxclr" {
		t.Errorf("IR %d, opset %d, producer %q; want 8, 17, onnxclr", m.IRVersion, m.Opset(""), m.ProducerName)
	}
	in := m.Graph.Inputs[0]
	if want := []onnx.Dim{{Param: "batch"}, {Value: 3}, {Param: "height"}, {Param: "width"}}; in.Name != "input" || !reflect.DeepEqual(in.Shape, want) {
		t.Errorf("input %s %v, want input %v", in.Name, in.Shape, want)
	}
	var outputs []string
	for _, o := range m.Graph.Outputs {
		outputs = append(outputs, o.Name)
	}
	if want := []string{"representation", "logits"}; !reflect.DeepEqual(outputs, want) {
		t.Errorf("outputs %q, want %q", outputs, want)
	}
	var names []string
	for _, n := range m.Graph.Nodes {
		names = append(names, n.Name)
	}
	want := strings.Fields(`conv1 bn1 relu maxpool
		layer1.0.conv1 layer1.0.bn1 layer1.0.relu layer1.0.conv2 layer1.0.bn2 layer1.0.add layer1.0.relu_1
		layer2.0.conv1 layer2.0.bn1 layer2.0.relu layer2.0.conv2 layer2.0.bn2 layer2.0.downsample.0 layer2.0.downsample.1 layer2.0.add layer2.0.relu_1
		avgpool flatten fc`)
	if !reflect.DeepEqual(names, want) {
		t.Errorf("nodes %q, want %q", names, want)
	}
	var keys, initializers []string
	for _, x := range tensors {
		if !strings.HasSuffix(x.Name, counterName) {
			keys = append(keys, x.Name)
		}
	}
	for _, x := range m.Graph.Initializers {
		initializers = append(initializers, x.Name)
	}
	if !reflect.DeepEqual(initializers, keys) {
		t.Errorf("initializers %q, want PyTorch's keys %q", initializers, keys)
	}
	for key, want := range map[string]string{
		MetaArchitecture: r.Architecture, MetaSourceFile: "test.pth", MetaSourceSHA256: c.SHA256(),
		MetaLayout: "torchvision", MetaPrefix: "", MetaBatches: "101", MetaSourceDType: "",
	} {
		if got := m.Meta(key); got != want {
			t.Errorf("metadata %s is %q, want %q", key, got, want)
		}
	}
	bn := m.Graph.Producer("bn1_output")
	if e, mo := bn.Float("epsilon", 0), bn.Float("momentum", 0); e != 1e-5 || mo != 0.9 {
		t.Errorf("epsilon %v and momentum %v, want 1e-5 and ONNX's 0.9 for PyTorch's 0.1", e, mo)
	}
}

// TestPublishedNames feeds the shapes of the real networks, without values.
func TestPublishedNames(t *testing.T) {
	stages := func(blocks [4]int, mid, out int, expansion bool) []Stage {
		var s []Stage
		for i, n := range blocks {
			s = append(s, Stage{Blocks: n, Mid: mid << i, Out: out << i, Downsample: i > 0 || expansion})
		}
		return s
	}
	stem := Stem{Width: 64, Kernel: 7, Stride: 2, Pad: 3, MaxPool: true}
	for _, test := range []struct {
		name       string
		bottleneck bool
		stages     []Stage
		groups     int
		tensors    int // of torchvision's state_dict
		parameters int // of torchvision's model
		nodes      int
	}{
		{"resnet18", false, stages([4]int{2, 2, 2, 2}, 64, 64, false), 1, 122, 11689512, 69},
		{"resnet34", false, stages([4]int{3, 4, 6, 3}, 64, 64, false), 1, 218, 21797672, 125},
		{"resnet50", true, stages([4]int{3, 4, 6, 3}, 64, 256, true), 1, 320, 25557032, 175},
		{"resnet101", true, stages([4]int{3, 4, 23, 3}, 64, 256, true), 1, 626, 44549160, 345},
		{"resnet152", true, stages([4]int{3, 8, 36, 3}, 64, 256, true), 1, 932, 60192808, 515},
		{"resnext50_32x4d", true, stages([4]int{3, 4, 6, 3}, 128, 256, true), 32, 320, 25028904, 175},
		{"resnext101_32x8d", true, stages([4]int{3, 4, 23, 3}, 256, 256, true), 32, 626, 88791336, 345},
		{"resnext101_64x4d", true, stages([4]int{3, 4, 23, 3}, 256, 256, true), 64, 626, 83455272, 345},
		{"wide_resnet50_2", true, stages([4]int{3, 4, 6, 3}, 128, 256, true), 1, 320, 68883240, 175},
		{"wide_resnet101_2", true, stages([4]int{3, 4, 23, 3}, 128, 256, true), 1, 626, 126886696, 345},
		{"resnet-bottleneck-3-4-6-3 width 128 groups 2", true, stages([4]int{3, 4, 6, 3}, 128, 512, true), 2, 320, 0, 175},
		{"resnet-basic-1-1-1-1 width 64 groups 1", false, stages([4]int{1, 1, 1, 1}, 64, 64, false), 1, 74, 0, 41},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := &ResNet{Bottleneck: test.bottleneck, Channels: 3, Stem: stem, Stages: test.stages, Groups: test.groups, Classes: 1000}
			set := tensorSet{}
			parameters := 0
			for _, p := range want.params() {
				x := &weights.Tensor{Name: p.name, Shape: p.shape, DType: weights.Float32}
				if p.counter {
					x.DType = weights.Int64
				} else if !strings.Contains(p.name, ".running_") {
					parameters += x.Len()
				}
				set[p.name] = x
			}
			got, err := inferResNet(set, true)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("inferred %+v, want %+v", got, want)
			}
			if got.Name() != test.name {
				t.Errorf("name %q, want %q", got.Name(), test.name)
			}
			if len(set) != test.tensors || test.parameters > 0 && parameters != test.parameters {
				t.Errorf("%d tensors and %d parameters, want %d and %d", len(set), parameters, test.tensors, test.parameters)
			}
			if n := len(got.build(nil, DefaultOpset).Graph.Nodes); n != test.nodes {
				t.Errorf("%d nodes, want %d", n, test.nodes)
			}
		})
	}
}

func TestConvertOptions(t *testing.T) {
	tensors := tiny().random(1)
	t.Run("drop the classifier", func(t *testing.T) {
		m, r := mustConvert(t, plain(t, tensors), ConvertOptions{DropClassifier: true})
		if m.Graph.Output(LogitsName) != nil || m.Graph.Initializer("fc.weight") != nil || r.Classes != 0 {
			t.Error("fc is still there")
		}
		if len(r.Ignored) != 1 || r.Ignored[0].Keys != "fc." || r.Ignored[0].Tensors != 2 {
			t.Errorf("ignored %+v, want fc. with 2 tensors", r.Ignored)
		}
	})
	t.Run("opset", func(t *testing.T) {
		for opset, ir := range map[int]int64{11: 6, 13: 7, 18: 8, 21: 10} {
			m, _ := mustConvert(t, plain(t, tensors), ConvertOptions{Opset: opset})
			if m.Opset("") != int64(opset) || m.IRVersion != ir {
				t.Errorf("opset %d, IR %d; want %d, %d", m.Opset(""), m.IRVersion, opset, ir)
			}
		}
		for _, opset := range []int{-1, 9, 22} {
			if _, _, err := Convert(plain(t, tensors), ConvertOptions{Opset: opset}); err == nil {
				t.Errorf("opset %d was accepted", opset)
			}
		}
	})
	t.Run("arch", func(t *testing.T) {
		name := "resnet-basic-1-1 width 2 groups 1"
		if _, r := mustConvert(t, plain(t, tensors), ConvertOptions{Arch: name}); r.Architecture != name {
			t.Errorf("architecture %q, want %q", r.Architecture, name)
		}
		_, _, err := Convert(plain(t, tensors), ConvertOptions{Arch: "resnet50"})
		wantError(t, err, "the shapes say "+name+", not resnet50")
	})
	t.Run("stem", func(t *testing.T) {
		net := tiny()
		net.Stem.Kernel = 3
		for kind, want := range map[StemKind]string{StemAuto: "1 false", StemCIFAR: "1 false", StemPad2: "2 false", StemMaxPool: "1 true", StemNoPool: "1 false"} {
			m, r := mustConvert(t, plain(t, net.random(1)), ConvertOptions{Stem: kind})
			got := "1 "
			if m.Graph.Producer("conv1_output").Ints("pads")[0] == 2 {
				got = "2 "
			}
			if m.Graph.Producer("maxpool_output") != nil {
				got += "true"
			} else {
				got += "false"
			}
			if got != want {
				t.Errorf("stem %q: padding and pooling %s, want %s", kind, got, want)
			}
			if noted := strings.Contains(strings.Join(r.Notes, " "), "3×3"); noted != (kind == StemAuto) {
				t.Errorf("stem %q: notes %q", kind, r.Notes)
			}
		}
		_, _, err := Convert(plain(t, tensors), ConvertOptions{Stem: StemPad2})
		wantError(t, err, "7×7")
		_, _, err = Convert(plain(t, net.random(1)), ConvertOptions{Stem: "round"})
		wantError(t, err, `unknown stem "round"`)
	})
}

func TestConvertDemo(t *testing.T) {
	c, err := ReadCheckpoint("demo.pth", checkpoints.Demo)
	if err != nil {
		t.Fatal(err)
	}
	_, r := mustConvert(t, c, ConvertOptions{})
	if r.Dim != 128 || r.Classes != 12 || r.Architecture != "resnet-basic-1-1-1-1 width 16 groups 1" || r.Dict != "state_dict" {
		t.Errorf("report %+v", r)
	}
}

// TestConvertNamesEveryProblem damages a checkpoint in several places at once.
func TestConvertNamesEveryProblem(t *testing.T) {
	tensors := without(tiny().random(1), "conv1.weight", "layer1.0.bn1.running_mean", "layer2.0.downsample.0.weight", "fc.bias")
	for i, x := range tensors {
		switch x.Name {
		case "layer1.0.conv2.weight":
			tensors[i] = weights.FromFloat32(x.Name, []int{2, 2, 3, 1}, make([]float32, 12))
		case "layer2.0.bn2.bias":
			tensors[i] = weights.FromFloat32(x.Name, []int{5}, make([]float32, 5))
		case "layer2.0.bn1.weight":
			tensors[i] = weights.FromInt64(x.Name, []int{4}, make([]int64, 4))
		}
	}
	tensors = append(tensors,
		weights.FromFloat32("layer1.0.bn1.runing_mean", []int{2}, make([]float32, 2)),
		weights.FromFloat32("layer1.0.se.fc1.weight", []int{2, 2}, make([]float32, 4)))
	_, _, err := Convert(plain(t, tensors), ConvertOptions{})
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) {
		t.Fatalf("got %v, want a MismatchError", err)
	}
	want := []string{
		"layer1.0.conv2.weight: has shape [2 2 3 1], want [2 2 3 3]",
		"layer2.0.bn1.weight: is int64, want a floating-point type",
		"layer2.0.bn2.bias: has shape [5], want [4]",
		"conv1.weight: missing, want shape [2 3 7 7]",
		"layer1.0.bn1.running_mean: missing, want shape [2] (there is layer1.0.bn1.runing_mean)",
		"layer2.0.downsample.0.weight: missing, want shape [4 2 1 1]",
		"fc.bias: missing, want shape [3]",
		"layer1.0.bn1.runing_mean: shape [2], no part of this network (nearest is layer1.0.bn1.running_mean)",
		"layer1.0.se.fc1.weight: shape [2 2], no part of this network (nearest is layer1.0.conv1.weight)",
	}
	if !reflect.DeepEqual(mismatch.Problems, want) {
		t.Errorf("problems\n%s\nwant\n%s", strings.Join(mismatch.Problems, "\n"), strings.Join(want, "\n"))
	}
}

func TestConvertRefuses(t *testing.T) {
	tensors := tiny().random(1)
	one := func(name string, shape ...int) *weights.Tensor {
		n := 1
		for _, d := range shape {
			n *= d
		}
		return weights.FromFloat32(name, shape, make([]float32, n))
	}
	replace := func(x *weights.Tensor) []*weights.Tensor { return append(without(tensors, x.Name), x) }
	for _, test := range []struct {
		name    string
		root    any
		want    string
		options ConvertOptions
	}{
		{"timm's deep stem", torch.StateDict(append(without(tensors, "conv1.weight"), one("conv1.0.weight", 2, 3, 3, 3)), nil),
			"conv1.0.weight: a stem of several convolutions", ConvertOptions{}},
		{"a 5×5 stem", torch.StateDict(replace(one("conv1.weight", 2, 3, 5, 5)), nil),
			"a first convolution of 5×5; want 7×7", ConvertOptions{}},
		{"CLIP's ResNet", torch.StateDict(append(tensors[:len(tensors):len(tensors)], one("conv2.weight", 2, 2, 3, 3), one("attnpool.c_proj.weight", 2, 2)), nil),
			"attnpool.c_proj.weight: shape [2 2], no part of this network", ConvertOptions{}},
		{"a stage is missing", torch.StateDict(append(tensors[:len(tensors):len(tensors)], one("layer4.0.conv1.weight", 2, 2, 3, 3)), nil),
			"layer3: not one tensor of it is there", ConvertOptions{}},
		{"absurd block number", torch.StateDict(append(tensors[:len(tensors):len(tensors)], one("layer2.9999.conv1.weight", 2, 2, 3, 3)), nil),
			"residual blocks, but there are only", ConvertOptions{}},
		{"VGG", torch.StateDict([]*weights.Tensor{one("features.0.weight", 4, 3, 3, 3)}, nil), "a VGG, AlexNet", ConvertOptions{}},
		{"vision transformer", torch.StateDict([]*weights.Tensor{one("module.patch_embed.proj.weight", 4, 3, 3, 3)}, nil), "a vision transformer", ConvertOptions{}},
		{"something else", torch.StateDict([]*weights.Tensor{one("embed.weight", 4, 4)}, nil), `the first "embed.weight"`, ConvertOptions{}},
		{"a single tensor", one("x", 2, 2), "holds a single tensor of shape [2 2]", ConvertOptions{}},
		{"an empty dictionary", &torch.Dict{}, "no dictionary of named tensors", ConvertOptions{}},
		{"unknown prefix", torch.StateDict(tensors, nil), `no ResNet under the prefix "encoder"; found: (no prefix)`, ConvertOptions{Prefix: "encoder."}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := Convert(checkpoint(t, test.root), test.options)
			wantError(t, err, test.want)
			wantError(t, err, "test.pth: ")
		})
	}
}

func TestOpenCheckpointRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct{ contents, want string }{
		"empty.pth":  {"", "an empty file"},
		"model.onnx": {"\x08\x08\x12\x07onnxclr", "an ONNX model"},
		"page.pth":   {"<!DOCTYPE html><html>", "a web page"},
		"lfs.pth":    {"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"},
		"x.pth.gz":   {"\x1f\x8b\x08\x00", "a gzip archive"},
		"noise.pth":  {"no such format", "its first bytes are of no known format"},
		"cut.pth":    {"PK\x03\x04 and no more", "cut.pth: "},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(test.contents), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenCheckpoint(path)
		wantError(t, err, test.want)
		wantError(t, err, name)
	}
	if _, err := OpenCheckpoint(filepath.Join(dir, "absent.pth")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := OpenCheckpoint(dir); err == nil {
		t.Error("a directory was opened")
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}
