package data

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"onnxclr/internal/golden"
)

func TestLayouts(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   tree
		split   string
		classes []string
		want    []string
	}{
		{"train by default", pets(), Auto, []string{"cat", "dog"},
			[]string{"train/cat/a.png cat", "train/cat/b.PNG cat", "train/dog/c.png dog"}},
		{"held out", pets(), HeldOut, []string{"cat", "dog"}, []string{"test/cat/d.png cat", "test/dog/e.png dog"}},
		{"all", pets(), "all", []string{"cat", "dog"}, []string{
			"train/cat/a.png cat", "train/cat/b.PNG cat", "train/dog/c.png dog", "test/cat/d.png cat", "test/dog/e.png dog"}},
		{"val stands for test", tree{"train/x/1.png": pixel(1), "val/x/2.png": pixel(2)}, HeldOut, []string{"x"}, []string{"val/x/2.png x"}},
		{"splits in other words", tree{"Training/x/1.png": pixel(1), "Testing/x/2.png": pixel(2)}, HeldOut, []string{"x"}, []string{"Testing/x/2.png x"}},
		{"valid stands for val", tree{"train/x/1.png": pixel(1), "valid/x/2.png": pixel(2)}, "val", []string{"x"}, []string{"valid/x/2.png x"}},
		{"splits beside others", tree{"train/x/1.png": pixel(1), "test/x/2.png": pixel(2), "unlabelled/3.png": pixel(3)}, "all", []string{"x"}, []string{"train/x/1.png x", "test/x/2.png x"}},
		{"classes called as splits", tree{"car/1.png": pixel(1), "train/2.png": pixel(2)}, Auto, []string{"car", "train"}, []string{"car/1.png car", "train/2.png train"}},
		{"one folder around", tree{"set/b/1.png": pixel(1), "set/a/2.png": pixel(2)}, Auto, []string{"a", "b"}, []string{"set/a/2.png a", "set/b/1.png b"}},
		{"no splits", tree{"b/1.png": pixel(1), "a/2.png": pixel(2)}, Auto, []string{"a", "b"}, []string{"a/2.png a", "b/1.png b"}},
		{"held out of no splits is all", tree{"b/1.png": pixel(1)}, HeldOut, []string{"b"}, []string{"b/1.png b"}},
		{"no classes", tree{"2.png": pixel(1), "1.png": pixel(2)}, Auto, nil, []string{"1.png -", "2.png -"}},
		{"unlabelled test", tree{"train/a/1.png": pixel(1), "test/2.png": pixel(2)}, "all", []string{"a"}, []string{"train/a/1.png a", "test/2.png -"}},
		{"a class absent from test keeps the numbers", tree{"train/a/1.png": pixel(1), "train/b/2.png": pixel(2), "test/b/3.png": pixel(3)},
			"test", []string{"a", "b"}, []string{"test/b/3.png b"}},
		{"folders below a class in torchvision's order", tree{"k/z.png": pixel(0), "k/s-t/1.png": pixel(1), "k/s/2.png": pixel(2), "j/3.jpg": nil},
			Auto, []string{"j", "k"}, []string{"j/3.jpg j", "k/z.png k", "k/s/2.png k", "k/s-t/1.png k"}},
		{"capitals sort before small letters", tree{"b/1.png": pixel(1), "B/2.JPEG": nil, "a/3.Jpg": nil}, Auto, []string{"B", "a", "b"},
			[]string{"B/2.JPEG B", "a/3.Jpg a", "b/1.png b"}},
		{"hidden and other files", tree{"a/1.png": pixel(1), "a/._1.png": nil, ".git/x/2.png": pixel(1), "a/Thumbs.db": nil, "README.md": nil,
			"__MACOSX/a/1.png": nil, ".DS_Store": nil}, Auto, []string{"a"}, []string{"a/1.png a"}},
		{"images beside class folders are not of a class", tree{"sample.png": pixel(9), "a/1.png": pixel(1), "b/1.png": pixel(1)}, Auto,
			[]string{"a", "b"}, []string{"a/1.png a", "b/1.png b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if runtime.GOOS != "linux" && strings.HasPrefix(c.name, "capitals") {
				t.Skip("file names may not differ in case alone here")
			}
			for kind, path := range map[string]string{
				"folder": c.files.write(t),
				"tar":    writeFile(t, "x.tar", c.files.tar("")),
				"./tar":  writeFile(t, "x.tar", c.files.tar("./")),
				"tar.gz": writeFile(t, "x.tar.gz", gzipped(c.files.tar(""))),
			} {
				d, err := Open(path, c.split)
				if err != nil {
					t.Fatalf("%s: %v", kind, err)
				}
				if !reflect.DeepEqual(d.Classes(), c.classes) {
					t.Errorf("%s: classes %q, want %q", kind, d.Classes(), c.classes)
				}
				if got := listing(t, d); !reflect.DeepEqual(got, c.want) {
					t.Errorf("%s: got  %q\nwant %q", kind, got, c.want)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	tarred := pets().tar("")
	packed := gzipped(tarred)
	for _, c := range []struct {
		name, path, split, want string
	}{
		{"nothing there", filepath.Join(t.TempDir(), "no"), "", "no such file"},
		{"empty folder", tree{}.write(t), "", "no image"},
		{"no images", tree{"a/x.txt": nil, "b/y.txt": nil}.write(t), "", "no image in any of its 2 folders (a/"},
		{"empty class", tree{"a/1.png": pixel(1), "zebra/": nil}.write(t), "", "class without an image: zebra/"},
		{"empty class in a split", tree{"train/a/1.png": pixel(1), "train/b/1.png": pixel(1), "test/a/1.png": pixel(1), "test/b/": nil}.write(t), "train", "test/b/"},
		{"empty class in an archive", writeFile(t, "x.tar.gz", gzipped(tree{"a/1.png": pixel(1), "zebra/": nil}.tar(""))), "", "zebra/"},
		{"a split twice", tree{"train/a/1.png": pixel(1), "val/a/1.png": pixel(1), "validation/a/1.png": pixel(1)}.write(t), "", "val/ and validation/, which are the same split"},
		{"empty split", tree{"train/a/1.png": pixel(1), "test/": nil}.write(t), "", "test/ has no image"},
		{"no such split", pets().write(t), "val", `no split "val"; it has train, test`},
		{"no splits at all", tree{"a/1.png": pixel(1)}.write(t), "test", "use all"},
		{"empty file", writeFile(t, "x.tar", nil), "", "empty file"},
		{"text", writeFile(t, "x.tar.gz", []byte("hello")), "", "not a data set"},
		{"an image", writeFile(t, "x.png", pixel(1)), "", "single image"},
		{"zip", writeFile(t, "x.zip", []byte("PK\x03\x04....")), "", "zip"},
		{"xz", writeFile(t, "x.tar.xz", []byte("\xfd7zXZ\x00")), "", "xz"},
		{"truncated tar", writeFile(t, "x.tar", tarred[:len(tarred)-2500]), "", "truncated"},
		{"tar cut inside a file", writeFile(t, "x.tar", tarred[:600]), "", "truncated"},
		{"truncated gzip", writeFile(t, "x.tar.gz", packed[:len(packed)-20]), "", "truncated"},
		{"truncated inside a file", writeFile(t, "x.tar.gz", packed[:len(packed)/2]), "", "truncated"},
		{"damaged gzip", writeFile(t, "x.tar.gz", append(append([]byte(nil), packed[:len(packed)-8]...), 0, 0, 0, 0, 0, 0, 0, 0)), "", "damaged"},
		{"gzip of no tar", writeFile(t, "x.tar.gz", gzipped([]byte(strings.Repeat("no tar ", 200)))), "", "damaged"},
		{"unknown generator", "generated:faces", "", "there is textures"},
		{"unknown setting", "generated:textures?n=3", "", `no setting "n"`},
		{"bad setting", "generated:textures?train=-3", "", `train is "-3"`},
	} {
		d, err := Open(c.path, c.split)
		if err == nil {
			d.Close()
			t.Errorf("%s: opened", c.name)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, want %q in it", c.name, err, c.want)
		}
		if !strings.Contains(err.Error(), filepath.Base(c.path)) {
			t.Errorf("%s: %q does not name the data set", c.name, err)
		}
	}
}

func TestLinks(t *testing.T) {
	dir := tree{"a/1.png": pixel(1)}.write(t)
	elsewhere := tree{"2.png": pixel(2)}.write(t)
	if err := os.Symlink(elsewhere, filepath.Join(dir, "b")); err != nil {
		t.Skip("no symbolic links here")
	}
	d, err := Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := listing(t, d), []string{"a/1.png a", "b/2.png b"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	os.Symlink(dir, filepath.Join(dir, "a", "up"))
	if _, err := Open(dir, ""); err == nil || !strings.Contains(err.Error(), "a/up") {
		t.Errorf("a folder inside itself: error %v", err)
	}
	os.Remove(filepath.Join(dir, "a", "up"))
	os.Symlink("nowhere", filepath.Join(dir, "a", "3.png"))
	if _, err := Open(dir, ""); err == nil || !strings.Contains(err.Error(), "a/3.png") {
		t.Errorf("a dangling link: error %v", err)
	}
}

func TestImageErrorsNameTheFile(t *testing.T) {
	files := pets()
	files["train/dog/c.png"] = []byte("<html>404</html>")
	for _, path := range []string{files.write(t), writeFile(t, "pets.tar.gz", gzipped(files.tar("")))} {
		d, err := Open(path, "train")
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Image(2)
		var format FormatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), "train/dog/c.png") || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want a FormatError that names train/dog/c.png and %s", err, path)
		}
		d.Close()
	}
	// A file that goes missing after the folder was listed.
	dir := pets().write(t)
	d, _ := Open(dir, "train")
	os.Remove(filepath.Join(dir, "train", "cat", "a.png"))
	if _, err := d.Image(0); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "train/cat/a.png") {
		t.Errorf("error %v for a missing file", err)
	}
}

// The forms of one data set hold the same pixels; above the limit they are unpacked
// into a file that leaves nothing behind.
func TestFormsAgree(t *testing.T) {
	dir := pets().write(t)
	d, err := Open(dir, "all")
	if err != nil {
		t.Fatal(err)
	}
	want := allPixels(t, d)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	packed := writeFile(t, "x.tgz", gzipped(pets().tar("")))
	defer func(l int64) { memoryLimit = l }(memoryLimit)
	for _, limit := range []int64{memoryLimit, chunk, 0} {
		memoryLimit = limit
		s, err := OpenSource(packed)
		if err != nil {
			t.Fatal(err)
		}
		d, _ := s.Split("all")
		if !reflect.DeepEqual(allPixels(t, d), want) {
			t.Errorf("limit %d: other pixels than in the folder", limit)
		}
		ram, disk := s.Memory()
		if inFile := limit == 0; inFile != (ram == 0 && disk > 0) {
			t.Errorf("limit %d: %d bytes of memory, %d of a file", limit, ram, disk)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(temp); len(left) > 0 {
			t.Errorf("limit %d: %s is left behind", limit, left[0].Name())
		}
	}
	// A second member of the same path replaces the first, as when unpacking.
	first := tree{"a/1.png": pixel(1)}.tar("")
	twice := append(first[:len(first)-1024], tree{"a/1.png": pixel(2)}.tar("")...)
	d, err = Open(writeFile(t, "x.tar", twice), "")
	if err != nil {
		t.Fatal(err)
	}
	if d.Len() != 1 || allPixels(t, d)[0][0] != 2 {
		t.Errorf("%d images, the first %v; want the later one only", d.Len(), allPixels(t, d)[0][:3])
	}
}

// A full or missing disk for the temporary file is reported with a remedy.
func TestUnpackWithoutRoom(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("TMPDIR is not read here")
	}
	defer func(l int64) { memoryLimit = l }(memoryLimit)
	memoryLimit = 0
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	_, err := Open(writeFile(t, "x.tgz", gzipped(pets().tar(""))), "")
	if err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("error %v, want one that says to set TMPDIR", err)
	}
}

// An archive that grows without end is stopped.
func TestUnpackIsBounded(t *testing.T) {
	files := tree{}
	for i := range 8 {
		files["a/"+string(rune('0'+i))+".png"] = make([]byte, 1<<20)
	}
	packed := gzipped(files.tar(""))
	b := new(spillBlob)
	if _, err := gunzip(bytes.NewReader(packed), b, 4<<20); err == nil || !strings.Contains(err.Error(), "unpacks to more than") {
		t.Errorf("error %v", err)
	}
}

func TestRealArchive(t *testing.T) {
	path := golden.Shared(t, "cifar10-jpeg.tar.gz")
	s, err := OpenSource(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for split, n := range map[string]int{"train": 50000, "test": 10000, "all": 60000} {
		d, err := s.Split(split)
		if err != nil {
			t.Fatal(err)
		}
		if d.Len() != n || len(d.Classes()) != 10 || d.Classes()[0] != "airplane" || d.Classes()[9] != "truck" {
			t.Errorf("%s: %d images of %q", split, d.Len(), d.Classes())
		}
		img, err := d.Image(n - 1)
		if err != nil || img.W != 32 || img.H != 32 || d.Label(n-1) != 9 {
			t.Errorf("%s: last image %v, label %d, error %v", split, img, d.Label(n-1), err)
		}
	}
	if ram, _ := s.Memory(); ram > 128<<20 {
		t.Errorf("%d bytes of memory for 19 MB of archive", ram)
	}
}

func FuzzTar(f *testing.F) {
	// Small seeds, as the fuzzer shortens what it finds: give it -fuzzminimizetime=10x.
	f.Add(tree{"a/1.png": pixel(1)}.tar("./x/"))
	f.Add(tree{"train/a/1.png": nil, "test/": nil}.tar(""))
	small := cifarTree(0, 1)
	delete(small, "data_batch_1.bin")
	delete(small, "data_batch_2.bin")
	f.Add(small.tar("c/"))
	f.Add(tree{"1.png": pixel(1), "1.cls": []byte("1")}.tar(""))
	f.Add(tree{"1.png": nil, "1.json": []byte(`{"label":"a"}`)}.tar(""))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Read in place or unpacked, an archive holds the same.
		var lists [2][]string
		try := func(k int, x *index, blob blob) {
			s, err := sourceOf(newArchive(x, blob), true)
			if err != nil {
				return
			}
			d, _ := s.Split("all")
			lists[k] = listing(t, d)
			for i := range min(d.Len(), 4) {
				d.Image(i)
			}
		}
		if x, err := indexTar(bytes.NewReader(b), int64(len(b))); err == nil {
			try(0, x, bytesBlob(b))
		}
		unpacked := new(spillBlob)
		if x, err := unpack(bytes.NewReader(b), unpacked, 1<<24); err == nil {
			try(1, x, unpacked)
		}
		if lists[0] != nil && lists[1] != nil && !reflect.DeepEqual(lists[0], lists[1]) {
			t.Errorf("in place %q, unpacked %q", lists[0], lists[1])
		}
	})
}

// bytesBlob is an archive in memory.
type bytesBlob []byte

func (b bytesBlob) slice(off, n int64) ([]byte, error) { return b[off : off+n], nil }
func (b bytesBlob) memory() (ram, disk int64)          { return 0, 0 }
func (b bytesBlob) Close() error                       { return nil }
