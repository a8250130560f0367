//go:build linux || darwin || freebsd

package file

import "golang.org/x/sys/unix"

var full = []error{unix.ENOSPC, unix.EDQUOT}

func free(dir string) int64 {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0
	}
	return int64(s.Bavail) * int64(s.Bsize)
}
