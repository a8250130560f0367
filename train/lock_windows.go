package train

import (
	"os"
	"path/filepath"
	"syscall"
)

const (
	deleteOnClose    = 0x04000000 // FILE_FLAG_DELETE_ON_CLOSE
	sharingViolation = syscall.Errno(32)
)

// tryLock locks the folder for this process until the returned function is called or
// the process ends: by a file in it that nobody else may open and that goes with its
// handle. held says that another process has it.
func tryLock(dir string) (unlock func(), held bool, err error) {
	path := filepath.Join(dir, ".lock")
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, false, err
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_HIDDEN|deleteOnClose, 0)
	switch err {
	case nil:
		return func() { syscall.CloseHandle(h) }, false, nil
	case sharingViolation:
		return nil, true, nil
	}
	return nil, false, &os.PathError{Op: "lock", Path: path, Err: err}
}
