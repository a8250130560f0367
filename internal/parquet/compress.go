package parquet

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// codec says how pages of one are decompressed into size bytes, and how much longer than
// its source a page can get.
type codec struct {
	name    string
	expands int64
	into    func(b []byte, size int) ([]byte, error)
}

var codecs = map[int64]codec{
	1: {"snappy", 64, unsnap},
	2: {"gzip", 1032, unzip},
	6: {"zstd", 1 << 16, unzstd},
	7: {"lz4", 255, unlz4},
}

// decompress returns the size bytes of a page.
func decompress(id int64, b []byte, size int64) ([]byte, error) {
	if id == 0 {
		if size != int64(len(b)) {
			return nil, FormatError(fmt.Sprintf("a page of %d bytes in %d", size, len(b)))
		}
		return b, nil
	}
	c, ok := codecs[id]
	if !ok {
		name := map[int64]string{3: "LZO", 4: "Brotli", 5: "LZ4 in Hadoop's frames"}[id]
		if name == "" {
			name = fmt.Sprintf("codec %d", id)
		}
		return nil, fmt.Errorf("compressed by %s, which is not read; write it again with zstd or snappy", name)
	}
	if size > 1<<20+c.expands*int64(len(b)) {
		return nil, FormatError(fmt.Sprintf("a page of %d bytes compressed to %d", size, len(b)))
	}
	if size == 0 {
		return nil, nil
	}
	out, err := c.into(b, int(size))
	if err != nil {
		return nil, FormatError(fmt.Sprintf("%s: %v", c.name, err))
	}
	if int64(len(out)) != size {
		return nil, FormatError(fmt.Sprintf("%s: %d bytes, %d are declared", c.name, len(out), size))
	}
	return out, nil
}

func unsnap(b []byte, size int) ([]byte, error) {
	n, err := snappy.DecodedLen(b)
	if err != nil {
		return nil, err
	}
	if n != size {
		return nil, fmt.Errorf("%d bytes, %d are declared", n, size)
	}
	return snappy.Decode(make([]byte, size), b)
}

func unzip(b []byte, size int) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out := make([]byte, size)
	if _, err := io.ReadFull(r, out); err != nil {
		return nil, err
	}
	if n, err := r.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return nil, fmt.Errorf("more than the %d bytes that are declared, or damaged at the end", size)
	}
	return out, nil
}

// zstdDecoder writes no more than it is given room for.
var zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true))
})

func unzstd(b []byte, size int) ([]byte, error) {
	d, err := zstdDecoder()
	if err != nil {
		return nil, err
	}
	return d.DecodeAll(b, make([]byte, 0, size))
}

// unlz4 decodes one block of LZ4.
// Format: https://github.com/lz4/lz4, doc/lz4_Block_format.md.
func unlz4(b []byte, size int) ([]byte, error) {
	out := make([]byte, 0, size)
	at := 0
	length := func(n int) int { // 15 goes on in further bytes
		for more := n == 15; more && at < len(b); at++ {
			n += int(b[at])
			more = b[at] == 255
		}
		return n
	}
	for at < len(b) {
		token := b[at]
		at++
		n := length(int(token >> 4))
		if n > len(b)-at || n > size-len(out) {
			return nil, io.ErrUnexpectedEOF
		}
		out = append(out, b[at:at+n]...)
		if at += n; at == len(b) {
			break // the last sequence has literals only
		}
		if len(b)-at < 2 {
			return nil, io.ErrUnexpectedEOF
		}
		back := int(b[at]) | int(b[at+1])<<8
		at += 2
		n = length(int(token&15)) + 4
		if back == 0 || back > len(out) || n > size-len(out) {
			return nil, fmt.Errorf("a copy of %d from %d back at %d of %d", n, back, len(out), size)
		}
		for range n {
			out = append(out, out[len(out)-back])
		}
	}
	return out, nil
}
