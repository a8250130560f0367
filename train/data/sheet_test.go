package data

import (
	"bytes"
	"context"
	"errors"
	"image"
	"slices"
	"testing"

	"onnxclr/internal/stream"
	"onnxclr/train/augment"
)

func TestContactSheet(t *testing.T) {
	ds := newMemorySet(7)
	const size, zoom = 16, 6
	const cell = zoom * size
	sheet, _, err := Sheet{Images: 3, Seed: 5, Size: size}.Draw(t.Context(), ds)
	if err != nil {
		t.Fatal(err)
	}
	// One column of three rows; images 0, 2 and 4, fitted to 16×12 pixels, each six wide.
	if want := image.Rect(0, 0, 3*cell+20, 3*(cell+4)+4); sheet.Bounds() != want {
		t.Fatalf("sheet of %v, want %v", sheet.Bounds(), want)
	}
	var ws augment.Workspace
	for row, i := range []int{0, 2, 4} {
		for view := 1; view <= 2; view++ {
			want := augment.Contrastive(view, size).Apply(&ws, ds.images[i], stream.New(5, "augment", 0, uint64(i), uint64(view-1)))
			for _, p := range [][2]int{{0, 0}, {15, 15}, {7, 3}} {
				c := sheet.RGBAAt(8+view*(cell+4)+zoom*p[0]+zoom-1, 4+row*(cell+4)+zoom*p[1])
				if got := [3]uint8{c.R, c.G, c.B}; got != want.At(p[0], p[1]) {
					t.Errorf("image %d, view %d, pixel %v: %v, want what a run shows, %v", i, view, p, got, want.At(p[0], p[1]))
				}
			}
		}
	}
	ds.bad[2] = errors.New("unreadable")
	if _, _, err := (Sheet{Images: 3, Seed: 5, Size: size, Skip: true}).Draw(t.Context(), ds); !errors.Is(err, ds.bad[2]) {
		t.Errorf("error %v", err)
	}
	ds.bad[2] = FormatError("is damaged")
	whole := slices.Clone(sheet.Pix)
	sheet, skipped, err := Sheet{Images: 3, Seed: 5, Size: size, Skip: true}.Draw(t.Context(), ds)
	if err != nil || len(skipped) != 1 || skipped[0].Index != 2 || bytes.Equal(sheet.Pix, whole) {
		t.Errorf("image 2 damaged: skipped %v, error %v", skipped, err)
	}
	if _, _, err := (Sheet{Seed: 5, Size: size}).Draw(t.Context(), ds); err == nil {
		t.Error("a sheet of no image")
	}
	if sheet, _, err := (Sheet{Images: 50, Seed: 5, Size: size}).Draw(t.Context(), newMemorySet(2)); err != nil || sheet.Bounds().Dy() != 2*(cell+4)+4 {
		t.Errorf("more images asked for than there are: %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err := (Sheet{Images: 3, Seed: 5, Size: size}).Draw(stopped, ds); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}
