package importer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"onnxclr/importer/safetensors"
	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
	"onnxclr/internal/file"
)

// Checkpoint is an open file of weights. The tensors' bytes stay in the mapped
// file and are valid until Close.
type Checkpoint struct {
	Path   string
	Format string // "PyTorch (zip)", "PyTorch (legacy)" or "safetensors"
	Dicts  []*Dict

	root    string // what the file holds when it holds no dictionary
	mapping *file.Mapping
}

// Dict is a dictionary of a checkpoint that holds tensors directly.
type Dict struct {
	Path    string            // keys that lead to it, joined by dots; "" for the outermost
	Tensors []*weights.Tensor // in the file's order, named by their keys
}

// OpenCheckpoint maps a .pth, .pt or .safetensors file and reads its structure.
// What the file is is told by its first bytes, not by its name. Nothing in it is
// executed. Errors are those of the format's package, or say what the file is
// instead of a checkpoint.
func OpenCheckpoint(path string) (*Checkpoint, error) {
	m, err := file.Map(path)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{Path: path, mapping: m}
	if err := c.read(m.Bytes); err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// ReadCheckpoint is OpenCheckpoint for a file in memory. The tensors alias b; name
// stands for the path.
func ReadCheckpoint(name string, b []byte) (*Checkpoint, error) {
	c := &Checkpoint{Path: name, mapping: &file.Mapping{Bytes: b}}
	if err := c.read(b); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// Close unmaps the file. Tensors of the checkpoint, and models converted from it,
// must not be used afterwards.
func (c *Checkpoint) Close() error { return c.mapping.Close() }

// SHA256 returns the hash of the whole file in hexadecimal, reading it once.
func (c *Checkpoint) SHA256() string { return hash(c.mapping.Bytes) }

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (c *Checkpoint) read(b []byte) error {
	switch kind := sniff(b); kind {
	case kindZip, kindPickle:
		f, err := torch.Read(b)
		if err != nil {
			return err
		}
		c.Format = "PyTorch (" + f.Container + ")"
		c.root = c.walk("", f.Root)
	case kindSafetensors:
		tensors, _, err := safetensors.Read(b)
		if err != nil {
			return err
		}
		c.Format = "safetensors"
		c.root = "no tensors"
		if len(tensors) > 0 {
			c.Dicts = []*Dict{{Tensors: tensors}}
		}
	default:
		if torch.IsTar(b) {
			_, err := torch.Read(b)
			return err
		}
		return fmt.Errorf("not a checkpoint: %s; want a .pth or .pt file of PyTorch, or .safetensors", kind)
	}
	return nil
}

// walk collects the dictionaries below v and returns what v is in words. The tree
// is finite and shallow: torch.Read has seen to that.
func (c *Checkpoint) walk(path string, v any) string {
	switch v := v.(type) {
	case *torch.Dict:
		d := &Dict{Path: path, Tensors: v.Tensors()}
		if len(d.Tensors) > 0 {
			c.Dicts = append(c.Dicts, d)
		}
		for key, value := range v.All() {
			c.walk(join(path, fmt.Sprint(key)), value)
		}
		return "a dictionary"
	case *torch.List:
		for i, value := range v.Items {
			c.walk(join(path, fmt.Sprint(i)), value)
		}
		return "a list"
	case torch.Tuple:
		for i, value := range v {
			c.walk(join(path, fmt.Sprint(i)), value)
		}
		return "a tuple"
	case *weights.Tensor:
		return fmt.Sprintf("a single tensor of shape %v", v.Shape)
	case *torch.Opaque:
		return "a pickled " + v.Name
	}
	return fmt.Sprintf("a %T", v)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// kind is what a file is by its first bytes, in words fit for a message.
type kind string

const (
	kindZip         kind = "a zip archive"
	kindPickle      kind = "a pickle"
	kindSafetensors kind = "a safetensors file"
	kindONNX        kind = "an ONNX model"
	kindUnknown     kind = "its first bytes are of no known format"
)

// signatures are looked through in order.
var signatures = []struct {
	prefix string
	kind   kind
}{
	{"PK\x03\x04", kindZip},
	{"\x80", kindPickle},
	{"PK\x05\x06", "an empty zip archive"},
	{"\x1f\x8b", "a gzip archive, which must be unpacked first"},
	{"\x89HDF", "an HDF5 file, as Keras writes them"},
	{"\x93NUMPY", "a NumPy array"},
	{"version https://git-lfs", "a Git LFS pointer, not the file it stands for (run git lfs pull)"},
	{"<", "a web page or XML, so a download went wrong"},
	{"{", "JSON text"},
}

// sniff tells a file's kind by its first bytes.
func sniff(b []byte) kind {
	if len(b) == 0 {
		return "an empty file"
	}
	// Safetensors begin with the length of a JSON header; its first bytes could be
	// any others, so it goes first.
	if len(b) > 9 && b[8] == '{' && binary.LittleEndian.Uint64(b) <= uint64(len(b)-8) {
		return kindSafetensors
	}
	for _, s := range signatures {
		if bytes.HasPrefix(b, []byte(s.prefix)) {
			return s.kind
		}
	}
	// A ModelProto starts with ir_version, field 1, a small number; the fields that
	// may follow are all short of 32.
	if len(b) > 2 && b[0] == 0x08 && b[1] < 0x40 {
		return kindONNX
	}
	return kindUnknown
}

// describe lists the dictionaries for a message, at most max of them.
func (c *Checkpoint) describe(max int) string {
	var parts []string
	for i, d := range c.Dicts {
		if i == max {
			parts = append(parts, fmt.Sprintf("%d more", len(c.Dicts)-max))
			break
		}
		name := d.Path
		if name == "" {
			name = "the file"
		}
		parts = append(parts, fmt.Sprintf("%s (%d tensors, the first %q)", name, len(d.Tensors), d.Tensors[0].Name))
	}
	return strings.Join(parts, ", ")
}
