package data

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// shardsOf are two shards of three samples with classes by number, and one more to
// hold out.
func shardsOf() tree {
	return tree{
		"set-train-000.tar": tree{
			"a/10.png": pixel(1), "a/10.cls": []byte("2\n"), "a/2.png": pixel(2), "a/2.cls": []byte("0"),
			"a/2.txt": []byte("a caption"), "a/2.mask.png": pixel(200),
		}.tar("./"),
		"set-train-001.tar": tree{"a/11.webp": readFixture("lossy.webp"), "a/11.cls": []byte("10")}.tar(""),
		"set-val-000.tar":   tree{"a/3.png": pixel(3), "a/3.cls": []byte("1")}.tar(""),
	}
}

func readFixture(name string) []byte {
	b, err := os.ReadFile("../../testdata/images/formats/" + name)
	if err != nil {
		panic(err)
	}
	return b
}

func TestShards(t *testing.T) {
	files := shardsOf()
	files["all.txt"] = []byte("# in any order\n\nset-val-000.tar\nset-train-{000..001}.tar\n")
	dir := files.write(t)
	want := []string{
		"set-train-000.tar/a/10.png 2", "set-train-000.tar/a/2.png 0", "set-train-001.tar/a/11.webp 10",
	}
	for _, path := range []string{
		dir, "@" + filepath.Join(dir, "all.txt"),
		filepath.Join(dir, "{set-val-000,set-train-000,set-train-001}.tar"),
	} {
		s, err := OpenSource(path)
		if err != nil {
			t.Fatal(err)
		}
		train, err := s.Split(Auto)
		if err != nil {
			t.Fatal(err)
		}
		if got := listing(t, train); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got  %q\nwant %q", path, got, want)
		}
		if got := s.Splits(); !reflect.DeepEqual(got, []string{"train", "val"}) || len(s.Classes()) != 11 {
			t.Errorf("%s: splits %q, classes %q", path, got, s.Classes())
		}
		held, _ := s.Split(HeldOut)
		if img, err := held.Image(0); held.Len() != 1 || err != nil || img.Pix[0] != 3 {
			t.Errorf("%s: held out are %d images, error %v", path, held.Len(), err)
		}
		all, _ := s.Split("all")
		allPixels(t, all)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	packed := tree{}
	for name, b := range shardsOf() {
		packed[name+".gz"] = gzipped(b)
	}
	d, err := Open(packed.write(t), "train")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := allPixels(t, d); len(got) != 3 || got[1][0] != 2 {
		t.Errorf("%d images from gzipped shards", len(got))
	}
}

func TestLabelsBesideImages(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   tree
		classes []string
		want    []string
	}{
		{"names", tree{"1.png": pixel(1), "1.cls": []byte("zebra"), "2.png": pixel(2), "2.cls": []byte("ape")},
			[]string{"ape", "zebra"}, []string{"1.png zebra", "2.png ape"}},
		{"json", tree{"1.png": pixel(1), "1.json": []byte(`{"label": 1, "w": 4}`), "2.png": pixel(2), "2.json": []byte(`{"label": 0}`)},
			[]string{"0", "1"}, []string{"1.png 1", "2.png 0"}},
		{"a name in json", tree{"1.png": pixel(1), "1.json": []byte(`{"class": "ape", "target": 3}`)}, []string{"ape"}, []string{"1.png ape"}},
		{"no class", tree{"1.png": pixel(1), "1.cls": []byte("-1"), "2.png": pixel(2), "2.cls": []byte("0")},
			[]string{"0"}, []string{"1.png -", "2.png 0"}},
		{"cls before json", tree{"1.png": pixel(1), "1.cls": []byte("1"), "1.json": []byte(`{"label": 0}`)}, []string{"0", "1"}, []string{"1.png 1"}},
		{"json that says nothing of classes", tree{"1.png": pixel(1), "1.json": []byte(`{"width": 4}`)}, nil, []string{"1.png -"}},
		{"json beside images in class folders", tree{"ape/1.png": pixel(1), "ape/1.json": []byte(`[1]`)}, []string{"ape"}, []string{"ape/1.png ape"}},
	} {
		for kind, path := range map[string]string{"tar": writeFile(t, "x.tar", c.files.tar("")), "tar.gz": writeFile(t, "x.tgz", gzipped(c.files.tar("")))} {
			d, err := Open(path, "")
			if err != nil {
				t.Errorf("%s, %s: %v", c.name, kind, err)
				continue
			}
			if got := listing(t, d); !reflect.DeepEqual(got, c.want) || !reflect.DeepEqual(d.Classes(), c.classes) {
				t.Errorf("%s, %s: classes %q, got %q, want %q", c.name, kind, d.Classes(), got, c.want)
			}
			d.Close()
		}
	}
	// Unpacked they are the same set.
	d, err := Open(tree{"1.png": pixel(1), "1.cls": []byte("1"), "2.png": pixel(2), "2.cls": []byte("0")}.write(t), "")
	if err != nil {
		t.Fatal(err)
	}
	if got := listing(t, d); !reflect.DeepEqual(got, []string{"1.png 1", "2.png 0"}) {
		t.Errorf("got %q", got)
	}
}

// Shards without labels are an image folder in pieces, or images without classes.
func TestDividedFolder(t *testing.T) {
	for _, c := range []struct {
		files tree
		split string
		want  []string
	}{
		{tree{"0.tar": tree{"b/1.png": pixel(1)}.tar(""), "1.tar": tree{"b/2.png": pixel(2), "a/1.png": pixel(3)}.tar("")}, Auto,
			[]string{"a/1.png a", "b/1.png b", "b/2.png b"}},
		{tree{"x_train.tar": tree{"b/1.png": pixel(1)}.tar(""), "x_test.tar": tree{"b/2.png": pixel(2)}.tar("")}, Auto, []string{"train/b/1.png b"}},
		{tree{"train/0.tar": tree{"1.png": pixel(1)}.tar(""), "val/0.tar": tree{"2.png": pixel(2)}.tar("")}, HeldOut, []string{"val/2.png -"}},
		{tree{"0.tar": tree{"2.png": pixel(1)}.tar(""), "1.tar": tree{"1.png": pixel(2)}.tar("")}, Auto, []string{"1.png -", "2.png -"}},
		{tree{"pets.tar": pets().tar("")}, "test", []string{"test/cat/d.png cat", "test/dog/e.png dog"}},
	} {
		d, err := Open(c.files.write(t), c.split)
		if err != nil {
			t.Errorf("%v: %v", c.want, err)
			continue
		}
		if got := listing(t, d); !reflect.DeepEqual(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
		d.Close()
	}
}

// Many shards are not all held open, and give the same images.
func TestManyShards(t *testing.T) {
	files := tree{}
	for i := range keepOpen + 2 {
		name := string(rune('a'+i/26)) + string(rune('a'+i%26))
		files[name+".tar"] = tree{name + ".png": pixel(uint8(i)), name + ".cls": []byte("0")}.tar("")
	}
	d, err := Open(files.write(t), "")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if img, err := d.Image(57); err != nil || img.Pix[0] != 57 || d.Len() != keepOpen+2 {
		t.Errorf("%d images, error %v", d.Len(), err)
	}
}

func TestShardsRefuse(t *testing.T) {
	one := tree{"1.png": pixel(1), "1.cls": []byte("1")}
	with := func(name, text string) string {
		f := tree{name: []byte(text)}
		for k, v := range one {
			f[k] = v
		}
		return writeFile(t, "x.tar", f.tar(""))
	}
	list := func(text string) string { return "@" + writeFile(t, "list.txt", []byte(text)) }
	for _, c := range []struct{ path, want string }{
		{with("2.png", string(pixel(2))), "1 of 2 images have no .cls or .json file with a label, the first of them 2.png"},
		{with("2.cls", "1"), "2.cls labels a sample without an image"},
		{with("1.jpg", "x"), "1.jpg and 1.png are images of one sample"},
		{writeFile(t, "x.tar", tree{"1.png": pixel(1), "1.cls": nil}.tar("")), "1.cls: holds a label of 0 bytes"},
		{writeFile(t, "x.tar", tree{"1.png": pixel(1), "1.cls": []byte("70000")}.tar("")), "a label 70000"},
		{writeFile(t, "x.tar", tree{"1.png": pixel(1), "1.cls": []byte("-2")}.tar("")), "a label -2"},
		{writeFile(t, "x.tar", tree{"1.png": pixel(1), "1.json": []byte(`{"label":1}`), "2.png": pixel(1), "2.json": []byte(`{"label":1.5}`)}.tar("")), "neither a whole number"},
		{writeFile(t, "x.tar", tree{"1.png": pixel(1), "1.json": []byte(`{"label":1}`), "2.png": pixel(1), "2.json": []byte(`{`)}.tar("")), "2.json: is not a JSON object"},
		{tree{"0.tar": tree{"a/1.png": pixel(1)}.tar(""), "1.tar": tree{"a/1.png": pixel(1)}.tar("")}.write(t), "a/1.png is in 0.tar and in 1.tar"},
		{tree{"0.tar": tree{"a/1.png": pixel(1)}.tar("")[:700]}.write(t), "0.tar: the tar archive is truncated"},
		{tree{"0.tar": []byte("text")}.write(t), "0.tar: the tar archive is damaged"},
		{filepath.Join(t.TempDir(), "x-{0..1}.tar"), "x-0.tar: no such file"},
		{"x-{0..1.tar", "no }"},
		{"x-{9..1}.tar", "{9..1} is no range"},
		{"x-{0..999999999}.tar", "is no range of numbers"},
		{list(""), "lists no shard"},
		{list("https://example.org/0.tar\n"), "line 1: https://example.org/0.tar is not a file"},
		{list("a.tar\na.tar\n"), "no such file"},
		{list(strings.Repeat("x", 1<<17)), "not a list of shards"},
		{"@nowhere.txt", "no such file"},
	} {
		d, err := Open(c.path, "")
		if err == nil {
			d.Close()
			t.Errorf("opened where %q was to be refused", c.want)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q, want %q in it", err, c.want)
		}
	}
}

func TestExpand(t *testing.T) {
	for pattern, want := range map[string][]string{
		"a.tar":                 {"a.tar"},
		"a{08..11}.tar":         {"a08.tar", "a09.tar", "a10.tar", "a11.tar"},
		"a{8..11}.tar":          {"a8.tar", "a9.tar", "a10.tar", "a11.tar"},
		"{x,y}-{000..001}/z":    {"x-000/z", "x-001/z", "y-000/z", "y-001/z"},
		"{one}.tar":             {"one.tar"},
		"imagenet-{0000..0}.t":  {"imagenet-0000.t"},
		"{a,b}{}":               {"a", "b"},
		"{00000..00002}.tar.gz": {"00000.tar.gz", "00001.tar.gz", "00002.tar.gz"},
	} {
		if got, err := expand(pattern); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", pattern, got, err, want)
		}
	}
	if _, err := expand(strings.Repeat("{0..99}", 4)); err == nil {
		t.Error("a pattern of 10^8 shards was spelt out")
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("a{0..3}-{x,y}.tar")
	f.Fuzz(func(t *testing.T, pattern string) {
		if got, err := expand(pattern); err == nil && (len(got) == 0 || len(got) > maxShards) {
			t.Errorf("%d shards", len(got))
		}
	})
}

func FuzzLabel(f *testing.F) {
	f.Add([]byte(`{"label": 3}`))
	f.Add([]byte(`{"cls": "ape"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, ok, err := jsonLabel(b); ok && (err != nil || !json.Valid(b)) {
			t.Errorf("label of %q, error %v", b, err)
		}
	})
}
