package torch

import (
	"math"

	"onnxclr/importer/weights"
)

// Pickles of numpy arrays, without torch.save around them: what detectron2's .pkl
// files are. Two calls make an array: _reconstruct an empty one, whose shape, type and
// bytes are then set as its state, or, since protocol 5, _frombuffer a whole one. In
// files of torch.save, arrays stay opaque: no weights are kept in them.

const pickleFile = "the pickle"

// readPickle reads a pickle that is the whole file.
func readPickle(b []byte) (*File, error) {
	m := newMachine(b, pickleFile, len(b))
	m.arrays = map[*weights.Tensor]bool{}
	root := m.run()
	switch {
	case m.err != nil:
		return nil, m.err
	case m.pos < len(m.b):
		return nil, formatf("%d bytes follow the end of the pickle", len(m.b)-m.pos)
	case len(m.storages) > 0:
		return nil, FormatError("the pickle names storages, which only a file of torch.save holds")
	}
	for _, empty := range m.arrays {
		if empty {
			return nil, formatf("%s holds an array that was given no contents", pickleFile)
		}
	}
	if err := checkTree(root, m.file); err != nil {
		return nil, err
	}
	return &File{Root: root, Container: "pickle"}, nil
}

// reconstructArray understands _reconstruct(numpy.ndarray, (0,), b"b").
func reconstructArray(m *machine, name string, args Tuple) any {
	if m.arrays == nil {
		return m.opaque(name, args)
	}
	if len(args) == 3 {
		if class, ok := args[0].(*Opaque); ok && class.Name == "numpy.ndarray" && class.Args == nil {
			m.charge(2 * objectCost)
			t := &weights.Tensor{}
			m.arrays[t] = true
			return t
		}
	}
	m.failf("%s makes something else than a numpy.ndarray", name)
	return nil
}

// fillArray sets the state (version, shape, dtype, whether in Fortran's order, bytes) of
// an array that has none yet.
func (m *machine) fillArray(t *weights.Tensor, state any) {
	s, ok := state.(Tuple)
	if !ok || len(s) != 5 {
		m.failf("sets %s as the state of an array, want a tuple of five", describe(state))
		return
	}
	m.arrays[t] = false
	fortran, ok := s[3].(bool)
	if v, isInt := s[3].(int64); isInt {
		fortran, ok = v != 0, true
	}
	if !ok {
		m.failf("the order of an array is %s", describe(s[3]))
		return
	}
	m.array(t, s[1], s[2], fortran, s[4])
}

// bufferArray understands _frombuffer(bytes, dtype, shape, order).
func bufferArray(m *machine, name string, args Tuple) any {
	if m.arrays == nil {
		return m.opaque(name, args)
	}
	order, _ := args.at(3).(string)
	if len(args) != 4 || order != "C" && order != "F" {
		m.failf("%s wants bytes, a type, a shape and an order", name)
		return nil
	}
	m.charge(2 * objectCost)
	t := &weights.Tensor{}
	m.array(t, args[2], args[1], order == "F", args[0])
	return t
}

// at is item i, nil beyond the end.
func (t Tuple) at(i int) any {
	if i < len(t) {
		return t[i]
	}
	return nil
}

// array gives t its shape, type and elements. They alias the file where they lie there
// in row-major order and little-endian.
func (m *machine) array(t *weights.Tensor, shape, dtype any, fortran bool, raw any) {
	t.Shape = m.extents("shape", shape)
	if m.err != nil {
		return
	}
	d, _ := dtype.(*Opaque)
	code, big := "", false
	if d != nil && d.Name == "numpy.dtype" {
		code, _ = Tuple(d.Args).at(0).(string)
		if s, ok := d.State.(Tuple); ok {
			big = s.at(1) == ">"
		}
	}
	known := false
	if t.DType, known = numpyTypes[code]; !known {
		m.fail(unsupportedf("%s at byte %d: it holds an array of numpy's type %q", m.file, m.op, code))
		return
	}
	size, err := weights.ByteSize(t.Shape, t.DType)
	if err != nil {
		m.failf("an array: %v", err)
		return
	}
	switch b := raw.(type) {
	case []byte:
		t.Data = b
	case string: // Python 2
		m.charge(len(b))
		t.Data = []byte(b)
	default:
		m.failf("the contents of an array are %s, want bytes", describe(raw))
		return
	}
	if len(t.Data) != size {
		m.failf("an array of shape %v of %v has %d bytes, want %d", t.Shape, t.DType, len(t.Data), size)
		return
	}
	width := t.DType.Size()
	if fortran || big && width > 1 {
		if m.charge(size); m.err != nil {
			return
		}
		out := make([]byte, size)
		v := view{tensor: t, storage: &Storage{DType: t.DType, bytes: size, data: t.Data}, strides: stridesOf(t.Shape, fortran)}
		v.gather(out)
		if big && width > 1 {
			reverse(out, width)
		}
		t.Data = out
	}
}

// stridesOf are those of a contiguous array, with the last or the first index running
// fastest.
func stridesOf(shape []int, fortran bool) []int {
	strides, n := make([]int, len(shape)), 1
	for i := range shape {
		at := len(shape) - 1 - i
		if fortran {
			at = i
		}
		strides[at] = n
		if n <= math.MaxInt/max(1, shape[at]) {
			n *= shape[at]
		}
	}
	return strides
}
