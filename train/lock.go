package train

import (
	"errors"
	"fmt"
	"io/fs"
)

// lockRun keeps other processes from training into a run directory until unlock is
// called. A directory that is not there yet is not locked, and unlock is nil.
func lockRun(dir string) (unlock func(), err error) {
	unlock, held, err := tryLock(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("run directory: %w", err)
	case held:
		return nil, fmt.Errorf("%s is in use: another process is training into it; wait for it, stop it, or name another directory", dir)
	}
	return unlock, nil
}
