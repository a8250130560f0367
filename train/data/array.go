package data

import (
	"fmt"
	"path/filepath"

	"onnxclr/importer/weights"
	"onnxclr/internal/npy"
	"onnxclr/train/augment"
)

// pixelArray are the images of an array [N,H,W,3] of uint8, without labels.
type pixelArray struct {
	pixels []uint8 // of the mapped file
	name   string
	w, h   int
	length int
}

func openArray(path string) (*Source, error) {
	a, err := npy.Open(path)
	if err != nil {
		return nil, err
	}
	s := a.Shape
	if len(s) != 4 || s[3] != 3 || a.DType != weights.Uint8 || a.Fortran {
		a.Close()
		return nil, unsupportedf("holds %v of shape %v, want uint8 of shape [N,H,W,3], rows first", a.DType, s)
	}
	if s[0] == 0 || s[1] == 0 || s[2] == 0 {
		a.Close()
		return nil, formatf("holds no image: its shape is %v", s)
	}
	pixels, err := a.Uint8s()
	if err != nil {
		a.Close()
		return nil, err
	}
	p := &pixelArray{pixels: pixels, name: filepath.Base(path), w: s[2], h: s[1], length: s[0]}
	return &Source{samples: p, close: a.Close}, nil
}

func (p *pixelArray) Len() int          { return p.length }
func (p *pixelArray) Label(int) int     { return -1 }
func (p *pixelArray) Name(i int) string { return fmt.Sprintf("%s#%d", p.name, i) }

func (p *pixelArray) Image(i int) (*augment.Image, error) {
	size := 3 * p.w * p.h
	return &augment.Image{W: p.w, H: p.h, Pix: p.pixels[i*size:][:size:size]}, nil
}
