package torch

import (
	"fmt"
	"iter"
	"math/big"
	"strconv"
	"strings"

	"onnxclr/importer/weights"
)

// File is a checkpoint as a tree of plain values.
type File struct {
	// Root is the object that was saved. It and everything below it is one of
	//
	//	nil, bool, int64, *big.Int, float64, string, []byte
	//	*Dict, *List, Tuple, *Set
	//	*weights.Tensor (no Name), *Storage
	//	*Opaque
	//
	// The tree has no cycles and is at most maxDepth deep; the same value may hang at
	// several places, as tied weights do.
	Root any
	// Container is how the file holds its storages: "zip" (PyTorch 1.6 and later),
	// "legacy", or "pickle" of one that holds numpy arrays instead.
	Container string
}

// Dict is a dictionary in insertion order, as Python keeps it.
type Dict struct {
	// Class is the type's name if it is not dict, such as "collections.OrderedDict".
	Class string
	// Attrs holds what was set on the object beside its items, such as the
	// "_metadata" of a state_dict; nil if nothing was.
	Attrs *Dict

	keys, values []any
	index        map[any]int // nil while small
}

// OrderedDict is the Class of what Module.state_dict returns.
const OrderedDict = "collections.OrderedDict"

// smallDict is the size up to which a scan beats a map.
const smallDict = 8

// Len returns the number of items.
func (d *Dict) Len() int { return len(d.keys) }

// At returns item i in insertion order.
func (d *Dict) At(i int) (key, value any) { return d.keys[i], d.values[i] }

// All iterates over the items in insertion order.
func (d *Dict) All() iter.Seq2[any, any] {
	return func(yield func(key, value any) bool) {
		for i, k := range d.keys {
			if !yield(k, d.values[i]) {
				return
			}
		}
	}
}

// Get returns the value of a key, which is a string, an integer (int64) or another
// of Python's hashable types.
func (d *Dict) Get(key any) (value any, ok bool) {
	if i := d.find(key); i >= 0 {
		return d.values[i], true
	}
	return nil, false
}

// Set gives the key a value; a new key goes to the end. It reports whether the key
// is of a type that can be one.
func (d *Dict) Set(key, value any) bool {
	h, ok := hashable(key)
	if !ok {
		return false
	}
	if i := d.findHash(h); i >= 0 {
		d.values[i] = value
		return true
	}
	if d.index == nil && len(d.keys) >= smallDict {
		d.index = make(map[any]int, 2*smallDict)
		for i, k := range d.keys {
			h, _ := hashable(k)
			d.index[h] = i
		}
	}
	if d.index != nil {
		d.index[h] = len(d.keys)
	}
	d.keys = append(d.keys, key)
	d.values = append(d.values, value)
	return true
}

// Tensors returns the items that are tensors under a string, in order, each as a
// copy that carries its key as the Name and shares the Data.
func (d *Dict) Tensors() []*weights.Tensor {
	var list []*weights.Tensor
	for k, v := range d.All() {
		name, isString := k.(string)
		t, isTensor := v.(*weights.Tensor)
		if isString && isTensor {
			named := *t
			named.Name = name
			list = append(list, &named)
		}
	}
	return list
}

func (d *Dict) find(key any) int {
	h, ok := hashable(key)
	if !ok {
		return -1
	}
	return d.findHash(h)
}

func (d *Dict) findHash(h any) int {
	if d.index != nil {
		if i, ok := d.index[h]; ok {
			return i
		}
		return -1
	}
	for i, k := range d.keys {
		if kh, _ := hashable(k); kh == h {
			return i
		}
	}
	return -1
}

// hashable returns a value that is comparable in Go and equal for keys that are
// equal in Python. Numbers of different types and tuples that hold more than
// scalars are told apart where Python would not.
func hashable(key any) (any, bool) {
	switch k := key.(type) {
	case nil, bool, int64, float64, string, *Opaque, *weights.Tensor, *Storage:
		return k, true
	case []byte:
		return bytesKey(k), true
	case *big.Int:
		return intKey(k.String()), true
	case Tuple:
		return tupleHash(k), true
	}
	return nil, false
}

type (
	bytesKey string
	intKey   string
	tupleKey string
)

func tupleHash(t Tuple) any {
	var s strings.Builder
	for _, v := range t {
		switch v := v.(type) {
		case nil, bool, int64, float64:
			fmt.Fprintf(&s, "%T %v,", v, v)
		case string:
			s.WriteString(strconv.Quote(v))
		default:
			return &t[0] // itself and nothing else
		}
	}
	return tupleKey(s.String())
}

// List is a list, or a deque.
type List struct{ Items []any }

// Tuple is a tuple, a torch.Size or a named tuple's fields.
type Tuple []any

// Set is a set or frozenset, its items in the file's order.
type Set struct{ Items []any }

// Opaque is an object that is kept but not understood, such as an
// argparse.Namespace or a numpy array, or the mere mention of a class, function or
// constant (Args is nil), such as torch.float32.
type Opaque struct {
	Name  string // module and name, such as "argparse.Namespace"
	Args  []any  // what it was made from
	State any    // what was set on it: usually a *Dict of attributes
}

// Storage is a storage that was saved by itself, without a tensor around it.
type Storage struct {
	DType    weights.DType // Uint8 for an untyped one
	Location string        // the device it was on, such as "cuda:3"

	key   string
	bytes int
	data  []byte // nil until attached

	whole *Storage // that this one is a part of, in files from before PyTorch 0.4
	start int      // its first element there
}
