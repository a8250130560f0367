package augment

import (
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

// Contrastive returns the paper's pipeline of view 1 or 2, which gives size×size
// pixels: see Paper.
func Contrastive(view, size int) Pipeline { return Paper().Pipeline(view, size) }

// Evaluation returns the pipeline that embeddings are computed with: the shorter
// side resized to size·256/224, bilinear, and the centre size×size pixels cut out
// (the paper's Resize(256), CenterCrop(224)). It draws nothing from its stream,
// which may be nil. Smaller images are enlarged.
func Evaluation(size int) Pipeline {
	return Pipeline{ResizeCenterCrop{Resize: (size*256 + 112) / 224, Size: size, Filter: Bilinear}}
}
