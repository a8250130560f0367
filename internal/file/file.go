// Package file reads files without copying them and writes them without ever
// leaving half of one behind. It knows no format.
package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// Mapping is the contents of a file, mapped read-only where the system can and
// read into memory elsewhere. Bytes must not be written to or used after Close.
type Mapping struct {
	Bytes []byte
	unmap func() error
}

// Close releases the mapping.
func (m *Mapping) Close() error {
	if m.unmap == nil {
		return nil
	}
	u := m.unmap
	m.unmap, m.Bytes = nil, nil
	return u()
}

// Forget tells the system that bytes of the mapping, all of which must be part of it,
// will not be used for a while: where the file is mapped, their memory is free for
// others, and they are read again when touched.
func (m *Mapping) Forget(b []byte) {
	if m.unmap != nil && len(b) > 0 {
		forget(b)
	}
}

// Map opens path. An empty file gives an empty mapping; a directory is an error.
func Map(path string) (*Mapping, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Of(f)
}

// Of is Map of an open file, which may be closed afterwards.
func Of(f *os.File) (*Mapping, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return nil, fmt.Errorf("%s is a directory, want a file", f.Name())
	}
	if !st.Mode().IsRegular() || st.Size() == 0 {
		b, err := io.ReadAll(f)
		return &Mapping{Bytes: b}, err
	}
	return mapFile(f, st.Size())
}

// ErrExists is returned, wrapped, by WriteNew when the output is already there.
var ErrExists = errors.New("already exists")

// WriteNew is Write, but refuses an existing path unless force is set.
func WriteNew(path string, force bool, write func(io.Writer) error) error {
	if !force {
		if _, err := os.Lstat(path); err == nil {
			return Exists(path)
		}
	}
	return Write(path, write)
}

// Exists is the error of WriteNew.
func Exists(path string) error {
	return fmt.Errorf("%s %w; pass --force to replace it", path, ErrExists)
}

// Write replaces path by what write produces: into a temporary file beside it,
// synced, then renamed, so that a crash, a full disk or an error in write leaves
// either the old file or the new one and nothing else. An error of write that is not
// one of writing is returned as it is: the output is not at fault.
func Write(path string, write func(io.Writer) error) (err error) {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		return fmt.Errorf("%s: cannot write: it is a folder, device or pipe, not a file", path)
	}
	f, err := createBeside(path)
	if err != nil {
		return cannotWrite(path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	w := &writer{f: f}
	if err := write(w); err != nil {
		if w.err != nil && errors.Is(err, w.err) {
			return cannotWrite(path, err)
		}
		return err
	}
	if err := f.Sync(); err != nil {
		return cannotWrite(path, err)
	}
	if err := f.Close(); err != nil {
		return cannotWrite(path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return cannotWrite(path, err)
	}
	return SyncDir(filepath.Dir(path))
}

// Copy replaces the file to by the bytes of from, as Write does.
func Copy(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return Write(to, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}

// writer writes to f and keeps the first error in doing so.
type writer struct {
	f   *os.File
	err error
}

func (w *writer) Write(b []byte) (int, error) {
	n, err := w.f.Write(b)
	if err != nil && w.err == nil {
		w.err = err
	}
	return n, err
}

// cannotWrite names the file that was asked for, not the temporary one beside it.
func cannotWrite(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		err = link.Err
	}
	return fmt.Errorf("%s: cannot write: %w", path, err)
}

// createBeside creates a file of a new name in the folder of path, readable for whom
// the system's defaults say.
func createBeside(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	for try := 0; ; try++ {
		name := filepath.Join(dir, fmt.Sprintf(".%s%s%08x", base, temporary, rand.Uint32()))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) || try == 100 {
			return f, err
		}
	}
}

// temporary stands between the name of a file and eight digits in the name of what
// becomes the file once it is whole.
const temporary = ".tmp-"

// Unfinished returns the name of the file that a file of this name, without its folder,
// was to become; false if it is not what a process left that was killed while it wrote.
func Unfinished(name string) (of string, ok bool) {
	at := len(name) - len(temporary) - 8
	if at < 2 || name[0] != '.' || name[at:at+len(temporary)] != temporary || strings.Trim(name[at+len(temporary):], "0123456789abcdef") != "" {
		return "", false
	}
	return name[1:at], true
}
