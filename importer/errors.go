package importer

import (
	"fmt"
	"strings"
)

// UnsupportedError says that a file is valid but holds what this package does not
// convert.
type UnsupportedError string

func (e UnsupportedError) Error() string { return string(e) }

func unsupportedf(format string, args ...any) error {
	return UnsupportedError(fmt.Sprintf(format, args...))
}

// MismatchError lists everything that keeps a checkpoint's tensors from being the
// network that most of them make up.
type MismatchError struct {
	Network  string   // what the tensors were held against, such as "resnet50"
	Problems []string // one a tensor: its name, what was found, what is expected
	Missing  bool     // whether some tensors are missing, which AllowMissing accepts
}

func (e *MismatchError) Error() string {
	hint := ""
	if e.Missing {
		hint = "\n(--allow-missing begins what is missing with untrained values)"
	}
	return fmt.Sprintf("mismatch with %s in %s:\n  %s%s", e.Network, number(len(e.Problems), "tensor"), strings.Join(e.Problems, "\n  "), hint)
}

// number is n with the noun in the right number.
func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// are is "1 tensor is" or "3 tensors are".
func are(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return number(n, noun) + " are"
}

// WidthError is a setting of a head that the model's representation is too narrow for,
// or does not divide by.
type WidthError struct {
	Key   string // of a recipe: d0, projector_groups
	Value int
	Width int // of the representation
}

func (e *WidthError) Error() string {
	if e.Key == "projector_groups" && e.Value >= 1 && e.Value <= e.Width {
		return fmt.Sprintf("the representation's %d features do not divide into %d equal groups", e.Width, e.Value)
	}
	return fmt.Sprintf("%s is %d, want 1 to %d, the width of the representation", e.Key, e.Value, e.Width)
}
