package importer

import (
	"strings"
	"testing"

	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
)

// TestAllowMissing: what is missing is refused by name, or begins as PyTorch would
// begin it, every time alike.
func TestAllowMissing(t *testing.T) {
	gone := []string{"conv1.weight", "layer1.0.bn1.running_var", "layer1.0.bn1.bias", "layer2.0.downsample.0.weight", "fc.bias"}
	c := plain(t, without(tiny().random(1), gone...))
	_, _, err := Convert(c, ConvertOptions{})
	for _, name := range gone {
		wantError(t, err, name+": missing")
	}
	wantError(t, err, "--allow-missing")
	m, r := mustConvert(t, c, ConvertOptions{AllowMissing: true})
	again, _ := mustConvert(t, c, ConvertOptions{AllowMissing: true})
	if strings.Join(r.Missing, " ") != strings.Join(gone[:1], " ")+" layer1.0.bn1.bias layer1.0.bn1.running_var layer2.0.downsample.0.weight fc.bias" {
		t.Errorf("missing %q", r.Missing)
	}
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "5 tensors are missing") || !strings.Contains(r.Notes[0], "fc.bias") {
		t.Errorf("notes %q, want one that names the missing", r.Notes)
	}
	for _, name := range gone {
		w := m.Graph.Initializer(name)
		if string(w.Data) != string(again.Graph.Initializer(name).Data) {
			t.Errorf("%s differs the second time", name)
		}
		v, err := w.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		var sum, squares float64
		for _, x := range v {
			sum += float64(x)
			squares += float64(x) * float64(x)
		}
		n := float64(len(v))
		switch {
		case name == "conv1.weight": // He: 2 / (2·7·7), 294 draws
			if variance := squares / n; variance < 0.014 || variance > 0.028 {
				t.Errorf("%s has variance %v, want about %v", name, variance, 2.0/98)
			}
		case strings.HasSuffix(name, runningVar):
			if sum != n || squares != n {
				t.Errorf("%s is %v, want ones", name, v)
			}
		case strings.HasSuffix(name, "bn1.bias"):
			if squares != 0 {
				t.Errorf("%s is %v, want zeros", name, v)
			}
		case name == "fc.bias": // within 1/√4
			if squares == 0 || squares > n/4 {
				t.Errorf("%s is %v, want within ±0.5", name, v)
			}
		}
	}
	// What is there but does not fit is refused all the same.
	wrong := append(without(tiny().random(1), "conv1.weight", "bn1.bias"), weights.FromFloat32("bn1.bias", []int{3}, make([]float32, 3)))
	_, _, err = Convert(plain(t, wrong), ConvertOptions{AllowMissing: true})
	wantError(t, err, "bn1.bias: has shape [3], want [2]")
	if strings.Contains(err.Error(), "conv1") || strings.Contains(err.Error(), "--allow-missing") {
		t.Errorf("%v names what is allowed to be missing", err)
	}
}

// TestUnmatchedKeys: every tensor that is not used is listed, with the key that it may
// be a slip of.
func TestUnmatchedKeys(t *testing.T) {
	root := &torch.Dict{}
	putEncoder(root, "state_dict", "module.", asIs, without(tiny().random(1), "fc.bias", "fc.weight"), true)
	for _, key := range []string{"module.fc_.weight", "module.queue", "module.pro.jector.0.weight"} {
		put(root, "state_dict", weights.FromFloat32(key, []int{3, 4}, make([]float32, 12)))
	}
	put(root, "optimizer.state.0", weights.FromFloat32("exp_avg", []int{1}, []float32{1}))
	_, r := mustConvert(t, checkpoint(t, root), ConvertOptions{})
	got := map[string]string{}
	for _, g := range r.Ignored {
		if len(g.Members) != g.Tensors {
			t.Errorf("%s lists %d of %d tensors", g.Keys, len(g.Members), g.Tensors)
		}
		for _, m := range g.Members {
			got[m.Key] = m.Nearest
		}
	}
	for key, near := range map[string]string{"state_dict.module.fc_.weight": "", "state_dict.module.queue": "", "state_dict.module.pro.jector.0.weight": "", "optimizer.state.0.exp_avg": ""} {
		if n, listed := got[key]; !listed || n != near {
			t.Errorf("%s: listed %v, nearest %q, want %q", key, listed, n, near)
		}
	}
	text := r.String()
	for _, want := range []string{`recognised by 36 keys that begin with "module." in the dictionary "state_dict", named as torchvision does`, "\n  state_dict.module.queue", "ignored optimizer. (1 tensor)"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	// A misspelt counter, which may be missing, is told by its neighbour.
	slip := without(tiny().random(1), "bn1.num_batches_tracked")
	for _, x := range slip {
		if x.Name == "layer1.0.bn1.num_batches_tracked" {
			x.Name = "1ayer1.0.bn1.num_batches_tracked"
		}
	}
	_, r = mustConvert(t, plain(t, slip), ConvertOptions{})
	if len(r.Ignored) != 1 || r.Ignored[0].Members[0].Nearest != "layer1.0.bn1.num_batches_tracked" {
		t.Errorf("ignored %+v", r.Ignored)
	}
}

// TestMSRAIsRefused: detectron2's own networks have their stride elsewhere.
func TestMSRAIsRefused(t *testing.T) {
	var tensors []*weights.Tensor
	for _, x := range tiny().random(1) {
		if strings.HasSuffix(x.Name, ".running_mean") {
			x = weights.FromFloat32(x.Name, x.Shape, make([]float32, x.Len()))
		}
		tensors = append(tensors, x)
	}
	root := &torch.Dict{}
	putEncoder(root, "model", "", toDetectron, tensors, false)
	_, _, err := Convert(checkpoint(t, root), ConvertOptions{})
	wantError(t, err, "stride is in the 1×1 convolutions")
}

// TestNaming: every naming is undone by its inverse.
func TestNaming(t *testing.T) {
	net := tiny()
	net.Bottleneck, net.Groups = true, 1
	for _, n := range []naming{{}, {first: 4}, {first: 3}, {first: 2, cifar: true}, {cifar: true}, {detectron: true}} {
		for _, p := range net.params() {
			if n.first > 0 && strings.HasPrefix(p.name, "fc.") && !n.cifar {
				continue
			}
			key := n.write(p.name)
			if back := n.torchvision(key); back != p.name {
				t.Errorf("%v: %s is written %s and read %s", n, p.name, key, back)
			}
		}
		if again, err := parseNaming(n.String()); err != nil || again != n {
			t.Errorf("%v is kept as %q and read as %v, %v", n, n, again, err)
		}
	}
	for _, s := range []string{"x", "sequential-", "sequential-1", "sequential-10000", "sequential-4-x"} {
		if _, err := parseNaming(s); err == nil {
			t.Errorf("naming %q was accepted", s)
		}
	}
}
