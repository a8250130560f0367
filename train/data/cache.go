package data

import (
	"sync/atomic"

	"onnxclr/internal/memory"
	"onnxclr/train/augment"
)

// cache keeps what was made of files with effort for the epochs to come, as long as
// there is room: with images in a new order every epoch, none is likelier than another
// to be wanted soon, so nothing is dropped for another. A nil cache keeps nothing.
type cache struct {
	images []atomic.Pointer[augment.Image]
	room   atomic.Int64 // bytes
}

const (
	cacheMost    = 1 << 30
	cacheUnknown = 256 << 20 // where it is not known how much memory there is
)

// newCache returns a cache for the images of ds, if it decodes or computes them: of
// 1 GiB, or a quarter of the memory there is now, if that is less.
func newCache(ds Dataset) *cache {
	if d, ok := ds.(*subset); !ok || !d.source.effort {
		return nil
	}
	room := int64(cacheUnknown)
	if n := memory.Available(); n > 0 {
		room = min(n/4, cacheMost)
	}
	c := &cache{images: make([]atomic.Pointer[augment.Image], ds.Len())}
	c.room.Store(room)
	return c
}

// image returns image i of ds, which nobody may change.
func (c *cache) image(ds Dataset, i int) (*augment.Image, error) {
	if c == nil {
		return ds.Image(i)
	}
	if img := c.images[i].Load(); img != nil {
		return img, nil
	}
	img, err := ds.Image(i)
	if err != nil {
		return nil, err
	}
	size := int64(cap(img.Pix))
	if c.room.Add(-size) < 0 || !c.images[i].CompareAndSwap(nil, img) {
		c.room.Add(size)
	}
	return img, nil
}
