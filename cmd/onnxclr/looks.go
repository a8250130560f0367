package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"onnxclr/importer"
)

// kindsOf says what importer.Looks sees in files with an extension.
var kindsOf = map[string][]string{
	".npy":         {"a NumPy array"},
	".npz":         {"a NumPy archive", "a zip archive", "an empty zip archive"},
	".safetensors": {"a safetensors file"},
	".parquet":     {"a Parquet file"},
	".csv":         {"text", "JSON text", ""}, // whatever its first line begins with
}

// wrongKind adds to the error of reading a file what it looks to be, where that is not
// what its extension says; it fails for a nil error where text is expected.
func wrongKind(path string, err error) error {
	ext := strings.ToLower(filepath.Ext(path))
	switch ext {
	case ".tsv", ".txt":
		ext = ".csv"
	case ".csv":
	default:
		if err == nil {
			return nil
		}
	}
	looks := importer.Looks(path)
	if looks == "" || slices.Contains(kindsOf[ext], looks) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text := fmt.Sprintf("%s: looks to be %s", path, looks)
	if kindsOf[ext] != nil {
		text += ", not what its extension says"
	}
	for is, l := range kindsOf {
		if l[0] == looks {
			text += "; as " + is + " it could be read"
		}
	}
	return errors.New(text)
}
