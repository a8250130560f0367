package data

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"onnxclr/train/augment"
)

// Skip is an image that could not be read.
type Skip struct {
	Index int   // of it in the data set
	Err   error // names it, and what is wrong with it
	at    int   // position in the batch
}

// SkipCorrupt makes the loader pass over images that are damaged or of a kind that is
// not read, instead of ending with an error; call it before Next. In the place of one
// comes the next readable image of the data set, the first following the last, so that
// batches keep their size and depend on nothing but the data: a resumed run sees the
// same images. It is augmented with the stream of the one it stands for, and Indices
// and Labels are its own. Files that are missing and disks that fail end the loader
// all the same.
func (l *Loader) SkipCorrupt() { l.skip = true }

// image reads the image for a position of the batch.
func (l *Loader) image(b *Batch, position int) (*augment.Image, error) {
	first := b.Indices[position]
	img, i, skipped, err := readableFrom(l.ds, first, l.skip, func(i int) (*augment.Image, error) { return l.cache.image(l.ds, i) })
	if len(skipped) > 0 {
		b.mu.Lock()
		for _, s := range skipped {
			s.at = position
			b.Skipped = append(b.Skipped, s)
		}
		b.mu.Unlock()
	}
	if err == nil && i != first {
		b.Indices[position], b.Labels[position] = i, l.ds.Label(i)
	}
	return img, err
}

// readableFrom reads the first image of ds or, if it may skip, the next one that can be
// read, which is image i. The first follows the last.
func readableFrom(ds Dataset, first int, skip bool, read func(int) (*augment.Image, error)) (img *augment.Image, i int, skipped []Skip, err error) {
	for i = first; ; {
		if img, err = read(i); err == nil || !skip || !Corrupt(err) {
			return img, i, skipped, err
		}
		skipped = append(skipped, Skip{Index: i, Err: err})
		if i = (i + 1) % ds.Len(); i == first {
			return nil, i, skipped, fmt.Errorf("none of the %d images can be read; the first: %w", ds.Len(), err)
		}
	}
}

// Corrupt tells whether an error of reading an image says that the image is damaged or
// of a kind that is not read, as opposed to the disk it lies on.
func Corrupt(err error) bool {
	var wrong FormatError
	var lacking UnsupportedError
	return errors.As(err, &wrong) || errors.As(err, &lacking)
}

// sortSkipped brings what workers found into the order of the batch.
func sortSkipped(s []Skip) {
	slices.SortStableFunc(s, func(a, b Skip) int { return cmp.Compare(a.at, b.at) })
}
