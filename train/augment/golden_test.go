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
				Normalize(values, got)
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
