package augment

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"
)

// RandomResizedCrop cuts out a random box and resamples it to Size×Size pixels.
type RandomResizedCrop struct {
	Size   int
	Scale  [2]float64 // part of the image's area, drawn uniformly
	Ratio  [2]float64 // width:height of the box, drawn log-uniformly
	Filter Filter
}

// Draw returns the box for an image of w×h pixels, distributed as torchvision's
// get_params: ten tries to fit a box of the drawn area and ratio, then the largest
// central box of an allowed ratio.
func (t RandomResizedCrop) Draw(w, h int, r *rand.Rand) image.Rectangle {
	area := float64(w) * float64(h)
	low, high := math.Log(t.Ratio[0]), math.Log(t.Ratio[1])
	for range 10 {
		target := area * uniform(r, t.Scale[0], t.Scale[1])
		ratio := math.Exp(uniform(r, low, high))
		bw, bh := int(math.RoundToEven(math.Sqrt(target*ratio))), int(math.RoundToEven(math.Sqrt(target/ratio)))
		if 0 < bw && bw <= w && 0 < bh && bh <= h {
			y := r.IntN(h - bh + 1)
			x := r.IntN(w - bw + 1)
			return image.Rect(x, y, x+bw, y+bh)
		}
	}
	bw, bh := w, h
	if in := float64(w) / float64(h); in < t.Ratio[0] {
		bh = int(math.RoundToEven(float64(w) / t.Ratio[0]))
	} else if in > t.Ratio[1] {
		bw = int(math.RoundToEven(float64(h) * t.Ratio[1]))
	}
	x, y := (w-bw)/2, (h-bh)/2
	return image.Rect(x, y, x+bw, y+bh)
}

// Apply draws a box and resamples it.
func (t RandomResizedCrop) Apply(ws *Workspace, img *Image, r *rand.Rand) *Image {
	return ws.Resize(img, t.Draw(img.W, img.H, r), t.Size, t.Size, t.Filter)
}

func (t RandomResizedCrop) String() string {
	return fmt.Sprintf("RandomResizedCrop(%d, scale=%g..%g, ratio=%.4g..%.4g, %v)",
		t.Size, t.Scale[0], t.Scale[1], t.Ratio[0], t.Ratio[1], t.Filter)
}

// ResizeCenterCrop resamples the image so that its shorter side has Resize pixels
// and keeps the Size×Size pixels in the middle, Size ≤ Resize. Only those are
// computed, so that an image of extreme shape costs no more than another.
type ResizeCenterCrop struct {
	Resize, Size int
	Filter       Filter
}

// Apply draws nothing; r may be nil.
func (t ResizeCenterCrop) Apply(ws *Workspace, img *Image, _ *rand.Rand) *Image {
	// torchvision truncates the longer side and rounds the corner half to even.
	w, h := t.Resize, t.Resize
	if img.W > img.H {
		w = int(float64(t.Resize*img.W) / float64(img.H))
	} else {
		h = int(float64(t.Resize*img.H) / float64(img.W))
	}
	x := int(math.RoundToEven(float64(w-t.Size) / 2))
	y := int(math.RoundToEven(float64(h-t.Size) / 2))
	return ws.resizeWindow(img, img.Bounds(), w, h, image.Rect(x, y, x+t.Size, y+t.Size), t.Filter)
}

func (t ResizeCenterCrop) String() string {
	return fmt.Sprintf("ResizeCenterCrop(%d to %d, %v)", t.Resize, t.Size, t.Filter)
}

// uniform draws from [low, high).
func uniform(r *rand.Rand, low, high float64) float64 { return low + (high-low)*r.Float64() }
