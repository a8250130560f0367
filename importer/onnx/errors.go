package onnx

import (
	"errors"
	"fmt"
)

// FormatError says that a file is not a valid ONNX model.
type FormatError struct {
	Path   string // where in the model, such as "graph.node[12].attribute[0]"
	Reason string // what was found and what is expected there
}

func (e *FormatError) Error() string {
	if e.Path == "" {
		return "onnx: " + e.Reason
	}
	return "onnx: " + e.Path + ": " + e.Reason
}

// UnsupportedError says that a model is valid but beyond what this package does.
type UnsupportedError struct {
	Path   string
	Reason string
}

func (e *UnsupportedError) Error() string {
	if e.Path == "" {
		return "onnx: " + e.Reason
	}
	return "onnx: " + e.Path + ": " + e.Reason
}

func formatErr(format string, args ...any) error {
	return &FormatError{Reason: fmt.Sprintf(format, args...)}
}

// within puts a step of the path before an error from inside a message.
func within(err error, format string, args ...any) error {
	var path *string
	var f *FormatError
	var u *UnsupportedError
	switch {
	case errors.As(err, &f):
		path = &f.Path
	case errors.As(err, &u):
		path = &u.Path
	default:
		return err
	}
	step := fmt.Sprintf(format, args...)
	if *path != "" {
		step += "."
	}
	*path = step + *path
	return err
}
