//go:build unix

package file

import (
	"fmt"
	"math"
	"os"
	"syscall"
)

func mapFile(f *os.File, size int64) (*Mapping, error) {
	if size > math.MaxInt {
		return nil, fmt.Errorf("%s: %d bytes do not fit this machine's address space", f.Name(), size)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("%s: map: %w", f.Name(), err)
	}
	return &Mapping{Bytes: b, unmap: func() error { return syscall.Munmap(b) }}, nil
}

// SyncDir makes a rename inside dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
