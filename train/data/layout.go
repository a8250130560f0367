package data

import (
	"path"
	"slices"
	"sort"
	"strings"
	"sync/atomic"

	"onnxclr/train/augment"
)

// node is a folder of a store.
type node struct {
	name  string // path with a slash behind, "" for the root
	dirs  map[string]*node
	files []int // indices into the store's names
}

func treeOf(names []string) *node {
	root := &node{dirs: map[string]*node{}}
	nodes := map[string]*node{"": root}
	var folder func(name string) *node
	folder = func(name string) *node {
		if n, ok := nodes[name]; ok {
			return n
		}
		short := strings.TrimSuffix(name, "/")
		parent := folder(short[:strings.LastIndexByte(short, '/')+1])
		n := &node{name: name, dirs: map[string]*node{}}
		parent.dirs[path.Base(short)] = n
		nodes[name] = n
		return n
	}
	for i, name := range names {
		if strings.HasSuffix(name, "/") {
			folder(name)
			continue
		}
		n := folder(name[:strings.LastIndexByte(name, '/')+1])
		n.files = append(n.files, i)
	}
	return root
}

func (n *node) sorted() []*node {
	var out []*node
	for _, d := range n.dirs {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	return out
}

// only is the single folder in n, nil if there are more or fewer.
func (n *node) only() *node {
	if len(n.dirs) != 1 {
		return nil
	}
	return n.sorted()[0]
}

func hasExtension(name string, list []string) bool {
	return slices.Contains(list, strings.ToLower(path.Ext(name)))
}

// images lists the images directly in n, in order of their names.
func (n *node) images(names []string) (out []int) {
	for _, k := range n.files {
		if hasExtension(names[k], readable) {
			out = append(out, k)
		}
	}
	sort.Slice(out, func(i, j int) bool { return names[out[i]] < names[out[j]] })
	return out
}

// below lists the images in n and in the folders below it, in torchvision's order:
// by folder, then by name.
func (n *node) below(names []string) (out []int) {
	folders := []*node{n}
	for i := 0; i < len(folders); i++ {
		for _, d := range folders[i].dirs {
			folders = append(folders, d)
		}
	}
	slices.SortFunc(folders, func(a, b *node) int {
		return strings.Compare(strings.TrimSuffix(a.name, "/"), strings.TrimSuffix(b.name, "/"))
	})
	for _, f := range folders {
		out = append(out, f.images(names)...)
	}
	return out
}

// arrange finds splits, classes and images among the files of a store.
func arrange(files store) (*Source, error) {
	names := files.names()
	root := treeOf(names)
	if c, err := findCIFAR(files, root); c != nil || err != nil {
		return c, err
	}
	// Archives often hold one folder with everything in it.
	for {
		inner := root.only()
		if inner == nil || splitWord(path.Base(inner.name)) != "" || len(inner.dirs) == 0 {
			break
		}
		if len(root.images(names)) > 0 {
			break
		}
		root = inner
	}

	folders := []*node{root}
	splits, err := root.splits(names)
	if err != nil {
		return nil, err
	}
	if len(splits) > 0 {
		folders = splits
	}
	list := &imageFiles{store: files, names: names}
	src := &Source{samples: list, effort: true}
	for _, f := range folders {
		for class := range f.dirs {
			src.classes = append(src.classes, class)
		}
	}
	sort.Strings(src.classes)
	src.classes = slices.Compact(src.classes)

	for _, f := range folders {
		lo := list.Len()
		if err := list.add(f, src.classes); err != nil {
			return nil, err
		}
		if f == root {
			continue
		}
		if list.Len() == lo {
			return nil, formatf("%s has no image in it (%s)", f.name, formatNames)
		}
		src.parts = append(src.parts, part{splitWord(path.Base(f.name)), lo, list.Len()})
	}
	if list.Len() == 0 {
		return nil, formatf("there is no image in it (%s); want a folder a class, or train/, test/ and val/ with one each", formatNames)
	}
	return src, nil
}

// splits are the folders train, test and val in n, or as other words say it (training,
// Valid). Beside other folders of images they are classes, such as trains and cars, unless
// there are folders in them.
func (n *node) splits(names []string) (out []*node, err error) {
	found := map[string]*node{}
	nested, others := false, false
	for _, d := range n.sorted() {
		split := splitWord(path.Base(d.name))
		switch was := found[split]; {
		case split == "":
			others = others || len(d.below(names)) > 0
		case was != nil:
			return nil, formatf("has %s and %s, which are the same split", was.name, d.name)
		default:
			found[split] = d
			nested = nested || len(d.dirs) > 0
		}
	}
	if others && !nested {
		return nil, nil
	}
	for _, split := range splitNames {
		if d := found[split]; d != nil {
			out = append(out, d)
		}
	}
	return out, nil
}

// imageFiles are image files of a store.
type imageFiles struct {
	store  store
	names  []string
	files  []int32
	labels []int32
	seen   atomic.Pointer[seen] // what Fingerprint saw
}

// add appends the images of a split: those of its class folders, or, if it has none,
// those directly in it, which have no label.
func (l *imageFiles) add(split *node, classes []string) error {
	put := func(images []int, label int) {
		for _, k := range images {
			l.files, l.labels = append(l.files, int32(k)), append(l.labels, int32(label))
		}
	}
	if len(split.dirs) == 0 {
		put(split.images(l.names), -1)
		return nil
	}
	var empty []string
	for _, class := range split.sorted() {
		images := class.below(l.names)
		if len(images) == 0 {
			empty = append(empty, class.name)
		}
		label, _ := slices.BinarySearch(classes, path.Base(class.name))
		put(images, label)
	}
	switch {
	case len(empty) == len(split.dirs):
		return formatf("no image in any of its %d folders (%s …); %s are read", len(empty), empty[0], formatNames)
	case len(empty) > 0:
		return formatf("class without an image: %s; remove the folder or fill it (%s are read)", strings.Join(empty, ", "), formatNames)
	}
	return nil
}

func (l *imageFiles) Len() int          { return len(l.files) }
func (l *imageFiles) Label(i int) int   { return int(l.labels[i]) }
func (l *imageFiles) Name(i int) string { return l.names[l.files[i]] }

func (l *imageFiles) Image(i int) (*augment.Image, error) {
	b, err := l.raw(i)
	if err != nil {
		return nil, err
	}
	if err := l.unchanged(i, int64(len(b))); err != nil {
		return nil, err
	}
	return decode(b)
}
