//go:build !unix

package onnx

import "os"

// pipe makes a folder, which is refused as well, where there are no named pipes.
func pipe(path string) error { return os.Mkdir(path, 0o700) }
