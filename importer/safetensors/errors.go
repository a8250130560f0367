package safetensors

import "fmt"

// FormatError reports a file that is not what it claims to be.
type FormatError string

func (e FormatError) Error() string { return "not a valid safetensors file: " + string(e) }

// UnsupportedError reports a valid file with something this package does not read,
// or tensors that it cannot write.
type UnsupportedError string

func (e UnsupportedError) Error() string { return "unsupported by safetensors: " + string(e) }

func formatf(format string, args ...any) error { return FormatError(fmt.Sprintf(format, args...)) }
