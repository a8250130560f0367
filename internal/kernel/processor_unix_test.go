//go:build unix

package kernel_test

import "syscall"

// processor returns the processor time this process has used, in seconds: what a
// shared machine cannot take away.
func processor() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}
