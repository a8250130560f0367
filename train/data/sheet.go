package data

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"onnxclr/internal/stream"
	"onnxclr/train/augment"
)

// ContactSheet draws n images of ds, spread evenly over it, each beside the two
// views a run with this seed shows the network in epoch 0: original, view 1, view 2.
// The views are made by the two pipelines given, or by the paper's. Cells are of size×size pixels, the view size. Originals are fitted into theirs.
func ContactSheet(ds Dataset, n int, seed uint64, size int, views ...augment.Pipeline) (*image.RGBA, error) {
	n = min(n, ds.Len())
	if len(views) == 0 {
		views = augment.Paper().Pipelines(size)
	}
	if n < 1 || size < 1 || size > 1024 {
		return nil, fmt.Errorf("a sheet of %d images of %d pixels, want at least one image and 1 to 1024 pixels", n, size)
	}
	const gap = 4
	// Groups of three cells stand in columns so that the sheet is about as wide as high.
	columns := max(int(math.Round(math.Sqrt(float64(n)/3))), 1)
	rows := (n + columns - 1) / columns
	group := 3*size + 3*gap + 2*gap
	sheet := image.NewRGBA(image.Rect(0, 0, columns*group, rows*(size+gap)+gap))
	for i := range sheet.Pix {
		sheet.Pix[i] = 0xff
	}
	put := func(img *augment.Image, x, y int) {
		for v := range img.H {
			for u := range img.W {
				p := img.At(u, v)
				sheet.SetRGBA(x+u, y+v, color.RGBA{p[0], p[1], p[2], 0xff})
			}
		}
	}
	var ws augment.Workspace
	for k := range n {
		i := int(int64(k) * int64(ds.Len()) / int64(n))
		img, err := ds.Image(i)
		if err != nil {
			return nil, err
		}
		x, y := k%columns*group+2*gap, k/columns*(size+gap)+gap
		w, h := fit(img.W, img.H, size)
		put(ws.Resize(img, img.Bounds(), w, h, augment.Bilinear), x+(size-w)/2, y+(size-h)/2)
		for view := 1; view <= 2; view++ {
			r := stream.New(seed, viewStream, 0, uint64(i), uint64(view-1))
			put(views[view-1].Apply(&ws, img, r), x+view*(size+gap), y)
		}
	}
	return sheet, nil
}

// fit scales w×h so that the longer side is size.
func fit(w, h, size int) (int, int) {
	long := max(w, h)
	return max(w*size/long, 1), max(h*size/long, 1)
}
