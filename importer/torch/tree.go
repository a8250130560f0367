package torch

import (
	"fmt"
	"math/big"

	"onnxclr/importer/weights"
)

// checkTree refuses what would trap whoever walks the tree of values: containers
// that contain themselves, deep nesting, and small pickles that unfold to an
// enormous tree because every level holds the one below it several times.
func checkTree(root any, file string) error {
	c := treeCheck{file: file, size: make(map[any]int)}
	_, err := c.walk(root, 0)
	return err
}

type treeCheck struct {
	file string
	size map[any]int // values below a finished container; open while it is being walked
}

const open = -1

// walk returns how many values a walk from v on meets.
func (c *treeCheck) walk(v any, depth int) (int, error) {
	id, parts := children(v)
	if id == nil {
		return 1, nil
	}
	if n, seen := c.size[id]; seen {
		if n == open {
			return 0, formatf("%s: %s contains itself", c.file, describe(v))
		}
		return n, nil
	}
	if depth >= maxDepth {
		return 0, formatf("%s: containers nest more than %d deep", c.file, maxDepth)
	}
	c.size[id] = open
	total := 1
	for _, part := range parts {
		for _, child := range part {
			n, err := c.walk(child, depth+1)
			if err != nil {
				return 0, err
			}
			if total += n; total > maxTree {
				return 0, formatf("%s: it unfolds to more than %d values", c.file, maxTree)
			}
		}
	}
	c.size[id] = total
	return total, nil
}

// children returns what identifies a container, nil for anything else, and its
// contents.
func children(v any) (id any, parts [][]any) {
	switch v := v.(type) {
	case *Dict:
		parts = [][]any{v.keys, v.values}
		if v.Attrs != nil {
			parts = append(parts, []any{v.Attrs})
		}
		return v, parts
	case *List:
		return v, [][]any{v.Items}
	case *Set:
		return v, [][]any{v.Items}
	case *Opaque:
		return v, [][]any{v.Args, {v.State}}
	case Tuple:
		if len(v) > 0 {
			return &v[0], [][]any{v}
		}
	}
	return nil, nil
}

// describe names a value in an error message.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64, *big.Int:
		return "an int"
	case float64:
		return "a float"
	case string:
		return "a str"
	case []byte:
		return "bytes"
	case *Dict:
		if v.Class != "" {
			return "a " + v.Class
		}
		return "a dict"
	case *List:
		return "a list"
	case Tuple:
		return "a tuple"
	case *Set:
		return "a set"
	case *weights.Tensor:
		return "a tensor"
	case *Storage:
		return "a storage"
	case *Opaque:
		if v.Args == nil {
			return "the name " + v.Name
		}
		return "an object of " + v.Name
	}
	return fmt.Sprintf("a %T", v)
}
