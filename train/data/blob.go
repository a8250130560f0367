package data

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// fileBlob reads ranges of a file.
type fileBlob struct{ f *os.File }

func (b fileBlob) slice(off, n int64) ([]byte, error) {
	p := make([]byte, n)
	if _, err := b.f.ReadAt(p, off); err != nil {
		return nil, unwrapPath(err)
	}
	return p, nil
}

func (b fileBlob) memory() (ram, disk int64) { return 0, 0 }
func (b fileBlob) Close() error              { return b.f.Close() }

// chunk is the size of the pieces memory is taken in. A member never lies in two.
const chunk = 8 << 20

// spillBlob collects members in memory until there are more than memoryLimit bytes,
// then moves to a temporary file.
type spillBlob struct {
	chunks [][]byte
	starts []int64 // offset of each chunk
	length int64   // offset behind the last member
	ram    int64
	file   *os.File
	out    *bufio.Writer
}

// append reads n bytes of r and returns where they begin.
func (b *spillBlob) append(r io.Reader, n int64) (int64, error) {
	last := len(b.chunks) - 1
	full := last < 0 || int64(cap(b.chunks[last])-len(b.chunks[last])) < n
	if b.file == nil && full && b.ram+max(n, chunk) > memoryLimit {
		if err := b.spill(); err != nil {
			return 0, err
		}
	}
	if b.file != nil {
		off := b.length
		if _, err := io.CopyN(b.out, readerOnly{r}, n); err != nil {
			return 0, b.writeError(err)
		}
		b.length += n
		return off, nil
	}
	if full {
		if last >= 0 {
			b.length = b.starts[last] + int64(cap(b.chunks[last]))
		}
		size := max(n, chunk)
		b.chunks, b.starts = append(b.chunks, make([]byte, 0, size)), append(b.starts, b.length)
		b.ram += size
		last++
	}
	c := b.chunks[last]
	off := b.starts[last] + int64(len(c))
	if _, err := io.ReadFull(r, c[len(c):len(c)+int(n)]); err != nil {
		return 0, damaged(err)
	}
	b.chunks[last] = c[:len(c)+int(n)]
	b.length = off + n
	return off, nil
}

func damaged(err error) error {
	return formatf("the archive is damaged or truncated (%v)", err)
}

// readerOnly marks errors of the archive, to tell them from those of the disk.
type readerOnly struct{ r io.Reader }

func (r readerOnly) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		err = damaged(err)
	}
	return n, err
}

func (b *spillBlob) writeError(err error) error {
	if _, ok := err.(FormatError); ok {
		return err
	}
	if err == io.EOF {
		return damaged(io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("unpacking into a temporary file: %w; point TMPDIR to a larger disk or unpack the archive", err)
}

// spill moves everything into a temporary file.
func (b *spillBlob) spill() error {
	f, err := os.CreateTemp("", "onnxclr-data-*")
	if err != nil {
		return b.writeError(err)
	}
	// Where the system allows it the file loses its name at once, so that it goes
	// with the process however that ends; elsewhere Close removes it.
	os.Remove(f.Name())
	b.file, b.out = f, bufio.NewWriterSize(f, 1<<20)
	for i, c := range b.chunks {
		if _, err := b.out.Write(c[:cap(c)]); err != nil {
			return b.writeError(err)
		}
		b.length = b.starts[i] + int64(cap(c))
	}
	b.chunks, b.starts, b.ram = nil, nil, 0
	return nil
}

// finish ends the collecting.
func (b *spillBlob) finish() error {
	if b.file == nil {
		return nil
	}
	if err := b.out.Flush(); err != nil {
		return b.writeError(err)
	}
	b.out = nil
	return nil
}

func (b *spillBlob) slice(off, n int64) ([]byte, error) {
	if b.file != nil {
		return fileBlob{b.file}.slice(off, n)
	}
	// The last chunk that starts at or before off.
	lo, hi := 0, len(b.starts)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; b.starts[mid] <= off {
			lo = mid
		} else {
			hi = mid
		}
	}
	if n == 0 {
		return nil, nil
	}
	at := off - b.starts[lo]
	return b.chunks[lo][at : at+n : at+n], nil
}

func (b *spillBlob) memory() (ram, disk int64) {
	if b.file != nil {
		return 0, b.length
	}
	return b.ram, 0
}

func (b *spillBlob) Close() error {
	b.chunks = nil
	if b.file == nil {
		return nil
	}
	err := b.file.Close()
	os.Remove(b.file.Name())
	return err
}
