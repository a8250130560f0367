package kernel

import "golang.org/x/sys/unix"

// yieldProcessor lets another thread that is ready have this processor.
func yieldProcessor() { unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
