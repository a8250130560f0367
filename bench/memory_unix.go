//go:build unix

package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// peakMemory returns the largest resident memory of this process so far, in bytes.
func peakMemory() (int64, error) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &u)
	scale := int64(1024)
	if runtime.GOOS == "darwin" {
		scale = 1
	}
	return int64(u.Maxrss) * scale, err
}

// processorTime returns the seconds that this process has spent on a processor.
func processorTime() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
