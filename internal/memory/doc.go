// Package memory knows how much memory this process can still get, and how large a
// batch fits into it. It knows nothing of what the memory is for.
package memory
