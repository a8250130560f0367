package data

import (
	"io"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// store is a tree of files: a folder, or an archive of one.
type store interface {
	// names are the paths of files and folders, slashes between, a slash behind
	// folders; hidden ones and what is in them are left out.
	names() []string
	// size is the length of file k.
	size(k int) (int64, error)
	// read returns n bytes of file k from off on. The caller must not change them.
	read(k int, off, n int64) ([]byte, error)
	close() error
}

// maxFile bounds the files that are read whole: far above any image.
const maxFile = 1 << 28

// contents reads all of file k.
func contents(s store, k int) ([]byte, error) {
	n, err := s.size(k)
	if err != nil {
		return nil, err
	}
	if n > maxFile {
		return nil, unsupportedf("has %d bytes; an image may have %d", n, maxFile)
	}
	return s.read(k, 0, n)
}

// hidden tells whether a path has a part that tools leave behind for themselves.
func hidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || part == "__MACOSX" {
			return true
		}
	}
	return false
}

// folder is a store on disk. Nothing is kept open.
type folder struct {
	root    string
	entries []string
}

func openFolder(root string) (store, error) {
	f := &folder{root: root}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, unwrapPath(err)
	}
	if err := f.walk("", []string{real}); err != nil {
		return nil, err
	}
	return f, nil
}

// walk adds what is in dir ("" or a path ending in a slash). Links are followed, as
// data sets are often made of them; above are the real paths of the folders around,
// none of which is entered again.
func (f *folder) walk(dir string, above []string) error {
	entries, err := os.ReadDir(filepath.Join(f.root, filepath.FromSlash(dir)))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		name, mode := dir+e.Name(), e.Type()
		full := filepath.Join(f.root, filepath.FromSlash(name))
		real := filepath.Join(above[len(above)-1], e.Name())
		if mode&os.ModeSymlink != 0 {
			if real, err = filepath.EvalSymlinks(full); err != nil {
				return formatf("%s is a link that leads nowhere (%v)", name, unwrapPath(err))
			}
			st, err := os.Stat(real)
			if err != nil {
				return err
			}
			mode = st.Mode()
		}
		switch {
		case mode.IsDir():
			for _, a := range above {
				if a == real {
					return formatf("%s is a link to a folder around it", name)
				}
			}
			f.entries = append(f.entries, name+"/")
			if err := f.walk(name+"/", append(above[:len(above):len(above)], real)); err != nil {
				return err
			}
		case mode.IsRegular():
			f.entries = append(f.entries, name)
		}
	}
	return nil
}

func (f *folder) names() []string { return f.entries }

func (f *folder) path(k int) string {
	return filepath.Join(f.root, filepath.FromSlash(f.entries[k]))
}

func (f *folder) size(k int) (int64, error) {
	st, err := os.Stat(f.path(k))
	if err != nil {
		return 0, unwrapPath(err)
	}
	return st.Size(), nil
}

func (f *folder) read(k int, off, n int64) ([]byte, error) {
	file, err := os.Open(f.path(k))
	if err != nil {
		return nil, unwrapPath(err)
	}
	defer file.Close()
	b := make([]byte, n)
	if _, err := file.ReadAt(b, off); err != nil {
		if err == io.EOF {
			err = formatf("ends within the %d bytes from %d", n, off)
		}
		return nil, err
	}
	return b, nil
}

func (f *folder) close() error { return nil }

// withFolders sorts the paths and adds those of the folders that archives do not
// list, keeping track of where each path was.
func withFolders(files []string) (names []string, at []int) {
	seen := map[string]int{}
	for i, f := range files {
		seen[f] = i
	}
	for _, f := range files {
		for dir := path.Dir(strings.TrimSuffix(f, "/")); dir != "."; dir = path.Dir(dir) {
			if _, ok := seen[dir+"/"]; ok {
				break
			}
			seen[dir+"/"] = -1
		}
	}
	for f := range seen {
		names = append(names, f)
	}
	sort.Strings(names)
	for _, f := range names {
		at = append(at, seen[f])
	}
	return names, at
}
