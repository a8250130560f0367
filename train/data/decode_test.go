package data

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/internal/golden"
)

func readImage(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(golden.Testdata(t, "images/"+name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// PNG files must give PIL's values exactly. In JPEG files Go's inverse cosine
// transform and libjpeg's round differently, by a level here and there in luma and
// chroma; a colour is off by a few levels at most, and by far less on average.
func TestDecodeMatchesPIL(t *testing.T) {
	const worstLevel, meanLevel = 4, 0.15
	for name, want := range golden.Load(t, "augment/decode.npz") {
		img, err := decode(readImage(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if img.H != want.Shape[0] || img.W != want.Shape[1] {
			t.Errorf("%s: %d×%d pixels, want %d×%d", name, img.W, img.H, want.Shape[1], want.Shape[0])
			continue
		}
		if strings.HasSuffix(name, ".png") {
			golden.Check(t, name, golden.Exact, img.Pix, want.U8)
			continue
		}
		worst, sum := 0, 0
		for i, v := range want.U8 {
			d := int(img.Pix[i]) - int(v)
			d = max(d, -d)
			worst, sum = max(worst, d), sum+d
		}
		if mean := float64(sum) / float64(len(want.U8)); worst > worstLevel || mean > meanLevel {
			t.Errorf("%s: levels off: worst %d, mean %.3f; want at most %d and %g", name, worst, mean, worstLevel, meanLevel)
		} else {
			t.Logf("%s: levels off: worst %d, mean %.3f", name, worst, mean)
		}
	}
}

// Of 16-bit values the high byte counts.
func TestDecode16Bit(t *testing.T) {
	for name, m := range map[string]interface {
		image.Image
		Set(int, int, color.Color)
	}{
		"gray":  image.NewGray16(image.Rect(0, 0, 3, 2)),
		"rgb":   image.NewRGBA64(image.Rect(0, 0, 3, 2)),
		"alpha": image.NewNRGBA64(image.Rect(0, 0, 3, 2)),
	} {
		alpha := uint16(0xffff)
		if name == "alpha" {
			alpha = 0x1234
		}
		m.Set(1, 1, color.NRGBA64{0xabcd, 0xabff, 0xab00, alpha})
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		img, err := decode(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got := img.At(1, 1); got != [3]uint8{0xab, 0xab, 0xab} {
			t.Errorf("%s: %x, want the high bytes ab ab ab", name, got)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	jpg, pngFile := readImage(t, "420.jpg"), readImage(t, "rgb.png")
	edit := func(b []byte, at int, bytes ...byte) []byte {
		c := append([]byte(nil), b...)
		copy(c[at:], bytes)
		return c
	}
	sof := bytes.Index(jpg, []byte{0xff, 0xc0})
	for _, c := range []struct {
		name string
		b    []byte
		want string
		lack bool
	}{
		{"empty", nil, "empty", false},
		{"text", []byte("<html>"), "neither JPEG nor PNG", false},
		{"webp", []byte("RIFF\x00\x00\x00\x00WEBP"), "WebP", true},
		{"only a signature", jpg[:2], "truncated", false},
		{"half a JPEG", jpg[:len(jpg)/2], "truncated", false},
		{"half a PNG", pngFile[:len(pngFile)/2], "truncated", false},
		{"flipped bits", edit(pngFile, 60, 1, 2, 3, 4), "damaged", false},
		{"JPEG bomb", edit(jpg, sof+5, 0xff, 0xff, 0xff, 0xff), "65535×65535", true},
		{"JPEG too large for its bytes", edit(jpg, sof+5, 0x10, 0, 0x10, 0), "too few for its 4096×4096", false},
		{"JPEG without lines", edit(jpg, sof+5, 0, 0), "says it is", false},
		{"12-bit JPEG", edit(jpg, sof+4, 12), "not read", true},
		{"arithmetic JPEG", edit(jpg, sof+1, 0xc9), "", true},
		{"PNG bomb", pngBomb(), "too few", false},
	} {
		img, err := decode(c.b)
		if err == nil {
			t.Errorf("%s: decoded to %d×%d", c.name, img.W, img.H)
			continue
		}
		var format FormatError
		var lack UnsupportedError
		if c.lack && !errors.As(err, &lack) || !c.lack && !errors.As(err, &format) {
			t.Errorf("%s: %T, unsupported is %v: %v", c.name, err, c.lack, err)
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, want %q in it", c.name, err, c.want)
		}
	}
}

// pngBomb is a small file whose header asks for 10000×10000 pixels.
func pngBomb() []byte {
	var b bytes.Buffer
	png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2)))
	c := b.Bytes()
	binary.BigEndian.PutUint32(c[16:], 10000)
	binary.BigEndian.PutUint32(c[20:], 10000)
	binary.BigEndian.PutUint32(c[29:], crc(c[12:29]))
	return c
}

// Every prefix of every fixture either decodes or is refused with a typed error.
func TestDecodeTruncatedAnywhere(t *testing.T) {
	files, _ := filepath.Glob(golden.Testdata(t, "images/*"))
	if len(files) < 20 {
		t.Fatalf("%d image fixtures, want them all", len(files))
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(b); n += 1 + n/40 {
			_, err := decode(b[:n])
			var format FormatError
			var lack UnsupportedError
			if err == nil && n < len(b)/2 || err != nil && !errors.As(err, &format) && !errors.As(err, &lack) {
				t.Fatalf("%s cut to %d of %d bytes: error %v", filepath.Base(f), n, len(b), err)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob(golden.Testdata(f, "images/*"))
	for _, name := range files {
		b, _ := os.ReadFile(name)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		img, err := decode(b)
		if err == nil && len(img.Pix) != 3*img.W*img.H {
			t.Errorf("%d bytes for %d×%d pixels", len(img.Pix), img.W, img.H)
		}
	})
}
