package importer

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"onnxclr/importer/weights"
	"onnxclr/internal/file"
)

// maxParts is far above what any hub splits a model into.
const maxParts = 1024

// readIndex reads the parts that a model.safetensors.index.json (or
// pytorch_model.bin.index.json) lists in the folder it is in. Every tensor of the
// index must be in its part, and every tensor of a part in the index.
func (c *Checkpoint) readIndex(b []byte) error {
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(b, &index); err != nil || len(index.WeightMap) == 0 {
		return fmt.Errorf("JSON text, but no index of a checkpoint in parts: want an object weight_map of tensor names and files")
	}
	counts := map[string]int{}
	for name, part := range index.WeightMap {
		if part == "" || part != filepath.Base(part) || strings.ContainsAny(part, "/\\:") || part == "." || part == ".." {
			return fmt.Errorf("the index puts tensor %q into %q, want a file in the folder of the index", name, part)
		}
		counts[part]++
	}
	parts := make([]string, 0, len(counts))
	for part := range counts {
		parts = append(parts, part)
	}
	sort.Strings(parts)
	if len(parts) > maxParts {
		return fmt.Errorf("the index lists %d files, at most %d are read", len(parts), maxParts)
	}
	var all []*weights.Tensor
	for _, part := range parts {
		tensors, err := c.readPart(part)
		if err != nil {
			return err
		}
		for _, t := range tensors {
			switch where, listed := index.WeightMap[t.Name]; {
			case !listed:
				return fmt.Errorf("%s holds a tensor %q that the index does not list", part, t.Name)
			case where != part:
				return fmt.Errorf("%s holds the tensor %q, which the index puts into %s", part, t.Name, where)
			}
		}
		if len(tensors) != counts[part] {
			return fmt.Errorf("%s lacks %s that the index puts into it: %s", part,
				number(counts[part]-len(tensors), "tensor"), strings.Join(missingFrom(tensors, index.WeightMap, part), ", "))
		}
		all = append(all, tensors...)
	}
	c.flat(all)
	c.Format = fmt.Sprintf("%s in %s", c.Format, number(len(parts), "part"))
	return nil
}

// readPart maps one file beside the index and returns its tensors.
func (c *Checkpoint) readPart(name string) ([]*weights.Tensor, error) {
	m, err := file.Map(filepath.Join(filepath.Dir(c.Path), name))
	if err != nil {
		return nil, fmt.Errorf("a part is missing: %w", err)
	}
	c.mappings = append(c.mappings, m)
	part := &Checkpoint{Path: name}
	if err := part.read(m.Bytes); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(part.Dicts) != 1 || part.Dicts[0].Path != "" {
		return nil, fmt.Errorf("%s is no part of a checkpoint: want a flat dictionary of tensors", name)
	}
	if c.Format != "" && c.Format != part.Format {
		return nil, fmt.Errorf("%s is %s, the parts before it are %s", name, part.Format, c.Format)
	}
	c.Format = part.Format
	return part.Dicts[0].Tensors, nil
}

// missingFrom lists the names that the index has for a part and the part has not, in
// their order, the first few.
func missingFrom(tensors []*weights.Tensor, index map[string]string, part string) []string {
	there := map[string]bool{}
	for _, t := range tensors {
		there[t.Name] = true
	}
	var names []string
	for name, where := range index {
		if where == part && !there[name] {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	const few = 10
	if len(names) > few {
		names = append(slices.Clone(names[:few]), "…")
	}
	return names
}
