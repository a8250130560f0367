package augment

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Transform is one step of a pipeline.
type Transform interface {
	// Apply returns img transformed with parameters drawn from r. It changes img
	// only where the workspace owns it; the result is valid until ws is used for
	// another image.
	Apply(ws *Workspace, img *Image, r *rand.Rand) *Image
	// String names the transform and its parameters, as in "GaussianBlur(p=0.1, radius=0.1..2)".
	String() string
}

// Pipeline applies its transforms in order.
type Pipeline []Transform

// Apply returns the view of img that the stream r chooses. Equal images and streams
// give equal views. img is not changed; the view belongs to ws and is valid until
// ws is used again.
func (p Pipeline) Apply(ws *Workspace, img *Image, r *rand.Rand) *Image {
	for _, t := range p {
		img = t.Apply(ws, img, r)
	}
	return img
}

// String lists the transforms in order.
func (p Pipeline) String() string {
	names := make([]string, len(p))
	for i, t := range p {
		names[i] = t.String()
	}
	return strings.Join(names, " → ")
}

// Contrastive returns the pipeline of view 1 or 2 of the paper (arXiv:2110.09348,
// appendix D, and its published code), which gives size×size pixels. The two are
// asymmetric: view 1 is always blurred and never solarised, view 2 is blurred with
// probability 0.1 and solarised with 0.2. Normalize follows it.
func Contrastive(view, size int) Pipeline {
	blur, solarize := 1.0, 0.0
	switch view {
	case 1:
	case 2:
		blur, solarize = 0.1, 0.2
	default:
		panic(fmt.Sprintf("augment: view %d, there are 1 and 2", view))
	}
	return Pipeline{
		RandomResizedCrop{Size: size, Scale: [2]float64{0.08, 1}, Ratio: [2]float64{3. / 4, 4. / 3}, Filter: Bicubic},
		HorizontalFlip{P: 0.5},
		ColorJitter{P: 0.8, Brightness: 0.4, Contrast: 0.4, Saturation: 0.2, Hue: 0.1},
		RandomGrayscale{P: 0.2},
		GaussianBlur{P: blur, Radius: [2]float64{0.1, 2}},
		Solarize{P: solarize, Threshold: 128},
	}
}

// Evaluation returns the pipeline that embeddings are computed with: the shorter
// side resized to size·256/224, bilinear, and the centre size×size pixels cut out
// (the paper's Resize(256), CenterCrop(224)). It draws nothing from its stream,
// which may be nil. Smaller images are enlarged.
func Evaluation(size int) Pipeline {
	return Pipeline{ResizeCenterCrop{Resize: (size*256 + 112) / 224, Size: size, Filter: Bilinear}}
}
