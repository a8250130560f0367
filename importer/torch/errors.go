package torch

import "fmt"

// FormatError reports a file that is not what it claims to be: damaged, cut short
// or made to mislead.
type FormatError string

func (e FormatError) Error() string { return "not a valid PyTorch checkpoint: " + string(e) }

// UnsupportedError reports a valid file with something this package does not read
// or write.
type UnsupportedError string

func (e UnsupportedError) Error() string { return "unsupported PyTorch checkpoint: " + string(e) }

// CallError reports a pickle that calls a function or builds a class outside the
// vocabulary. The call was not made.
type CallError struct {
	Name string // such as "os.system"
	File string // the pickle, such as "data.pkl"
	Byte int    // offset of the calling opcode in it
}

func (e *CallError) Error() string {
	return fmt.Sprintf("%s at byte %d: calls %s; only tensors and plain containers are read, nothing was executed%s",
		e.File, e.Byte, e.Name, advice(e.Name))
}

func formatf(format string, args ...any) error { return FormatError(fmt.Sprintf(format, args...)) }

func unsupportedf(format string, args ...any) error {
	return UnsupportedError(fmt.Sprintf(format, args...))
}
