package data

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync"
)

// stored is what samples are that lie in files.
type stored interface {
	// size is the number of bytes that sample i takes there.
	size(i int) (int64, error)
	// raw are those bytes.
	raw(i int) ([]byte, error)
}

// watched are stored samples that can notice that one of them has changed.
type watched interface {
	watch(lo int, sizes []int64)
}

// ChangedError says that an image is not what it was when the data set was
// fingerprinted.
type ChangedError string

func (e ChangedError) Error() string { return string(e) }

// readWhole is how many images, spread evenly over a set, are part of its fingerprint
// with every byte.
const readWhole = 64

// Fingerprint identifies a data set by hashes of the names of its images in their order,
// of their labels, and of their contents: "names …, labels …, contents …", each of 16
// hexadecimal digits. Of the contents it takes the size of every image and all bytes of
// 64, so that it costs a look at each file and no more; a change of pixels that changes
// no size is noticed by chance only. Generated images have no contents but their names.
//
// From then on an image whose size differs when it is read is a ChangedError.
func Fingerprint(ds Dataset) string {
	names, labels := sha256.New(), sha256.New()
	for _, c := range ds.Classes() {
		fmt.Fprintf(labels, "%q\n", c)
	}
	for i := range ds.Len() {
		fmt.Fprintf(labels, "%d\n", ds.Label(i))
		fmt.Fprintf(names, "%q\n", ds.Name(i))
	}
	text := fmt.Sprintf("names %s, labels %s", short(names), short(labels))
	d, ok := ds.(*subset)
	if !ok {
		return text
	}
	files, ok := d.source.samples.(stored)
	if !ok {
		return text
	}
	sizes := sizesOf(files, d.lo, d.Len())
	contents := sha256.New()
	fmt.Fprintln(contents, sizes)
	n := min(readWhole, d.Len())
	for k := range n {
		b, err := files.raw(d.lo + k*d.Len()/n)
		if err != nil {
			b = []byte("unreadable")
		}
		fmt.Fprintf(contents, "%d\n", len(b))
		contents.Write(b)
	}
	if w, ok := files.(watched); ok {
		w.watch(d.lo, sizes)
	}
	return text + ", contents " + short(contents)
}

func short(h interface{ Sum([]byte) []byte }) string { return fmt.Sprintf("%x", h.Sum(nil)[:8]) }

// sizesOf returns the sizes of n samples from lo on, −1 where it cannot be told.
func sizesOf(files stored, lo, n int) []int64 {
	sizes := make([]int64, n)
	workers := runtime.GOMAXPROCS(0)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := n * w / workers; i < n*(w+1)/workers; i++ {
				size, err := files.size(lo + i)
				if err != nil {
					size = -1
				}
				sizes[i] = size
			}
		})
	}
	group.Wait()
	return sizes
}

func (l *imageFiles) size(i int) (int64, error) { return l.store.size(int(l.files[i])) }
func (l *imageFiles) raw(i int) ([]byte, error) { return contents(l.store, int(l.files[i])) }

// seen are the sizes of images from lo on.
type seen struct {
	lo    int
	sizes []int64
}

func (l *imageFiles) watch(lo int, sizes []int64) { l.seen.Store(&seen{lo, sizes}) }

// unchanged fails if image i has another size than it had.
func (l *imageFiles) unchanged(i int, now int64) error {
	s := l.seen.Load()
	if s == nil || i < s.lo || i >= s.lo+len(s.sizes) || s.sizes[i-s.lo] < 0 || s.sizes[i-s.lo] == now {
		return nil
	}
	return ChangedError(fmt.Sprintf("has %d bytes, had %d before: the data set has changed while it was in use", now, s.sizes[i-s.lo]))
}

func (c *cifar) size(int) (int64, error) { return int64(c.kind.labelBytes + 3*cifarPlane), nil }

func (c *cifar) raw(i int) ([]byte, error) {
	f, r := c.at(i)
	size := int64(c.kind.labelBytes + 3*cifarPlane)
	return c.store.read(c.files[f], int64(r)*size, size)
}

func (p *pixelArray) size(int) (int64, error) { return int64(3 * p.w * p.h), nil }

func (p *pixelArray) raw(i int) ([]byte, error) {
	size := 3 * p.w * p.h
	return p.pixels[i*size:][:size:size], nil
}
