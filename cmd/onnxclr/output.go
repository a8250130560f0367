package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"onnxclr/internal/file"
)

// mayWrite fails, before any work is done, when one of the outputs is there already
// and force is not set, when its folder is not there, when two outputs are one file,
// or when one is an input. Empty paths and "-" are skipped.
func mayWrite(force bool, inputs []string, outputs ...string) error {
	seen := map[string]bool{}
	for _, path := range outputs {
		if path == "" || path == "-" {
			continue
		}
		clean := filepath.Clean(path)
		if seen[clean] {
			return usagef("%s is named for two outputs", path)
		}
		seen[clean] = true
		out, err := os.Stat(path)
		if err != nil { // not there; whether it can be written is found out by writing
			if st, err := os.Stat(filepath.Dir(path)); err != nil || !st.IsDir() {
				return fmt.Errorf("%s: there is no folder %s", path, filepath.Dir(path))
			}
			continue
		}
		if !force {
			return fmt.Errorf("%s %w; pass --force to replace it", path, file.ErrExists)
		}
		if out.IsDir() {
			return fmt.Errorf("%s is a folder, want the name of a file", path)
		}
		for _, input := range inputs {
			if in, err := os.Stat(input); err == nil && os.SameFile(in, out) {
				return usagef("%s is input and output at once", path)
			}
		}
	}
	return nil
}

// hasExtension fails unless path ends in one of the extensions.
func hasExtension(path string, extensions ...string) error {
	ext := strings.ToLower(filepath.Ext(path))
	for _, e := range extensions {
		if e == ext {
			return nil
		}
	}
	return usagef("%s: want the extension %s", path, strings.Join(extensions, " or "))
}

// stoppable is w until ctx ends.
type stoppable struct {
	ctx context.Context
	w   io.Writer
}

func (s stoppable) Write(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(b)
}
