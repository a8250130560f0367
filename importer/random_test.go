package importer_test

import (
	"math"
	"strings"
	"testing"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
)

// Random networks are those that the shapes of torchvision's weights describe, and begin
// as PyTorch's do.
func TestRandomResNet(t *testing.T) {
	for arch, want := range map[string]int{ // parameters of the encoder, without fc
		"resnet18": 11176512, "resnet50": 23508032, "resnext50_32x4d": 22979904, "wide_resnet50_2": 66834240,
	} {
		m, err := importer.RandomResNet(arch, importer.RandomOptions{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := onnx.Check(m); err != nil {
			t.Errorf("%s: %v", arch, err)
		}
		if got := m.Meta(importer.MetaArchitecture); got != arch {
			t.Errorf("%s is called %s", arch, got)
		}
		n := 0
		for _, w := range m.Graph.Initializers {
			if !strings.Contains(w.Name, "running_") && w.DType.IsFloat() {
				n += w.Len()
			}
		}
		if n != want {
			t.Errorf("%s has %d parameters, want %d", arch, n, want)
		}
	}
	m, err := importer.RandomResNet("resnet18", importer.RandomOptions{Seed: 1, Stem: importer.StemCIFAR, ZeroResidual: true, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	values := func(name string) []float32 {
		w := m.Graph.Initializer(name)
		if w == nil {
			t.Fatalf("no tensor %s", name)
		}
		v, err := w.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	var squares float64
	conv := values("layer3.0.conv2.weight") // 256×256×3×3
	for _, v := range conv {
		squares += float64(v) * float64(v)
	}
	if got, want := math.Sqrt(squares/float64(len(conv))), math.Sqrt(2.0/(256*9)); math.Abs(got-want) > 0.01*want {
		t.Errorf("deviation of a convolution's weights %.5f, want %.5f", got, want)
	}
	if v := values("layer2.1.bn2.weight"); v[0] != 0 {
		t.Error("the last normalisation of a block does not begin with 0")
	}
	if v := values("layer2.1.bn1.weight"); v[0] != 1 {
		t.Error("another normalisation does not begin with 1")
	}
	if w := m.Graph.Initializer("conv1.weight"); w.Shape[2] != 3 {
		t.Errorf("the stem has shape %v", w.Shape)
	}
	if _, err := importer.RandomResNet("resnet51", importer.RandomOptions{}); err == nil || !strings.Contains(err.Error(), "resnet50") {
		t.Errorf("resnet51: %v", err)
	}
}
