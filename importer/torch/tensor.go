package torch

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"onnxclr/importer/weights"
)

// maxRank is PyTorch's own limit.
const maxRank = 64

// view is a tensor and the part of a storage that it shows. Offset and strides
// count elements of the tensor's type.
type view struct {
	tensor  *weights.Tensor
	storage *Storage
	offset  int
	strides []int
}

// rebuildTensor understands _rebuild_tensor(storage, offset, size, stride), v2 with
// (requires_grad, hooks[, metadata]) behind, and v3 with (requires_grad, hooks,
// dtype[, metadata]). The tensor's bytes are attached when the whole pickle is read.
func rebuildTensor(m *machine, name string, args Tuple) any {
	least, most, dtypeAt := 4, 4, -1
	switch name {
	case "torch._utils._rebuild_tensor_v2":
		least, most = 6, 7
	case "torch._utils._rebuild_tensor_v3":
		least, most, dtypeAt = 7, 8, 6
	}
	if len(args) < least || len(args) > most {
		m.failf("%s on %d arguments", name, len(args))
		return nil
	}
	storage, ok := args[0].(*Storage)
	if !ok {
		m.failf("a tensor over %s, want a storage", describe(args[0]))
		return nil
	}
	offset, ok := args[1].(int64)
	if !ok || offset < 0 || offset > math.MaxInt {
		m.failf("a tensor at offset %v of its storage", printable(args[1]))
		return nil
	}
	shape := m.extents("size", args[2])
	strides := m.extents("stride", args[3])
	dtype := storage.DType
	if dtypeAt >= 0 {
		dtype = m.dtype(args[dtypeAt])
	}
	if m.err == nil && len(shape) != len(strides) {
		m.failf("a tensor of %d dimensions with %d strides", len(shape), len(strides))
	}
	if m.err != nil {
		return nil
	}
	m.charge(2*objectCost + 16*len(shape))
	v := view{&weights.Tensor{DType: dtype, Shape: shape}, storage, int(offset), strides}
	if err := v.check(); err != "" {
		m.failf("%s", err)
		return nil
	}
	if storage.whole != nil {
		v.storage, v.offset = storage.whole, v.offset+storage.start
	}
	m.pending = append(m.pending, v)
	return v.tensor
}

// rebuildParameter returns the tensor that a torch.nn.Parameter wraps.
func rebuildParameter(m *machine, name string, args Tuple) any {
	if len(args) >= 3 && len(args) <= 4 {
		if t, ok := args[0].(*weights.Tensor); ok {
			return t
		}
	}
	m.failf("%s wants a tensor and its flags, not %s", name, describe(args))
	return nil
}

// rebuildFromType is called on another rebuilding function, the class of the result,
// that function's arguments and the attributes of the tensor.
func rebuildFromType(m *machine, name string, args Tuple) any {
	if len(args) == 4 {
		fn, ok1 := args[0].(*Opaque)
		class, ok2 := args[1].(*Opaque)
		inner, ok3 := args[2].(Tuple)
		if ok1 && ok2 && ok3 && strings.HasPrefix(fn.Name, "torch._utils._rebuild_") && fn.Args == nil {
			switch class.Name {
			case "torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer":
			default:
				m.fail(unsupportedf("%s at byte %d: it holds a tensor of class %s", m.file, m.op, class.Name))
				return nil
			}
			if construct, ok := vocabulary[fn.Name]; ok {
				return construct(m, fn.Name, inner)
			}
			m.refuse(fn, "")
			return nil
		}
	}
	m.failf("%s wants a function, a class, arguments and a state", name)
	return nil
}

// extents reads a size or stride.
func (m *machine) extents(what string, v any) []int {
	t, ok := v.(Tuple)
	if !ok {
		if l, isList := v.(*List); isList {
			t, ok = l.Items, true
		}
	}
	if !ok || len(t) > maxRank {
		m.failf("a tensor's %s is %s, want a tuple of at most %d", what, describe(v), maxRank)
		return nil
	}
	out := make([]int, len(t))
	for i, e := range t {
		n, ok := e.(int64)
		if !ok || n < 0 || n > math.MaxInt {
			m.failf("a tensor's %s holds %v", what, printable(e))
			return nil
		}
		out[i] = int(n)
	}
	return out
}

// printable keeps an error message short, whatever the value.
func printable(v any) any {
	switch v.(type) {
	case int64, float64, bool:
		return v
	}
	return describe(v)
}

// quote is printable with strings quoted, cut where they are long.
func quote(v any) any {
	if s, ok := v.(string); ok {
		return strconv.Quote(s[:min(len(s), 64)])
	}
	return printable(v)
}

func (m *machine) dtype(v any) weights.DType {
	o, ok := v.(*Opaque)
	if !ok || o.Args != nil {
		m.failf("a tensor's element type is %s", describe(v))
		return weights.Invalid
	}
	if name, ok := cutTorch(o.Name); ok {
		if d, ok := dtypes[name]; ok {
			return d
		}
		m.fail(unsupportedf("%s at byte %d: it holds elements of %s", m.file, m.op, o.Name))
		return weights.Invalid
	}
	m.failf("a tensor's element type is %s", o.Name)
	return weights.Invalid
}

func cutTorch(name string) (string, bool) {
	const module = "torch."
	if len(name) > len(module) && name[:len(module)] == module {
		return name[len(module):], true
	}
	return "", false
}

// check says what is wrong with a view: an element outside the storage's declared
// bytes, or sizes whose product no memory holds.
func (v *view) check() string {
	if _, err := weights.ByteSize(v.tensor.Shape, v.tensor.DType); err != nil {
		return err.Error()
	}
	if v.tensor.Len() == 0 {
		return ""
	}
	have := v.storage.bytes / v.tensor.DType.Size()
	last := v.offset // index of the last element
	for i, n := range v.tensor.Shape {
		stride := v.strides[i]
		if n > 1 && stride > (math.MaxInt-last)/(n-1) {
			last = math.MaxInt
			break
		}
		last += (n - 1) * stride
	}
	if last >= have {
		return fmt.Sprintf("a tensor of shape %v, strides %v at offset %d reaches beyond its storage of %d elements",
			v.tensor.Shape, v.strides, v.offset, have)
	}
	return ""
}

// contiguous reports whether the elements lie in row-major order without gaps.
func (v *view) contiguous() bool {
	want := 1
	for i := len(v.strides) - 1; i >= 0; i-- {
		if n := v.tensor.Shape[i]; n != 1 {
			if v.strides[i] != want {
				return false
			}
			want *= n
		}
	}
	return true
}
