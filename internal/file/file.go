// Package file reads files without copying them and writes them without ever
// leaving half of one behind. It knows no format.
package file

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// Map opens path. An empty file gives an empty mapping; a directory is an error.
func Map(path string) (*Mapping, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return nil, fmt.Errorf("%s is a directory, want a file", path)
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
			return fmt.Errorf("%s %w; pass --force to replace it", path, ErrExists)
		}
	}
	return Write(path, write)
}

// Write replaces path by what write produces: into a temporary file beside it,
// synced, then renamed, so that a crash, a full disk or an error in write leaves
// either the old file or the new one and nothing else.
func Write(path string, write func(io.Writer) error) (err error) {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+base+".tmp-*")
	if err != nil {
		return fmt.Errorf("%s: cannot write: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := f.Chmod(0o644); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(dir)
}
