package augment

import (
	"fmt"
	"image"
	"strconv"
	"strings"
	"testing"

	"onnxclr/internal/golden"
)

func imageOf(t testing.TB, a *golden.Array) *Image {
	t.Helper()
	if len(a.Shape) != 3 || a.Shape[2] != 3 {
		t.Fatalf("golden has shape %v, want H×W×3", a.Shape)
	}
	m := NewImage(a.Shape[1], a.Shape[0])
	copy(m.Pix, a.U8)
	return m
}

// checkPixels wants got within a level of PIL's pixels, and reports how many differ.
func checkPixels(t *testing.T, what string, got *Image, want *golden.Array) {
	t.Helper()
	if w := want.Shape; got.H != w[0] || got.W != w[1] {
		t.Errorf("%s: got %d×%d pixels, want %d×%d", what, got.W, got.H, w[1], w[0])
		return
	}
	if golden.Check(t, what, golden.Pixel, got.Pix, want.U8) {
		off := 0
		for i, v := range want.U8 {
			if got.Pix[i] != v {
				off++
			}
		}
		if off > len(got.Pix)/1000 {
			t.Errorf("%s: %d of %d values are a level off; rounding is PIL's where all agree", what, off, len(got.Pix))
		}
	}
}

func sources(t testing.TB) map[string]*Image {
	images := map[string]*Image{}
	for name, a := range golden.Load(t, "augment/source.npz") {
		images[name] = imageOf(t, a)
	}
	return images
}

func TestOperationsMatchPIL(t *testing.T) {
	for source, img := range sources(t) {
		if source == "whole" {
			continue
		}
		for name, want := range golden.Load(t, "augment/ops_"+source+".npz") {
			fields := strings.Fields(name)
			parameter, err := strconv.ParseFloat(fields[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			var ws Workspace
			got := ws.Own(img)
			switch fields[1] {
			case "brightness":
				got.AdjustBrightness(parameter)
			case "contrast":
				got.AdjustContrast(parameter)
			case "saturation":
				got.AdjustSaturation(parameter)
			case "hue":
				got.AdjustHue(parameter)
			case "grayscale":
				got.Grayscale()
			case "solarize":
				got.Solarize(uint8(parameter))
			case "flip":
				got.Flip()
			case "blur":
				ws.Blur(got, parameter)
			case "normalize":
				values := make([]float32, len(got.Pix))
				ImageNet.Apply(values, got)
				golden.Check(t, name, golden.Exact, values, want.F32)
				continue
			default:
				t.Fatalf("no operation %q", fields[1])
			}
			checkPixels(t, name, got, want)
		}
	}
}

func TestResizeMatchesPIL(t *testing.T) {
	img := sources(t)["whole"]
	tall := NewImage(img.H, img.W) // a quarter turn counter-clockwise
	for y := range tall.H {
		for x := range tall.W {
			p := img.At(img.W-1-y, x)
			copy(tall.Pix[3*(y*tall.W+x):], p[:])
		}
	}
	var ws Workspace
	for name, want := range golden.Load(t, "augment/resize.npz") {
		var kind string
		var x, y, w, h, ow, oh, size int
		if n, _ := fmt.Sscanf(name, "%s %d %d %d %d %d %d", &kind, &x, &y, &w, &h, &ow, &oh); n == 7 {
			f := map[string]Filter{"bilinear": Bilinear, "bicubic": Bicubic}[kind]
			checkPixels(t, name, ws.Resize(img, image.Rect(x, y, x+w, y+h), ow, oh, f), want)
			continue
		}
		fmt.Sscanf(name, "%s %d", &kind, &size)
		from := img
		if kind == "evaluate-tall" {
			from = tall
		}
		checkPixels(t, name, Evaluation(size).Apply(&ws, from, nil), want)
	}
}

// Whole views with torchvision's own parameters: jitter in each of its 24 orders, crops
// down to a pixel, images of odd and extreme shapes.
func TestViewsMatchTorchvision(t *testing.T) {
	arrays := golden.Load(t, "augment/chains.npz")
	for k := range 5 {
		img := imageOf(t, arrays[fmt.Sprintf("image_%d", k)])
		views, parameters := arrays[fmt.Sprintf("view_%d", k)], arrays[fmt.Sprintf("parameters_%d", k)]
		n, size := views.Shape[0], views.Shape[1]
		orders := map[[4]int]bool{}
		for i := range n {
			p := parameters.F64[16*i:][:16]
			at := func(j int) int { return int(p[j]) }
			var ws Workspace
			got := ws.Own(ws.Resize(img, image.Rect(at(0), at(1), at(0)+at(2), at(1)+at(3)), size, size, Filter(at(4))))
			if at(5)%2 == 1 {
				got.Flip()
			}
			order := [4]int{at(6), at(7), at(8), at(9)}
			orders[order] = true
			for _, property := range order {
				[]func(float64){got.AdjustBrightness, got.AdjustContrast, got.AdjustSaturation, got.AdjustHue}[property](p[10+property])
			}
			if at(5) >= 2 {
				got.Grayscale()
			}
			ws.Blur(got, p[14])
			if at(15) < 256 {
				got.Solarize(uint8(at(15)))
			}
			want := &golden.Array{Shape: views.Shape[1:], U8: views.U8[i*3*size*size:][:3*size*size]}
			checkPixels(t, fmt.Sprintf("image %d, view %d %v", k, i, p), got, want)
		}
		if k == 0 && len(orders) != 24 {
			t.Errorf("%d orders of the jitter, want 24", len(orders))
		}
	}
}
