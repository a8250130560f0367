package memory

import (
	"math"
	"runtime"
	"runtime/debug"
)

// Available returns the bytes that this process can still get without swapping or
// being killed, the least of: what the machine has free or can free, what each
// control group around the process leaves it (both known on Linux only), and what
// GOMEMLIMIT leaves, if it is set. It is 0 when none of them is known.
func Available() int64 {
	least := system()
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		left := max(limit-int64(m.Sys-m.HeapReleased), 1)
		if least == 0 || left < least {
			least = left
		}
	}
	return least
}
