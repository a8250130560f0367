package torch

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// archive is the zip file of a checkpoint: <folder>/data.pkl, <folder>/data/<key>
// and some small entries beside them, under any folder.
type archive struct {
	entries map[string]*entry
	order   []*entry // as the central directory lists them
	folder  string   // with its slash, or empty
}

func openArchive(b []byte) (*archive, error) {
	order, err := readDirectory(b)
	if err != nil {
		return nil, err
	}
	a := &archive{entries: make(map[string]*entry, len(order)), order: order}
	folded := make(map[string]string, len(order))
	for _, e := range order {
		if err := checkName(e.name); err != nil {
			return nil, err
		}
		lower := strings.ToLower(e.name)
		if first, twice := folded[lower]; twice {
			return nil, formatf("entries %q and %q have the same name", first, e.name)
		}
		folded[lower] = e.name
		a.entries[e.name] = e
	}
	return a, a.findFolder()
}

// checkName refuses names that other programs would resolve differently.
func checkName(name string) error {
	clean := path.Clean(strings.TrimSuffix(name, "/"))
	if name == "" || name[0] == '/' || strings.TrimSuffix(name, "/") != clean || clean == ".." ||
		strings.HasPrefix(clean, "../") || strings.ContainsAny(name, "\\\x00:") {
		return formatf("entry name %q does not stay in its folder", name)
	}
	return nil
}

// findFolder looks for the one data.pkl.
func (a *archive) findFolder() error {
	found := ""
	for _, e := range a.order {
		base := path.Base(e.name)
		if !strings.EqualFold(base, "data.pkl") {
			continue
		}
		if strings.HasSuffix(e.name, "/") {
			return formatf("entry %q is a folder, want the pickle", e.name)
		}
		if base != "data.pkl" {
			return formatf("entry %q is not spelled data.pkl", e.name)
		}
		if found != "" {
			return formatf("there are two pickles, %q and %q", found, e.name)
		}
		found = e.name
	}
	if found == "" {
		return a.notCheckpoint()
	}
	a.folder = strings.TrimSuffix(found, "data.pkl")
	if _, ok := a.entries[a.folder+"constants.pkl"]; ok {
		return UnsupportedError("it is a TorchScript archive: save torch.save(model.state_dict(), path) instead")
	}
	return nil
}

// notCheckpoint says what a zip archive without data.pkl holds.
func (a *archive) notCheckpoint() error {
	var names []string
	for _, e := range a.order {
		switch ext := path.Ext(e.name); ext {
		case ".pth", ".pt", ".ckpt", ".safetensors", ".onnx":
			return unsupportedf("it is a zip archive around %q: unpack it first", e.name)
		case ".npy":
			return UnsupportedError("it is a NumPy archive (.npz)")
		}
		if len(names) < 3 {
			names = append(names, strconv.Quote(e.name))
		}
	}
	if len(names) == 0 {
		return FormatError("the zip archive is empty")
	}
	return formatf("the zip archive holds no data.pkl but %s", strings.Join(names, ", "))
}

func (a *archive) pickle() ([]byte, error) {
	return a.entries[a.folder+"data.pkl"].open()
}

// bigEndian reads the byteorder entry, which PyTorch writes since 2.1, and checks
// the version of the format.
func (a *archive) bigEndian() (bool, error) {
	if e, ok := a.entries[a.folder+"version"]; ok {
		text, err := e.open()
		if err != nil {
			return false, err
		}
		v, err := strconv.Atoi(strings.TrimSpace(string(text[:min(len(text), 16)])))
		if err != nil || v < 1 {
			return false, formatf("entry %q holds %q", e.name, text[:min(len(text), 16)])
		}
		if v > maxVersion {
			return false, unsupportedf("format version %d, up to %d are read", v, maxVersion)
		}
	}
	e, ok := a.entries[a.folder+"byteorder"]
	if !ok {
		return false, nil
	}
	text, err := e.open()
	if err != nil {
		return false, err
	}
	switch string(text) {
	case "little":
		return false, nil
	case "big":
		return true, nil
	}
	return false, formatf("entry %q holds %q, want little or big", e.name, text[:min(len(text), 16)])
}

// maxVersion is the newest version of the container that PyTorch defines.
const maxVersion = 10

// attach gives storages their entries.
func (a *archive) attach(storages map[string]*Storage) error {
	for _, k := range sortedKeys(storages) {
		s := storages[k]
		e, ok := a.entries[a.folder+"data/"+k]
		if !ok {
			return formatf("the entry %q of a storage is missing", a.folder+"data/"+k)
		}
		data, err := e.open()
		if err != nil {
			return err
		}
		if len(data) != s.bytes {
			return formatf("storage %q is %d bytes, the pickle declares %d", e.name, len(data), s.bytes)
		}
		s.data = data
	}
	return nil
}

// sortedKeys makes errors independent of the order of a map.
func sortedKeys(storages map[string]*Storage) []string {
	return slices.Sorted(maps.Keys(storages))
}
