package data

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"onnxclr/train/augment"
)

func crc(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

// tree is a folder to be made: contents by path, folders ending in a slash.
type tree map[string][]byte

// pixel is a PNG file whose colour tells images apart.
func pixel(v uint8) []byte {
	m := image.NewRGBA(image.Rect(0, 0, 4, 3))
	for i := range 12 {
		m.Set(i%4, i/4, color.RGBA{v, uint8(i), 255 - v, 255})
	}
	var b bytes.Buffer
	png.Encode(&b, m)
	return b.Bytes()
}

// pets is a labelled set with two splits.
func pets() tree {
	return tree{
		"train/cat/a.png": pixel(1), "train/cat/b.PNG": pixel(2), "train/dog/c.png": pixel(3),
		"test/cat/d.png": pixel(4), "test/dog/e.png": pixel(5),
	}
}

func (f tree) paths() []string {
	var p []string
	for name := range f {
		p = append(p, name)
	}
	sort.Strings(p)
	return p
}

func (f tree) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range f {
		full := filepath.Join(dir, filepath.FromSlash(name))
		folder := filepath.Dir(full)
		if strings.HasSuffix(name, "/") {
			folder = full
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if folder != full {
			if err := os.WriteFile(full, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// tar returns the tree as an archive, paths after the prefix.
func (f tree) tar(prefix string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range f.paths() {
		h := &tar.Header{Name: prefix + name, Mode: 0o644, Size: int64(len(f[name])), Typeflag: tar.TypeReg}
		if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		w.Write(f[name])
	}
	w.Close()
	return b.Bytes()
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func writeFile(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// listing is what a data set says of each of its images.
func listing(t testing.TB, d Dataset) []string {
	t.Helper()
	var out []string
	for i := range d.Len() {
		class := "-"
		if l := d.Label(i); l >= 0 {
			class = d.Classes()[l]
		}
		out = append(out, d.Name(i)+" "+class)
	}
	return out
}

func allPixels(t testing.TB, d Dataset) [][]uint8 {
	t.Helper()
	var out [][]uint8
	for i := range d.Len() {
		img, err := d.Image(i)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, img.Pix)
	}
	return out
}

// memorySet is a labelled data set held in memory.
type memorySet struct {
	images []*augment.Image
	bad    map[int]error
}

func (m *memorySet) Len() int          { return len(m.images) }
func (m *memorySet) Classes() []string { return []string{"even", "odd"} }
func (m *memorySet) Label(i int) int   { return i % 2 }
func (m *memorySet) Name(i int) string { return string(rune('a' + i)) }
func (m *memorySet) Close() error      { return nil }
func (m *memorySet) Image(i int) (*augment.Image, error) {
	return m.images[i], m.bad[i]
}

func newMemorySet(n int) *memorySet {
	m := &memorySet{bad: map[int]error{}}
	for i := range n {
		img := augment.NewImage(12, 9)
		for k := range img.Pix {
			img.Pix[k] = uint8(i*31 + k*7)
		}
		m.images = append(m.images, img)
	}
	return m
}
