package data

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"onnxclr/train/augment"
)

// What Split and Open understand beside "train", "test", "val" and "all".
const (
	Auto    = "auto"     // train, or all of a set without a train split
	HeldOut = "held-out" // test, else val, else all
)

// splitNames are the splits a set may have, in the order "all" has them.
var splitNames = []string{"train", "test", "val"}

// samples are the images of a source, all splits in one order.
type samples interface {
	Len() int
	Label(i int) int
	Name(i int) string
	Image(i int) (*augment.Image, error)
}

// part is a split: the samples from lo to hi−1.
type part struct {
	name   string
	lo, hi int
}

// Source is an open data set with all its splits.
type Source struct {
	path    string
	samples samples
	classes []string
	parts   []part
	effort  bool                     // images are decoded or computed, not only copied
	close   func() error             // nil if there is nothing to close
	memory  func() (ram, disk int64) // nil if it holds none
}

// OpenSource opens the data set at path, finding out what it is:
//
//   - a folder with train/, test/ or val/ in it (or training/, Testing/, valid/ and the
//     like), each with a folder a class, or a folder with a folder a class, or images
//     without classes;
//   - a .tar of such a folder, indexed once and read in place, or a .tar.gz, unpacked
//     into memory, or, above 1 GiB, into a temporary file that Close removes;
//   - WebDataset samples, "key.jpg" beside "key.cls" or "key.json", in one .tar, in a
//     folder of them, in those a pattern names, "set/train-{000..146}.tar", or in those
//     that a file lists, "@shards.txt"; shards without labels make up one image folder;
//   - CIFAR-10 or CIFAR-100 in binary form, as a folder or an archive of one, the latter
//     with its 100 fine labels, or its 20 coarse ones when "?labels=coarse" follows;
//   - a .npy array [N,H,W,3] of uint8;
//   - "generated:textures", with ?train=N&test=N&size=PIXELS&seed=N where wanted.
//
// Names are checked and an empty class is an error, but images are not decoded.
func OpenSource(path string) (*Source, error) {
	open, coarse := strings.CutSuffix(path, "?labels=coarse")
	s, err := openSource(open)
	if err == nil && coarse {
		if err = s.coarsen(); err != nil {
			s.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", path, err)
	}
	s.path = path
	return s, nil
}

func openSource(path string) (*Source, error) {
	if name, ok := strings.CutPrefix(path, "generated:"); ok {
		return openGenerated(name)
	}
	if list, ok := strings.CutPrefix(path, "@"); ok {
		return openList(list)
	}
	st, err := os.Stat(path)
	if err != nil {
		if strings.Contains(path, "{") {
			return openPattern(path)
		}
		return nil, unwrapPath(err)
	}
	var files store
	if st.IsDir() {
		files, err = openFolder(path)
		if err == nil {
			if list := archivesIn(path, files.names()); len(list) > 0 {
				return openShards(list)
			}
		}
	} else {
		var kind fileKind
		if kind, err = sniff(path); err != nil {
			return nil, err
		}
		switch kind {
		case npyFile:
			return openArray(path)
		case gzipFile:
			files, err = openTarGz(path)
		default:
			files, err = openTar(path, true)
		}
	}
	if err != nil {
		return nil, err
	}
	a, archived := files.(*archive)
	s, err := sourceOf(files, archived)
	if err != nil {
		files.close()
		return nil, err
	}
	s.close = files.close
	if archived {
		s.memory = a.blob.memory
	}
	return s, nil
}

// sourceOf finds the images of a store and their labels: beside them, or by folders.
func sourceOf(files store, archived bool) (*Source, error) {
	if labels := findLabels(files, files.names(), archived); labels != nil {
		return labels.source(nil)
	}
	return arrange(files)
}

type fileKind int

const (
	tarFile fileKind = iota
	gzipFile
	npyFile
)

// sniff tells what the file is by its first bytes.
func sniff(path string) (fileKind, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, unwrapPath(err)
	}
	defer f.Close()
	head := make([]byte, 262)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return 0, err
	}
	head = head[:n]
	is := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	const wanted = "want a folder, a .tar or .tar.gz of one, CIFAR binary files or an .npy array"
	switch {
	case n == 0:
		return 0, formatf("is an empty file; %s", wanted)
	case is("\x1f\x8b"):
		return gzipFile, nil
	case is("\x93NUMPY"):
		return npyFile, nil
	case n == 262 && string(head[257:262]) == "ustar":
		return tarFile, nil
	case is("PK\x03\x04"):
		return 0, unsupportedf("is a zip archive, which cannot be read in place; unpack it or make a .tar of it")
	case is("\xfd7zXZ"), is("BZh"), is("\x28\xb5\x2f\xfd"):
		return 0, unsupportedf("is compressed with xz, bzip2 or zstd; unpack it or recompress it with gzip")
	case is("\xff\xd8\xff"), is("\x89PNG"):
		return 0, unsupportedf("is a single image; %s", wanted)
	case strings.HasSuffix(strings.ToLower(path), ".tar"): // archives older than ustar
		return tarFile, nil
	}
	return 0, formatf("is not a data set; %s", wanted)
}

// unwrapPath drops the path from a file error where the message names it already.
func unwrapPath(err error) error {
	if e, ok := err.(*os.PathError); ok {
		return e.Err
	}
	return err
}

// Open returns one split of the data set at path: "train", "test", "val", "all", Auto
// or HeldOut. Closing it closes the data set.
func Open(path, split string) (Dataset, error) {
	s, err := OpenSource(path)
	if err != nil {
		return nil, err
	}
	d, err := s.Split(split)
	if err != nil {
		s.Close()
		return nil, err
	}
	d.(*subset).owner = true
	return d, nil
}

// TrainedOn tells of what HeldOut gave whether it is the train split, for want of another.
func TrainedOn(ds Dataset) bool {
	d, ok := ds.(*subset)
	return ok && len(d.source.parts) == 1 && d.source.parts[0].name == "train"
}

// Splits are the names of the splits there are, none of them empty; nil when the set
// is not divided.
func (s *Source) Splits() []string {
	var names []string
	for _, p := range s.parts {
		names = append(names, p.name)
	}
	return names
}

// Classes are the names of the classes of all splits together, sorted.
func (s *Source) Classes() []string { return s.classes }

// Memory is the number of bytes of memory, and of a temporary file, that the data
// set occupies while it is open.
func (s *Source) Memory() (ram, disk int64) {
	if s.memory == nil {
		return 0, 0
	}
	return s.memory()
}

// Split returns a split: "train", "test", "val", "all", Auto or HeldOut. It stays
// valid until the source is closed; its own Close does nothing.
func (s *Source) Split(name string) (Dataset, error) {
	find := func(names ...string) *subset {
		for _, n := range names {
			for _, p := range s.parts {
				if p.name == n {
					return &subset{source: s, lo: p.lo, hi: p.hi}
				}
			}
		}
		return nil
	}
	all := &subset{source: s, hi: s.samples.Len()}
	switch name {
	case "all":
		return all, nil
	case Auto, "":
		if d := find("train"); d != nil {
			return d, nil
		}
		return all, nil
	case HeldOut:
		if d := find("test", "val"); d != nil {
			return d, nil
		}
		return all, nil
	}
	if d := find(name); d != nil {
		return d, nil
	}
	there := "it is not divided into splits: use all"
	if len(s.parts) > 0 {
		there = "it has " + strings.Join(s.Splits(), ", ")
	}
	return nil, fmt.Errorf("data set %s has no split %q; %s", s.path, name, there)
}

// Close releases the data set and all its splits.
func (s *Source) Close() error {
	if s.close == nil {
		return nil
	}
	return s.close()
}

// subset is a range of a source's samples.
type subset struct {
	source *Source
	lo, hi int
	owner  bool
}

func (d *subset) Len() int          { return d.hi - d.lo }
func (d *subset) Classes() []string { return d.source.classes }
func (d *subset) Label(i int) int   { return d.source.samples.Label(d.lo + i) }
func (d *subset) Name(i int) string { return d.source.samples.Name(d.lo + i) }

func (d *subset) Image(i int) (*augment.Image, error) {
	img, err := d.source.samples.Image(d.lo + i)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", d.source.path, d.Name(i), err)
	}
	return img, nil
}

func (d *subset) Close() error {
	if d.owner {
		return d.source.Close()
	}
	return nil
}
