//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package train

import (
	"os"
	"syscall"
)

// tryLock locks the folder for this process until the returned function is called or
// the process ends. held says that another one has it. Where the file system knows no
// locks there is none, and no error.
func tryLock(dir string) (unlock func(), held bool, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, false, err
	}
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err {
	case nil, syscall.EBADF, syscall.ENOLCK, syscall.ENOTSUP, syscall.EINVAL:
		return func() { f.Close() }, false, nil
	case syscall.EWOULDBLOCK:
		f.Close()
		return nil, true, nil
	default:
		f.Close()
		return nil, false, &os.PathError{Op: "lock", Path: dir, Err: err}
	}
}
