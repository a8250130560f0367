package train

import (
	"errors"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/internal/graph"
)

// Representation returns the name of the tensor that training and analysis look at;
// see importer.Representation. Where there are no kernels for an operator that it
// depends on, or that hides where it is, the error is a *graph.UnsupportedError: what
// a model is made of is said before what is to be done with it.
func Representation(m *onnx.Model) (string, error) {
	name, err := importer.Representation(m)
	var outputs []string
	if err == nil {
		outputs = []string{name}
	}
	var unsupported *graph.UnsupportedError
	if errors.As(graph.Supports(m, outputs...), &unsupported) {
		return "", unsupported
	}
	return name, err
}
