package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/npy"
)

// assign matches the files given as --input, each [NAME=]FILE, to the model's inputs:
// those without a name to the inputs left over, in the model's order.
func assign(m *onnx.Model, given []string) (map[string]string, error) {
	var names []string
	for _, in := range m.Graph.DataInputs() {
		names = append(names, in.Name)
	}
	files := map[string]string{}
	var unnamed []string
	for _, g := range given {
		name, path, named := strings.Cut(g, "=")
		switch {
		case !named:
			unnamed = append(unnamed, g)
		case !slices.Contains(names, name):
			return nil, fmt.Errorf("the model has no input %q; it has %s", name, strings.Join(names, ", "))
		case files[name] != "":
			return nil, usagef("input %q is given twice", name)
		default:
			files[name] = path
		}
	}
	for _, name := range names {
		if files[name] == "" && len(unnamed) > 0 {
			files[name], unnamed = unnamed[0], unnamed[1:]
		}
		if files[name] == "" {
			return nil, fmt.Errorf("the model has the inputs %s; none is given for %q, with --input %s=X.npy", strings.Join(names, ", "), name, name)
		}
	}
	if len(unnamed) > 0 {
		return nil, fmt.Errorf("the model has the inputs %s; %s is one too many", strings.Join(names, ", "), unnamed[0])
	}
	return files, nil
}

// readInput reads an array for an input of the model: floats of any precision where it
// has floats, integers of any size where it has integers.
func readInput(path string, in *onnx.ValueInfo) (*weights.Tensor, error) {
	if in.ElemType == 0 {
		return nil, fmt.Errorf("the model's input %q is not a tensor", in.Name)
	}
	t, err := readArray(path)
	if err != nil {
		return nil, err
	}
	want := onnx.DType(in.ElemType)
	if in.HasShape && len(in.Shape) != len(t.Shape) {
		if len(in.Shape) == 4 {
			return nil, fmt.Errorf("%s: array has shape %v, want images N×C×H×W", path, t.Shape)
		}
		return nil, fmt.Errorf("%s: array has shape %v, the model's input %q has %d dimensions", path, t.Shape, in.Name, len(in.Shape))
	}
	if want.IsFloat() != t.DType.IsFloat() {
		return nil, fmt.Errorf("%s: array is %v, the model's input %q is of %s", path, t.DType, in.Name, onnx.ElemTypeName(in.ElemType))
	}
	t.Name = in.Name
	return t, nil
}

// readArray reads a .npy file, or a .pb file that holds a TensorProto.
func readArray(path string) (*weights.Tensor, error) {
	if strings.HasSuffix(path, ".pb") {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		t, err := onnx.DecodeTensor(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if t.DType == weights.Invalid {
			return nil, fmt.Errorf("%s: elements of %s are not supported", path, onnx.ElemTypeName(t.ElemType))
		}
		return &t.Tensor, nil
	}
	a, err := npy.Open(path)
	if err != nil {
		return nil, notInput(path, err)
	}
	defer a.Close()
	shape := slices.Clone(a.Shape)
	if a.DType.IsFloat() {
		v, err := a.Float32s()
		return weights.FromFloat32("", shape, v), err
	}
	v, err := a.Int64s()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return weights.FromInt64("", shape, v), nil
}

// notInput words the error of reading a file of another kind as an array.
func notInput(path string, err error) error {
	var format npy.FormatError
	looks := importer.Looks(path)
	if !errors.As(err, &format) || slices.Contains(kindsOf[".npy"], looks) {
		return err
	}
	if looks == "" {
		looks = "of another kind"
	}
	return fmt.Errorf("%s: is %s; an input is one array as .npy (numpy.save writes it) or a TensorProto as .pb", path, looks)
}
