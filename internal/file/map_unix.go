//go:build unix

package file

import (
	"fmt"
	"math"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
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

// forget lets the system take back the memory of whole pages in b.
func forget(b []byte) {
	page := uintptr(os.Getpagesize())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	from, to := (start+page-1)/page*page-start, (start+uintptr(len(b)))/page*page-start
	if int(from) < int(to) {
		unix.Madvise(b[from:to:to], unix.MADV_DONTNEED) // advice: a failure costs memory only
	}
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
