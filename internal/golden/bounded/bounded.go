// Package bounded is a test helper that holds parsers of outside input to the memory
// they may take. It imports nothing of this module, so that every test may use it.
package bounded

import (
	"runtime/metrics"
	"testing"
)

// Allocation runs read on an input of n bytes and fails the test if it allocates
// more than a parser of outside input may: four times the input and 64 MiB. Beyond
// fuzzing it is meant for inputs made to ask for much. What is freed in between
// counts too, and so does what other goroutines allocate meanwhile.
func Allocation(t testing.TB, n int, read func()) {
	t.Helper()
	before := allocated()
	read()
	if got, limit := allocated()-before, uint64(4*n+64<<20); got > limit {
		t.Errorf("%d bytes allocated for an input of %d, at most %d are allowed", got, n, limit)
	}
}

// allocated returns the bytes allocated since the program began.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
