package data

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// In the WebDataset convention files of equal path up to the first dot of their name
// are one sample: "0017.jpg" is its image, "0017.cls" its class, as a number or a
// name, or "0017.json" an object with one. Other files of the sample, captions or
// masks ("0017.seg.png"), are left alone.

// labelFiles are samples whose labels stand beside them.
type labelFiles struct {
	store store
	names []string
}

// jsonKeys are the keys that may hold a label, the first that is there being it.
var jsonKeys = []string{"cls", "label", "class", "target"}

const (
	maxLabel     = 1 << 16 // classes that numbers may name
	maxLabelFile = 1 << 20
)

// key splits a path at the first dot of its last part.
func key(name string) (stem, extension string) {
	slash := strings.LastIndexByte(name, '/') + 1
	dot := strings.IndexByte(name[slash:], '.')
	if dot < 0 {
		return name, ""
	}
	return name[:slash+dot], strings.ToLower(name[slash+dot:])
}

// findLabels returns the samples of a store if they have labels beside them: in .cls
// files, or, where withJSON, in .json files next to images. Names of one sample follow
// each other.
func findLabels(files store, names []string, withJSON bool) *labelFiles {
	l := &labelFiles{files, names}
	for i, n := range names {
		stem, ext := key(n)
		switch {
		case ext == ".cls":
			return l
		case ext == ".json" && withJSON:
			for _, k := range l.group(i) {
				if s, ext := key(names[k]); s == stem && slices.Contains(readable, ext) {
					// What the first such file holds decides.
					if _, ok, err := l.label(i); err == nil && ok {
						return l
					}
					return nil
				}
			}
		}
	}
	return nil
}

// group returns the files that belong to the sample of file i.
func (l *labelFiles) group(i int) (out []int) {
	stem, _ := key(l.names[i])
	of := func(k int) bool { s, _ := key(l.names[k]); return s == stem }
	lo, hi := i, i+1
	for lo > 0 && of(lo-1) {
		lo--
	}
	for hi < len(l.names) && of(hi) {
		hi++
	}
	for k := lo; k < hi; k++ {
		out = append(out, k)
	}
	return out
}

// source makes the data set; parts are ranges of names.
func (l *labelFiles) source(parts []part) (*Source, error) {
	list := &imageFiles{store: l.store, names: l.names}
	src := &Source{samples: list, effort: true}
	var labels []string
	missing, firstMissing := 0, ""
	for i := 0; i < len(l.names); {
		group := l.group(i)
		next := group[len(group)-1] + 1
		image, text, labelled, err := l.sample(group)
		if err != nil {
			return nil, err
		}
		if image >= 0 {
			list.files = append(list.files, int32(image))
			labels = append(labels, text)
			if !labelled {
				if missing == 0 {
					firstMissing = l.names[image]
				}
				missing++
			}
		}
		i = next
	}
	switch {
	case list.Len() == 0, len(list.files) == 0:
		return nil, formatf("there are labels but no image in it (%s)", formatNames)
	case missing > 0:
		return nil, formatf("%d of %d images have no .cls or .json file with a label, the first of them %s; label all or none (−1 is no class)",
			missing, len(labels), firstMissing)
	}
	var err error
	if list.labels, src.classes, err = classesOf(labels); err != nil {
		return nil, err
	}
	for _, p := range parts {
		lo := sort.Search(len(list.files), func(i int) bool { return int(list.files[i]) >= p.lo })
		hi := sort.Search(len(list.files), func(i int) bool { return int(list.files[i]) >= p.hi })
		if lo < hi {
			src.parts = append(src.parts, part{p.name, lo, hi})
		}
	}
	return src, nil
}

// sample finds the image, −1 if there is none, and the label of a sample.
func (l *labelFiles) sample(group []int) (image int, label string, labelled bool, err error) {
	image, from := -1, -1
	for _, k := range group {
		switch _, ext := key(l.names[k]); {
		case slices.Contains(readable, ext):
			if image >= 0 {
				return 0, "", false, formatf("%s and %s are images of one sample; the part behind the first dot tells them apart: name one otherwise",
					l.names[image], path.Base(l.names[k]))
			}
			image = k
		case ext == ".cls", ext == ".json" && from < 0:
			from = k
		}
	}
	if from < 0 {
		return image, "", false, nil
	}
	label, labelled, err = l.label(from)
	if _, ext := key(l.names[from]); err == nil && image < 0 && ext == ".cls" {
		err = formatf("%s labels a sample without an image (%s are read)", l.names[from], formatNames)
	}
	return image, label, labelled, err
}

// label reads a .cls or .json file; ok is false if that holds no label.
func (l *labelFiles) label(k int) (text string, ok bool, err error) {
	n, err := l.store.size(k)
	if err == nil && n > maxLabelFile {
		err = formatf("has %d bytes, too many for a label", n)
	}
	var b []byte
	if err == nil {
		b, err = l.store.read(k, 0, n)
	}
	if err != nil {
		return "", false, inFile(l.names[k], err)
	}
	if _, ext := key(l.names[k]); ext == ".json" {
		text, ok, err = jsonLabel(b)
	} else {
		text, ok = strings.TrimSpace(string(b)), true
	}
	if err == nil && ok && (text == "" || len(text) > 256) {
		err = formatf("holds a label of %d bytes, want 1 to 256", len(text))
	}
	return text, ok, inFile(l.names[k], err)
}

func jsonLabel(b []byte) (string, bool, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(b, &object); err != nil {
		return "", false, formatf("is not a JSON object (%v)", err)
	}
	for _, k := range jsonKeys {
		raw, ok := object[k]
		if !ok || bytes.Equal(raw, []byte("null")) {
			continue
		}
		var text string
		if json.Unmarshal(raw, &text) == nil {
			return strings.TrimSpace(text), true, nil
		}
		var number float64
		if json.Unmarshal(raw, &number) == nil && number == math.Trunc(number) && math.Abs(number) < 1<<53 {
			return strconv.FormatInt(int64(number), 10), true, nil
		}
		return "", false, formatf("its %q is neither a whole number nor a name", k)
	}
	return "", false, nil
}

// classesOf turns labels into indices. If all are numbers they are the indices, −1
// being no class, and the classes up to the largest are named by them; else the names
// are sorted.
func classesOf(labels []string) (indices []int32, classes []string, err error) {
	most := -1
	numbers := true
	for _, text := range labels {
		n, err := strconv.Atoi(text)
		if numbers = err == nil; !numbers {
			break
		}
		if n < -1 || n >= maxLabel {
			return nil, nil, formatf("there is a label %d; want 0 to %d, or −1 for no class", n, maxLabel-1)
		}
		indices, most = append(indices, int32(n)), max(most, n)
	}
	if numbers {
		for n := range most + 1 {
			classes = append(classes, strconv.Itoa(n))
		}
		return indices, classes, nil
	}
	classes = slices.Compact(slices.Sorted(slices.Values(labels)))
	indices = indices[:0]
	for _, text := range labels {
		i, _ := slices.BinarySearch(classes, text)
		indices = append(indices, int32(i))
	}
	return indices, classes, nil
}

// inFile puts the name of a file before an error, nil if there is none.
func inFile(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}
