package torch

import (
	"archive/zip"
	"hash/crc32"
	"io"
	"math"
	"strconv"

	"onnxclr/importer/weights"
)

const (
	// folder is what PyTorch calls the archive's folder when it does not know the
	// file's name.
	folder = "archive/"
	// alignment of storages in the file, in bytes, as PyTorch's own.
	alignment = 64
)

// StateDict returns the tensors as the dictionary that Module.load_state_dict takes,
// under their names and in their order. metadata is what state_dict attaches as
// _metadata, or nil.
func StateDict(tensors []*weights.Tensor, metadata *Dict) *Dict {
	d := &Dict{Class: OrderedDict}
	for _, t := range tensors {
		d.Set(t.Name, t)
	}
	if metadata != nil {
		d.Attrs = &Dict{}
		d.Attrs.Set("_metadata", metadata)
	}
	return d
}

// Write writes root as torch.save does: a zip archive that torch.load reads with
// weights_only=True. root is a tree as in File.Root, of dictionaries (plain or
// OrderedDict), lists, tuples, tensors, strings, numbers, booleans and nil; anything
// else is an UnsupportedError. Tensors that share their Data share a storage.
//
// Equal trees give equal bytes, and the tensors' bytes go to w without being copied.
func Write(w io.Writer, root any) error {
	pickle, storages, err := encodePickle(root)
	if err != nil {
		return err
	}
	z := &zipWriter{out: counter{w: w}}
	z.zip = zip.NewWriter(&z.out)
	z.add("data.pkl", pickle)
	z.add("byteorder", []byte("little"))
	for i, data := range storages {
		z.add("data/"+strconv.Itoa(i), data)
	}
	z.add("version", []byte("3\n"))
	if z.err != nil {
		return z.err
	}
	return z.zip.Close()
}

// zipWriter writes stored entries whose data are aligned.
type zipWriter struct {
	out counter
	zip *zip.Writer
	err error
}

// add writes one entry. Sizes and CRC are in its header, which readers that stream
// need, and the date is the zip epoch.
func (z *zipWriter) add(name string, data []byte) {
	if z.err != nil {
		return
	}
	if uint64(len(data)) >= math.MaxUint32 {
		z.err = unsupportedf("a tensor of %d bytes, less than 4 GiB can be written", len(data))
		return
	}
	if z.err = z.zip.Flush(); z.err != nil {
		return
	}
	name = folder + name
	w, err := z.zip.CreateRaw(&zip.FileHeader{
		Name: name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(data),
		CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(len(data)),
		CreatorVersion: 20, ReaderVersion: 20,
		//lint:ignore SA1019 CreateRaw reads this field, not Modified
		ModifiedDate: 1<<5 | 1, // 1980-01-01
		Extra:        padding(z.out.n + localLen + int64(len(name))),
	})
	if err == nil {
		_, err = w.Write(data)
	}
	z.err = err
}

// padding returns an extra field, named FB as PyTorch does, that moves data from the
// offset to the next aligned one.
func padding(offset int64) []byte {
	const head = 4
	n := int((alignment - (offset+head)%alignment) % alignment)
	field := []byte{'F', 'B', byte(n), byte(n >> 8)}
	for range n {
		field = append(field, 'Z')
	}
	return field
}

// counter counts what passes.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
