//go:build !unix

package main

import "runtime"

// peakMemory returns what the Go runtime took from the system, in bytes.
func peakMemory() (int64, error) {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.Sys), nil
}

// processorTime returns 0: there is no such clock here.
func processorTime() float64 { return 0 }
