package npy

import (
	"archive/zip"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"onnxclr/importer/weights"
	"onnxclr/internal/file"
)

// Archive is an open .npz file: named arrays in the file's order. Uncompressed
// ones stay in the mapped file.
type Archive struct {
	Names   []string // as numpy.load lists them, without ".npy"
	arrays  map[string]*Array
	mapping *file.Mapping
}

// Get returns the array of that name, or an error that lists the names there are.
func (z *Archive) Get(name string) (*Array, error) {
	if a, ok := z.arrays[name]; ok {
		return a, nil
	}
	return nil, fmt.Errorf("no array %q in the archive, it holds: %s", name, strings.Join(z.Names, ", "))
}

// Close releases the mapped file; the arrays must not be used afterwards.
func (z *Archive) Close() error {
	z.Names, z.arrays = nil, nil
	if z.mapping == nil {
		return nil
	}
	return z.mapping.Close()
}

const (
	// A deflate stream expands at most 1032-fold.
	maxRatio = 1032
	// maxEntries bounds the archive's directory, which is held in memory.
	maxEntries = 1 << 16
)

// budget is what the compressed entries of an archive of n bytes may expand to: as
// much as anything read from outside may take.
func budget(n int) uint64 { return 4*uint64(n) + 64<<20 }

// ReadZip opens the .npz file at path and decodes every entry. The arrays are valid
// until Close. Every entry's size and CRC are verified; entries that are
// encrypted, compressed with anything but deflate, repeated or not .npy are errors.
func ReadZip(path string) (*Archive, error) {
	m, err := file.Map(path)
	if err != nil {
		return nil, err
	}
	z, err := DecodeZip(m.Bytes)
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	z.mapping = m
	return z, nil
}

// DecodeZip is ReadZip for a file held in b, which the arrays keep and b's owner must
// not change.
func DecodeZip(b []byte) (*Archive, error) { return decodeZip(b, budget(len(b))) }

func decodeZip(b []byte, budget uint64) (*Archive, error) {
	if n := bytes.Count(b, []byte("PK\x01\x02")); n > maxEntries {
		return nil, UnsupportedError(fmt.Sprintf("an archive of %d entries, at most %d are read", n, maxEntries))
	}
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, fmt.Errorf("not a valid npz archive: %w", err)
	}
	z := &Archive{arrays: make(map[string]*Array)}
	for _, f := range r.File {
		name, isArray := strings.CutSuffix(f.Name, ".npy")
		if !isArray {
			return nil, UnsupportedError(fmt.Sprintf("entry %q is not a .npy array", f.Name))
		}
		if _, twice := z.arrays[name]; twice {
			return nil, FormatError(fmt.Sprintf("entry %q is there twice", f.Name))
		}
		data, err := entry(f, b, &budget)
		if err != nil {
			return nil, fmt.Errorf("entry %q: %w", f.Name, err)
		}
		a, err := Decode(data)
		if err != nil {
			return nil, fmt.Errorf("entry %q: %w", f.Name, err)
		}
		z.Names = append(z.Names, name)
		z.arrays[name] = a
	}
	return z, nil
}

// entry returns the contents of f, aliasing b when it is stored. budget is what
// compressed entries may still expand to.
func entry(f *zip.File, b []byte, budget *uint64) ([]byte, error) {
	if f.Flags&1 != 0 {
		return nil, UnsupportedError("encrypted")
	}
	switch f.Method {
	case zip.Store:
		off, err := f.DataOffset()
		if err != nil {
			return nil, err
		}
		if off < 0 || off > int64(len(b)) || f.CompressedSize64 > uint64(int64(len(b))-off) || f.UncompressedSize64 != f.CompressedSize64 {
			return nil, FormatError(fmt.Sprintf("stored entry of %d (%d) bytes does not fit the file", f.UncompressedSize64, f.CompressedSize64))
		}
		data := b[off : off+int64(f.CompressedSize64)]
		if sum := crc32.ChecksumIEEE(data); sum != f.CRC32 {
			return nil, FormatError(fmt.Sprintf("checksum is %08x, want %08x: the file is damaged", sum, f.CRC32))
		}
		return data, nil
	case zip.Deflate:
		if f.CompressedSize64 > uint64(len(b)) || f.UncompressedSize64 > maxRatio*f.CompressedSize64 {
			return nil, FormatError(fmt.Sprintf("%d bytes cannot expand to the declared %d", f.CompressedSize64, f.UncompressedSize64))
		}
		if f.UncompressedSize64 > *budget {
			return nil, UnsupportedError("compressed arrays expand to more than four times the file and 64 MiB; store them with numpy.savez")
		}
		*budget -= f.UncompressedSize64
		return inflate(f)
	}
	return nil, UnsupportedError(fmt.Sprintf("compression method %d, stored and deflated entries are read", f.Method))
}

// inflate expands a deflated entry, whose declared size is within the budget; the
// reader checks length and CRC at the end.
func inflate(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := make([]byte, f.UncompressedSize64)
	if _, err := io.ReadFull(r, out); err != nil {
		return nil, FormatError(fmt.Sprintf("inflate: %v", err))
	}
	if n, err := r.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return nil, FormatError(fmt.Sprintf("inflate: more than the %d bytes declared, or damaged (%v)", len(out), err))
	}
	return out, nil
}

// Named is one array to be written by WriteZip.
type Named struct {
	Name  string // without ".npy"
	Shape []int
	Data  any // []float32, []float64 or []int64
}

// WriteZip writes an uncompressed .npz archive, arrays in the order given. Equal
// arrays give equal bytes: entries carry the zip epoch as their date.
func WriteZip(w io.Writer, arrays []Named) error {
	zw := zip.NewWriter(w)
	seen := make(map[string]bool)
	for _, a := range arrays {
		if a.Name == "" || seen[a.Name] {
			return fmt.Errorf("array name %q is empty or there twice", a.Name)
		}
		seen[a.Name] = true
		// Sizes and CRC go into the local header: readers that stream, and several
		// small npz libraries, do not understand data descriptors.
		sum := crc32.NewIEEE()
		if err := Write(sum, a.Shape, a.Data); err != nil {
			return fmt.Errorf("array %q: %w", a.Name, err)
		}
		d, _, _ := kindOf(a.Data)
		head, _ := header(d, a.Shape)
		size, _ := weights.ByteSize(a.Shape, d)
		total := uint64(len(head) + size)
		ew, err := zw.CreateRaw(&zip.FileHeader{
			Name: a.Name + ".npy", Method: zip.Store, CRC32: sum.Sum32(),
			CompressedSize64: total, UncompressedSize64: total,
			CreatorVersion: 20, ReaderVersion: 20,
			//lint:ignore SA1019 CreateRaw reads this field, not Modified
			ModifiedDate: 1<<5 | 1, // 1980-01-01
		})
		if err != nil {
			return err
		}
		if err := Write(ew, a.Shape, a.Data); err != nil {
			return fmt.Errorf("array %q: %w", a.Name, err)
		}
	}
	return zw.Close()
}
