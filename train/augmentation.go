package train

import (
	"math"
	"slices"

	"onnxclr/train/augment"
)

// augmentationKeys are the keys of a recipe that say how views are made.
var augmentationKeys = []string{
	"augmentation", "crop_scale_min", "crop_filter", "flip_prob", "jitter", "jitter_prob", "grayscale_prob", "blur_prob", "solarize_prob",
}

// AugmentationKeys lists the keys of a recipe that say how views are made.
func AugmentationKeys() []string { return slices.Clone(augmentationKeys) }

// views are the augmentations that a recipe names.
var views = map[string]augment.Views{"paper": augment.Paper(), "simclr": augment.SimCLR()}

var cropFilters = map[string]augment.Filter{"bicubic": augment.Bicubic, "bilinear": augment.Bilinear}

// Augmentation returns how the recipe's views are made.
func (r *Recipe) Augmentation() augment.Views {
	return augment.Views{
		CropScale: r.CropScale, CropFilter: cropFilters[r.CropFilter], FlipProb: r.FlipProb,
		Jitter: [4]float64(r.Jitter), JitterProb: r.JitterProb, GrayscaleProb: r.GrayscaleProb,
		BlurProb: [2]float64(r.BlurProb), SolarizeProb: [2]float64(r.SolarizeProb),
	}
}

// augmentAs gives all keys but the name of the augmentation the values of v.
func (r *Recipe) augmentAs(v augment.Views) {
	r.CropScale, r.FlipProb, r.JitterProb, r.GrayscaleProb = v.CropScale, v.FlipProb, v.JitterProb, v.GrayscaleProb
	r.Jitter, r.BlurProb, r.SolarizeProb = v.Jitter[:], v.BlurProb[:], v.SolarizeProb[:]
	for name, filter := range cropFilters {
		if filter == v.CropFilter {
			r.CropFilter = name
		}
	}
}

// settleAugmentation fills in what the named augmentation says and nobody else did.
func (r *Recipe) settleAugmentation() {
	both := func(p []float64) []float64 {
		if len(p) == 1 {
			return []float64{p[0], p[0]}
		}
		return p
	}
	base, ok := views[r.Augment]
	if !ok {
		base = views["paper"] // the name is an error by itself
	}
	given := *r
	r.augmentAs(base)
	for key, restore := range map[string]func(){
		"crop_scale_min": func() { r.CropScale = given.CropScale },
		"crop_filter":    func() { r.CropFilter = given.CropFilter },
		"flip_prob":      func() { r.FlipProb = given.FlipProb },
		"jitter":         func() { r.Jitter = given.Jitter },
		"jitter_prob":    func() { r.JitterProb = given.JitterProb },
		"grayscale_prob": func() { r.GrayscaleProb = given.GrayscaleProb },
		"blur_prob":      func() { r.BlurProb = both(given.BlurProb) },
		"solarize_prob":  func() { r.SolarizeProb = both(given.SolarizeProb) },
	} {
		if r.Given[key] {
			restore()
		}
	}
}

// strengths reports whether these are four strengths of ColorJitter.
func strengths(j []float64) bool {
	for _, s := range j {
		if !(s >= 0) || math.IsInf(s, 0) {
			return false
		}
	}
	return len(j) == 4 && j[3] <= 0.5
}

// Normalization returns how the images' bytes become the network's input.
func (r *Recipe) Normalization() *augment.Normalization {
	var mean, std [3]float32
	for c := range 3 {
		mean[c], std[c] = float32(r.Mean[c]), float32(r.Std[c])
	}
	return augment.NewNormalization(mean, std)
}

// perChannel reports whether these are numbers of red, green and blue within limits.
func perChannel(v []float64, low, high float64) bool {
	return len(v) == 3 && !slices.ContainsFunc(v, func(x float64) bool { return !(x >= low && x <= high) })
}
