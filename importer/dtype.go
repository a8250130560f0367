package importer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
)

// Convert makes all weights float32. What a checkpoint had instead is kept beside them,
// so that Export can write it again: the types in the metadata and, where float64
// numbers had to be rounded, what was rounded off.

// residualPrefix begins the names of initializers that no node reads. Each is, as int32,
// what to add to the bits of the float64 of a rounded weight to get the original.
const residualPrefix = "source_residual."

// recordDTypes notes the types of the checkpoint's tensors in the model.
func recordDTypes(m *onnx.Model, used []*weights.Tensor) error {
	names := map[string][]string{}
	floats := 0
	sums := map[string]string{}
	for _, t := range used {
		if strings.HasSuffix(t.Name, counterName) {
			continue
		}
		floats++
		if t.DType == weights.Float32 {
			continue
		}
		names[t.DType.String()] = append(names[t.DType.String()], t.Name)
		rounded := m.Graph.Initializer(t.Name)
		if t.DType != weights.Float64 || rounded == nil {
			continue
		}
		if rest := remainder(t, rounded.Data); rest != nil {
			m.Graph.AddInitializer(onnx.NewTensor(rest))
			sums[t.Name] = checksum(rounded.Data)
		}
	}
	if len(names) == 0 {
		return nil
	}
	if len(names) == 1 {
		for d, list := range names {
			if len(list) == floats {
				m.SetMeta(MetaSourceDType, d)
			}
		}
	}
	if m.Meta(MetaSourceDType) == "" {
		text, err := json.Marshal(names)
		if err != nil {
			return err
		}
		m.SetMeta(MetaSourceDType, mixed)
		m.SetMeta(MetaSourceDTypes, string(text))
	}
	if len(sums) > 0 {
		text, err := json.Marshal(sums)
		if err != nil {
			return err
		}
		m.SetMeta(MetaResidual, string(text))
	}
	return nil
}

const mixed = "mixed"

// remainder returns what rounding float64 tensor t to the float32 bytes lost; nil if
// that is nothing, or more than an int32 for an element can say, as beyond float32's
// range.
func remainder(t *weights.Tensor, rounded []byte) *weights.Tensor {
	le := binary.LittleEndian
	out := make([]byte, 0, len(rounded))
	lost := false
	for i := 0; i+8 <= len(t.Data); i += 8 {
		bits := le.Uint64(t.Data[i:])
		near := math.Float64bits(float64(math.Float32frombits(le.Uint32(rounded[i/2:]))))
		rest := int64(bits - near)
		if rest != int64(int32(rest)) {
			return nil
		}
		lost = lost || rest != 0
		out = le.AppendUint32(out, uint32(int32(rest)))
	}
	if !lost {
		return nil
	}
	return &weights.Tensor{Name: residualPrefix + t.Name, DType: weights.Int32, Shape: t.Shape, Data: out}
}

// dropResiduals takes the remainders out of a model whose graph is its own; runtimes
// warn of initializers that no node reads.
func dropResiduals(m *onnx.Model) {
	if m.Meta(MetaResidual) == "" {
		return
	}
	g := *m.Graph
	g.Initializers = nil
	for _, t := range m.Graph.Initializers {
		if !strings.HasPrefix(t.Name, residualPrefix) {
			g.Initializers = append(g.Initializers, t)
		}
	}
	m.Graph = &g
	m.Metadata = slices.Clone(m.Metadata)
	dropMeta(m, MetaResidual)
}

// unround undoes the rounding.
func unround(t *weights.Tensor, rest []byte) *weights.Tensor {
	le := binary.LittleEndian
	out := make([]byte, 0, 2*len(t.Data))
	for i := 0; i+4 <= len(t.Data); i += 4 {
		near := math.Float64bits(float64(math.Float32frombits(le.Uint32(t.Data[i:]))))
		out = le.AppendUint64(out, near+uint64(int64(int32(le.Uint32(rest[i:])))))
	}
	return &weights.Tensor{Name: t.Name, DType: weights.Float64, Shape: t.Shape, Data: out}
}

func checksum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// DTypeSame asks Export for the types of the checkpoint that a model came from.
const DTypeSame = "same"

// exportTypes are the types that Export writes on request.
var exportTypes = []weights.DType{weights.Float32, weights.Float16, weights.BFloat16, weights.Float64}

// ExportTypes lists the names that ExportOptions.DType takes.
func ExportTypes() []string {
	names := []string{DTypeSame}
	for _, d := range exportTypes {
		names = append(names, d.String())
	}
	return names
}

// restore gives the tensors the type asked for: "" or DTypeSame for that of the
// checkpoint they came from, in which those that nobody changed are bit for bit as
// they were. The note says what had to be rounded.
func restore(m *onnx.Model, tensors []*weights.Tensor, dtype string) ([]*weights.Tensor, string, error) {
	types, err := targetTypes(m, dtype)
	if err != nil {
		return nil, "", err
	}
	sums := map[string]string{}
	if text := m.Meta(MetaResidual); text != "" {
		if err := json.Unmarshal([]byte(text), &sums); err != nil {
			return nil, "", fmt.Errorf("metadata %s is no JSON object of strings: %w", MetaResidual, err)
		}
	}
	out := make([]*weights.Tensor, len(tensors))
	rounded := map[weights.DType]int{}
	for i, t := range tensors {
		to := types(t.Name)
		rest := m.Graph.Initializer(residualPrefix + t.Name)
		if to == weights.Float64 && t.DType == weights.Float32 && rest != nil && len(rest.Data) == len(t.Data) && sums[t.Name] == checksum(t.Data) {
			out[i] = unround(t, rest.Data)
			continue
		}
		if to == weights.Invalid || !t.DType.IsFloat() {
			out[i] = t
			continue
		}
		var exact bool
		if out[i], exact, err = t.As(to); err != nil {
			return nil, "", err
		}
		if !exact {
			rounded[to]++
		}
	}
	var notes []string
	for _, d := range exportTypes {
		if n := rounded[d]; n > 0 {
			notes = append(notes, fmt.Sprintf("%s rounded to %v, the type %s: --dtype float32 keeps all of the model", are(n, "changed tensor"), d, origin(dtype)))
		}
	}
	return out, strings.Join(notes, "; "), nil
}

func origin(dtype string) string {
	if dtype == "" || dtype == DTypeSame {
		return "of the checkpoint"
	}
	return "asked for"
}

// targetTypes returns the type to write of a floating-point tensor by its key;
// weights.Invalid where that is the type it has.
func targetTypes(m *onnx.Model, dtype string) (func(key string) weights.DType, error) {
	all := func(d weights.DType) func(string) weights.DType { return func(string) weights.DType { return d } }
	if dtype != "" && dtype != DTypeSame {
		d, err := parseDType(dtype)
		return all(d), err
	}
	switch source := m.Meta(MetaSourceDType); source {
	case "":
		return all(weights.Invalid), nil
	case mixed:
	default:
		d, err := parseDType(source)
		return all(d), err
	}
	names := map[string][]string{}
	if text := m.Meta(MetaSourceDTypes); text != "" { // not in models of earlier versions
		if err := json.Unmarshal([]byte(text), &names); err != nil {
			return nil, fmt.Errorf("metadata %s is no JSON object of lists: %w", MetaSourceDTypes, err)
		}
	}
	types := map[string]weights.DType{}
	for text, keys := range names {
		d, err := parseDType(text)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			types[key] = d
		}
	}
	return func(key string) weights.DType {
		return types[key]
	}, nil
}

func parseDType(text string) (weights.DType, error) {
	for _, d := range exportTypes {
		if d.String() == text {
			return d, nil
		}
	}
	return weights.Invalid, fmt.Errorf("unknown type %q; want one of %s", text, strings.Join(ExportTypes(), ", "))
}
