package onnx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"onnxclr/importer/weights"
	"onnxclr/internal/file"
)

// LoadExternal gives every tensor of m that has external data its bytes, out of
// files in dir, the folder of the model. The files are mapped, not read: the
// returned Closer must stay open as long as the data are used. A location outside
// dir (an absolute path, "..", a symbolic link that leads out), an offset or length
// beyond the file, and a length that disagrees with the shape are *FormatErrors.
func LoadExternal(m *Model, dir string) (io.Closer, error) {
	l := &loader{files: map[string]*file.Mapping{}}
	err := l.open(m, dir)
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// HasExternal reports whether any tensor of m has its data in another file.
func HasExternal(m *Model) bool {
	found := false
	m.Graph.tensors(func(t *Tensor) { found = found || len(t.External) > 0 })
	return found
}

// tensors calls f for every tensor of g: initializers and attributes, in inner
// graphs too.
func (g *Graph) tensors(f func(*Tensor)) {
	for _, t := range g.Initializers {
		f(t)
	}
	for _, n := range g.Nodes {
		for _, a := range n.Attributes {
			for _, t := range append([]*Tensor{a.T}, a.Tensors...) {
				if t != nil {
					f(t)
				}
			}
		}
		n.inner(func(inner *Graph) { inner.tensors(f) })
	}
}

type loader struct{ files map[string]*file.Mapping }

// Close unmaps the files.
func (l *loader) Close() error {
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	l.files = nil
	return errors.Join(errs...)
}

func (l *loader) open(m *Model, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var errs []error
	type loaded struct {
		t    *Tensor
		data []byte
	}
	var all []loaded
	m.Graph.tensors(func(t *Tensor) {
		if len(t.External) == 0 {
			return
		}
		data, err := l.data(t, root)
		if err != nil {
			errs = append(errs, err)
			return
		}
		all = append(all, loaded{t, data})
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	// Tensors may lie over one another, which equal ones do in some files; thousands
	// that all take the whole file are there to exhaust memory.
	used, held := 0, 0
	for _, x := range all {
		used += len(x.data)
	}
	for _, f := range l.files {
		held += len(f.Bytes)
	}
	if used/4 > held+1<<24 {
		return formatErr("%d tensors take %d bytes out of external files of %d bytes; this was not made by an exporter", len(all), used, held)
	}
	for _, x := range all {
		x.t.Data, x.t.External = x.data, nil
	}
	return nil
}

// openIn maps a regular file in root, which refuses what leads out of it, by whatever
// path or link. A pipe would be waited for until somebody writes to it.
func openIn(root *os.Root, name string) (*file.Mapping, error) {
	st, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("it is a %s, want a file", kindOf(st.Mode()))
	}
	h, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	return file.Of(h)
}

func kindOf(m fs.FileMode) string {
	if m.IsDir() {
		return "directory"
	}
	return "pipe or device"
}

func (l *loader) data(t *Tensor, root *os.Root) ([]byte, error) {
	if t.DType == weights.Invalid {
		return nil, &UnsupportedError{Reason: fmt.Sprintf("tensor %q of type %s has external data", t.Name, ElemTypeName(t.ElemType))}
	}
	location, offset, length, err := t.place()
	if err != nil {
		return nil, err
	}
	f, ok := l.files[location]
	if !ok {
		if f, err = openIn(root, filepath.FromSlash(location)); err != nil {
			return nil, t.bad("has its data in %q: %v", location, err)
		}
		l.files[location] = f
	}
	size, err := weights.ByteSize(t.Shape, t.DType)
	if err != nil {
		return nil, t.bad("is impossible: %v", err)
	}
	if length < 0 {
		length = int64(size)
	}
	if length != int64(size) {
		return nil, t.bad("has %d bytes of external data, want %d for shape %v of %v", length, size, t.Shape, t.DType)
	}
	if left := int64(len(f.Bytes)) - offset; left < length {
		return nil, t.bad("has its data at offset %d of %q, whose %d bytes end before the %d it needs", offset, location, len(f.Bytes), length)
	}
	return f.Bytes[offset : offset+length : offset+length], nil
}

// place reads location, offset (0 if absent) and length (−1 if absent) of
// external_data.
func (t *Tensor) place() (location string, offset, length int64, err error) {
	length = -1
	for _, p := range t.External {
		switch p.Key {
		case "location":
			location = p.Value
		case "offset", "length":
			n, err := strconv.ParseInt(p.Value, 10, 64)
			if err != nil || n < 0 {
				return "", 0, 0, t.bad("has external data with %s %q", p.Key, p.Value)
			}
			if p.Key == "offset" {
				offset = n
			} else {
				length = n
			}
		}
	}
	if location == "" || filepath.IsAbs(location) || strings.Contains(location, `\`) || slices.Contains(strings.Split(location, "/"), "..") {
		return "", 0, 0, t.bad("has its data in %q; only files in the model's own folder are read", location)
	}
	return location, offset, length, nil
}
