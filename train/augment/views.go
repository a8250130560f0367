package augment

import "fmt"

// Views are the settings of a contrastive pair: what is done to an image for its view
// 1 and its view 2. Probabilities are from 0 to 1.
type Views struct {
	CropScale     float64 // smallest part of the image's area that is cut out; the largest is 1
	CropFilter    Filter
	FlipProb      float64
	Jitter        [4]float64 // strength in brightness, contrast, saturation and hue
	JitterProb    float64
	GrayscaleProb float64
	BlurProb      [2]float64 // of view 1, view 2
	SolarizeProb  [2]float64
}

// Paper returns the settings of arXiv:2110.09348, appendix D, and its published code.
// The views are asymmetric: view 1 is always blurred and never solarised, view 2 is
// blurred with probability 0.1 and solarised with 0.2.
func Paper() Views {
	return Views{
		CropScale: 0.08, CropFilter: Bicubic, FlipProb: 0.5,
		Jitter: [4]float64{0.4, 0.4, 0.2, 0.1}, JitterProb: 0.8, GrayscaleProb: 0.2,
		BlurProb: [2]float64{1, 0.1}, SolarizeProb: [2]float64{0, 0.2},
	}
}

// SimCLR returns the settings of arXiv:2002.05709, appendix A, at its full colour
// strength of 1, the same for both views.
func SimCLR() Views {
	return Views{
		CropScale: 0.08, CropFilter: Bicubic, FlipProb: 0.5,
		Jitter: [4]float64{0.8, 0.8, 0.8, 0.2}, JitterProb: 0.8, GrayscaleProb: 0.2,
		BlurProb: [2]float64{0.5, 0.5},
	}
}

// Pipeline returns what makes view 1 or 2, of size×size pixels. Normalize follows it.
func (v Views) Pipeline(view, size int) Pipeline {
	if view != 1 && view != 2 {
		panic(fmt.Sprintf("augment: view %d, there are 1 and 2", view))
	}
	return Pipeline{
		RandomResizedCrop{Size: size, Scale: [2]float64{v.CropScale, 1}, Ratio: [2]float64{3. / 4, 4. / 3}, Filter: v.CropFilter},
		HorizontalFlip{P: v.FlipProb},
		ColorJitter{P: v.JitterProb, Brightness: v.Jitter[0], Contrast: v.Jitter[1], Saturation: v.Jitter[2], Hue: v.Jitter[3]},
		RandomGrayscale{P: v.GrayscaleProb},
		GaussianBlur{P: v.BlurProb[view-1], Radius: [2]float64{0.1, 2}},
		Solarize{P: v.SolarizeProb[view-1], Threshold: 128},
	}
}

// Pipelines returns what makes both views.
func (v Views) Pipelines(size int) []Pipeline {
	return []Pipeline{v.Pipeline(1, size), v.Pipeline(2, size)}
}
