package data

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"onnxclr/train/augment"
)

// CIFAR's binary files (Krizhevsky, Learning Multiple Layers of Features from Tiny
// Images, 2009) are records of label bytes followed by the red, green and blue planes
// of a 32×32 image, row by row.
const (
	cifarSide  = 32
	cifarPlane = cifarSide * cifarSide
)

// cifarKind is what differs between CIFAR-10 and CIFAR-100.
type cifarKind struct {
	labelBytes, label int // bytes before the pixels, and which is the class
	names             string
	train, test       func(base string) bool
}

var cifarKinds = []cifarKind{
	{1, 0, "batches.meta.txt",
		func(b string) bool { ok, _ := path.Match("data_batch_[1-9].bin", b); return ok },
		func(b string) bool { return b == "test_batch.bin" }},
	{2, 1, "fine_label_names.txt",
		func(b string) bool { return b == "train.bin" },
		func(b string) bool { return b == "test.bin" }},
}

// cifar are the records of a store's CIFAR files, training files first.
type cifar struct {
	store  store
	kind   cifarKind
	files  []int // indices into the store's names
	starts []int // first record of each file, and the number of all
	names  []string
	labels []uint8
}

// findCIFAR looks for CIFAR's files in the folder or in the only one inside it, and
// returns nil if there are none.
func findCIFAR(files store, root *node) (*Source, error) {
	for _, n := range []*node{root, root.only()} {
		if n == nil {
			continue
		}
		for _, kind := range cifarKinds {
			s, err := openCIFAR(files, n, kind)
			if s != nil || err != nil {
				return s, err
			}
		}
	}
	return nil, nil
}

func openCIFAR(files store, n *node, kind cifarKind) (*Source, error) {
	names := files.names()
	c := &cifar{store: files, kind: kind, names: names, starts: []int{0}}
	src := &Source{samples: c}
	collect := func(split string, is func(string) bool) error {
		lo := c.Len()
		for _, k := range n.files {
			if !is(path.Base(names[k])) {
				continue
			}
			if err := c.add(k); err != nil {
				return err
			}
		}
		if hi := c.Len(); hi > lo {
			src.parts = append(src.parts, part{split, lo, hi})
		}
		return nil
	}
	if err := collect("train", kind.train); err != nil {
		return nil, err
	}
	if err := collect("test", kind.test); err != nil {
		return nil, err
	}
	if len(c.files) == 0 {
		return nil, nil
	}
	var err error
	src.classes, err = c.classes(n.files)
	if err != nil {
		return nil, err
	}
	return src, c.readLabels(len(src.classes))
}

// add appends a file's records.
func (c *cifar) add(k int) error {
	size, err := c.store.size(k)
	if err != nil {
		return err
	}
	record := int64(c.kind.labelBytes + 3*cifarPlane)
	if size == 0 || size%record != 0 || size/record > 1<<24 {
		return formatf("%s has %d bytes, want a multiple of the %d of a record", c.names[k], size, record)
	}
	c.files = append(c.files, k)
	c.starts = append(c.starts, c.Len()+int(size/record))
	return nil
}

// classes reads the names of the classes, one a line.
func (c *cifar) classes(files []int) ([]string, error) {
	for _, k := range files {
		if path.Base(c.names[k]) != c.kind.names || path.Dir(c.names[k]) != path.Dir(c.names[c.files[0]]) {
			continue
		}
		b, err := contents(c.store, k)
		if err != nil {
			return nil, err
		}
		classes := strings.Fields(string(b))
		if len(classes) == 0 || len(classes) > 256 {
			return nil, formatf("%s holds %d names of classes, want 1 to 256", c.names[k], len(classes))
		}
		return classes, nil
	}
	return nil, formatf("%s, the file with the names of the classes, is missing beside %s", c.kind.names, c.names[c.files[0]])
}

// coarsen takes CIFAR-100's 20 superclasses for the classes.
func (s *Source) coarsen() error {
	c, ok := s.samples.(*cifar)
	if !ok || c.kind.labelBytes != 2 {
		return formatf("has no coarse labels; CIFAR-100 in binary form has")
	}
	c.kind.label, c.kind.names = 0, "coarse_label_names.txt"
	all := make([]int, len(c.names))
	for k := range all {
		all[k] = k
	}
	var err error
	if s.classes, err = c.classes(all); err != nil {
		return err
	}
	return c.readLabels(len(s.classes))
}

// readLabels reads every record's label, so that a damaged file is known at once.
func (c *cifar) readLabels(classes int) error {
	c.labels = c.labels[:0]
	record := int64(c.kind.labelBytes + 3*cifarPlane)
	for f, k := range c.files {
		n := c.starts[f+1] - c.starts[f]
		for first := 0; first < n; first += 1024 {
			count := min(1024, n-first)
			b, err := c.store.read(k, int64(first)*record, int64(count)*record)
			if err != nil {
				return err
			}
			for i := range count {
				label := b[int64(i)*record+int64(c.kind.label)]
				if int(label) >= classes {
					return formatf("%s: record %d has label %d, there are %d classes; is it CIFAR's binary version?",
						c.names[k], first+i, label, classes)
				}
				c.labels = append(c.labels, label)
			}
		}
	}
	return nil
}

func (c *cifar) Len() int        { return c.starts[len(c.starts)-1] }
func (c *cifar) Label(i int) int { return int(c.labels[i]) }

// at returns the file of record i, and its place there.
func (c *cifar) at(i int) (file, record int) {
	f, ok := slices.BinarySearch(c.starts, i)
	if !ok {
		f--
	}
	return f, i - c.starts[f]
}

func (c *cifar) Name(i int) string {
	f, r := c.at(i)
	return c.names[c.files[f]] + "#" + strconv.Itoa(r)
}

func (c *cifar) Image(i int) (*augment.Image, error) {
	f, r := c.at(i)
	size := c.kind.labelBytes + 3*cifarPlane
	b, err := c.store.read(c.files[f], int64(r)*int64(size), int64(size))
	if err != nil {
		return nil, err
	}
	b = b[c.kind.labelBytes:]
	img := augment.NewImage(cifarSide, cifarSide)
	for p := range cifarPlane {
		img.Pix[3*p], img.Pix[3*p+1], img.Pix[3*p+2] = b[p], b[cifarPlane+p], b[2*cifarPlane+p]
	}
	return img, nil
}
