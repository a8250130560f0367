package train

import (
	"strings"
	"testing"

	"onnxclr/train/augment"
)

// The settings begin with those of the named augmentation, in any order of the lines.
func TestAugmentationIsNamedAndOverridden(t *testing.T) {
	for _, c := range []struct {
		settings []Setting
		want     augment.Views
	}{
		{nil, augment.Paper()},
		{[]Setting{Flag("augmentation", "simclr")}, augment.SimCLR()},
		{
			[]Setting{Flag("blur-prob", "0.25"), Flag("jitter", "0.4,0.4,0.4,0.1"), Flag("augmentation", "simclr"), Flag("crop-scale-min", "0.2"),
				Flag("solarize-prob", "0, 0.5"), Flag("crop-filter", "bilinear"), Flag("flip-prob", "0"), Flag("grayscale-prob", "0.3"), Flag("jitter-prob", "1")},
			augment.Views{CropScale: 0.2, CropFilter: augment.Bilinear, Jitter: [4]float64{0.4, 0.4, 0.4, 0.1}, JitterProb: 1, GrayscaleProb: 0.3,
				BlurProb: [2]float64{0.25, 0.25}, SolarizeProb: [2]float64{0, 0.5}},
		},
	} {
		r, warnings, err := Resolve(c.settings...)
		if err != nil || warnings != nil {
			t.Fatal(err, warnings)
		}
		if got := r.Augmentation(); got != c.want {
			t.Errorf("%v gives %+v, want %+v", c.settings, got, c.want)
		}
	}
}

// What a run trains on is what its recipe says.
func TestLoaderFollowsTheAugmentation(t *testing.T) {
	first := func(flags ...Setting) []float32 {
		r, _, err := Resolve(append(flags, Flag("data", "generated:textures"), Flag("batch", "2"), Flag("image-size", "16"), Flag("workers", "1"))...)
		if err != nil {
			t.Fatal(err)
		}
		s, err := openSource(&r, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		b, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return append([]float32(nil), b.Images...)
	}
	still := []Setting{Flag("crop-scale-min", "1"), Flag("flip-prob", "0"), Flag("jitter-prob", "0"), Flag("grayscale-prob", "0"), Flag("blur-prob", "0"), Flag("solarize-prob", "0,1")}
	x := first(still...)
	half := len(x) / 2
	same := 0
	for i, v := range x[:half] {
		if v == x[half+i] {
			same++
		}
	}
	if same == half || same == 0 {
		t.Errorf("%d of %d values are the same in a view and the same view solarised", same, half)
	}
	y := first(append(still, Flag("solarize-prob", "0"))...)
	for i, v := range y[:half] {
		if v != x[i] || v != y[half+i] {
			t.Fatalf("value %d: views without augmentation are %v, %v and %v", i, v, y[half+i], x[i])
		}
	}
}

func TestPipelinesSayWhatTheyDo(t *testing.T) {
	v := augment.SimCLR()
	v.BlurProb = [2]float64{0.5, 0}
	if s := v.Pipeline(1, 32).String(); !strings.Contains(s, "RandomResizedCrop(32, scale=0.08..1") || !strings.Contains(s, "brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2") || !strings.Contains(s, "GaussianBlur(p=0.5") {
		t.Error(s)
	}
	if s := v.Pipeline(2, 32).String(); !strings.Contains(s, "GaussianBlur(p=0,") || !strings.Contains(s, "Solarize(p=0,") {
		t.Error(s)
	}
}
