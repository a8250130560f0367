package importer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"onnxclr/importer/safetensors"
	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
	"onnxclr/internal/file"
	"onnxclr/internal/npy"
)

// Checkpoint is an open file of weights. The tensors' bytes stay in the mapped
// file and are valid until Close.
type Checkpoint struct {
	Path string
	// Format is "PyTorch (zip)", "PyTorch (legacy)", "PyTorch (pickle)", "safetensors",
	// "NumPy (npz)", or one of them with the number of parts, "safetensors in 2 parts".
	Format string
	Dicts  []*Dict

	root     string          // what the file holds when it holds no dictionary
	tree     *torch.File     // of PyTorch's formats
	mappings []*file.Mapping // the file and, of an index, its parts in order
}

// Dict is a dictionary of a checkpoint that holds tensors directly.
type Dict struct {
	Path    string            // keys that lead to it, joined by dots; "" for the outermost
	Tensors []*weights.Tensor // in the file's order, named by their keys
}

// OpenCheckpoint maps a .pth, .pt, .safetensors or .npz file, or the .index.json of
// one in several parts, and reads its structure. What the file is is told by its first
// bytes, not by its name. Nothing in it is executed. Errors are those of the format's
// package, or say what the file is instead of a checkpoint.
func OpenCheckpoint(path string) (*Checkpoint, error) {
	m, err := file.Map(path)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{Path: path, mappings: []*file.Mapping{m}}
	if sniff(m.Bytes) == kindJSON {
		err = c.readIndex(m.Bytes)
	} else {
		err = c.read(m.Bytes)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// ReadCheckpoint is OpenCheckpoint for a file in memory. The tensors alias b; name
// stands for the path.
func ReadCheckpoint(name string, b []byte) (*Checkpoint, error) {
	c := &Checkpoint{Path: name, mappings: []*file.Mapping{{Bytes: b}}}
	if err := c.read(b); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// Close unmaps the files. Tensors of the checkpoint, and models converted from it,
// must not be used afterwards.
func (c *Checkpoint) Close() error {
	var err error
	for _, m := range c.mappings {
		err = errors.Join(err, m.Close())
	}
	return err
}

// SHA256 returns the hash of the whole file, parts included, in hexadecimal, reading
// it once.
func (c *Checkpoint) SHA256() string {
	h := sha256.New()
	for _, m := range c.mappings {
		h.Write(m.Bytes)
	}
	return hex.EncodeToString(h.Sum(nil))
}

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
		c.tree = f
		c.root = c.walk("", f.Root)
	case kindSafetensors:
		tensors, _, err := safetensors.Read(b)
		if err != nil {
			return err
		}
		c.Format = "safetensors"
		c.flat(tensors)
	case kindNPZ:
		z, err := npy.DecodeZip(b)
		if err != nil {
			return err
		}
		c.Format = "NumPy (npz)"
		var tensors []*weights.Tensor
		for _, name := range z.Names {
			a, err := z.Get(name)
			if err != nil {
				return err
			}
			tensors = append(tensors, a.Tensor(name))
		}
		c.flat(tensors)
	default:
		if torch.IsTar(b) {
			_, err := torch.Read(b)
			return err
		}
		return fmt.Errorf("not a checkpoint: %s; want a .pth or .pt file of PyTorch, .safetensors or .npz", kind)
	}
	return nil
}

// flat makes the checkpoint one dictionary.
func (c *Checkpoint) flat(tensors []*weights.Tensor) {
	c.root = "no tensors"
	if len(tensors) > 0 {
		c.Dicts = []*Dict{{Tensors: tensors}}
	}
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
