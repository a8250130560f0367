package data

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"onnxclr/internal/golden"
)

// cifarTree is CIFAR-10 with n records in each of two training files, m in the test
// file. Record r of file f is filled with its number, red, green and blue apart.
func cifarTree(n, m int) tree {
	file := func(f, n int) []byte {
		var b []byte
		for r := range n {
			b = append(b, byte((r+f)%10))
			for c := range 3 {
				plane := make([]byte, 1024)
				for p := range plane {
					plane[p] = byte(f*50 + r*10 + c + p%7)
				}
				b = append(b, plane...)
			}
		}
		return b
	}
	return tree{
		"data_batch_1.bin": file(1, n), "data_batch_2.bin": file(2, n), "test_batch.bin": file(3, m),
		"batches.meta.txt": []byte("airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"),
		"readme.html":      nil,
	}
}

func TestCIFAR(t *testing.T) {
	files := cifarTree(3, 2)
	dir := files.write(t)
	parent := t.TempDir()
	os.Rename(dir, filepath.Join(parent, "cifar-10-batches-bin"))
	for _, path := range []string{
		filepath.Join(parent, "cifar-10-batches-bin"), parent,
		writeFile(t, "x.tar", files.tar("cifar-10-batches-bin/")),
		writeFile(t, "cifar-10-binary.tar.gz", gzipped(files.tar("cifar-10-batches-bin/"))),
	} {
		s, err := OpenSource(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Splits(); !reflect.DeepEqual(got, []string{"train", "test"}) || len(s.Classes()) != 10 {
			t.Errorf("splits %q, classes %q", got, s.Classes())
		}
		train, _ := s.Split("train")
		test, _ := s.Split("test")
		if train.Len() != 6 || test.Len() != 2 {
			t.Fatalf("%d and %d images, want 6 and 2", train.Len(), test.Len())
		}
		if got := train.Name(4); !strings.HasSuffix(got, "data_batch_2.bin#1") || train.Label(4) != 3 {
			t.Errorf("image 4 is %s with label %d", got, train.Label(4))
		}
		img, err := train.Image(4) // file 2, record 1, pixel 9
		if err != nil || img.At(9, 0) != [3]uint8{112, 113, 114} {
			t.Errorf("pixel %v, error %v", img.At(9, 0), err)
		}
		img, err = test.Image(1)
		if err != nil || img.At(0, 1) != [3]uint8{160 + 1024%7*0 + 32%7, 161 + 32%7, 162 + 32%7} {
			t.Errorf("pixel %v, error %v", img.At(0, 1), err)
		}
		s.Close()
	}
}

func TestCIFAR100(t *testing.T) {
	record := append([]byte{19, 1}, make([]byte, 3072)...)
	set := tree{"train.bin": record, "test.bin": record, "fine_label_names.txt": []byte("apple\naquarium_fish\n"),
		"coarse_label_names.txt": []byte(strings.Repeat("other\n", 19) + "fish\n")}
	d, err := Open(set.write(t), "test")
	if err != nil {
		t.Fatal(err)
	}
	if d.Len() != 1 || d.Classes()[d.Label(0)] != "aquarium_fish" {
		t.Errorf("%d images, classes %q, label %d", d.Len(), d.Classes(), d.Label(0))
	}
	for _, path := range []string{set.write(t), writeFile(t, "cifar-100-binary.tar.gz", gzipped(set.tar("cifar-100-binary/")))} {
		d, err := Open(path+"?labels=coarse", "test")
		if err != nil {
			t.Fatal(err)
		}
		if d.Len() != 1 || len(d.Classes()) != 20 || d.Classes()[d.Label(0)] != "fish" {
			t.Errorf("%d images, classes %q, label %d", d.Len(), d.Classes(), d.Label(0))
		}
		d.Close()
	}
	if _, err := Open(pets().write(t)+"?labels=coarse", ""); err == nil || !strings.Contains(err.Error(), "no coarse labels") {
		t.Errorf("error %v", err)
	}
}

func TestCIFARRefuses(t *testing.T) {
	short, label, nameless := cifarTree(2, 2), cifarTree(2, 2), cifarTree(2, 2)
	short["data_batch_2.bin"] = short["data_batch_2.bin"][:4000]
	label["test_batch.bin"][3073] = 10
	delete(nameless, "batches.meta.txt")
	for want, files := range map[string]tree{
		"data_batch_2.bin has 4000 bytes":              short,
		"test_batch.bin: record 1 has label 10":        label,
		"batches.meta.txt, the file with the names of": nameless,
	} {
		for _, path := range []string{files.write(t), writeFile(t, "x.tgz", gzipped(files.tar("c/")))} {
			if _, err := OpenSource(path); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q in it", err, want)
			}
		}
	}
}

func TestArray(t *testing.T) {
	write := func(descr, shape string, data []byte) string {
		dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape)
		dict += strings.Repeat(" ", 117-len(dict)) + "\n"
		return writeFile(t, "x.npy", append([]byte("\x93NUMPY\x01\x00\x76\x00"+dict), data...))
	}
	pixels := make([]uint8, 2*4*5*3)
	for i := range pixels {
		pixels[i] = uint8(i)
	}
	d, err := Open(write("|u1", "(2, 4, 5, 3)", pixels), "")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	img, err := d.Image(1)
	if err != nil || img.W != 5 || img.H != 4 || !reflect.DeepEqual(img.Pix, pixels[60:]) || d.Label(1) != -1 || d.Classes() != nil {
		t.Errorf("image %v, label %d, error %v", img, d.Label(1), err)
	}
	for _, path := range []string{
		write("|u1", "(2, 3, 5, 4)", pixels), write("<f4", "(2, 4, 5, 3)", make([]byte, 480)), write("|u1", "(0, 4, 5, 3)", nil),
	} {
		if _, err := Open(path, ""); err == nil || !strings.Contains(err.Error(), "[N,H,W,3]") && !strings.Contains(err.Error(), "no image") {
			t.Errorf("error %v", err)
		}
	}
}

func TestTextures(t *testing.T) {
	s, err := OpenSource("generated:textures")
	if err != nil {
		t.Fatal(err)
	}
	train, _ := s.Split(Auto)
	test, _ := s.Split(HeldOut)
	if train.Len() != 4096 || test.Len() != 1024 || len(s.Classes()) < 8 {
		t.Errorf("%d and %d images of %d classes", train.Len(), test.Len(), len(s.Classes()))
	}
	a, _ := train.Image(17)
	b, _ := train.Image(17)
	if !reflect.DeepEqual(a, b) {
		t.Error("one image, two pictures")
	}
	if other, _ := test.Image(17); reflect.DeepEqual(a, other) {
		t.Error("train and test share images")
	}
	small, err := Open("generated:textures?train=20&test=3&size=64", "all")
	if err != nil {
		t.Fatal(err)
	}
	if same, _ := small.Image(17); !reflect.DeepEqual(a, same) || small.Len() != 23 {
		t.Error("a smaller set does not begin like a larger one")
	}
	if big, _ := Open("generated:textures?size=16&seed=2", ""); big != nil {
		if img, _ := big.Image(0); img.W != 16 {
			t.Errorf("%d pixels, want 16", img.W)
		}
	}
	// Every image has contrast.
	for i := range 200 {
		img, _ := train.Image(i)
		low, high := 255, 0
		for p := 0; p < len(img.Pix); p += 3 {
			sum := int(img.Pix[p]) + int(img.Pix[p+1]) + int(img.Pix[p+2])
			low, high = min(low, sum/3), max(high, sum/3)
		}
		if high-low < 40 {
			t.Errorf("%s spans %d to %d only", train.Name(i), low, high)
		}
	}
	// The demo's results depend on these pixels.
	var got []uint8
	for i := range 10 {
		img, _ := train.Image(i)
		p, q := img.At(32, 32), img.At(7, 50)
		got = append(append(got, p[:]...), q[:]...)
	}
	golden.Check(t, "pixels of the first textures", golden.Pixel, got, []uint8{
		28, 34, 56, 61, 148, 94, 54, 157, 53, 68, 87, 14,
		46, 152, 147, 30, 96, 85, 49, 66, 59, 65, 82, 66,
		189, 187, 166, 67, 75, 75, 162, 115, 163, 73, 105, 107,
		238, 255, 252, 60, 12, 71, 202, 123, 123, 164, 98, 98,
		10, 7, 8, 27, 21, 20, 107, 55, 173, 26, 47, 39,
	})
}
