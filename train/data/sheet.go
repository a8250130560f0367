package data

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"math"

	"onnxclr/internal/stream"
	"onnxclr/train/augment"
)

// Sheet says how a contact sheet is drawn.
type Sheet struct {
	Images int // spread evenly over the data set
	Size   int // of a view in pixels; small ones are shown enlarged, each pixel a square
	Seed   uint64
	Views  []augment.Pipeline // two; nil is the paper's
	Skip   bool               // see Loader.SkipCorrupt
}

// Draw draws images of ds, each beside the two views a run with this seed shows the
// network in epoch 0: original, view 1, view 2. Originals are fitted into their cells.
// It returns the images that it passed over, too, and the context's error when that ends
// first.
func (s Sheet) Draw(ctx context.Context, ds Dataset) (*image.RGBA, []Skip, error) {
	n, size, views := min(s.Images, ds.Len()), s.Size, s.Views
	if views == nil {
		views = augment.Paper().Pipelines(size)
	}
	if n < 1 || size < 1 || size > 1024 {
		return nil, nil, fmt.Errorf("a sheet of %d images of %d pixels, want at least one image and 1 to 1024 pixels", n, size)
	}
	const gap, visible = 4, 96
	zoom := max(visible/size, 1)
	cell := zoom * size
	// Groups of three cells stand in columns so that the sheet is about as wide as high.
	columns := max(int(math.Round(math.Sqrt(float64(n)/3))), 1)
	rows := (n + columns - 1) / columns
	group := 3*cell + 3*gap + 2*gap
	sheet := image.NewRGBA(image.Rect(0, 0, columns*group, rows*(cell+gap)+gap))
	for i := range sheet.Pix {
		sheet.Pix[i] = 0xff
	}
	put := func(img *augment.Image, x, y int) {
		for v := range zoom * img.H {
			for u := range zoom * img.W {
				p := img.At(u/zoom, v/zoom)
				sheet.SetRGBA(x+u, y+v, color.RGBA{p[0], p[1], p[2], 0xff})
			}
		}
	}
	var ws augment.Workspace
	var skipped []Skip
	for k := range n {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		i := int(int64(k) * int64(ds.Len()) / int64(n))
		img, _, bad, err := readableFrom(ds, i, s.Skip, ds.Image)
		if err != nil {
			return nil, nil, err
		}
		skipped = append(skipped, bad...)
		x, y := k%columns*group+2*gap, k/columns*(cell+gap)+gap
		w, h := fit(img.W, img.H, size)
		put(ws.Resize(img, img.Bounds(), w, h, augment.Bilinear), x+(cell-zoom*w)/2, y+(cell-zoom*h)/2)
		for view := 1; view <= 2; view++ {
			r := stream.New(s.Seed, viewStream, 0, uint64(i), uint64(view-1))
			put(views[view-1].Apply(&ws, img, r), x+view*(cell+gap), y)
		}
	}
	return sheet, skipped, nil
}

// fit scales w×h so that the longer side is size.
func fit(w, h, size int) (int, int) {
	long := max(w, h)
	return max(w*size/long, 1), max(h*size/long, 1)
}
