//go:build !linux

package kernel

// yieldProcessor does nothing here: yielding to goroutines has to do.
func yieldProcessor() {}
