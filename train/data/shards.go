package data

import (
	"cmp"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// shard is one archive of several that make up a data set.
type shard struct {
	name  string // says which it is in the names of images
	path  string
	split string // one of splitNames, "" if its name tells none
	store store
}

// keepOpen is how many shards may stay open files; more are opened for every read.
const keepOpen = 256

// shards are archives as one store. With plain, their files have the names they have
// inside, below the shard's split if it has one; else below the shard's name.
type shards struct {
	list    []shard
	starts  []int // first name of each, and the number of all
	entries []string
}

// isArchive tells whether a file's name is that of an archive.
func isArchive(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, ".tar") || strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz")
}

// splitOf reads the split off the words of a path: train/00.tar, set-val-003.tar.
func splitOf(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r < 'a' || r > 'z' })
	for _, w := range words {
		if split := splitWord(w); split != "" {
			return split
		}
	}
	return ""
}

// splitWord is the split that a word stands for, "" for none.
func splitWord(word string) string {
	switch strings.ToLower(word) {
	case "train", "training":
		return "train"
	case "test", "testing":
		return "test"
	case "val", "valid", "validation":
		return "val"
	}
	return ""
}

// archivesIn returns the archives of a folder whose names these are, if there is no
// image beside them.
func archivesIn(root string, names []string) (list []shard) {
	for _, n := range names {
		switch {
		case hasExtension(n, readable):
			return nil
		case isArchive(n):
			list = append(list, shard{name: n, path: filepath.Join(root, filepath.FromSlash(n))})
		}
	}
	return list
}

// openShards opens a data set of several archives: of samples with labels beside them
// (webdataset.go), or of an image folder that was divided among them. Shards whose
// paths name a split belong to it.
func openShards(list []shard) (*Source, error) {
	for i := range list {
		list[i].split = splitOf(list[i].name)
	}
	place := func(s shard) int { return (slices.Index(splitNames, s.split) + 4) % 4 } // those without come last
	slices.SortStableFunc(list, func(a, b shard) int { return cmp.Compare(place(a), place(b)) })
	s := &shards{starts: []int{0}}
	src, err := s.open(list)
	if err != nil {
		s.close()
		return nil, err
	}
	src.close, src.memory = s.close, s.memory
	return src, nil
}

func (s *shards) open(list []shard) (*Source, error) {
	seen := map[string]bool{}
	for _, sh := range list {
		if seen[sh.name] {
			return nil, formatf("%s is named twice", sh.name)
		}
		seen[sh.name] = true
		kind, err := sniff(sh.path)
		if err == nil {
			switch kind {
			case tarFile:
				sh.store, err = openTar(sh.path, len(list) <= keepOpen)
			case gzipFile:
				sh.store, err = openTarGz(sh.path)
			default:
				err = formatf("is an array, want a .tar or .tar.gz")
			}
		}
		if err != nil {
			return nil, inFile(sh.name, err)
		}
		s.list = append(s.list, sh)
		for _, n := range sh.store.names() {
			s.entries = append(s.entries, sh.name+"/"+n)
		}
		s.starts = append(s.starts, len(s.entries))
	}
	if labels := findLabels(s, s.entries, true); labels != nil {
		return labels.source(s.parts())
	}
	if err := s.plain(); err != nil {
		return nil, err
	}
	return arrange(s)
}

// parts are the ranges of names of each split.
func (s *shards) parts() (parts []part) {
	for i, sh := range s.list {
		if n := len(parts); n > 0 && parts[n-1].name == sh.split {
			parts[n-1].hi = s.starts[i+1]
		} else if sh.split != "" {
			parts = append(parts, part{sh.split, s.starts[i], s.starts[i+1]})
		}
	}
	return parts
}

// plain gives the files the names they have inside.
func (s *shards) plain() error {
	from := map[string]int{}
	for i, sh := range s.list {
		for k, n := range sh.store.names() {
			if sh.split != "" && !strings.HasPrefix(n, sh.split+"/") {
				n = sh.split + "/" + n
			}
			if !strings.HasSuffix(n, "/") {
				if first, ok := from[n]; ok {
					return formatf("%s is in %s and in %s", path.Clean(n), s.list[first].name, sh.name)
				}
				from[n] = i
			}
			s.entries[s.starts[i]+k] = n
		}
	}
	return nil
}

// at returns the shard of name k, and its place there.
func (s *shards) at(k int) (store, int) {
	i, ok := slices.BinarySearch(s.starts, k)
	if !ok {
		i--
	}
	for s.starts[i+1] == k { // shards without a file
		i++
	}
	return s.list[i].store, k - s.starts[i]
}

func (s *shards) names() []string { return s.entries }

func (s *shards) size(k int) (int64, error) {
	in, k := s.at(k)
	return in.size(k)
}

func (s *shards) read(k int, off, n int64) ([]byte, error) {
	in, k := s.at(k)
	return in.read(k, off, n)
}

func (s *shards) memory() (ram, disk int64) {
	for _, sh := range s.list {
		r, d := sh.store.(*archive).blob.memory()
		ram, disk = ram+r, disk+d
	}
	return ram, disk
}

func (s *shards) close() (err error) {
	for _, sh := range s.list {
		err = cmp.Or(err, sh.store.close())
	}
	return err
}

// pathBlob reads ranges of a file that is opened each time.
type pathBlob string

func (b pathBlob) slice(off, n int64) ([]byte, error) {
	f, err := os.Open(string(b))
	if err != nil {
		return nil, unwrapPath(err)
	}
	defer f.Close()
	return fileBlob{f}.slice(off, n)
}

func (b pathBlob) memory() (ram, disk int64) { return 0, 0 }
func (b pathBlob) Close() error              { return nil }
