package file

import (
	"errors"
	"slices"
)

// Full reports whether an error is that of a disk, or of a quota, which is used up.
func Full(err error) bool {
	return slices.ContainsFunc(full, func(e error) bool { return errors.Is(err, e) })
}

// Free returns how many bytes can still be written in the folder, 0 where that is not
// known.
func Free(dir string) int64 { return free(dir) }
