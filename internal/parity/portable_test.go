//go:build !amd64 || purego

package parity

// portable says that the kernels are Go alone.
const portable = true
