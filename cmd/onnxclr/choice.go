package main

import (
	"slices"
	"strings"

	"onnxclr/internal/nearest"
)

// oneOf fails unless the value of a flag is one of those allowed, with the one that it
// is nearest to.
func oneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	list := allowed[0]
	if last := len(allowed) - 1; last > 0 {
		list = strings.Join(allowed[:last], ", ") + " or " + allowed[last]
	}
	return usagef("--%s is %q, want %s%s", flag, value, list, nearest.Hint(value, allowed))
}

// chartFormat checks --format of charts.
func chartFormat(format string) error { return oneOf("format", format, "png", "svg", "pdf") }
