package data

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// member is a file in an archive.
type member struct{ off, size int64 }

// index collects the members of an archive by path; later ones replace earlier ones
// of the same path, as they do when it is unpacked.
type index struct {
	paths   []string
	members []member
	at      map[string]int
}

func (x *index) put(name string, m member) {
	if x.at == nil {
		x.at = map[string]int{}
	}
	if i, ok := x.at[name]; ok {
		x.members[i] = m
		return
	}
	x.at[name] = len(x.paths)
	x.paths, x.members = append(x.paths, name), append(x.members, m)
}

// archive is a tar file: its members lie in one blob, which is the tar file itself
// or what was unpacked from a gzipped one.
type archive struct {
	entries []string
	members []member
	blob    blob
}

type blob interface {
	slice(off, n int64) ([]byte, error)
	memory() (ram, disk int64)
	io.Closer
}

func newArchive(x *index, b blob) *archive {
	names, at := withFolders(x.paths)
	a := &archive{entries: names, blob: b, members: make([]member, len(names))}
	for i, k := range at {
		if k >= 0 {
			a.members[i] = x.members[k]
		}
	}
	return a
}

func (a *archive) names() []string           { return a.entries }
func (a *archive) size(k int) (int64, error) { return a.members[k].size, nil }
func (a *archive) close() error              { return a.blob.Close() }

func (a *archive) read(k int, off, n int64) ([]byte, error) {
	m := a.members[k]
	if off < 0 || n < 0 || off > m.size-n {
		return nil, formatf("ends within the %d bytes from %d", n, off)
	}
	return a.blob.slice(m.off+off, n)
}

// maxPath bounds the paths in an archive, as systems do.
const maxPath = 4096

// next returns the next file that counts, or io.EOF.
func next(t *tar.Reader, x *index) (name string, h *tar.Header, err error) {
	for {
		h, err := t.Next()
		if err == io.EOF {
			return "", nil, err
		}
		if err != nil {
			return "", nil, formatf("the tar archive is damaged or truncated after %d files (%v)", len(x.paths), err)
		}
		name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if name == "" || hidden(name) {
			continue
		}
		if len(name) > maxPath {
			return "", nil, formatf("a path of %d bytes (%.40q …); %d are allowed", len(name), name, maxPath)
		}
		switch h.Typeflag {
		case tar.TypeDir:
			x.put(name+"/", member{})
		case tar.TypeReg:
			if h.PAXRecords["GNU.sparse.major"] != "" || h.PAXRecords["GNU.sparse.map"] != "" {
				return "", nil, unsupportedf("%s is stored sparse; make the archive without --sparse", name)
			}
			return name, h, nil
		case tar.TypeLink:
			target := strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
			i, ok := x.at[target]
			if !ok {
				return "", nil, formatf("%s is a link to %s, which the archive does not hold before it", name, target)
			}
			x.put(name, x.members[i])
		case tar.TypeSymlink:
			if hasExtension(name, readable) || path.Ext(name) == "" {
				return "", nil, unsupportedf("%s is a symbolic link; make the archive with --dereference", name)
			}
		case tar.TypeGNUSparse:
			return "", nil, unsupportedf("%s is stored sparse; make the archive without --sparse", name)
		}
	}
}

// openTar indexes a plain tar file; its members are read from it when wanted. The file
// stays open if keep, else it is opened for every read.
func openTar(path string, keep bool) (store, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	x, err := indexTar(f, st.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	if !keep {
		f.Close()
		return newArchive(x, pathBlob(path)), nil
	}
	return newArchive(x, fileBlob{f}), nil
}

// seekable is a file, or bytes in a test.
type seekable interface {
	io.ReadSeeker
	io.ReaderAt
}

func indexTar(f seekable, length int64) (*index, error) {
	x := new(index)
	// tar.Reader reads headers block by block and seeks over the rest, so that after
	// Next the file stands at the member's first byte.
	t := tar.NewReader(f)
	for {
		name, h, err := next(t, x)
		if err == io.EOF {
			return x, endsWell(f)
		}
		if err != nil {
			return nil, err
		}
		off, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if h.Size > length-off {
			return nil, formatf("the tar archive is truncated: %s needs %d bytes, %d are left", name, h.Size, length-off)
		}
		x.put(name, member{off, h.Size})
	}
}

// endsWell returns an error unless the file stands behind a block of zeros, which
// marks the end of an archive: without it some of its files may be missing.
func endsWell(f seekable) error {
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	var last, zeros [512]byte
	if at >= 512 {
		if _, err := f.ReadAt(last[:], at-512); err != nil {
			return err
		}
	}
	if at%512 != 0 || at < 512 || last != zeros {
		return formatf("the tar archive is truncated: it has no end mark at byte %d", at)
	}
	return nil
}

// wanted tells whether a file of an archive has to be kept.
func wanted(name string) bool {
	return hasExtension(name, readable) || hasExtension(name, []string{".bin", ".txt", ".cls", ".json"})
}

// memoryLimit is how much of an unpacked archive is held in memory; above it, all
// of it goes into a temporary file.
var memoryLimit = int64(1) << 30

// A gzipped archive of images hardly shrinks; one that grows by more than maxGrowth
// beyond growthFloor is a trap for the disk.
const (
	maxGrowth   = 200
	growthFloor = 256 << 20
)

// openTarGz unpacks the images of a gzipped tar file.
func openTarGz(path string) (store, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := new(spillBlob)
	x, err := gunzip(bufio.NewReaderSize(f, 1<<20), b, growthFloor+maxGrowth*st.Size())
	if err == nil {
		err = b.finish()
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return newArchive(x, b), nil
}

func gunzip(r io.Reader, b *spillBlob, limit int64) (*index, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, formatf("the gzip header is damaged (%v)", err)
	}
	x, err := unpack(z, b, limit)
	if err != nil {
		return nil, err
	}
	// The checksum stands at the end.
	if _, err := io.Copy(io.Discard, z); err != nil {
		return nil, formatf("the gzip stream is damaged or truncated (%v)", err)
	}
	return x, nil
}

// unpack collects the wanted members of a tar stream in b, up to limit bytes.
func unpack(r io.Reader, b *spillBlob, limit int64) (*index, error) {
	x := new(index)
	t := tar.NewReader(r)
	for {
		name, h, err := next(t, x)
		if err == io.EOF {
			return x, nil
		}
		if err != nil {
			return nil, err
		}
		if !wanted(name) {
			x.put(name, member{})
			continue
		}
		if h.Size > maxFile {
			return nil, unsupportedf("%s has %d bytes; a file of a compressed archive may have %d: unpack it", name, h.Size, maxFile)
		}
		if h.Size > limit-b.length {
			return nil, formatf("unpacks to more than %d bytes, %d times its own size: not an archive of images", limit, maxGrowth)
		}
		off, err := b.append(t, h.Size)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		x.put(name, member{off, h.Size})
	}
}
