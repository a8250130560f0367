package torch

import (
	"math"
	"strings"

	"onnxclr/importer/weights"
)

// storageTypes maps the classes of storages to their elements.
var storageTypes = map[string]weights.DType{
	"FloatStorage":    weights.Float32,
	"DoubleStorage":   weights.Float64,
	"HalfStorage":     weights.Float16,
	"BFloat16Storage": weights.BFloat16,
	"LongStorage":     weights.Int64,
	"IntStorage":      weights.Int32,
	"ShortStorage":    weights.Int16,
	"CharStorage":     weights.Int8,
	"ByteStorage":     weights.Uint8,
	"BoolStorage":     weights.Bool,
	"UntypedStorage":  weights.Uint8,
}

// dtypes maps the names in module torch to element types.
var dtypes = map[string]weights.DType{
	"float32": weights.Float32, "float": weights.Float32,
	"float64": weights.Float64, "double": weights.Float64,
	"float16": weights.Float16, "half": weights.Float16,
	"bfloat16": weights.BFloat16,
	"int64":    weights.Int64, "long": weights.Int64,
	"int32": weights.Int32, "int": weights.Int32,
	"int16": weights.Int16, "short": weights.Int16,
	"int8":   weights.Int8,
	"uint8":  weights.Uint8,
	"uint16": weights.Uint16,
	"uint32": weights.Uint32,
	"uint64": weights.Uint64,
	"bool":   weights.Bool,
}

// persistent resolves the tuple that stands for a storage: the word "storage", its
// class, key, device and number of elements, and in legacy files a view, which is
// None or, before PyTorch 0.4, a part of another storage.
func (m *machine) persistent(pid any) any {
	if m.err != nil {
		return nil
	}
	t, ok := pid.(Tuple)
	if !ok || len(t) < 5 || len(t) > 6 || t[0] != "storage" {
		m.failf("a storage is named by %s, want a tuple of five", describe(pid))
		return nil
	}
	class, ok1 := t[1].(*Opaque)
	key, ok2 := t[2].(string)
	location, ok3 := t[3].(string)
	count, ok4 := t[4].(int64)
	if !ok1 || !ok2 || !ok3 || !ok4 || class.Args != nil {
		m.failf("a storage is named by a tuple of wrong types")
		return nil
	}
	dtype := m.storageType(class.Name)
	if m.err != nil {
		return nil
	}
	if count < 0 || count > math.MaxInt/int64(dtype.Size()) {
		m.failf("storage %q of %d elements", key, count)
		return nil
	}
	bytes := int(count) * dtype.Size()
	if s, known := m.storages[key]; known {
		if s.DType != dtype || s.bytes != bytes {
			m.failf("storage %q is %d bytes of %v here and %d of %v elsewhere", key, bytes, dtype, s.bytes, s.DType)
		}
		return m.part(s, t)
	}
	m.charge(objectCost + slotCost)
	s := &Storage{DType: dtype, Location: location, key: key, bytes: bytes}
	m.storages[key] = s
	return m.part(s, t)
}

// part returns the storage that the tuple's sixth field, if there is one, cuts out of
// s: (key, offset, elements).
func (m *machine) part(s *Storage, t Tuple) any {
	if m.err != nil || len(t) < 6 || t[5] == nil {
		return s
	}
	view, _ := t[5].(Tuple)
	if len(view) != 3 {
		m.failf("storage %q is cut by %s, want a tuple of three", s.key, describe(t[5]))
		return nil
	}
	key, ok1 := view[0].(string)
	offset, ok2 := view[1].(int64)
	count, ok3 := view[2].(int64)
	have := int64(s.bytes / s.DType.Size())
	if !ok1 || !ok2 || !ok3 {
		m.failf("storage %q is cut by a tuple of wrong types", s.key)
		return nil
	}
	if offset < 0 || count < 0 || offset > have || count > have-offset {
		m.failf("storage %q is elements %d to %d of storage %q, which has %d", key, offset, offset+count, s.key, have)
		return nil
	}
	m.charge(objectCost)
	return &Storage{DType: s.DType, Location: s.Location, key: key, bytes: int(count) * s.DType.Size(), whole: s, start: int(offset)}
}

func (m *machine) storageType(class string) weights.DType {
	for _, module := range []string{"torch.", "torch.cuda.", "torch.storage."} {
		if name, ok := strings.CutPrefix(class, module); ok {
			if d, ok := storageTypes[name]; ok {
				return d
			}
			if strings.HasSuffix(name, "Storage") && !strings.Contains(name, ".") {
				m.fail(unsupportedf("%s at byte %d: it holds elements of %s", m.file, m.op, class))
				return weights.Invalid
			}
		}
	}
	m.failf("storage of class %s", class)
	return weights.Invalid
}
