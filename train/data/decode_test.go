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

// All but JPEG files must give PIL's values exactly. In those Go's inverse cosine
// transform and libjpeg's round differently, by a level here and there in luma and
// chroma; a colour is off by a few levels at most, and by far less on average.
func TestDecodeMatchesPIL(t *testing.T) {
	const worstLevel, meanLevel = 4, 0.15
	for set, folder := range map[string]string{"augment/decode.npz": "", "augment/formats.npz": "formats/"} {
		for name, want := range golden.Load(t, set) {
			img, err := decode(readImage(t, folder+name))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if img.H != want.Shape[0] || img.W != want.Shape[1] {
				t.Errorf("%s: %d×%d pixels, want %d×%d", name, img.W, img.H, want.Shape[1], want.Shape[0])
				continue
			}
			if !strings.HasSuffix(name, ".jpg") {
				golden.Check(t, name, golden.Exact, img.Pix, want.U8)
				continue
			}
			worst, sum := 0, 0
			for i, v := range want.U8 {
				d := int(img.Pix[i]) - int(v)
				d = max(d, -d)
				worst, sum = max(worst, d), sum+d
			}
			meanLevel := meanLevel
			if name == "ycck.jpg" { // the colours are turned twice, and rounded each time
				meanLevel = 0.3
			}
			if mean := float64(sum) / float64(len(want.U8)); worst > worstLevel || mean > meanLevel {
				t.Errorf("%s: levels off: worst %d, mean %.3f; want at most %d and %g", name, worst, mean, worstLevel, meanLevel)
			} else {
				t.Logf("%s: levels off: worst %d, mean %.3f", name, worst, mean)
			}
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
	webp, gif := readImage(t, "formats/lossy.webp"), readImage(t, "formats/palette.gif")
	bmp, tif := readImage(t, "formats/rgb.bmp"), readImage(t, "formats/raw.tif")
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
		{"text", []byte("<html>"), "is not an image that is read (JPEG, PNG", false},
		{"sound", []byte("RIFF\x04\x00\x00\x00WAVE"), "invalid format", false},
		{"half a WebP", webp[:len(webp)/2], "truncated", false},
		{"WebP bomb", webpBomb(), "16384×16384", true},
		{"GIF too large for its bytes", edit(gif, 6, 0xff, 0x1f, 0xff, 0x1f), "too few for its 8191×8191", false},
		{"GIF of a part", edit(gif, 6, 0x40), "first picture", true},
		{"BMP too large for its bytes", edit(bmp, 18, 0, 0x20, 0, 0, 0, 0x20), "too few for its 8192×8192", false},
		{"half a TIFF", tif[:len(tif)/2], "truncated", false},
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

// webpBomb is a lossless image of 30 bytes that says it has 268 million pixels.
func webpBomb() []byte {
	return append([]byte("RIFF\x16\x00\x00\x00WEBPVP8L\x0a\x00\x00\x00\x2f\xff\xff\xff\x0f"), make([]byte, 5)...)
}

func imageFixtures(t testing.TB) []string {
	files, _ := filepath.Glob(golden.Testdata(t, "images/*.*"))
	more, _ := filepath.Glob(golden.Testdata(t, "images/formats/*.*"))
	if len(files) < 20 || len(more) < 30 {
		t.Fatalf("%d and %d image fixtures, want them all", len(files), len(more))
	}
	return append(files, more...)
}

// Every prefix of every fixture either decodes or is refused with a typed error.
func TestDecodeTruncatedAnywhere(t *testing.T) {
	for _, f := range imageFixtures(t) {
		film := strings.HasSuffix(f, "film.gif") // whose first picture may be all there
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(b); n += 1 + n/40 {
			_, err := decode(b[:n])
			var format FormatError
			var lack UnsupportedError
			if err == nil && n < len(b)/2 && !film || err != nil && !errors.As(err, &format) && !errors.As(err, &lack) {
				t.Fatalf("%s cut to %d of %d bytes: error %v", filepath.Base(f), n, len(b), err)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range imageFixtures(f) {
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
