package data

import (
	"slices"
	"sync"
	"testing"

	"onnxclr/train/augment"
)

// counted counts how often its images are made.
type counted struct {
	samples
	mu   sync.Mutex
	made int
}

func (c *counted) Image(i int) (*augment.Image, error) {
	c.mu.Lock()
	c.made++
	c.mu.Unlock()
	return c.samples.Image(i)
}

func TestCacheKeepsWhatThereIsRoomFor(t *testing.T) {
	ds, err := Open("generated:textures?train=10&test=0&size=16", "train")
	if err != nil {
		t.Fatal(err)
	}
	source := ds.(*subset).source
	plain := source.samples
	const each = 3 * 16 * 16
	for _, c := range []struct {
		room int64
		made int // in two passes
	}{{10 * each, 10}, {4*each + each/2, 16}, {0, 20}} {
		count := &counted{samples: plain}
		source.samples = count
		cache := newCache(ds)
		cache.room.Store(c.room)
		for range 2 {
			for i := range ds.Len() {
				got, err := cache.image(ds, i)
				want, err2 := plain.Image(i)
				if err != nil || err2 != nil || !slices.Equal(got.Pix, want.Pix) {
					t.Fatalf("image %d is another one (%v, %v)", i, err, err2)
				}
			}
		}
		if count.made != c.made {
			t.Errorf("with room for %d bytes 10 images were made %d times in two passes, want %d", c.room, count.made, c.made)
		}
		if left := cache.room.Load(); left < 0 || left >= each && c.made > 10 {
			t.Errorf("%d of %d bytes left", left, c.room)
		}
	}
	source.samples = plain
	if source.effort = false; newCache(ds) != nil {
		t.Error("images that are only copied are kept too")
	}
}
