package data

import (
	"fmt"
	"io"

	"onnxclr/train/augment"
)

// Dataset is an ordered set of images. Its methods may be called by several
// goroutines at once, Close excepted.
type Dataset interface {
	// Len is the number of images.
	Len() int
	// Classes are the names of the classes, sorted, or nil when nothing is labelled.
	Classes() []string
	// Label is the index into Classes of image i, −1 when it has none.
	Label(i int) int
	// Name says which image i is: its path inside the data set, with slashes.
	Name(i int) string
	// Image decodes image i. An error names the file and what is wrong with it.
	Image(i int) (*augment.Image, error)
	// Close releases files and memory. Images already decoded stay valid.
	io.Closer
}

// FormatError reports a data set, archive or image that is not what it claims to be.
type FormatError string

func (e FormatError) Error() string { return string(e) }

// UnsupportedError reports one that may be valid but is of a kind not read here.
type UnsupportedError string

func (e UnsupportedError) Error() string { return string(e) }

func formatf(format string, args ...any) error { return FormatError(fmt.Sprintf(format, args...)) }
func unsupportedf(format string, args ...any) error {
	return UnsupportedError(fmt.Sprintf(format, args...))
}
