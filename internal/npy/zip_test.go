package npy

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"onnxclr/internal/golden/bounded"
)

func TestReadZipFromNumPy(t *testing.T) {
	for _, name := range []string{"stored.npz", "deflated.npz"} {
		z, err := ReadZip(golden + name)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		if want := []string{"view1", "labels"}; !slices.Equal(z.Names, want) {
			t.Errorf("%s: names %q, want %q", name, z.Names, want)
		}
		a, err := z.Get("view1")
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := a.Float64s(); !slices.Equal(v, ramp(6, .5)) {
			t.Errorf("%s: view1 = %v", name, v)
		}
		if _, err := z.Get("view2"); err == nil || !strings.Contains(err.Error(), "view1, labels") {
			t.Errorf("missing array: %v, want the names there are", err)
		}
	}
}

func TestZipRoundTrip(t *testing.T) {
	arrays := []Named{
		{"view1", []int{2, 2}, []float32{1, 2, 3, 4}},
		{"labels", []int{3}, []int64{7, 8, 9}},
	}
	path := filepath.Join(t.TempDir(), "a.npz")
	var first, second bytes.Buffer
	if err := WriteZip(&first, arrays); err != nil {
		t.Fatal(err)
	}
	if err := WriteZip(&second, arrays); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("equal arrays gave different bytes")
	}
	if err := os.WriteFile(path, first.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	z, err := ReadZip(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	a, err := z.Get("labels")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := a.Int64s(); err != nil || !slices.Equal(v, []int64{7, 8, 9}) {
		t.Errorf("labels = %v %v", v, err)
	}
	if err := WriteZip(&first, append(arrays, arrays[0])); err == nil {
		t.Error("a name was written twice")
	}
}

// zipWith returns an archive with one entry whose declared size may lie.
func zipWith(t *testing.T, method uint16, compressed []byte, declared uint64, sum uint32) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	e, err := w.CreateRaw(&zip.FileHeader{Name: "a.npy", Method: method, CRC32: sum,
		CompressedSize64: uint64(len(compressed)), UncompressedSize64: declared})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Write(compressed); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// ample is more than any archive here expands to.
const ample = 1 << 30

func TestHostileZips(t *testing.T) {
	stored, err := os.ReadFile(golden + "stored.npz")
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(stored)
	flipped[bytes.Index(flipped, []byte("\x93NUMPY"))+130]++ // inside the data of view1
	deflated, err := os.ReadFile(golden + "deflated.npz")
	if err != nil {
		t.Fatal(err)
	}
	encrypted := slices.Clone(stored)
	central := bytes.Index(encrypted, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint16(encrypted[central+8:], 1)
	var twice bytes.Buffer
	zw := zip.NewWriter(&twice)
	for range 2 {
		e, _ := zw.Create("a.npy")
		if err := Write(e, nil, []float32{1}); err != nil {
			t.Fatal(err)
		}
	}
	zw.Close()
	var text bytes.Buffer
	zw = zip.NewWriter(&text)
	if _, err := zw.Create("readme.txt"); err != nil {
		t.Fatal(err)
	}
	zw.Close()

	for _, tc := range []struct {
		name   string
		in     []byte
		budget uint64
		want   string
	}{
		{"empty file", nil, ample, "npz"},
		{"cut", stored[:len(stored)/2], ample, "npz"},
		{"damaged", flipped, ample, "checksum"},
		{"encrypted", encrypted, ample, "encrypted"},
		{"twice", twice.Bytes(), ample, "twice"},
		{"not an array", text.Bytes(), ample, "readme.txt"},
		{"declares too much", zipWith(t, zip.Deflate, []byte{3, 0}, 1<<40, 0), ample, "cannot expand"},
		{"declares more than it holds", zipWith(t, zip.Deflate, []byte{3, 0}, 100, 0), ample, "inflate"},
		{"stored with two sizes", zipWith(t, zip.Store, []byte{3, 0}, 100, 0), ample, "fit"},
		{"other method", zipWith(t, 14, []byte{3, 0}, 2, 0), ample, "method 14"},
		{"bomb", zipWith(t, zip.Deflate, make([]byte, 1<<17), 1<<27, 0), budget(1 << 17), "expand to more than"},
		{"too many entries", bytes.Repeat([]byte("PK\x01\x02"), maxEntries+1), ample, "entries"},
		{"over budget", deflated, 100, "numpy.savez"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := decodeZip(tc.in, tc.budget)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func FuzzZip(f *testing.F) {
	for _, name := range []string{"stored.npz", "deflated.npz"} {
		b, err := os.ReadFile(golden + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var z *Archive
		var err error
		bounded.Allocation(t, len(b), func() { z, err = decodeZip(b, budget(len(b))) })
		if err != nil {
			return
		}
		for _, name := range z.Names {
			a, err := z.Get(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.Float64s(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
